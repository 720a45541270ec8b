"""What holds samples in one split with others: a group, a name, a picture, also those of images in no sample."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from ..catalog import Catalog, Sample, below, top
from ..groups import gone_key, merge
from ..pairing import SIDECAR, is_mask, stem_of
from ..plan import Note
from ..reasons import Why, because
from ..root import STAGE, fold, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..index import FileRecord

_GROUP, _NAME, _LOOK = "group ", "name ", "similar "  # what ties more comes first


class Absent(NamedTuple):
    """An image that has a say although no sample can show it: missing, unreadable, or of no whole sample in a split.

    Attributes:
        path: where it is, or was.
        split: where it belongs.
        names: what it is tied by: see `find_ties`.
        digests: of its pictures, now and earlier.
    """

    path: str
    split: str
    names: frozenset[str]
    digests: frozenset[str]


class Pictures(NamedTuple):
    """Every picture that an image is, or was.

    Attributes:
        of: the digests of each sample's pictures, by id; of an edited picture, those that it was count too.
        absent: the images that no sample can show.
        repeated: the digests of those that are, or were, in several places.
    """

    of: dict[str, list[str]]
    absent: list[Absent]
    repeated: set[str]


def find_pictures(catalog: Catalog, groups: Mapping[str, str] | None = None) -> Pictures:
    """Every picture of a root.

    Args:
        catalog: what there is.
        groups: see `find_absent`.
    """
    of = {sample.id: pictures_of(sample) for sample in catalog.samples}
    for path, row in catalog.rows.items():
        now = catalog.index.by_path[path].digest
        if (row.first_digest != now or row.digest != now) and is_picture(row.role) and row.sample in of:
            of[row.sample] += {row.first_digest, row.digest} - {now}
    absent = find_absent(catalog, groups)
    if catalog.ancestors:  # a small copy and its original are one picture
        of = {name: [*own, *_ancestors(catalog, own)] for name, own in of.items()}
        absent = [one._replace(digests=one.digests | _ancestors(catalog, one.digests)) for one in absent]
    times = Counter(chain(chain.from_iterable(of.values()), *(one.digests for one in absent)))
    return Pictures(of, absent, {digest for digest, count in times.items() if count > 1})


def _ancestors(catalog: Catalog, digests: Iterable[str]) -> frozenset[str]:
    """What some pictures were made from, as far back as is known."""
    found = set(digests)
    waiting = list(found)
    while waiting:
        more = catalog.ancestors.get(waiting.pop(), frozenset()) - found
        found |= more
        waiting += more
    return frozenset(found) - frozenset(digests)


def lineage(catalog: Catalog, record: FileRecord) -> set[str]:
    """The digests that a picture has and had: also before it was edited, and of what it was made from."""
    row = catalog.rows.get(record.path)
    own = {record.digest} | ({row.digest, row.first_digest} if row else set())
    return own | _ancestors(catalog, own) if catalog.ancestors else own


def find_absent(catalog: Catalog, groups: Mapping[str, str] | None = None) -> list[Absent]:
    """All images that have a say although no sample can show them.

    Args:
        catalog: what there is.
        groups: the group of each sample by the user's rule, by id, or by the `groups.gone_key` of what is missing.
    """
    found: list[Absent] = []
    for row in (*catalog.missing, *catalog.unread):
        stem = fold(stem_of(below(row.last_path)))
        named = {row.group, groups.get(gone_key(row.last_path), "") if groups else ""} - {""}
        digests = frozenset((row.digest, row.first_digest) if is_picture(row.role) else ())
        names = {_GROUP + group for group in named} | ({_NAME + stem} if row.role != SIDECAR else set())
        found.append(Absent(row.last_path, row.split, frozenset(names), digests))
    for path in catalog.unrecorded():
        digests = frozenset((catalog.index.by_path[path].digest,)) - {""}
        group = groups.get(gone_key(path), "") if groups else ""
        names = {_NAME + fold(stem_of(below(path)))} | ({_GROUP + group} if group else set())
        found.append(Absent(path, catalog.layout.place(top(path)), frozenset(names), digests))
    return found


def find_ties(
    catalog: Catalog, group_of: Mapping[str, str], pictures: Pictures, alike: Mapping[str, str]
) -> dict[str, str]:
    """What holds each sample in one split with others: its group, its name but for the suffix (`3.jpg`, `3.png`), every
    picture that has the same bytes, or had, and every picture that looks nearly the same.

    Equal masks tie nothing: many samples have an empty one.

    Args:
        catalog: what there is.
        group_of: the group of each sample, by id; empty where it has none.
        pictures: all there are, and what has a say beside the samples.
        alike: for each sample, by id, and each that is absent, by path, that looks nearly like another, a name that all
            of these share.

    Returns:
        For each sample, by id, and each that is absent, by path, a name that it shares with all it is tied to.
    """
    of, absent, shared = pictures
    stems = {sample.id: name_of(sample) for sample in catalog.samples}
    times = Counter(chain(stems.values(), *(one.names for one in absent)))
    own_names = set(stems.values())
    keys = {sample.id: f"key {fold(sample.key)}" for sample in catalog.assigned_as_lone()}
    names: dict[str, set[str]] = defaultdict(set)
    ties: dict[str, str] = {}
    for sample in catalog.samples:
        repeated = times[stems[sample.id]] > 1
        own, group = of[sample.id], group_of.get(sample.id, sample.group)
        alone = not group and not repeated and sample.id not in keys and sample.id not in alike
        if own and alone and shared.isdisjoint(own):
            ties[sample.id] = f"picture {min(own)}"  # what `merge` would say
        else:
            tied = {f"picture {digest}" for digest in own} | ({_GROUP + group} if group else set())
            tied |= {stems[sample.id]} if repeated else set()
            tied |= {keys[sample.id]} if sample.id in keys else set()
            tied |= {_LOOK + alike[sample.id]} if sample.id in alike else set()
            names[sample.id] = tied or {f"sample {sample.id}"}
    for one in absent:
        common = {name for name in one.names if name.startswith(_GROUP) or name in own_names}
        common |= {_LOOK + alike[one.path]} if one.path in alike else set()
        names[one.path] |= common | {f"picture {digest}" for digest in one.digests}
    return ties | merge(names)


def name_of(sample: Sample) -> str:
    """By what a sample's name ties it: that of its first image, whatever the format."""
    return _NAME + fold(stem_of(below(sample.files[0].path)))


