"""The pictures of a root, compared."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from ..cache import keep, recall
from .pictures import Pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ..catalog import Catalog
    from ..fingerprint import Prints
    from ..index import Index

RADIUS = 31
"""Bits of 256 by which two fingerprints of one picture may differ: what PDQ's authors advise for a match."""

_CROWD = 1000  # pictures of one group: between more, there may be more links than memory
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


@dataclass(frozen=True)
class Likeness:
    """The pictures of a root, compared.

    Attributes:
        pictures: the pictures, and what they belong to.
        first: for each owner, the place of the first that it is united with.
        is_flat: for each picture 1 where there is too little to see to compare it, else 0.
        load: the fingerprints of some pictures, by their places. Loads numpy.
        cut: links that would have tied more owners together than were allowed, the nearest first.
        whole: what was found before any link was cut; None where none was.
    """

    pictures: Pictures
    first: array[int]
    is_flat: bytes
    load: Callable[[Sequence[int]], Prints]
    cut: Sequence[Link] = ()
    whole: Likeness | None = None

    @property
    def flat(self) -> list[str]:
        """Paths of pictures with too little to see to be compared."""
        return [path for path, flat in zip(self.pictures.paths, self.is_flat, strict=True) if flat]

    @cached_property
    def groups(self) -> dict[str, str]:
        """For each owner that is nearly like another, a name that all of these share."""
        times = Counter(self.first)
        if len(times) == len(self.first):
            return {}
        names: dict[int, str] = {}
        for name, top in zip(self.pictures.names, self.first, strict=True):
            if times[top] > 1:
                names[top] = min(names.get(top, name), name)
        pairs = zip(self.pictures.names, self.first, strict=True)
        return {name: names[top] for name, top in pairs if top in names}

    def capped(self, most: int) -> Likeness:
        """The same, but no group has more owners than `most`: the widest links that would make it so are cut.

        In a group of more than a thousand pictures, only those links are looked at that hold it together.
        """
        first = array("i", self.first)
        cut: list[Link] = []
        for members in self._members.values():
            owners = {self._owner(member) for member in members}
            if len(owners) <= most:
                continue
            parts = {owner: {owner} for owner in owners}
            few = len(members) <= _CROWD
            found = self._prints.all_links(members, RADIUS) if few else self._prints.nearest_links(members)
            for link, left, right in sorted((self._link(*link), *link[:2]) for link in found):
                one, other = (parts[self._owner(member)] for member in (left, right))
                if one is other:
                    continue
                if len(one) + len(other) > most:
                    cut.append(link)
                    continue
                one |= other
                parts |= dict.fromkeys(other, one)
            for owner, part in parts.items():
                first[owner] = min(part)
        return replace(self, first=first, cut=sorted(cut), whole=self)

    def across(self, splits: Mapping[str, str]) -> Iterator[tuple[int, tuple[str, str], tuple[str, str]]]:
        """All pairs of pictures that are nearly alike and belong to owners in different splits.

        Args:
            splits: of each owner that counts.

        Yields:
            The bits in which they differ, and of both the path and the owner.
        """
        for members in self._members.values():
            counted = [member for member in members if self._name(member) in splits]
            if len({splits[self._name(member)] for member in counted}) > 1:
                for left, right, bits in self._prints.all_links(counted, RADIUS):
                    one, other = self._name(left), self._name(right)
                    if splits[one] != splits[other]:
                        yield bits, (self._path(left), one), (self._path(right), other)

    @property
    def looks_at_all(self) -> bool:
        """Whether there are so few pictures that each can be compared with each, however unlike they are."""
        return len(self.pictures.paths) <= _QUICK

    def nearest_across(self, splits: Mapping[str, str]) -> Link | None:
        """The two nearest pictures that belong to owners in different splits.

        Args:
            splits: of each owner that counts.

        Returns:
            The link; None when nothing can be compared, or, where `looks_at_all` is not so, when none within the radius
            is in two splits.
        """
        if not self.looks_at_all:
            found_across = (self.whole or self).across(splits)
            pairs = ((bits, sorted((one[0], other[0]))) for bits, one, other in found_across)
            return min((Link(bits, *paths) for bits, paths in pairs), default=None)
        places = [place for place, flat in enumerate(self.is_flat) if not flat]
        numbers = {name: number for number, name in enumerate(sorted(set(splits.values())))}
        names = (self.pictures.names[self.pictures.owners[place]] for place in places)
        parts = [numbers[splits[name]] if name in splits else -1 for name in names]
        found = self.load(places).nearest(parts) if len(set(parts)) > 1 else None
        if found is None:
            return None
        left, right = sorted(self.pictures.paths[places[place]] for place in found[:2])
        return Link(found[2], left, right)

    def links(self) -> Iterator[tuple[str, list[Link]]]:
        """For each group, the fewest and nearest links that hold it together, nearest first."""
        for top, members in self._members.items():
            links = (self._link(*link) for link in self._prints.nearest_links(members))
            yield self.groups[self.pictures.names[top]], sorted(links)

    @cached_property
    def _places(self) -> list[int]:
        """The places of the pictures that are in groups."""
        tops = {top for top, times in Counter(self.first).items() if times > 1}
        compared = enumerate(zip(self.pictures.owners, self.is_flat, strict=True))
        return [place for place, (owner, flat) in compared if not flat and self.first[owner] in tops] if tops else []

    @cached_property
    def _prints(self) -> Prints:
        return self.load(self._places)

    @cached_property
    def _members(self) -> dict[int, list[int]]:
        """Of each group, by the place of its first owner, the numbers of its prints, in the order of their paths."""
        members: dict[int, list[int]] = defaultdict(list)
        for member in sorted(range(len(self._places)), key=self._path):
            members[self.first[self._owner(member)]].append(member)
        return dict(sorted(members.items()))

    def _path(self, member: int) -> str:
        return self.pictures.paths[self._places[member]]

    def _owner(self, member: int) -> int:
        return self.pictures.owners[self._places[member]]

    def _name(self, member: int) -> str:
        return self.pictures.names[self._owner(member)]

    def _link(self, one: int, other: int, bits: int) -> Link:
        left, right = sorted((self._path(one), self._path(other)))
        return Link(bits, left, right)


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
        cache: the file that remembers fingerprints, and what was found of the same pictures the last time.
        scan: reads some files again, for fingerprints that nobody remembers.
        originals: where in the vault the originals of resized images are, by their digest: they have a say, too, for a
            small copy may have been cut.
        remember: whether to remember there what is found now.
    """
    pictures = Pictures.of(catalog, originals)
    fresh = catalog.index.fingerprints

    def load(places: Sequence[int]) -> Prints:
        from . import prints

        return prints.load(pictures, places, prints.Source(fresh, cache, scan))

    first = array("i")
    size, many = first.itemsize * len(pictures.names), len(pictures.paths) > _QUICK
    name = pictures.known_as() if many else ""
    known = recall(cache, name) if many else None
    if known is not None and len(known) == size + len(pictures.paths):
        first.frombytes(known[:size])
        return Likeness(pictures, first, known[size:], load)
    from . import prints

    first, is_flat, is_whole = prints.find_alike(pictures, prints.Source(fresh, cache, scan), RADIUS)
    if remember and many and is_whole:
        keep(cache, name, first.tobytes() + is_flat)
    return Likeness(pictures, first, is_flat, load)
