"""Index + ledger + pairing rules -> samples: what belongs together, where it is, and where it was assigned. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from . import ledger, pairing
from .index import FileRecord, Index, Kind
from .pairing import SIDECAR
from .plan import Note
from .reasons import Why, about, because, is_because
from .root import HELD, STAGE, Layout, fold, is_own, show, show_apart

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .ledger import Row
    from .pairing import FolderPairing, Rule, Slot


class Sample(NamedTuple):
    """Images, by role, and sidecars that travel together.

    Attributes:
        id: outlives renaming, resizing and edits.
        key: what the names of its images have in common, with their folders.
        split: the split it was assigned to; empty when it is new.
        group: the group it was assigned with; empty when it stood alone.
        images: files by role.
        files: all of its files, images first, then sidecars.
        place: where it lies: `stage_data`, `held`, or a split when at least one of its files is in one.
        held: why no verb uses it; empty when it is fine. See `reasons`.
    """

    id: str
    key: str
    split: str
    group: str
    images: Mapping[str, tuple[FileRecord, ...]]
    files: tuple[FileRecord, ...]
    place: str
    held: str = ""

    @property
    def sidecars(self) -> tuple[FileRecord, ...]:
        """Its files that are no images."""
        return self.files[sum(map(len, self.images.values())) :]

    @property
    def label(self) -> str:
        """The folder of its key: the class, when images are sorted into class folders."""
        return self.key.rpartition("/")[0]


@dataclass(frozen=True)
class Catalog:
    """Everything in a root.

    Attributes:
        index: every file.
        pairings: the rule of each top-level folder.
        samples: sorted by key.
        strays: files that belong to no sample and must be looked at.
        ignored: files that are none of imgstage's business.
        rows: the ledger's row of each file that has one, by path.
        missing: rows whose file is gone.
        unread: rows whose file is there and cannot be read.
        edited: paths of files whose content is not what the ledger last saw.
        layout: which folder stands for which split.
    """

    index: Index
    pairings: tuple[FolderPairing, ...]
    samples: tuple[Sample, ...]
    strays: tuple[Note, ...]
    ignored: tuple[Note, ...]
    rows: Mapping[str, Row]
    missing: tuple[Row, ...]
    edited: tuple[str, ...] = ()
    unread: tuple[Row, ...] = ()
    layout: Layout = field(default_factory=Layout)

    def strays_of_splits(self) -> dict[str, str]:
        """Sound images in a split that belong to no sample, with the reason: no row could remember their split."""
        by_path = self.index.by_path
        inside = [note for note in self.strays if top(note.path) not in (STAGE, HELD)]
        return {note.path: note.reason for note in inside if by_path[note.path].digest}

    def held(self) -> tuple[Note, ...]:
        """Every file that is held, with the reason."""
        notes = [Note(record.path, sample.held) for sample in self.samples if sample.held for record in sample.files]
        return tuple(sorted((*notes, *self.strays)))


def top(path: str) -> str:
    """The top-level folder of a path."""
    return path.partition("/")[0]


def below(path: str) -> str:
    """A path without its top-level folder: equal for `train/x.jpg` and `stage_data/x.jpg`."""
    return path.partition("/")[2]


def build(
    index: Index,
    rows: Sequence[Row],
    given: Mapping[str, Mapping[str, str]],
    layout: Layout | None = None,
    aside: Mapping[str, str] | None = None,
) -> Catalog:
    """Find the samples of a root.

    Args:
        index: of `stage_data/`, the split folders and `held/`.
        rows: the ledger.
        given: pairing templates from `imgstage.toml`.
        layout: which folder stands for which split; None when each has its own name.
        aside: why files were put into `held/`, by path.

    Returns:
        The catalog.

    Raises:
        PairingError: a folder's names can be read in two ways.
        UsageError: a given template is none.
    """
    sound = [
        record for record in index.files if record.digest and (record.kind is Kind.IMAGE or not is_own(record.path))
    ]
    unread = [record for record in index.files if not record.digest and not is_own(record.path)]
    names = {record.path: below(record.path) for record in sound}
    known = ledger.match(rows, index.by_path, names) if rows else {}
    shut = [record for record in unread if is_because(record.trouble, Why.UNREADABLE)]
    names |= {record.path: below(record.path) for record in shut}
    images = [record for record in (*sound, *shut) if record.kind is Kind.IMAGE]
    pairings = pairing.detect([names[record.path] for record in images], given)
    draft = _Draft(names, pairings, known, rows, layout or Layout())
    draft.place_images(images)
    draft.place_sidecars([record for record in (*sound, *shut) if record.kind is Kind.SIDECAR])
    draft.hold_twins(sound)
    draft.hold_mixed()
    draft.hold_shut()
    unreadable = [Note(record.path, record.trouble) for record in unread if record.kind is not Kind.IGNORED]
    ignored = [Note(record.path, record.trouble) for record in unread if record.kind is Kind.IGNORED]
    found = {id(row) for row in known.values()}
    closed = {record.path for record in unread if record.kind is not Kind.IGNORED}
    folders = tuple(f"{note.path}/" for note in ignored if is_because(note.reason, Why.CLOSED))
    closed |= {row.path for row in rows if row.path.startswith(folders)} if folders else set()
    absent = [row for row in rows if id(row) not in found]
    return Catalog(
        index,
        pairings,
        draft.samples(aside or {}),
        tuple(sorted((*draft.strays, *unreadable))),
        tuple(sorted((*draft.ignored, *ignored))),
        known,
        tuple(row for row in absent if row.path not in closed),
        tuple(sorted(path for path, row in known.items() if index.by_path[path].digest != row.digest)),
        tuple(row for row in absent if row.path in closed),
        draft.layout,
    )


class _Draft:
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
        taken: dict[tuple[str, str], str] = {}  # (identity, role) of known samples -> handle
        unknown: list[FileRecord] = []
        for record in images:
            row = self._row(record)
            if row is None:
                unknown.append(record)
                continue
            slot = self._slots.get(self._names[record.path])
            self._put(row.sample, record, row.role, slot)
            if slot is not None:
                taken[slot.identity, row.role] = row.sample
        owners = {identity: handle for (identity, _), handle in taken.items()}
        unfit = because(Why.TEMPLATE, "its name fits none of the templates of its folder")
        for record in unknown:
            slot = self._slots.get(self._names[record.path])
            if slot is None:
                if record.digest:
                    self.strays.append(Note(record.path, unfit))
                continue
            owner = owners.get(slot.identity)
            joins = owner is not None and (slot.many or (slot.identity, slot.role) not in taken)
            handle = owner if owner and joins else f"{top(record.path)}/{slot.identity}"
            self._put(handle, record, slot.role, slot)

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
        """Hold new samples that have another file's name; what lies in `held/` and has no row is in nobody's way."""
        if len({fold(name) for name in self._names.values()}) == len(self._names):
            return
        first: dict[str, FileRecord] = {}
        twins: dict[str, str] = {}
        for record in records:
            if top(record.path) == HELD and record.path not in self._known:
                continue
            other = first.setdefault(fold(self._names[record.path]), record)
            if other is not record:
                twins[record.path] = other.path
                twins.setdefault(other.path, record.path)
        for handle, members in self._images.items() if twins else ():
            for record in (*(record for _, record, _ in members), *self._sidecars.get(handle, ())):
                if record.path in twins and record.path not in self._known:
                    names = " and ".join(show_apart(record.path, twins[record.path]))
                    self._held[handle] = because(Why.TWINS, f"{names} have one name")

    def hold_mixed(self) -> None:
        """Hold known samples whose names now mix them: names and ledger disagree, and nothing is guessed."""
        named: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        for handle, members in self._images.items() if self._known else ():
            if self._is_lone(handle):
                continue
            for _, record, slot in members:
                if record.path in self._known and slot is not None:
                    named[top(record.path), slot.identity].setdefault(handle, record.path)
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
        return len({row.role for row in self._rows.get(handle, ())} - {SIDECAR}) < 2

    def samples(self, aside: Mapping[str, str]) -> tuple[Sample, ...]:
        """The finished samples."""
        done = [self._finish(handle, members, aside) for handle, members in self._images.items()]
        return tuple(sorted(done, key=attrgetter("key", "id", "place")))

    def _finish(self, handle: str, members: list[_Member], aside: Mapping[str, str]) -> Sample:
        rows = self._rows.get(handle, ())
        first = members[0][2] or next((slot for _, _, slot in members if slot is not None), None)
        rule = first.rule if first else None
        images = _by_role(members, rule.roles if rule else ())
        sidecars = tuple(sorted(self._sidecars[handle])) if handle in self._sidecars else ()
        key = first.key if first else self._names[members[0][1].path]
        places = {self._splits[record.path.partition("/")[0]] for _, record, _ in members}
        if sidecars:
            places.update(self._splits[top(record.path)] for record in sidecars)
        split = place = next(iter(places))
        if len(places) > 1 or place in _NO_SPLITS:
            splits = places.difference(_NO_SPLITS)
            place = min(splits or places)  # in both others, it is `held` that tells
            split = place if len(splits) == 1 else ""
        held = self._held.get(handle) or _why_held(images, rows, rule, places, aside)
        files = (*chain.from_iterable(images.values()), *sidecars)
        if rows:
            return Sample(handle, key, rows[0].split, rows[0].group, images, files, place, held)
        fresh = ledger.sample_id(key, [record.digest for _, record, _ in members])
        return Sample(fresh, key, split, "", images, files, place, held)


_NO_SPLITS = frozenset((STAGE, HELD))
_Member = tuple[str, FileRecord, "Slot | None"]
"""A role, the file in it, and what the rule of its folder reads in its name."""


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


def _why_held(
    images: Mapping[str, tuple[FileRecord, ...]],
    rows: Sequence[Row],
    rule: Rule | None,
    places: set[str],
    aside: Mapping[str, str],
) -> str:
    if HELD in places and len(places) == 1:
        paths = [record.path for records in images.values() for record in records]
        reason = next((aside[path] for path in paths if path in aside), "")
        return because(Why.ASIDE, reason or f"it lies in {HELD}/")
    for records in images.values():
        for record in records:
            if record.trouble:
                return about(show(record.path), record.trouble)
    unfit = _why_unfit(images, rows, rule)
    if not unfit and len(places) > 1 and (HELD in places or len(places - {STAGE}) > 1):
        return because(Why.TORN, f"its files lie in {' and '.join(sorted(places))}")
    return unfit


def _why_unfit(images: Mapping[str, tuple[FileRecord, ...]], rows: Sequence[Row], rule: Rule | None) -> str:
    """Why these images are not one whole sample; empty when they are."""
    if rule is not None and not rows and tuple(images) == rule.roles and max(map(len, images.values())) == 1:
        return ""
    if rows:
        lacking = [role for role in sorted({row.role for row in rows} - {SIDECAR}) if role not in images]
        times = Counter(row.role for row in rows)
        many = rule.many if rule is not None else lambda _: False
        doubled = [role for role, records in images.items() if len(records) > max(times[role], 1) and not many(role)]
    elif rule is not None:
        lacking = [role for role in rule.roles if role not in images]
        doubled = [role for role, records in images.items() if len(records) > 1 and not rule.many(role)]
    else:
        return ""
    if not lacking and not doubled and (rows or any(len(records) == 1 for records in images.values())):
        return ""
    here = show(next(iter(images.values()))[0].path)
    if lacking:
        return because(Why.INCOMPLETE, f"{here} has no {' and no '.join(lacking)} beside it")
    if doubled:
        names = ", ".join(show(record.path) for record in images[doubled[0]])
        return because(Why.AMBIGUOUS, f"{names} would all be the {doubled[0]} of one sample")
    return because(Why.AMBIGUOUS, f"{here} is one of several images in each role")
