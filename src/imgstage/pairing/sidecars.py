"""Which sample a sidecar goes with."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ..root import fold
from .detect import stem_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def attach(
    sidecars: Iterable[str], samples: Mapping[str, str], keys: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Find the sample of each sidecar.

    A sidecar goes with an image of its stem (`x.txt`, `x.jpg`), of its whole name (`x.jpg.json`), or with a sample of
    that key (`x.json` beside `x_before.jpg`), in the same folder or in a parallel folder without images
    (`Annotations/x.xml`, `JPEGImages/x.jpg`).

    Args:
        sidecars: paths below `stage_data/`.
        samples: for each image's path, a handle of its sample.
        keys: the key of each sample, by its handle.

    Returns:
        For each sidecar that goes with exactly one sample, or with those of one name, that sample; for each other, why
        not.
    """
    beside: dict[str, set[str]] = defaultdict(set)
    parallel: dict[str, set[str]] = defaultdict(set)
    image_folders: set[str] = set()
    first: dict[str, str] = {}
    for path, sample in samples.items():
        first[sample] = min(path, first.get(sample, path))
        folder = fold(path.rpartition("/")[0])
        image_folders.add(folder)
        names = {fold(stem_of(path)), fold(path), fold(keys[sample])}
        for name in names:
            beside[name].add(sample)
        for name in names:
            for pattern in _patterns(name):
                parallel[pattern].add(sample)
    found: dict[str, str] = {}
    astray: dict[str, str] = {}
    for path in sidecars:
        stem = fold(stem_of(path))
        candidates = beside.get(stem, set())
        if not candidates and stem.rpartition("/")[0] not in image_folders:
            candidates = {sample for pattern in _patterns(stem) for sample in parallel.get(pattern, ())}
        if (
            len({fold(keys[sample]) for sample in candidates}) == 1
        ):  # of `x.jpg` and `x.png`, which share a split, the first
            found[path] = min(candidates, key=first.__getitem__)
        elif candidates:
            several = ", ".join(sorted(keys[sample] for sample in candidates)[:3])
            astray[path] = f"a sidecar of {len(candidates)} samples at once: {several}"
        else:
            astray[path] = "no image beside it, or in a folder parallel to its own, has this name"
    return found, astray


def _patterns(name: str) -> Iterable[str]:
    """The name with each of its folders left open in turn."""
    parts = name.split("/")
    for position in range(len(parts) - 1):
        yield "/".join([*parts[:position], "*", *parts[position + 1 :]])
