"""Which pictures of a root are nearly alike, whatever they are called."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .cache import read_fingerprints
from .fingerprint import BYTES, ORIENTATIONS, PACKED, TOO_FLAT, Prints, all_links, components, nearest_links
from .pairing import LONE
from .verbs.ties import is_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .catalog import Catalog
    from .index import Index


class Link(NamedTuple):
    """Two pictures that are nearly alike.

    Attributes:
        bits: of 256, in which their fingerprints differ.
        left: path of the one.
        right: path of the other.
    """

    bits: int
    left: str
    right: str


@dataclass(frozen=True)
class Likeness:
    """The pictures of a root, compared.

    Attributes:
        owners: what they belong to: ids of samples, and paths of images that are in no sample.
        paths: of each picture that was compared.
        prints: their fingerprints; `prints.owners` are places in `owners`.
        first: for each owner, the place of the first that it is united with.
        flat: paths of pictures with too little to see to be compared.
        cut: links that would have tied more owners together than were allowed, the nearest first.
    """

    owners: Sequence[str]
    paths: Sequence[str]
    prints: Prints
    first: NDArray[np.int32]
    flat: Sequence[str]
    cut: Sequence[Link] = ()

    @cached_property
    def groups(self) -> dict[str, str]:
        """For each owner that is nearly like another, a name that all of these share."""
        times = np.bincount(self.first, minlength=len(self.first))
        together = np.nonzero(times[self.first] > 1)[0]
        names: dict[int, str] = {}
        for place in together.tolist():
            name, top = self.owners[place], int(self.first[place])
            names[top] = min(names.get(top, name), name)
        return {self.owners[place]: names[int(self.first[place])] for place in together.tolist()}

    def capped(self, most: int) -> Likeness:
        """The same, but no group has more owners than `most`: the widest links that would make it so are cut."""
        first = np.array(self.first)
        cut: list[Link] = []
        for places in self._members().values():
            owners = self.prints.owners[places]
            if len(np.unique(owners)) <= most:
                continue
            first[owners] = owners
            parts = {int(owner): {int(owner)} for owner in owners}
            links = [(self._link(one, other, bits), one, other) for one, other, bits in all_links(self.prints, places)]
            for link, left, right in sorted(links):
                one, other = (parts[int(self.prints.owners[place])] for place in (left, right))
                if one is other:
                    continue
                if len(one) + len(other) > most:
                    cut.append(link)
                    continue
                one |= other
                parts |= dict.fromkeys(other, one)
            for part in parts.values():
                first[list(part)] = min(part)
        return replace(self, first=first, cut=sorted(cut))

    def _link(self, one: int, other: int, bits: int) -> Link:
        left, right = sorted((self.paths[one], self.paths[other]))
        return Link(bits, left, right)

    def _members(self) -> dict[int, NDArray[np.intp]]:
        """The places of the pictures of each group, in the order of their paths, by the place of its first owner."""
        members: dict[int, list[int]] = defaultdict(list)
        for place, owner in enumerate(self.prints.owners.tolist()):
            if self.owners[owner] in self.groups:
                members[int(self.first[owner])].append(place)
        return {top: np.array(sorted(places, key=self.paths.__getitem__)) for top, places in members.items()}

    def across(self, splits: Mapping[str, str]) -> Iterator[tuple[int, tuple[str, str], tuple[str, str]]]:
        """All pairs of pictures that are nearly alike and belong to owners in different splits.

        Args:
            splits: of each owner that counts.

        Yields:
            The bits in which they differ, and of both the path and the owner.
        """
        numbers = {name: number for number, name in enumerate(sorted(set(splits.values())))}
        split = np.array([numbers[splits[name]] if name in splits else -1 for name in self.owners], np.int32)
        for places in self._members().values():
            counted = places[split[self.prints.owners[places]] >= 0]
            if len(set(split[self.prints.owners[counted]].tolist())) > 1:
                for left, right, bits in all_links(self.prints, counted):
                    one, other = (int(self.prints.owners[place]) for place in (left, right))
                    if split[one] != split[other]:
                        yield bits, (self.paths[left], self.owners[one]), (self.paths[right], self.owners[other])

    def links(self) -> Iterator[tuple[str, list[Link]]]:
        """For each group, the fewest and nearest links that hold it together, nearest first."""
        for top, places in self._members().items():
            links = (self._link(*link) for link in nearest_links(self.prints, places))
            yield self.groups[self.owners[top]], sorted(links)


def compare(catalog: Catalog, cache: Path, scan: Callable[[Sequence[str]], Index]) -> Likeness:
    """Compare all pictures of a root, like role with like role, and lone images with all.

    Args:
        catalog: what there is.
        cache: the file that remembers fingerprints.
        scan: reads some files again, for fingerprints that nobody remembers.
    """
    kinds: dict[str, int] = dict.fromkeys(LONE.roles, 0)
    owners: list[str] = []
    pictures: list[tuple[str, str, int, int]] = []
    for sample in catalog.samples:
        for role, records in sample.images.items():
            if is_picture(role):
                kind = kinds.setdefault(role, len(kinds))
                pictures += [(r.path, r.digest, kind, len(owners)) for r in records if r.image is not None]
        owners.append(sample.id)
    for path in catalog.unrecorded():
        record = catalog.index.by_path[path]
        if record.image is not None:
            pictures.append((path, record.digest, 0, len(owners)))
            owners.append(path)
    known = _fingerprints(catalog.index, cache, scan, {digest: path for path, digest, _, _ in pictures})
    packed = np.frombuffer(b"".join(known[digest] for _, digest, _, _ in pictures), np.uint8).reshape(-1, PACKED)
    flat = packed[:, -1] <= TOO_FLAT
    told = [one for one, too_flat in zip(pictures, flat.tolist(), strict=True) if not too_flat]
    hashes = np.ascontiguousarray(packed[~flat, :-1]).view(np.uint64).reshape(-1, ORIENTATIONS, BYTES // 8)
    numbers = np.array([(kind, owner) for _, _, kind, owner in told], np.int32).reshape(-1, 2)
    prints = Prints(hashes, numbers[:, 0], numbers[:, 1])
    too_flat = tuple(path for (path, *_), is_flat in zip(pictures, flat.tolist(), strict=True) if is_flat)
    return Likeness(owners, [path for path, *_ in told], prints, components(prints, len(owners)), too_flat)


def _fingerprints(
    index: Index, cache: Path, scan: Callable[[Sequence[str]], Index], wanted: Mapping[str, str]
) -> dict[str, bytes]:
    """The fingerprint of each digest of which a path is given: from the last scan, the cache, or else the file."""
    known = {digest: packed for digest, packed in index.fingerprints.items() if digest in wanted}
    if len(known) < len(wanted):
        known |= {digest: packed for digest, packed in read_fingerprints(cache) if digest in wanted}
    missing = [path for digest, path in wanted.items() if digest not in known]
    if missing:
        known |= scan(missing).fingerprints
    gone = b"\0" * PACKED  # a file that went away meanwhile is like no other
    return {digest: known.get(digest, gone) for digest in wanted}
