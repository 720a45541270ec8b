"""What is recognised of photographs that were changed: imgstage, imagededup and cleanvision on one folder.

    python -m benchmarks.duplicates FOLDER... [--photographs 150] [--others 1000]

After the protocol of UKBench-transformed: each photograph lies there as it is and in eight versions, among others that
are like none of them. A version is found when it is said to be like its original; for imgstage, when it is in one group
with it. Precision is the share of what is right among all pairs that are said to be alike. Needs imagededup and
cleanvision; one that is not installed is left out. CPU seconds are those of the whole job, reading included.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections import defaultdict
from importlib import import_module
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from benchmarks.common import print_table, versions
from benchmarks.match import TRANSFORMS
from imgstage import Dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PARTS = {"imagededup": "imagededup.methods"}
_SMALL = 128  # pixels: of less, nobody keeps versions


def photographs(folders: Iterable[Path], wanted: int) -> list[Path]:
    """So many photographs, spread evenly over all folders."""
    paths = sorted(p for folder in folders for p in folder.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
    good = []
    for path in paths:
        with Image.open(path) as image:
            if min(image.size) >= _SMALL and image.mode in ("L", "RGB"):
                good.append(path)
    return [good[number * len(good) // wanted] for number in range(wanted)] if len(good) >= wanted else good


def fill(folder: Path, chosen: list[Path], versions_of: int) -> dict[str, tuple[int, str]]:
    """Write originals, versions and others; the number of the photograph and the transform of each, by its stem."""
    meaning: dict[str, tuple[int, str]] = {}
    for number, path in enumerate(chosen):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        image.save(folder / f"{number:05d}_0.png")
        meaning[f"{number:05d}_0"] = (number, "")
        for place, (name, way) in enumerate(TRANSFORMS.items() if number < versions_of else (), start=1):
            changed, image_format, quality = way(image)
            stem = f"{number:05d}_{place}"
            options = {"quality": quality} if quality else {}
            changed.save(folder / f"{stem}.{image_format.lower()}", image_format, **options)
            meaning[stem] = (number, name)
    return meaning


def by_imgstage(folder: Path) -> set[tuple[str, str]]:
    """Pairs that share a group."""
    (folder.parent / "imgstage.toml").write_text('[pairing]\nimage = "{key}"\n')
    return {
        (one, other)
        for cluster in Dataset(folder.parent).groups()
        for one, other in combinations(sorted(key for key, _ in cluster.samples), 2)
    }


def by_imagededup(folder: Path) -> set[tuple[str, str]]:
    """Pairs whose perceptual hashes differ in ten bits at most, its default."""
    from imagededup.methods import PHash

    found = PHash(verbose=False).find_duplicates(image_dir=str(folder), num_enc_workers=0, num_dist_workers=0)
    return {
        (min(a, b), max(a, b)) for one, of in found.items() for a, b in [(Path(one).stem, Path(x).stem) for x in of]
    }


def by_cleanvision(folder: Path) -> set[tuple[str, str]]:
    """Pairs in its sets of exact and near duplicates."""
    from cleanvision import Imagelab

    lab = Imagelab(data_path=str(folder))
    lab.find_issues({"near_duplicates": {}, "exact_duplicates": {}}, n_jobs=1, verbose=False)
    sets = [of for kind in ("near_duplicates", "exact_duplicates") for of in lab.info[kind]["sets"]]
    return {pair for of in sets for pair in combinations(sorted(Path(path).stem for path in of), 2)}


WAYS: dict[str, tuple[str, Callable[[Path], set[tuple[str, str]]]]] = {
    "imgstage": ("imgstage", by_imgstage),
    "imagededup PHash": ("imagededup", by_imagededup),
    "cleanvision": ("cleanvision", by_cleanvision),
}


def judge(pairs: set[tuple[str, str]], meaning: dict[str, tuple[int, str]]) -> dict[str, str]:
    """How much was found of each transform, and how much of what was found is right, in per cent."""
    found: dict[str, int] = defaultdict(int)
    right = 0
    for one, other in pairs:
        (first, way), (second, other_way) = meaning[one], meaning[other]
        if first == second:
            right += 1
            if not way or not other_way:
                found[way or other_way] += 1
    of = sum(1 for _, way in meaning.values() if way == next(iter(TRANSFORMS)))
    table = {name: f"{100 * found[name] / of:.1f}" for name in TRANSFORMS}
    wrong = len(pairs) - right
    return table | {"precision": f"{100 * right / max(1, len(pairs)):.2f} ({wrong:,} of {len(pairs):,} wrong)"}


def wrong(pairs: set[tuple[str, str]], meaning: dict[str, tuple[int, str]], chosen: list[Path]) -> dict[str, int]:
    """Two photographs that are said to be alike, and of how many of their versions."""
    found: dict[str, int] = defaultdict(int)
    for one, other in pairs:
        first, second = meaning[one][0], meaning[other][0]
        if first != second:
            found[f"{chosen[first].name} and {chosen[second].name}"] += 1
    return found


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--photographs", type=int, default=150)
    parser.add_argument("--others", type=int, default=1000)
    given = parser.parse_args()
    columns: dict[str, dict[str, str]] = {}
    doubtful: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "stage_data"
        folder.mkdir()
        chosen = photographs(given.folders, given.photographs + given.others)
        count = min(given.photographs, len(chosen))
        changed = [chosen[number * len(chosen) // count] for number in range(count)]
        rest = [path for path in chosen if path not in set(changed)]
        chosen = [*changed, *rest]
        meaning = fill(folder, chosen, len(changed))
        for name, (module, way) in WAYS.items():
            if find_spec(module):
                import_module(_PARTS.get(module, module))  # what loading takes is not counted
                start = time.process_time()
                with contextlib.redirect_stdout(io.StringIO()):
                    pairs = way(folder)
                seconds = time.process_time() - start
                columns[name] = judge(pairs, meaning) | {"CPU s": f"{seconds:.1f}"}
                doubtful[name] = wrong(pairs, meaning, chosen)
    rows = [[what, *(of[what] for of in columns.values())] for what in (*TRANSFORMS, "precision", "CPU s")]
    title = f"{len(changed)} photographs in 9 versions, {len(rest):,} others, %"
    print_table([title, *columns], rows)
    for name, of in doubtful.items():
        shown = "; ".join(f"{what} ({count})" for what, count in list(of.items())[:3])
        sys.stdout.write(f"\n{name} takes {len(of)} pairs of photographs for one{': ' if shown else ''}{shown}\n")
    there = [module for module, _ in WAYS.values() if find_spec(module)]
    sys.stdout.write("\n" + versions("pillow", *there) + "\n")


if __name__ == "__main__":
    main()
