"""Which samples a split has, by the names of its files alone."""

from __future__ import annotations

import gc
import os
from collections import Counter, defaultdict
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import ledger, pairing, settings
from ..errors import RefusedError, UsageError
from ..formats import SUFFIXES
from ..pairing import SIDECAR
from ..root import DEFAULT_RATIOS, Root, did_you_mean, find_layout, is_root, show
from .listing_cache import ListingCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


class Entry(NamedTuple):
    """A sample.

    Attributes:
        key: what its images' names have in common, with their folders.
        label: the first folder of its key: the class, where images are sorted into class folders.
        images: of each role, in the order of `Listing.roles`, the paths below the root's folder.
    """

    key: str
    label: str
    images: tuple[tuple[str, ...], ...]


class Listing(NamedTuple):
    """The samples of a split.

    Attributes:
        folder: the root's folder.
        roles: what each sample has, such as `("before", "after")`.
        entries: sorted by label, then by folder and name, as torchvision's `ImageFolder` has them.
        left_out: images that belong to no whole sample.
    """

    folder: Path
    roles: tuple[str, ...]
    entries: tuple[Entry, ...]
    left_out: int


def list_split(folder: Path, split: str, roles: Sequence[str] | None = None) -> Listing:
    """Find the samples of a split: those that lie in its folder, else those that `splits.csv` gives to it.

    Args:
        folder: a root, or any folder that holds a folder for each split.
        split: its name.
        roles: those that are wanted, in this order; None takes all that the names tell.

    Raises:
        RefusedError: there is no such split yet, or nothing whole in it; or its names can be read in two ways.
        UsageError: its samples have no such roles, or are of several kinds.
    """
    root = Root(folder)
    if not folder.is_dir():
        problem = f"{show(str(folder))} is no folder"
        raise RefusedError(problem, "Give the one that holds the splits")
    within = find_layout(folder, [split]).folder(split)
    kept = ListingCache(root, f"{within} {roles}")
    with _no_cycles():
        if found := kept.recall():
            return _from_json(folder, found)
        folders, images = _walk(folder, within, kept.stamp)
        if images:
            listing = _list(root, split, roles, {path.partition("/")[2]: path for path in images})
            kept.keep(folders, len(images), _as_json(listing))
            return listing
        rows = [row for row in ledger.read(root) if row.split == split and row.role != SIDECAR]
        there = [row.path for row in rows if (folder / row.path).is_file()]
        return _list(root, split, roles, {path.partition("/")[2]: path for path in there})


def _how_to_get(root: Root, split: str) -> str:
    folder = show(str(root.path))
    known = dict.fromkeys([*DEFAULT_RATIOS, *(row.split for row in ledger.read(root) if row.split)])
    if others := tuple(of for of in known if of != split and (root.path / of).is_dir()):
        return did_you_mean(split, others)
    if not is_root(root.path):
        return f"Make a root and copy its images in: imgstage init data, then imgstage -C data add {folder}"
    return f"Make it with: imgstage -C {folder} split"


def _list(root: Root, split: str, roles: Sequence[str] | None, places: dict[str, str]) -> Listing:
    folder = root.path
    if not places:
        problem = f"{show(str(folder))} holds no images of the split {split!r}"
        raise RefusedError(problem, _how_to_get(root, split))
    found = pairing.detect(places, settings.read(root).pairing)
    samples: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    keys: dict[str, str] = {}
    whole: dict[str, tuple[str, ...]] = {}
    for name, slot in pairing.read_all(found).items():
        samples[slot.sample][slot.role].append(name)
        keys.setdefault(slot.sample, slot.name)
        whole[slot.sample] = slot.rule.roles
    complete = {
        sample: of
        for sample, of in samples.items()
        if of.keys() == set(whole[sample]) and (roles is None or set(roles) <= of.keys())
    }
    chosen = _chosen(folder, split, [whole[sample] for sample in complete], roles, set().union(*whole.values()))
    entries = [_entry(keys[sample], _paths(of, chosen, places)) for sample, of in complete.items()]
    used = sum(len(paths) for of in complete.values() for paths in of.values())
    return Listing(folder, chosen, tuple(sorted(entries, key=_rank)), len(places) - used)


def _entry(key: str, images: tuple[tuple[str, ...], ...]) -> Entry:
    label, slash, _ = key.partition("/")
    return Entry(key, label if slash else "", images)


@contextmanager
def _no_cycles() -> Iterator[None]:
    """Without Python's cycle collector, which would look for cycles among a million small tuples, and find none."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _as_json(listing: Listing) -> dict[str, Any]:
    return {
        "roles": listing.roles,
        "left_out": listing.left_out,
        "samples": [[entry.key, entry.images] for entry in listing.entries],
    }


def _from_json(folder: Path, found: dict[str, Any]) -> Listing:
    entries = tuple(_entry(key, tuple(map(tuple, images))) for key, images in found["samples"])
    return Listing(folder, tuple(found["roles"]), entries, found["left_out"])


def _walk(folder: Path, within: str, stamp: Callable[[str], Any]) -> tuple[dict[str, Any], list[str]]:
    """The folders below a place, each with the stamp that it had before it was listed, and the files called as images.

    Paths are below `folder`, in no order. Links to folders are not followed.
    """
    stamps: dict[str, Any] = {}
    images: list[str] = []
    waiting = [within]
    while waiting:
        place = waiting.pop()
        stamps[place] = stamp(place)
        with suppress(OSError), os.scandir(folder / place) as entries:
            for entry in entries:
                name = entry.name
                if name[0] == ".":
                    continue
                if name[name.rfind(".") :].lower() in SUFFIXES and not entry.is_dir():
                    images.append(f"{place}/{name}")
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{place}/{name}")
    return stamps, images


def _chosen(
    folder: Path, split: str, kinds: list[tuple[str, ...]], roles: Sequence[str] | None, known: set[str]
) -> tuple[str, ...]:
    """The roles that every sample has, in their order."""
    where = f"{show(str(folder))}, split {split!r}"
    if roles is not None and not kinds:
        problem = f"In {where}, no sample has the roles {', '.join(roles)}"
        raise UsageError(problem, f"There are: {', '.join(sorted(known)) or 'none'}")
    if not kinds:
        problem = f"In {where}, no sample is whole"
        raise RefusedError(problem, f"See what is wrong with: imgstage -C {show(str(folder))} status")
    if roles is not None:
        return tuple(roles)
    counts = Counter(kinds)
    if len(counts) > 1:
        told = "; ".join(f"{count:,} with {', '.join(kind)}" for kind, count in counts.most_common(3))
        problem = f"In {where}, samples are of several kinds: {told}"
        raise UsageError(problem, "Say with roles= which are wanted")
    return kinds[0]


def _paths(of: dict[str, list[str]], roles: tuple[str, ...], places: dict[str, str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(places[name] for name in sorted(of[role])) for role in roles)


def _rank(entry: Entry) -> tuple[str, str, str]:
    base, _, name = entry.images[0][0].rpartition("/")
    return entry.label, base, name
