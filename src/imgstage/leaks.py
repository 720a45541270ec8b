"""What lies in two splits and should not: the same picture, nearly the same, or one group. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import combinations
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from .bonds import Kind
from .root import HELD, STAGE, TRAIN, show
from .verbs.ties import find_pictures, is_picture, lineage

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from .catalog import Catalog, Sample
    from .likeness import Likeness

TEST = "test"
"""The split that never changes when leaks are mended."""

_WORST_FIRST = {Kind.SAME: 0, Kind.ALIKE: 1, Kind.GROUP: 2}
_LARGE = 500  # of so many, each with each would be too many pairs


class Side(NamedTuple):
    """One of the two.

    Attributes:
        path: of the picture.
        sample: the id of its sample.
        split: where it lies.
    """

    path: str
    sample: str
    split: str


class Leak(NamedTuple):
    """Two samples of different splits that must not be in two.

    Attributes:
        kind: what they have in common.
        bits: of 256, in which two pictures' fingerprints differ; 0 for the other kinds.
        lesser: the one that one would rather set aside: that of train.
        other: the other.
        group: the name of the group that they share.
    """

    kind: Kind
    bits: int
    lesser: Side
    other: Side
    group: str = ""

    @property
    def rank(self) -> tuple[int, int, Side, Side]:
        """Its place among others: the worst come first."""
        return _WORST_FIRST[self.kind], self.bits, self.lesser, self.other

    @property
    def sentence(self) -> str:
        """What the lesser one has in common with the other."""
        other = f"{show(self.other.path)} ({self.other.split})"
        if self.kind is Kind.SAME:
            return f"it is, or was, the same picture as {other}"
        if self.kind is Kind.ALIKE:
            return f"it looks nearly like {other}: {self.bits} of 256 bits differ"
        return f"it is of the group {show(self.group)}, as is {other}"


@dataclass(frozen=True)
class Leaks:
    """Everything that lies in two splits and should not.

    Attributes:
        sets: samples of which all must be in one split, and are not: what they have in common, the group's name, and
            each by a picture.
        pairs: samples of two splits whose pictures are nearly alike.
    """

    sets: Sequence[tuple[Kind, str, Sequence[Side]]]
    pairs: Sequence[Leak]

    def listed(self) -> list[Leak]:
        """Pairs of samples, the worst first; of those that must be together, each is told with one of every split."""
        found = [*self.pairs, *(_leak(kind, 0, pair, group) for kind, group, of in self.sets for pair in _across(of))]
        found.sort(key=attrgetter("rank"), reverse=True)
        unique = {(one.kind, one.lesser.sample, one.other.sample): one for one in found}
        return sorted(unique.values(), key=attrgetter("rank"))

    def fewest_to_set_aside(self) -> dict[str, str]:
        """Samples without which nothing leaks, by id, with the reason. None of them is in test.

        What leaks into test goes. Between two other splits, the fewest go that are in every pair. Of very large sets,
        all go but those in test, else those in the split that has most of it.
        """
        large = [(kind, group, of) for kind, group, of in self.sets if len(of) > _LARGE]
        reasons: dict[str, str] = {}
        for kind, group, of in large:
            times = Counter(side.split for side in of)
            home = max(times, key=lambda split: (split == TEST, times[split], split != TRAIN, split))
            stays = min(side for side in of if side.split == home)
            leaving = (side for side in of if side.split != home)
            reasons |= {side.sample: Leak(kind, 0, side, stays, group).sentence for side in leaving}
        pairs = [*self.pairs]
        for kind, group, of in self.sets:
            apart = (two for two in combinations(of, 2) if len(of) <= _LARGE and two[0].split != two[1].split)
            pairs += [_leak(kind, 0, two, group) for two in apart]
        pairs.sort(key=attrgetter("rank"))
        for pair in pairs:
            if pair.other.split == TEST:
                reasons.setdefault(pair.lesser.sample, pair.sentence)
        for split in sorted({pair.lesser.split for pair in pairs}):
            reasons |= _fewest_between(pairs, split, reasons.keys())
        return reasons


def find_leaks(catalog: Catalog, likeness: Likeness | None, group_of: Mapping[str, str]) -> Leaks:
    """Look across splits.

    Args:
        catalog: what there is. Samples that are held, or have no split yet, leak nothing.
        likeness: which pictures are nearly alike; None does not look at that.
        group_of: the group of each sample, by id; empty where it has none.
    """
    samples = {s.id: s for s in catalog.samples if not s.held and _split(s)}
    homes: dict[tuple[Kind, str], list[Side]] = defaultdict(list)
    repeated = find_pictures(catalog).repeated
    for sample in samples.values():
        for record in (r for role, of in sample.images.items() if repeated and is_picture(role) for r in of):
            for digest in repeated.intersection(lineage(catalog, record)):
                homes[Kind.SAME, digest].append(Side(record.path, sample.id, _split(sample)))
        if group := group_of.get(sample.id, ""):
            homes[Kind.GROUP, group].append(Side(sample.files[0].path, sample.id, _split(sample)))
    sets = [(kind, name, of) for (kind, name), of in homes.items() if len({side.split for side in of}) > 1]
    pairs: list[Leak] = []
    across = likeness.across({s.id: _split(s) for s in samples.values()}) if likeness else ()
    for bits, *ends in across:
        sides = [Side(path, owner, _split(samples[owner])) for path, owner in ends]
        pairs.append(_leak(Kind.ALIKE, bits, sides, ""))
    same: dict[str, set[str]] = defaultdict(set)
    for kind, name, of in sets:
        for side in of if kind is Kind.SAME else ():
            same[side.sample].add(name)
    apart = [pair for pair in pairs if same[pair.lesser.sample].isdisjoint(same[pair.other.sample])]
    return Leaks(sets, apart)


def _split(sample: Sample) -> str:
    """Where a sample lies; of one that waits, or whose split is only written down, where it was assigned to."""
    return sample.split if sample.place in (STAGE, HELD) else sample.place


def _rank(side: Side) -> tuple[bool, bool, str, str]:
    """What is in train may rather go than what is held out, and what is in test never."""
    return side.split == TEST, side.split != TRAIN, side.split, side.path


def _leak(kind: Kind, bits: int, sides: Iterable[Side], group: str) -> Leak:
    lesser, other = sorted(sides, key=_rank)
    return Leak(kind, bits, lesser, other, group if kind is Kind.GROUP else "")


def _across(members: Iterable[Side]) -> Iterator[tuple[Side, Side]]:
    """Each member with the first one of every other split."""
    first: dict[str, Side] = {}
    members = sorted(members)
    for side in members:
        first.setdefault(side.split, side)
    for side in members:
        yield from ((side, other) for split, other in first.items() if split != side.split)


def _fewest_between(pairs: Sequence[Leak], split: str, gone: Container[str]) -> dict[str, str]:
    """The fewest of those that leak from one split, and of those that they leak into."""
    left = [pair for pair in pairs if pair.lesser.split == split]
    left = [pair for pair in left if pair.lesser.sample not in gone and pair.other.sample not in gone]
    edges: dict[str, set[str]] = defaultdict(set)
    for pair in left:
        edges[pair.lesser.sample].add(pair.other.sample)
    cover = smallest_cover(edges)
    reasons: dict[str, str] = {}
    for pair in left:
        turned = pair if pair.lesser.sample in cover else pair._replace(lesser=pair.other, other=pair.lesser)
        reasons.setdefault(turned.lesser.sample, turned.sentence)
    return reasons


def smallest_cover(edges: Mapping[str, set[str]]) -> set[str]:
    """The fewest nodes of a bipartite graph that are in every edge: from a maximum matching (König, 1931).

    Args:
        edges: the nodes of the right side to which each of the left is linked.
    """
    if not edges:
        return set()
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    lefts, rights = sorted(edges), sorted(set().union(*edges.values()))
    number = {name: place for place, name in enumerate(rights)}
    pairs = [(row, number[name]) for row, left in enumerate(lefts) for name in sorted(edges[left])]
    rows, columns = np.array(pairs, np.int32).T
    graph = coo_array((np.ones(len(pairs), np.int8), (rows, columns)), shape=(len(lefts), len(rights))).tocsr()
    match = maximum_bipartite_matching(graph, perm_type="column")
    back = {int(column): row for row, column in enumerate(match) if column >= 0}
    waiting = [row for row, column in enumerate(match) if column < 0]
    seen, reached = set(waiting), set[int]()
    while waiting:
        row = waiting.pop()
        for name in edges[lefts[row]]:
            column = number[name]
            if column not in reached:
                reached.add(column)
                if back[column] not in seen:
                    seen.add(back[column])
                    waiting.append(back[column])
    return {left for row, left in enumerate(lefts) if row not in seen} | {rights[column] for column in reached}