def pictures_of(sample: Sample) -> list[str]:
    """The digests of a sample's images; equal masks mean nothing."""
    return [record.digest for role, records in sample.images.items() if is_picture(role) for record in records]


@cache
def is_picture(role: str) -> bool:
    """Whether equal images in a role tell that they are one picture; masks are often alike."""
    return role != SIDECAR and not is_mask(role)


def earlier_splits(
    catalog: Catalog, past: Mapping[str, str], ties: Mapping[str, str], absent: Iterable[Absent]
) -> dict[str, set[str]]:
    """The splits in which what is tied together has, or had, samples; held and absent ones count."""
    earlier: dict[str, set[str]] = defaultdict(set)
    for sample in catalog.samples:
        if sample.split:
            earlier[ties[sample.id]].add(past.get(sample.id, sample.split))
    for one in absent:
        if one.path in ties and one.split:
            earlier[ties[one.path]].add(one.split)
    return earlier


def why_bridged(
    catalog: Catalog,
    groups: Iterable[str],
    ties: Mapping[str, str],
    past: Mapping[str, str],
    absent: Iterable[Absent],
) -> dict[str, str]:
    """For each group that lies in several splits, the first sample or absent image in each of them, as a sentence."""
    members: dict[str, dict[str, str]] = {group: {} for group in groups}
    for sample in catalog.samples:
        if sample.split and ties[sample.id] in members:
            members[ties[sample.id]].setdefault(past.get(sample.id, sample.split), show(sample.key))
    for one in absent:
        if one.split and ties.get(one.path) in members:
            members[ties[one.path]].setdefault(one.split, show(one.path))
    reasons: dict[str, str] = {}
    for group, of in members.items():
        listed = " and ".join(f"{name} ({split})" for split, name in sorted(of.items()))
        if group.startswith(_GROUP):
            told = f"its {group} is that of"
        else:
            told = f"its {'name or ' if group.startswith(_NAME) else ''}picture is, or looks like, that of"
        reasons[group] = f"{told} {listed}"
    return reasons


def homes_of_repeated(catalog: Catalog, splits: Mapping[str, str], pictures: Pictures) -> dict[str, dict[str, str]]:
    """In which splits each picture lies, or lay, that is or was in several samples, by digest; with its name there.

    Args:
        catalog: what there is.
        splits: the split of each sample, by id, where it is another than before.
        pictures: all there are.
    """
    of, absent, shared = pictures
    homes: dict[str, dict[str, str]] = {digest: {} for digest in shared}
    for sample in catalog.samples if homes else ():
        split = splits.get(sample.id, sample.split)
        for digest in homes.keys() & of[sample.id] if split else ():
            homes[digest].setdefault(split, show(sample.key))
    for one in absent:
        for digest in homes.keys() & one.digests if one.split else ():
            homes[digest].setdefault(one.split, show(one.path))
    return homes


def _new_in_stage(catalog: Catalog, sample: Sample) -> list[FileRecord]:
    """The pictures in `stage_data/` that came to a sample which had a split before."""
    if not sample.split:
        return []
    return [
        record
        for role, records in sample.images.items()
        if is_picture(role)
        for record in records
        if record.path not in catalog.rows and top(record.path) == STAGE
    ]


def without_astray_copies(catalog: Catalog, past: Mapping[str, str]) -> Catalog:
    """The catalog without new pictures that their names give to a sample of one split, and their bytes to another.

    Args:
        catalog: what there is.
        past: the split of each sample that has one, by id.
    """
    newcomers = {sample.id: new for sample in catalog.samples if (new := _new_in_stage(catalog, sample))}
    if not newcomers:
        return catalog
    homes = homes_of_repeated(catalog, past, find_pictures(catalog))
    notes: dict[str, Note] = {}
    for sample in catalog.samples:
        split = past.get(sample.id, sample.split)
        for record in newcomers.get(sample.id, ()):
            others = {f"{name} ({home})" for home, name in homes.get(record.digest, {}).items() if home != split}
            if others:
                reason = f"its name is that of {show(sample.key)} ({split}), its picture that of {' and '.join(others)}"
                notes[record.path] = Note(record.path, because(Why.TIED, reason))
    if not notes:
        return catalog
    samples = tuple(_without(sample, notes) if sample.id in newcomers else sample for sample in catalog.samples)
    return replace(catalog, samples=samples, strays=tuple(sorted((*catalog.strays, *notes.values()))))


def _without(sample: Sample, paths: Mapping[str, Note]) -> Sample:
    images = {role: tuple(r for r in records if r.path not in paths) for role, records in sample.images.items()}
    files = tuple(record for record in sample.files if record.path not in paths)
    return sample._replace(images={role: records for role, records in images.items() if records}, files=files)
