"""Index + ledger + pairing rules -> samples: what belongs together, where it is, and where it was assigned. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from . import ledger, pairing
from .index import FileRecord, Index, Kind
from .pairing import SIDECAR
from .plan import Note
from .root import STAGE, fold, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .ledger import Row
    from .pairing import FolderPairing, Rule, Slot


@dataclass(frozen=True)
class Sample:
    """Images, by role, and sidecars that travel together.

    Attributes:
        id: outlives renaming, resizing and edits.
        key: what the names of its images have in common, with their folders.
        split: the split it was assigned to; empty when it is new.
        group: the group it was assigned with; empty when it stood alone.
        images: files by role.
        sidecars: files that are no images.
        held: why no verb uses it; empty when it is fine.
    """

    id: str
    key: str
    split: str
    group: str
    images: Mapping[str, tuple[FileRecord, ...]]
    sidecars: tuple[FileRecord, ...] = ()
    held: str = ""

    @cached_property
    def files(self) -> tuple[FileRecord, ...]:
        """All of its files, images first."""
        return (*(record for records in self.images.values() for record in records), *self.sidecars)

    @cached_property
    def place(self) -> str:
        """The top-level folder it lies in; a split when at least one of its files is in one."""
        return max((top(record.path) for record in self.files), key=lambda place: (place != STAGE, place))

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
        edited: paths of files whose content is not what the ledger last saw.
    """

    index: Index
    pairings: tuple[FolderPairing, ...]
    samples: tuple[Sample, ...]
    strays: tuple[Note, ...]
    ignored: tuple[Note, ...]
    rows: Mapping[str, Row]
    missing: tuple[Row, ...]
    edited: tuple[str, ...] = field(default=())

    def held(self) -> tuple[Note, ...]:
        """Every file that is held, with the reason."""
        notes = [Note(record.path, sample.held) for sample in self.samples if sample.held for record in sample.files]
        return tuple(sorted((*notes, *self.strays), key=lambda note: note.path))


def top(path: str) -> str:
    """The top-level folder of a path."""
    return path.partition("/")[0]


def below(path: str) -> str:
    """A path without its top-level folder: equal for `train/x.jpg` and `stage_data/x.jpg`."""
    return path.partition("/")[2]


def build(index: Index, rows: Sequence[Row], given: Mapping[str, Mapping[str, str]]) -> Catalog:
    """Find the samples of a root.

    Args:
        index: of `stage_data/` and the split folders.
        rows: the ledger.
        given: pairing templates from `imgstage.toml`.

    Returns:
        The catalog.

    Raises:
        PairingError: a folder's names can be read in two ways.
        UsageError: a given template is none.
    """
    sound = [record for record in index.files if record.digest]
    images = [record for record in sound if record.kind is Kind.IMAGE]
    known = ledger.match(rows, {r.path: r for r in sound}, {r.path: below(r.path) for r in sound})
    names = {below(record.path) for record in images}
    pairings = pairing.detect(names, given)
    draft = _Draft(pairing.read_all(names, pairings), known, rows)
    draft.place_images(images)
    draft.place_sidecars([record for record in sound if record.kind is Kind.SIDECAR])
    draft.hold_twins(sound)
    draft.hold_mixed(images)
    unreadable = [Note(r.path, r.trouble) for r in index.files if not r.digest and r.kind is not Kind.IGNORED]
    ignored = [Note(r.path, r.trouble) for r in index.files if r.kind is Kind.IGNORED]
    found = {id(row) for row in known.values()}
    return Catalog(
        index,
        pairings,
        draft.samples(),
        tuple(sorted((*draft.strays, *unreadable), key=lambda note: note.path)),
        tuple(sorted((*draft.ignored, *ignored), key=lambda note: note.path)),
        known,
        tuple(row for row in rows if id(row) not in found),
        tuple(sorted(path for path, row in known.items() if index.by_path[path].digest != row.digest)),
    )


