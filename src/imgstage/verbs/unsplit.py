"""`unsplit`: everything goes back to `stage_data/`; `splits.csv` remembers who was where."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from ..catalog import Catalog, Sample, below, top
from ..errors import DestinationError
from ..index import FileRecord, Kind
from ..plan import Identity, Move, Note, Plan, Report, emptied_folders, some
from ..reasons import Why, about, because, is_because
from ..root import HELD, STAGE, fold, show, show_apart
from .guard import past_splits, refuse_doubtful_places
from .metadata import write_metadata
from .wishes import arrange_wishes, write_ledger

if TYPE_CHECKING:
    from .splitwish import Trust
    from .wishes import Draft


def plan_unsplit(catalog: Catalog, draft: Draft, trust: Trust | None = None) -> Plan:
    """Plan the way back.

    Held samples go back too: it is in `stage_data/` that they can be mended. Images of no sample stay in their split.

    Args:
        catalog: what there is.
        draft: about the plan.
        trust: which is right where a folder and `splits.csv` disagree.

    Returns:
        The plan.

    Raises:
        DestinationError: two files with different bytes have one name.
        ChangedError: held-out images are missing, and unknown ones lie in `train`, or folders and ledger disagree.
    """
    moving = [sample for sample in catalog.samples if sample.place not in (STAGE, HELD)]
    refuse_doubtful_places(catalog, catalog.samples, moving=moving)
    usable = [sample for sample in catalog.samples if not sample.held]
    past = past_splits(usable, trust)
    sidecars = {record.path for sample in catalog.samples for record in sample.sidecars}
    strays = catalog.strays_of_splits()  # they stay where only their place tells their split
    files = [
        record
        for record in catalog.index.files
        if record.digest
        and top(record.path) != HELD
        and (record.kind is Kind.IMAGE or record.path in sidecars)
        and record.path not in strays
    ]
    staying = _twins(catalog, files)
    away = [record for record in files if top(record.path) != STAGE and record.path not in staying]
    target = {record.path: f"{STAGE}/{below(record.path)}" for record in away}
    moves = [Move(record.path, target[record.path], Identity.of(record)) for record in away]
    splits = {s.id: past.get(s.id, s.split) for s in catalog.samples if s.split}
    tables, foreign = write_metadata(draft, catalog, usable, splits, target)
    wishes = write_ledger(draft, catalog, splits, target) | tables
    places = sorted({top(record.path) for record in away})
    journeys, steps = arrange_wishes(draft, catalog, moves, wishes, places)
    emptied = tuple(emptied_folders(catalog.index, [*moves, *wishes.moves], places))
    held = [Note(r.path, r.trouble) for r in catalog.index.files if not r.digest and r.kind is not Kind.IGNORED]
    held += [Note(path, reason) for path, reason in {**strays, **staying}.items()]
    held += [note for note in catalog.held() if top(note.path) == HELD and catalog.index.by_path[note.path].digest]
    back = Counter(s.place for s in catalog.samples if any(record.path in target for record in s.files))
    report = Report(
        done=len(files) - len(staying),
        changed=len(moves),
        held=tuple(sorted(held)),
        ignored=catalog.ignored,
        details={
            "samples": dict(sorted(back.items())),
            "missing": [show(row.last_path) for row in catalog.missing],
            "foreign_tables": foreign,
        },
    )
    return Plan(
        "unsplit", draft.operation, journeys, (*steps, *emptied), preparations=tuple(wishes.preparations), report=report
    )


def _twins(catalog: Catalog, files: list[FileRecord]) -> dict[str, str]:
    """Files that stay because another one with their name and bytes goes (or is) there; samples stay whole."""
    names: dict[str, list[FileRecord]] = defaultdict(list)
    for record in files:
        names[fold(below(record.path))].append(record)
    clashes: list[str] = []
    staying: dict[str, str] = {}
    for twins in names.values():
        places = {top(record.path) for record in twins}
        if len(twins) == 1 or places == {STAGE}:
            continue
        if len({record.digest for record in twins}) > 1:
            listed = " and ".join(show_apart(*(record.path for record in twins)))
            clashes.append(f"{listed} have one name and different bytes")
            continue
        first, *others = sorted(twins, key=lambda record: (top(record.path) != STAGE, record.path))
        for other in others:
            if top(other.path) != STAGE:
                staying[other.path] = because(Why.TWINS, f"the same name and bytes as {show(first.path)}")
    if clashes:
        remedy = (
            "Give all samples names of their own, with: imgstage rename --prefix img_ (or rename one of each by hand)"
        )
        raise DestinationError(some(clashes), remedy)
    for sample in catalog.samples:
        if is_because(sample.held, Why.UNREADABLE):
            staying |= {record.path: sample.held for record in sample.files if top(record.path) not in (STAGE, HELD)}
        _stay_whole(sample, staying)
    return staying


def _stay_whole(sample: Sample, staying: dict[str, str]) -> None:
    reason = next((staying[record.path] for record in sample.files if record.path in staying), None)
    if reason is not None:
        for record in sample.files:
            if top(record.path) not in (STAGE, HELD):
                staying.setdefault(record.path, about("stays with its sample", reason))
