"""`add`: images and sidecars from anywhere come into `stage_data/`, as copies; the sources stay as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from ..catalog import Catalog, Sample, below, build
from ..errors import DestinationError
from ..index import FileRecord, Index, Kind
from ..plan import INCOMING, Identity, Move, Note, Plan, Preparation, Report, arrange, some
from ..root import STAGE, fold, show
from .tables import Draft, pairing_details

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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
    prefix = f"{STAGE}/{into}/" if into else f"{STAGE}/"
    origin: dict[str, Path] = {}
    present: list[FileRecord] = []
    notes: list[Note] = []
    ignored: list[Note] = []
    known = {fold(below(record.path)): record for record in catalog.index.files}
    fresh: dict[str, FileRecord] = {}
    clashes: list[str] = []
    for source in sources:
        for record in source.index.files:
            where = source.base / record.path
            target = prefix + record.path
            if record.kind is Kind.IGNORED:
                ignored.append(Note(str(where), record.trouble))
            elif not record.digest:
                notes.append(Note(str(where), record.trouble))
            elif other := known.get(fold(below(target))):
                if other.digest == record.digest:
                    present.append(record)
                else:
                    there = origin.get(other.path, other.path)
                    clashes.append(f"{show(str(where))} would become {show(target)}, but {show(str(there))} has that name and other bytes")
            else:
                fresh[target] = known[fold(below(target))] = replace(record, path=target)
                origin[target] = where
    if clashes:
        raise DestinationError(some(clashes), "Rename one of each, or add them to a folder of their own: imgstage add --into NAME")
    merged = Index(tuple(sorted((*catalog.index.files, *fresh.values()), key=lambda r: r.path)), catalog.index.folders)
    outlook = build(merged, rows, given)
    choice = _choose(catalog, outlook, fresh)
    strays = {note.path: note.reason for note in (*outlook.strays, *outlook.ignored)}
    notes += [Note(str(origin[path]), reason) for path, reason in choice.held.items()]
    for path, reason in strays.items():
        if path in fresh:
            (ignored if fresh[path].kind is Kind.SIDECAR else notes).append(Note(str(origin[path]), reason))
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
        done=len(present) + len(choice.added) + len(choice.repeated),
        changed=len(choice.added),
        held=tuple(sorted(notes, key=lambda note: note.path)),
        ignored=tuple(sorted(ignored, key=lambda note: note.path)),
        details={
            "samples_added": choice.samples,
            "files_already_there": len(present) + len(choice.repeated),
            "pairing": pairing_details(outlook.pairings),
        },
    )
    return Plan("add", draft.operation, journeys, steps, tuple(preparations), report)


@dataclass(frozen=True)
class _Choice:
    added: list[str]
    repeated: list[str]
    held: dict[str, str]
    samples: int


def _choose(catalog: Catalog, outlook: Catalog, fresh: Mapping[str, FileRecord]) -> _Choice:
    """Which of the new files to add: those of complete samples that are not in the root yet."""
    there = {_signature(sample) for sample in catalog.samples if not sample.held}
    choice = _Choice([], [], {}, 0)
    samples = 0
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
            samples += 1
    return replace(choice, samples=samples)


def _as_source(reason: str) -> str:
    """A reason speaks of paths in `stage_data/`, where the files are not."""
    return reason.replace(f"{STAGE}/", "")


def _signature(sample: Sample) -> tuple[object, ...]:
    """What makes two samples the same: label, and the contents of every role and of the sidecars."""

    def digests(records: Iterable[FileRecord]) -> tuple[str, ...]:
        return tuple(sorted(record.digest for record in records))

    roles = tuple((role, digests(records)) for role, records in sorted(sample.images.items()))
    return sample.label, roles, digests(sample.sidecars)
