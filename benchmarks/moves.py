"""Applying a plan, and a whole split, beside a bare loop of `os.rename` over the same list of files.

    python -m benchmarks.moves [--files 1000,10000,100000] [--repeats 3]

In each repeat, one after the other over the same files: the bare loop, a ready plan of `split` applied, and on a root
that was scanned before the commands `imgstage status` and `imgstage split`. Each in a process of its own; medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.common import imgstage, in_a_new_process, print_table, versions
from imgstage import Dataset
from imgstage.images import encode

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


def bare(folder: Path) -> float:
    """Seconds that a bare loop of `os.rename` takes over what `split` would move; then everything goes back."""
    plan = Dataset(folder).plan_split()
    pairs = [pair for pair in plan.moves() if pair[0].startswith("stage_data")]
    for parent in {os.path.dirname(target) for _, target in pairs}:
        (folder / parent).mkdir(parents=True, exist_ok=True)
    moves = [(os.path.join(folder, source), os.path.join(folder, target)) for source, target in pairs]
    start = time.perf_counter()
    for source, target in moves:
        os.rename(source, target)
    seconds = time.perf_counter() - start
    for source, target in moves:
        os.rename(target, source)
    return seconds


def ready(folder: Path) -> float:
    """Seconds that a ready plan of `split` takes to be applied, whole and durable; then it is undone."""
    plan = Dataset(folder).plan_split()
    start = time.perf_counter()
    plan.apply()
    seconds = time.perf_counter() - start
    Dataset(folder).undo()
    return seconds


def warm(folder: Path) -> None:
    """Scan the root when its files are old enough to be remembered."""
    time.sleep(_SETTLE_S)
    imgstage(folder, "status")


def measure(folder: Path, repeats: int) -> dict[str, float]:
    """Medians of one root."""
    figures: dict[str, list[float]] = {
        name: [] for name in ("bare", "ready", "split", "split_cpu", "split_mb", "status", "status_cpu", "status_mb")
    }
    for _ in range(repeats):
        for name, job in (("bare", bare), ("ready", ready)):
            warm(folder)
            figures[name].append(in_a_new_process(job, folder))
        warm(folder)
        for verb in ("status", "split"):
            done = imgstage(folder, verb, "--json")
            figures[verb].append(done.wall_s)
            figures[f"{verb}_mb"].append(done.peak_mb)
            figures[f"{verb}_cpu"].append(done.cpu_s)
        imgstage(folder, "undo")
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
            in_a_new_process(make_root, Path(folder), files)
            found = measure(Path(folder), options.repeats)
        rows.append(
            [
                f"{files:,}",
                f"{found['bare']:.2f} s",
                f"{found['ready']:.2f} s ({found['ready'] / found['bare']:.1f}x)",
                f"{found['split']:.2f} s ({found['split'] / found['bare']:.1f}x), {found['split_mb']:.0f} MB",
                f"{found['status']:.2f} s, {found['status_cpu']:.2f} s of CPU, {found['status_mb']:.0f} MB",
            ]
        )
    print_table(["files", "bare os.rename", "ready plan applied", "whole warm split", "warm status"], rows)
    sys.stdout.write(versions("imgstage") + "\n")


if __name__ == "__main__":
    main()
