"""`add`: images and sidecars from anywhere come into `stage_data/`, as copies; the sources stay as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from blake3 import blake3

from ..catalog import Catalog, Sample, below, build, top
from ..errors import DestinationError
from ..index import FileRecord, Index, Kind
from ..plan import INCOMING, Identity, Move, Note, Plan, Preparation, Report, arrange, some
from ..root import HELD, STAGE, fold, show, show_apart
from .wishes import Draft, pairing_details

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from ..ledger import Row


@dataclass(frozen=True)
class Source:
    """A file or folder to add.

    Attributes:
        base: the folder that the paths in `index` are relative to.
        index: what was found there.
    """

    base: Path
    index: Index


def plan_add(
    catalog: Catalog,
    sources: Sequence[Source],
    into: str,
    rows: Sequence[Row],
    given: Mapping[str, Mapping[str, str]],
    draft: Draft,
) -> Plan:
    """Plan an addition.

    A sample that is in the root already, with every role, sidecar and label, is not added again; single files are
    never compared, for equal masks and empty sidecars are valid.

    Args:
        catalog: what there is.
        sources: what to add.
        into: the sub-folder of `stage_data/` to add to; empty for itself.
        rows: the ledger.
        given: pairing templates from `imgstage.toml`.
        draft: about the plan.

    Returns:
        The plan. Its report counts the files of the sources, under their own paths.

    Raises:
        DestinationError: a name is taken by other bytes.
        PairingError: the names can be read in two ways.
    """
    found = _meet(catalog, sources, f"{STAGE}/{into}/" if into else f"{STAGE}/")
    fresh, origin = found.fresh, found.origin
    files = sorted((*catalog.index.files, *fresh.values()), key=lambda record: record.path)
    outlook = build(Index(tuple(files), catalog.index.folders), rows, given, catalog.layout)
    choice = _choose(catalog, outlook, fresh)
    held = [*found.held, *(Note(str(origin[path]), reason) for path, reason in choice.held.items())]
    held += [Note(str(origin[note.path]), note.reason) for note in outlook.strays if note.path in fresh]
    ignored = [*found.ignored]
    ignored += [Note(str(origin[note.path]), note.reason) for note in outlook.ignored if note.path in fresh]
    moves: list[Move] = []
    preparations: list[Preparation] = []
    for path in choice.added:
        record = fresh[path]
        identity = Identity(record.size, record.mtime_ns, record.mode, record.digest)
        name = blake3(f"{path}\0{record.digest}".encode("utf-8", "surrogateescape")).hexdigest(length=16)
        place = f"{INCOMING}/{name}"
        preparations.append(Preparation(place, identity, source=origin[path]))
        moves.append(Move(place, path, identity))
    occupied = (record.path for record in catalog.index.files)
    journeys, steps = arrange(draft.operation, moves, occupied, catalog.index.folders, {})
    report = Report(
        done=found.present + len(choice.added) + len(choice.repeated),
        changed=len(choice.added),
        held=tuple(sorted(held, key=lambda note: note.path)),
        ignored=tuple(sorted(ignored, key=lambda note: note.path)),
        details={
            "samples_added": choice.samples,
            "files_joined": choice.joined,
            "files_already_there": found.present + len(choice.repeated),
            "repeated_files": sorted(show(str(origin[path])) for path in choice.repeated),
            "pairing": pairing_details(outlook.pairings),
        },
    )
    return Plan("add", draft.operation, journeys, steps, tuple(preparations), report)


@dataclass(frozen=True)
class _Found:
    """The files of the sources: new ones by their future path, and where each of these comes from."""

    fresh: dict[str, FileRecord]
    origin: dict[str, Path]
    held: tuple[Note, ...]
    ignored: tuple[Note, ...]
    present: int


def _meet(catalog: Catalog, sources: Sequence[Source], prefix: str) -> _Found:
    """Look at each file of the sources: is it new, in the root already, or in somebody's way?"""
    fresh: dict[str, FileRecord] = {}
    origin: dict[str, Path] = {}
    notes: dict[bool, list[Note]] = {True: [], False: []}  # by whether they are to be ignored
    known = {fold(below(record.path)): record for record in catalog.index.files if top(record.path) != HELD}
    clashes: list[str] = []
    present = 0
    for where, record in ((source.base / record.path, record) for source in sources for record in source.index.files):
        target = prefix + record.path
        other = known.get(fold(below(target)))
        if not record.digest:
            notes[record.kind is Kind.IGNORED].append(Note(str(where), record.trouble))
        elif other is None:
            fresh[target] = known[fold(below(target))] = record._replace(path=target)
            origin[target] = where
        elif other.digest == record.digest or record.digest in catalog.ancestors.get(other.digest, ()):
            present += 1  # maybe resized since
        else:
            came, taken = show_apart(str(where), str(origin.get(other.path, other.path)))
            clashes.append(f"{came} would become {show(target)}, but {taken} has that name and other bytes")
    if clashes:
        remedy = (
            "Put an edit over the older file by hand, so that it keeps its split; rename another picture, or add it"
            " with --into NAME"
        )
        raise DestinationError(some(clashes), remedy)
    return _Found(fresh, origin, tuple(notes[False]), tuple(notes[True]), present)


@dataclass(frozen=True)
class _Choice:
    """Which of the new files to add.

    Attributes:
        added: those to add.
        repeated: those whose sample is in the root already.
        held: why others are left where they are, by path.
        samples: how many whole samples are added.
        joined: how many files are added to samples that are there.
    """

    added: list[str]
    repeated: list[str]
    held: dict[str, str]
    samples: int
    joined: int


def _choose(catalog: Catalog, outlook: Catalog, fresh: Mapping[str, FileRecord]) -> _Choice:
    """Which of the new files to add: those of complete samples that are not in the root yet."""
    there = {_signature(sample) for sample in catalog.samples if not sample.held or sample.place == HELD}
    choice = _Choice([], [], {}, 0, 0)
    samples = joined = 0
    for sample in outlook.samples:
        mine = [record.path for record in sample.files if record.path in fresh]
        if not mine:
            continue
        if sample.held:
            choice.held.update(dict.fromkeys(mine, _as_source(sample.held)))
        elif _signature(sample) in there:
            choice.repeated.extend(mine)
        else:
            there.add(_signature(sample))
            choice.added.extend(mine)
            if len(mine) == len(sample.files):
                samples += 1
            else:
                joined += len(mine)
    return replace(choice, added=sorted(choice.added), samples=samples, joined=joined)


def _as_source(reason: str) -> str:
    """A reason speaks of paths in `stage_data/`, where the files are not."""
    return reason.replace(f"{STAGE}/", "")


def _signature(sample: Sample) -> tuple[object, ...]:
    """What makes two samples the same: label, and the contents of every role and of the sidecars."""

    def digests(records: Iterable[FileRecord]) -> tuple[str, ...]:
        return tuple(sorted(record.digest for record in records))

    roles = tuple((role, digests(records)) for role, records in sorted(sample.images.items()))
    return sample.label, roles, digests(sample.sidecars)
