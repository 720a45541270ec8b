"""Which samples must share a split, and what binds them. Pure."""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from .root import show
from .verbs.ties import find_pictures, find_ties, is_picture, lineage, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .catalog import Catalog, Sample
    from .likeness import Likeness


class Kind(StrEnum):
    """What binds two samples."""

    GROUP = "group"
    NAME = "name"
    SAME = "same"
    ALIKE = "alike"


class Bond(NamedTuple):
    """What two samples have in common.

    Attributes:
        kind: what it is.
        bits: of 256, in which two pictures' fingerprints differ; 0 for the other kinds.
        left: path of a picture of the one.
        right: path of a picture of the other.
        group: the name of the group that they share.
    """

    kind: Kind
    bits: int
    left: str
    right: str
    group: str = ""

    @property
    def sentence(self) -> str:
        """What the two have in common."""
        one, other = show(self.left), show(self.right)
        return {
            Kind.GROUP: f"{one} and {other} are of the group {show(self.group)}",
            Kind.NAME: f"{one} and {other} have one name",
            Kind.SAME: f"{one} is, or was, the same picture as {other}",
            Kind.ALIKE: f"{one} looks nearly like {other}: {self.bits} of 256 bits differ",
        }[self.kind]


class Cluster(NamedTuple):
    """Samples that must share a split.

    Attributes:
        samples: the (key, split) of each; the split is empty where none was drawn yet.
        bonds: the fewest that hold them together, by kind, those by look nearest first.
    """

    samples: tuple[tuple[str, str], ...]
    bonds: tuple[Bond, ...]


def find_clusters(catalog: Catalog, likeness: Likeness | None, group_of: Mapping[str, str]) -> list[Cluster]:
    """All groups of two samples and more, the largest first.

    Args:
        catalog: what there is.
        likeness: which pictures are nearly alike; None does not look at that.
        group_of: the group of each sample, by id; empty where it has none.
    """
    ties = find_ties(catalog, group_of, find_pictures(catalog), likeness.groups if likeness else {})
    members: dict[str, list[Sample]] = defaultdict(list)
    for sample in catalog.samples:
        members[ties[sample.id]].append(sample)
    together = {name: of for name, of in members.items() if len(of) > 1}
    bonds: dict[str, list[Bond]] = defaultdict(list)
    home = {record.path: ties[s.id] for of in together.values() for s in of for record in s.files}
    for bond in (*_plain(catalog, together, group_of), *(_by_look(likeness) if likeness else ())):
        if bond.left in home and bond.right in home:  # else one of the two is in no sample
            bonds[home[bond.left]].append(bond)
    found = [Cluster(tuple((s.key, s.split) for s in of), tuple(sorted(bonds[name]))) for name, of in together.items()]
    return sorted(found, key=lambda cluster: (-len(cluster.samples), cluster.samples))


def _plain(catalog: Catalog, together: Mapping[str, list[Sample]], group_of: Mapping[str, str]) -> Iterator[Bond]:
    """Bonds by group, name and bytes: each sample with the one before it."""
    for of in together.values():
        shared: dict[tuple[Kind, str], dict[str, str]] = defaultdict(dict)  # what -> sample -> path
        for sample in of:
            first = sample.files[0].path
            if group := group_of.get(sample.id, ""):
                shared[Kind.GROUP, group][sample.id] = first
            shared[Kind.NAME, name_of(sample)][sample.id] = first
            for record in (r for role, records in sample.images.items() if is_picture(role) for r in records):
                for digest in lineage(catalog, record):
                    shared[Kind.SAME, digest].setdefault(sample.id, record.path)
        for (kind, name), paths in shared.items():
            for left, right in pairwise(paths.values()):
                yield Bond(kind, 0, left, right, name if kind is Kind.GROUP else "")


def _by_look(likeness: Likeness) -> Iterator[Bond]:
    for _, links in likeness.links():
        yield from (Bond(Kind.ALIKE, link.bits, link.left, link.right) for link in links)
