"""Samples in the making: which files go together, by their rows and by their names."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

from .. import ledger, pairing
from ..pairing import LONE, SIDECAR
from ..plan import Note
from ..reasons import Why, about, because
from ..root import HELD, STAGE, Layout, fold, show, show_apart
from .fitness import why_held
from .model import Sample, top

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..index import FileRecord
    from ..ledger import Row
    from ..pairing import FolderPairing, Rule, Slot


class Assembly:
    """Samples in the making. A sample's handle is its id when the ledger knows it, else its place and key."""

    def __init__(
        self,
        names: Mapping[str, str],
        pairings: Sequence[FolderPairing],
        known: Mapping[str, Row],
        rows: Iterable[Row],
        layout: Layout,
    ) -> None:
        self.layout = layout
        self.strays: list[Note] = []
        self.ignored: list[Note] = []
        self._names = names
        self._slots = pairing.read_all(pairings)
        self._known = known
        self._images: dict[str, list[_Member]] = defaultdict(list)
        self._sidecars: dict[str, list[FileRecord]] = defaultdict(list)
        self._rows: dict[str, list[Row]] = defaultdict(list)
        self._held: dict[str, str] = {}
        self._shut: list[tuple[str, FileRecord]] = []
        self._splits = {folder: layout.place(folder) for folder in {top(path) for path in names}}
        self._row_at: dict[str, Row] = {}
        for row in rows:  # those of missing files too: they tell what a sample lacks
            self._rows[row.sample].append(row)
            self._row_at[row.path] = row

    def _row(self, record: FileRecord) -> Row | None:
        """The row of a file; of one that cannot be read, its path is all there is to go by."""
        return self._known.get(record.path) if record.digest else self._row_at.get(record.path)

    def _put(self, handle: str, record: FileRecord, role: str = SIDECAR, slot: Slot | None = None) -> None:
        if not record.digest:
            self._shut.append((handle, record))
        elif role == SIDECAR:
            self._sidecars[handle].append(record)
        else:
            self._images[handle].append((role, record, slot))

    def place_images(self, images: Sequence[FileRecord]) -> None:
        """Put each image into its sample: known ones by their rows, others by their names."""
        taken: set[tuple[str, str, str]] = set()  # (handle, `Slot.sample`, role) of known images
        owners: dict[str, dict[str, set[str]]] = defaultdict(dict)  # `Slot.sample` -> handle -> places
        unknown: list[FileRecord] = []
        joined = self._join(images) if self._known else {}
        for record in images:
            row = self._row(record)
            if row is None:
                unknown.append(record)
                continue
            slot = self._slots.get(self._names[record.path])
            handle, role = joined.get(record.path) or (row.sample, row.role)
            self._put(handle, record, role, slot)
            if slot is not None:
                taken.add((handle, slot.sample, role))
                owners[slot.sample].setdefault(handle, set()).add(top(record.path))
        unfit = because(Why.TEMPLATE, "its name fits none of the templates of its folder")
        for record in unknown:
            slot = self._slots.get(self._names[record.path])
            if slot is None:
                if record.digest:
                    self.strays.append(Note(record.path, unfit))
                continue
            place = top(record.path)
            near = [
                handle
                for handle, places in (owners[slot.sample].items() if slot.sample in owners else ())
                if (place == STAGE or place in places) and (slot.many or (handle, slot.sample, slot.role) not in taken)
            ]
            handle = near[0] if len(near) == 1 else f"{place}/{slot.sample}"
            self._put(handle, record, slot.role, slot)

    def _join(self, images: Iterable[FileRecord]) -> dict[str, tuple[str, str]]:
        """Images that were assigned apart, and make a whole sample by the rule there is now: (handle, role).

        They were lone then, or halves that lay in two folders. Those of which some are in another split stay apart; for
        lone ones, a split that draws anew brings them together.
        """
        lone: dict[str, list[tuple[Slot, Row, str]]] = defaultdict(list)
        for record in images:
            row, slot = self._row(record), self._slots.get(self._names[record.path])
            if row is not None and slot is not None and not slot.rule.is_lone and self._is_part(row, slot.rule):
                lone[slot.sample].append((slot, row, record.path))
        joined: dict[str, tuple[str, str]] = {}
        for members in lone.values():
            rule, handle = members[0][0].rule, members[0][1].sample
            alike = {(row.split, row.group) for _, row, _ in members}
            roles = Counter(slot.role for slot, _, _ in members)
            whole = roles.keys() == set(rule.roles) and all(n == 1 or rule.many(role) for role, n in roles.items())
            if whole and len(alike) == 1 and len({row.sample for _, row, _ in members}) == len(members):
                joined |= {path: (handle, slot.role) for slot, _, path in members}
                self._rows[handle] = [row._replace(sample=handle, role=slot.role) for slot, row, _ in members]
        return joined

    def _is_part(self, row: Row, rule: Rule) -> bool:
        return row.role in LONE.roles or {other.role for other in self._rows[row.sample]} - {SIDECAR} < set(rule.roles)

    def _key(self, members: Sequence[_Member]) -> str:
        keys = (slot.key for _, _, slot in members if slot is not None)
        return next(keys, self._names[members[0][1].path])

    def place_sidecars(self, sidecars: Sequence[FileRecord]) -> None:
        """Put each sidecar into the sample that it goes with, in its own place first."""
        by_place: dict[str, list[FileRecord]] = defaultdict(list)
        for record in sidecars:
            row = self._row(record)
            if row is not None and row.sample in self._images:
                self._put(row.sample, record)
            else:
                by_place[top(record.path)].append(record)
        if not by_place:
            return
        keys = {handle: self._key(members) for handle, members in self._images.items()}
        homes = {record.path: handle for handle, members in self._images.items() for _, record, _ in members}
        anywhere = {self._names[path]: handle for path, handle in homes.items()}
        for place, records in sorted(by_place.items()):
            here = {self._names[path]: handle for path, handle in homes.items() if top(path) == place}
            names = {self._names[record.path]: record for record in records}
            found, astray = pairing.attach(names, here, keys)
            if place == STAGE and astray:
                more, astray = pairing.attach(astray, anywhere | here, keys)
                found |= more
            for name, handle in found.items():
                self._put(handle, names[name])
            alone = [(names[name], because(Why.ALONE, reason)) for name, reason in astray.items()]
            self.ignored.extend(Note(record.path, reason) for record, reason in alone if record.digest)

    def hold_twins(self, records: Iterable[FileRecord]) -> None:
        """Hold new samples that have another file's name; what lies in `held/` and has no row is in nobody's way.

        Nor are two in two splits of a root that was made by hand, where each split may count from one.
        """
        if len({fold(name) for name in self._names.values()}) == len(self._names):
            return
        named: dict[str, list[str]] = defaultdict(list)
        for record in records:
            if top(record.path) != HELD or record.path in self._known:
                named[fold(self._names[record.path])].append(record.path)
        twins: dict[str, str] = {}
        for paths in named.values():
            for path in paths if len(paths) > 1 else ():
                other = next((one for one in paths if one != path and self._is_in_the_way(path, one)), None)
                if other is not None:
                    twins[path] = other
        for handle, members in self._images.items() if twins else ():
            for record in (*(record for _, record, _ in members), *self._sidecars.get(handle, ())):
                if record.path in twins and record.path not in self._known:
                    names = " and ".join(show_apart(record.path, twins[record.path]))
                    self._held[handle] = because(Why.TWINS, f"{names} have one name")

    def _is_in_the_way(self, path: str, other: str) -> bool:
        return other in self._known or top(path) == top(other) or not {STAGE, HELD}.isdisjoint((top(path), top(other)))

    def hold_mixed(self) -> None:
        """Hold known samples whose names now mix them: names and ledger disagree, and nothing is guessed."""
        named: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        for handle, members in self._images.items() if self._known else ():
            if self._is_lone(handle):
                continue
            for _, record, slot in members:
                if record.path in self._known and slot is not None:
                    named[top(record.path), slot.sample].setdefault(handle, record.path)
        for handles in named.values():
            if len(handles) > 1:
                paths = " and ".join(show(path) for path in handles.values())
                reason = f"{paths} have the names of one sample, but splits.csv knows them as parts of two"
                for handle in handles:
                    self._held.setdefault(handle, because(Why.MIXED, reason))

    def hold_shut(self) -> None:
        """Hold samples of which a file cannot be read: it cannot be moved with the others."""
        for handle, record in self._shut:
            if handle in self._images:
                self._held[handle] = about(show(record.path), record.trouble)

    def _is_lone(self, handle: str) -> bool:
        return {row.role for row in self._rows.get(handle, ())} <= {SIDECAR, *LONE.roles}

    def samples(self, aside: Mapping[str, str]) -> tuple[Sample, ...]:
        """The finished samples."""
        done = [self._finish(handle, members, aside) for handle, members in self._images.items()]
        fresh = [sample.id for handle, sample in zip(self._images, done, strict=True) if handle not in self._rows]
        if len(set(fresh)) < len(fresh) or not self._rows.keys().isdisjoint(fresh):
            done = self._told_apart(done)
        return tuple(sorted(done, key=attrgetter("key", "id", "place")))

    def _told_apart(self, samples: list[Sample]) -> list[Sample]:
        """Equal names and bytes make equal ids; of such samples, those without rows get one by their place too."""
        times = Counter(sample.id for sample in samples)
        return [
            sample
            if sample.files[0].path in self._known or (times[sample.id] == 1 and sample.id not in self._rows)
            else sample._replace(id=ledger.sample_id(f"{top(sample.files[0].path)}/{sample.key}", _digests(sample)))
            for sample in samples
        ]

    def _finish(self, handle: str, members: list[_Member], aside: Mapping[str, str]) -> Sample:
        rows = self._rows.get(handle, ())
        first = members[0][2] or next((slot for _, _, slot in members if slot is not None), None)
        rule = first.rule if first else None
        images = _by_role(members, rule.roles if rule else ())
        sidecars = tuple(sorted(self._sidecars[handle])) if handle in self._sidecars else ()
        key = first.name if first else self._names[members[0][1].path]
        places = {self._splits[record.path.partition("/")[0]] for _, record, _ in members}
        if sidecars:
            places.update(self._splits[top(record.path)] for record in sidecars)
        split = place = next(iter(places))
        if len(places) > 1 or place in _NO_SPLITS:
            splits = places.difference(_NO_SPLITS)
            place = min(splits or places)  # in both others, it is `held` that tells
            split = place if len(splits) == 1 else ""
        held = self._held.get(handle) or why_held(images, rows, rule, places, aside)
        files = (*chain.from_iterable(images.values()), *sidecars)
        if rows:
            return Sample(handle, key, rows[0].split, rows[0].group, images, files, place, held)
        fresh = ledger.sample_id(key, [record.digest for _, record, _ in members])
        return Sample(fresh, key, split, "", images, files, place, held)


_NO_SPLITS = frozenset((STAGE, HELD))
_Member = tuple[str, "FileRecord", "Slot | None"]
"""A role, the file in it, and what the rule of its folder reads in its name."""


def _digests(sample: Sample) -> list[str]:
    return [record.digest for records in sample.images.values() for record in records]


def _by_role(members: list[_Member], order: Sequence[str]) -> dict[str, tuple[FileRecord, ...]]:
    """A sample's images by role, the roles in the order of the rule."""
    if len(members) == 1:
        return {members[0][0]: (members[0][1],)}
    roles: dict[str, tuple[FileRecord, ...]] = {}
    for role, record, _ in members:
        roles[role] = (*roles[role], record) if role in roles else (record,)
    if len(roles) == len(order) and roles.keys() == set(order):
        return {role: roles[role] for role in order}
    ranked = [role for role in order if role in roles]
    if len(ranked) < len(roles):
        ranked += sorted(roles.keys() - set(ranked))
    return {role: roles[role] for role in ranked}