class _Draft:
    """Samples in the making. A sample's handle is its id when the ledger knows it, else its place and key."""

    def __init__(self, slots: Mapping[str, tuple[Slot, Rule]], known: Mapping[str, Row], rows: Iterable[Row]) -> None:
        self._slots = slots
        self._known = known
        self._images: dict[str, dict[str, list[FileRecord]]] = defaultdict(lambda: defaultdict(list))
        self._sidecars: dict[str, list[FileRecord]] = defaultdict(list)
        self._rows: dict[str, list[Row]] = defaultdict(list)
        self._keys: dict[str, str] = {}
        self._rules: dict[str, Rule] = {}
        self._held: dict[str, str] = {}
        self._of: dict[str, str] = {}
        self.strays: list[Note] = []
        self.ignored: list[Note] = []
        for row in rows:  # those of missing files too: they tell what a sample lacks
            self._rows[row.sample].append(row)

    def place_images(self, images: Sequence[FileRecord]) -> None:
        """Put each image into its sample: known ones by their rows, others by their names."""
        taken: dict[tuple[str, str], str] = {}  # (identity, role) of known samples -> handle
        for record in images:
            row = self._known.get(record.path)
            if row is not None:
                self._put(record, row.sample, row.role)
                entry = self._slots.get(below(record.path))
                if entry is not None:
                    taken[entry[0].identity, row.role] = row.sample
        owners = {identity: handle for (identity, _), handle in taken.items()}
        for record in images:
            if record.path in self._known:
                continue
            entry = self._slots.get(below(record.path))
            if entry is None:
                self.strays.append(
                    Note(
                        record.path, "its name fits none of the templates of its folder; see [pairing] in imgstage.toml"
                    )
                )
                continue
            slot = entry[0]
            owner = owners.get(slot.identity)
            joins = owner is not None and (slot.many or (slot.identity, slot.role) not in taken)
            self._put(record, owner if owner and joins else f"{top(record.path)}/{slot.identity}", slot.role)

    def _put(self, record: FileRecord, handle: str, role: str) -> None:
        self._images[handle][role].append(record)
        self._of[record.path] = handle
        entry = self._slots.get(below(record.path))
        if entry is not None:
            self._keys.setdefault(handle, entry[0].key)
            self._rules.setdefault(handle, entry[1])

    def place_sidecars(self, sidecars: Sequence[FileRecord]) -> None:
        """Put each sidecar into the sample that it goes with, in its own place first."""
        keys = {handle: self._keys.get(handle, handle) for handle in self._images}
        by_place: dict[str, list[FileRecord]] = defaultdict(list)
        for record in sidecars:
            row = self._known.get(record.path)
            if row is not None and row.sample in self._images:
                self._sidecars[row.sample].append(record)
            else:
                by_place[top(record.path)].append(record)
        for place, records in sorted(by_place.items()):
            here = {below(path): handle for path, handle in self._of.items() if top(path) == place}
            anywhere = {below(path): handle for path, handle in self._of.items()} | here
            names = {below(record.path): record for record in records}
            found, astray = pairing.attach(names, here, keys)
            if place == STAGE and astray:
                more, astray = pairing.attach(astray, anywhere, keys)
                found |= more
            for name, handle in found.items():
                self._sidecars[handle].append(names[name])
            self.ignored.extend(Note(names[name].path, reason) for name, reason in astray.items())

    def hold_twins(self, records: Iterable[FileRecord]) -> None:
        """Hold new samples that have a file with another file's name."""
        names: dict[str, list[FileRecord]] = defaultdict(list)
        for record in records:
            names[fold(below(record.path))].append(record)
        sidecar_of = {record.path: handle for handle, members in self._sidecars.items() for record in members}
        for twins in names.values():
            for record in twins if len(twins) > 1 else ():
                handle = self._of.get(record.path) or sidecar_of.get(record.path)
                if handle and record.path not in self._known:
                    other = next(twin for twin in twins if twin is not record)
                    self._held[handle] = f"{show(record.path)} and {show(other.path)} have one name; rename one of them"

    def hold_mixed(self, images: Iterable[FileRecord]) -> None:
        """Hold known samples whose names now mix them: names and ledger disagree, and nothing is guessed."""
        named: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        for record in images:
            entry = self._slots.get(below(record.path))
            if record.path in self._known and entry is not None and not self._is_lone(self._of[record.path]):
                named[top(record.path), entry[0].identity].setdefault(self._of[record.path], record.path)
        for handles in named.values():
            if len(handles) > 1:
                paths = " and ".join(show(path) for path in handles.values())
                reason = f"{paths} have the names of one sample, but splits.csv knows them as parts of two"
                for handle in handles:
                    self._held.setdefault(handle, reason)

    def _is_lone(self, handle: str) -> bool:
        return len({row.role for row in self._rows[handle]} - {SIDECAR}) < 2

    def samples(self) -> tuple[Sample, ...]:
        """The finished samples."""
        done = [self._finish(handle, roles) for handle, roles in self._images.items()]
        return tuple(sorted(done, key=lambda sample: (sample.key, sample.id, sample.place)))

    def _finish(self, handle: str, roles: Mapping[str, list[FileRecord]]) -> Sample:
        rows = self._rows.get(handle, [])
        rule = self._rules.get(handle)
        order = {role: number for number, role in enumerate(rule.roles)} if rule else {}
        images = {role: tuple(roles[role]) for role in sorted(roles, key=lambda role: (order.get(role, 99), role))}
        sidecars = tuple(sorted(self._sidecars.get(handle, ()), key=lambda record: record.path))
        files = [record for records in images.values() for record in records]
        key = self._keys.get(handle) or below(files[0].path)
        places = {top(record.path) for record in (*files, *sidecars)} - {STAGE}
        held = self._held.get(handle) or _why_held(images, rows, rule, places)
        if rows:
            return Sample(handle, key, rows[0].split, rows[0].group, images, sidecars, held)
        fresh = ledger.sample_id(key, (record.digest for record in files))
        return Sample(fresh, key, places.pop() if len(places) == 1 else "", "", images, sidecars, held)


def _why_held(
    images: Mapping[str, tuple[FileRecord, ...]], rows: Sequence[Row], rule: Rule | None, places: set[str]
) -> str:
    for records in images.values():
        for record in records:
            if record.trouble:
                return f"{show(record.path)}: {record.trouble}"
    counts = Counter({role: len(records) for role, records in images.items()})
    if rows:
        lacking = [role for role in sorted({row.role for row in rows} - {SIDECAR}) if not counts[role]]
        doubled = []
    elif rule is not None:
        lacking = [role for role in rule.roles if not counts[role]]
        doubled = [role for role in rule.roles if counts[role] > 1 and not rule.many(role)]
    else:
        return ""
    here = show(next(iter(images.values()))[0].path)
    if lacking:
        return f"incomplete: {here} has no {' and no '.join(lacking)} beside it"
    if doubled:
        names = ", ".join(show(record.path) for record in images[doubled[0]])
        return f"ambiguous: {names} would all be the {doubled[0]} of one sample"
    if rule is not None and not rows and not pairing.is_complete(rule, counts):
        return f"ambiguous: {here} is one of several images in each role"
    if len(places) > 1:
        return f"torn: its files lie in {' and '.join(sorted(places))}; unsplit and split bring it together"
    return ""
