"""Which pictures of a root are nearly alike, whatever they are called."""

from __future__ import annotations

from array import array
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from blake3 import blake3

from .cache import keep, read_fingerprints, recall
from .fingerprint import BYTES, ORIENTATIONS, PACKED, TOO_FLAT, Prints, all_links, components, nearest_links
from .pairing import LONE
from .verbs.ties import is_picture, lineage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .catalog import Catalog
    from .index import FileRecord, Index


_QUICK = 2000  # pictures are compared in less time than it takes to remember what was found


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


class Pictures(NamedTuple):
    """All pictures of a root that may be compared.

    Attributes:
        paths: of each; of the original of a resized one, that of the small copy.
        sources: where each is read: of such an original, in the vault.
        digests: of each.
        kinds: of each, as in `fingerprint.Prints`.
        owners: of each, a place in the list of all owners.
    """

    paths: list[str]
    sources: list[str]
    digests: list[str]
    kinds: array[int]
    owners: array[int]

    def add(self, record: FileRecord, kind: int, owner: int, original: tuple[str, str] | None = None) -> None:
        """One more, if it is whole; or its original in the vault, by place and digest."""
        if record.image is not None:
            source, digest = original or (record.path, record.digest)
            self.paths.append(record.path)
            self.sources.append(source)
            self.digests.append(digest)
            self.kinds.append(kind)
            self.owners.append(owner)


@dataclass(frozen=True)
class Likeness:
    """The pictures of a root, compared.

    Attributes:
        owners: what they belong to: ids of samples, and paths of images that are in no sample.
        pictures: the pictures.
        first: for each owner, the place of the first that it is united with.
        is_flat: for each picture, whether there is too little to see to compare it.
        load: the fingerprints of some pictures, by their places.
        cut: links that would have tied more owners together than were allowed, the nearest first.
    """

    owners: Sequence[str]
    pictures: Pictures
    first: NDArray[np.int32]
    is_flat: NDArray[np.bool_]
    load: Callable[[NDArray[np.intp]], Prints]
    cut: Sequence[Link] = ()

    @property
    def flat(self) -> list[str]:
        """Paths of pictures with too little to see to be compared."""
        return [self.pictures.paths[place] for place in np.nonzero(self.is_flat)[0].tolist()]

    @cached_property
    def paths(self) -> list[str]:
        """Of each picture that was compared."""
        return [self.pictures.paths[place] for place in np.nonzero(~self.is_flat)[0].tolist()]

    @cached_property
    def prints(self) -> Prints:
        """The fingerprints of those; `prints.owners` are places in `owners`."""
        return self.load(np.nonzero(~self.is_flat)[0])

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


def compare(
    catalog: Catalog,
    cache: Path,
    scan: Callable[[Sequence[str]], Index],
    originals: Mapping[str, str],
    *,
    remember: bool = False,
) -> Likeness:
    """Compare all pictures of a root, like role with like role, and lone images with all.

    Args:
        catalog: what there is.
        originals: where in the vault the originals of resized images are, by their digest: they have a say, too, for a
            small copy may have been cut.
        cache: the file that remembers fingerprints, and what was found of the same pictures the last time.
        scan: reads some files again, for fingerprints that nobody remembers.
        remember: whether to remember there what is found now.
    """
    owners, pictures = _collect(catalog, originals)
    name = _name(owners, pictures)

    def load(places: NDArray[np.intp]) -> Prints:
        return _prints(pictures, places, _packed(pictures, places, catalog.index, cache, scan))

    known = recall(cache, name) if len(pictures.paths) > _QUICK else None
    if known is not None and len(known) == 4 * len(owners) + len(pictures.paths):
        first = np.frombuffer(known, np.int32, len(owners))
        return Likeness(owners, pictures, first, np.frombuffer(known, np.bool_, offset=4 * len(owners)), load)
    everything = np.arange(len(pictures.paths))
    packed = _packed(pictures, everything, catalog.index, cache, scan)
    is_flat = packed[:, -1] <= TOO_FLAT
    first = components(_prints(pictures, everything[~is_flat], packed[~is_flat]), len(owners))
    if remember and len(pictures.paths) > _QUICK:
        keep(cache, name, first.tobytes() + is_flat.tobytes())
    return Likeness(owners, pictures, first, is_flat, load)


def _collect(catalog: Catalog, originals: Mapping[str, str]) -> tuple[list[str], Pictures]:
    kinds: dict[str, int] = dict.fromkeys(LONE.roles, 0)
    owners: list[str] = []
    pictures = Pictures([], [], [], array("i"), array("i"))
    for sample in catalog.samples:
        for role, records in sample.images.items():
            if is_picture(role):
                kind = kinds.setdefault(role, len(kinds))
                for record in records:
                    pictures.add(record, kind, len(owners))
                    for digest in sorted(lineage(catalog, record) & originals.keys()) if originals else ():
                        pictures.add(record, kind, len(owners), (originals[digest], digest))
        owners.append(sample.id)
    for path in catalog.unrecorded():
        pictures.add(catalog.index.by_path[path], 0, len(owners))
        owners.append(path)
    return owners, pictures


def _name(owners: Sequence[str], pictures: Pictures) -> str:
    """What all that is compared is known as: the same pictures, of the same owners, in the same order."""
    told = blake3("\0".join(owners).encode("utf-8", "surrogateescape"))
    told.update("".join(pictures.digests).encode())
    told.update(pictures.kinds.tobytes() + pictures.owners.tobytes())
    return told.hexdigest()


def _prints(pictures: Pictures, places: NDArray[np.intp], packed: NDArray[np.uint8]) -> Prints:
    hashes = np.ascontiguousarray(packed[:, :-1]).view(np.uint64).reshape(-1, ORIENTATIONS, BYTES // 8)
    kinds, owners = (np.array(of, np.int32)[places] for of in (pictures.kinds, pictures.owners))
    return Prints(hashes, kinds, owners)


def _packed(
    pictures: Pictures,
    places: NDArray[np.intp],
    index: Index,
    cache: Path,
    scan: Callable[[Sequence[str]], Index],
) -> NDArray[np.uint8]:
    """The fingerprints of some pictures, one a row: from the last scan, the cache, or else the file."""
    wanted: dict[str, list[int]] = defaultdict(list)
    for row, place in enumerate(places.tolist()):
        wanted[pictures.digests[place]].append(row)
    found = np.zeros((len(places), PACKED), np.uint8)  # a file that went away meanwhile is flat, and like no other

    def take(known: Iterable[tuple[str, bytes]]) -> None:
        for digest, packed in known:
            for row in wanted.pop(digest, ()):
                found[row] = np.frombuffer(packed, np.uint8)

    take(index.fingerprints.items())
    if wanted:
        take(read_fingerprints(cache))
    if wanted:
        take(scan([pictures.sources[places[rows[0]]] for rows in wanted.values()]).fingerprints.items())
    return found
