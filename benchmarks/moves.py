"""Applying a plan, and a whole split, beside a bare loop of `os.rename` over the same list of files.

    python benchmarks/moves.py [--files 1000,10000,100000] [--repeats 3]

In each repeat, one after the other over the same files: the bare loop (and back), a ready plan of `split` applied, the
whole command `imgstage split` in a process of its own on a root that was scanned before, `imgstage status`. Medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common import imgstage, print_table, versions
from imgstage import Dataset
from imgstage.images import encode

if TYPE_CHECKING:
    from collections.abc import Iterable

_SETTLE_S = 2.5  # what was hashed within two seconds of its last change is not remembered


def make_root(folder: Path, files: int) -> None:
    """A root of pairs of small PNGs, no two alike, a thousand files a folder."""
    rng = np.random.default_rng(0)
    for number in range(files // 2):
        place = folder / "stage_data" / f"day_{number // 500:03d}"
        place.mkdir(parents=True, exist_ok=True)
        for role in ("before", "after"):
            pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
            (place / f"scene_{number:06d}_{role}.png").write_bytes(encode(pixels, "PNG"))


def rename_all(folder: Path, pairs: Iterable[tuple[str, str]]) -> float:
    """Seconds that the bare loop takes; the folders are there already."""
    absolute = [(os.path.join(folder, source), os.path.join(folder, target)) for source, target in pairs]
    start = time.perf_counter()
    for source, target in absolute:
        os.rename(source, target)
    return time.perf_counter() - start


def measure(folder: Path, repeats: int) -> dict[str, float]:
    """Medians of one root."""
    figures: dict[str, list[float]] = {
        name: [] for name in ("bare", "apply", "split", "split_mb", "status", "status_mb")
    }
    for _ in range(repeats):
        Dataset(folder).status()
        plan = Dataset(folder).plan_split()
        pairs = [pair for pair in plan.moves() if pair[0].startswith("stage_data")]
        for parent in {os.path.dirname(target) for _, target in pairs}:
            (folder / parent).mkdir(parents=True, exist_ok=True)
        figures["bare"].append(rename_all(folder, pairs))
        rename_all(folder, [(target, source) for source, target in pairs])
        plan = Dataset(folder).plan_split()
        start = time.perf_counter()
        plan.apply()
        figures["apply"].append(time.perf_counter() - start)
        del plan
        Dataset(folder).undo()
        time.sleep(_SETTLE_S)
        Dataset(folder).status()
        for verb in ("status", "split"):
            run = imgstage(folder, verb, "--json")
            json.loads(run.output)
            figures[verb].append(run.wall_s)
            figures[f"{verb}_mb"].append(run.peak_mb)
        Dataset(folder).undo()
        time.sleep(_SETTLE_S)
    return {name: statistics.median(values) for name, values in figures.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", default="1000,10000,100000")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    rows = []
    for files in (int(part) for part in options.files.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            make_root(Path(folder), files)
            found = measure(Path(folder), options.repeats)
        rows.append(
            [
                f"{files:,}",
                f"{found['bare']:.2f} s",
                f"{found['apply']:.2f} s ({found['apply'] / found['bare']:.1f}x)",
                f"{found['split']:.2f} s ({found['split'] / found['bare']:.1f}x), {found['split_mb']:.0f} MB",
                f"{found['status']:.2f} s, {found['status_mb']:.0f} MB",
            ]
        )
    print_table(["files", "bare os.rename", "ready plan applied", "whole warm split", "warm status"], rows)
    sys.stdout.write(versions("imgstage") + "\n")


if __name__ == "__main__":
    main()
