"""`hold` and `release`: samples go out of the way into the visible `held/`, and come back."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..catalog import Catalog, Sample, below, top
from ..errors import UsageError
from ..plan import Identity, Move, Note, Plan, Report
from ..reasons import Why, is_because
from ..root import HELD, REASONS, STAGE, fold, show
from ..tables import write_reasons
from .guard import refuse_doubtful_places
from .metadata import write_tables
from .named import named
from .wishes import Draft, arrange_wishes, write_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..index import FileRecord


_NONE: Mapping[str, str] = MappingProxyType({})


def plan_hold(
    catalog: Catalog, names: Sequence[str], reason: str, draft: Draft, also: Mapping[str, str] = _NONE
) -> Plan:
    """Plan to put samples into `held/`, whole.

    Args:
        catalog: what there is.
        names: keys, ids, or paths of files; of a sample that has one file too many, a path takes only that file.
        reason: why; it is shown by `status`.
        draft: about the plan.
        also: paths of files whose samples go too, if they can: each with the reason. What cannot be read, has its name
            taken in `held/`, or would lose the only place that tells its split, stays.

    Returns:
        The plan. Its report counts the files that go.

    Raises:
        UsageError: a name means nothing here, nothing was named, or a file of a named sample cannot be read.
        DestinationError: a name in `held/` is taken.
        ChangedError: held-out images are missing, and an unknown one of `train` would go.
    """
    files = named(catalog, names, lambda record: top(record.path) != HELD, STAGE)
    _refuse_shut(catalog, files)
    why_of = dict.fromkeys((record.path for record in files), show(reason) or "you put it there")
    also = {path: text for path, text in _that_can_go(catalog, also).items() if path not in why_of}
    files = _without_clashes(catalog, [*files, *(catalog.index.by_path[path] for path in also)], also)
    why_of |= also
    target = {record.path: f"{HELD}/{below(record.path)}" for record in files}
    going = _moved(catalog, target)
    refuse_doubtful_places(catalog, going, moving=going)
    reasons = dict(draft.reasons) | {place: why_of[path] for path, place in target.items()}
    return _plan("hold", catalog, files, target, reasons, draft)


def plan_release(catalog: Catalog, names: Sequence[str], draft: Draft, *, everything: bool = False) -> Plan:
    """Plan to bring samples back from `held/`.

    A sample that has a split goes into its folder when others of that split lie there, and else, as new ones do, into
    `stage_data/`. What still does not decode stays.

    Args:
        catalog: what there is.
        names: keys, ids, or paths of files.
        draft: about the plan.
        everything: all that lies in `held/`.

    Returns:
        The plan. Its report counts the files that were named.

    Raises:
        UsageError: a name means nothing here, or nothing was named.
        DestinationError: a name is taken where a file would go.
        ChangedError: an edited image would go into train, and may be a held-out one.
    """
    aside = [record for record in catalog.index.files if top(record.path) == HELD and record.digest]
    aside = [record for record in aside if record.path != REASONS]
    files = aside if everything else named(catalog, names, lambda record: top(record.path) == HELD, HELD)
    sample_of = {record.path: sample for sample in catalog.samples for record in sample.files}
    filled = {sample.split for sample in catalog.samples if sample.place == sample.split and not sample.held}
    target: dict[str, str] = {}
    held: list[Note] = []
    for record in files:
        sample = sample_of.get(record.path)
        troubles = [r.trouble for r in sample.files if r.trouble] if sample else [record.trouble]
        if sample and is_because(sample.held, Why.UNREADABLE):
            troubles.append(sample.held)
        if any(troubles):
            held.append(Note(record.path, troubles[0]))
            continue
        split = sample.split if sample and sample.split in filled else ""
        target[record.path] = f"{catalog.layout.folder(split) if split else STAGE}/{below(record.path)}"
    going = [record for record in files if record.path in target]
    moved = _moved(catalog, target)
    refuse_doubtful_places(catalog, (), [sample for sample in moved if sample.split in filled], moved)
    reasons = {path: text for path, text in draft.reasons.items() if path not in target}
    return _plan("release", catalog, going, target, reasons, draft, held)


def _plan(
    verb: str,
    catalog: Catalog,
    files: Iterable[FileRecord],
    target: Mapping[str, str],
    reasons: Mapping[str, str],
    draft: Draft,
    held: Sequence[Note] = (),
) -> Plan:
    files = list(files)
    moves = [Move(record.path, target[record.path], Identity.of(record)) for record in files]
    usable = [sample for sample in catalog.samples if _is_usable_after(sample, target)]
    wishes, foreign = write_tables(draft, catalog, target, usable=usable, settled=_moved(catalog, target))
    wishes |= write_table(draft, REASONS, write_reasons(reasons) if reasons else None)
    places = {top(path) for path in (*target, *target.values())} - {STAGE}
    journeys, steps = arrange_wishes(draft, catalog, moves, wishes, places)
    into = Counter(top(target[sample.files[0].path]) for sample in catalog.samples if sample.files[0].path in target)
    report = Report(
        done=len(files),
        changed=len(files),
        held=tuple(sorted(held)),
        details={
            "samples": dict(sorted(into.items())),
            "files": sorted(show(path) for path in target),
            "foreign_tables": foreign,
        },
    )
    return Plan(verb, draft.operation, journeys, steps, tuple(wishes.preparations), report)


def _moved(catalog: Catalog, target: Mapping[str, str]) -> list[Sample]:
    return [sample for sample in catalog.samples if any(record.path in target for record in sample.files)]


def _is_usable_after(sample: Sample, target: Mapping[str, str]) -> bool:
    """Whether a sample is not held when the files have moved: as far as their places tell."""
    places = {top(target.get(record.path, record.path)) for record in sample.files}
    return HELD not in places and (not sample.held or is_because(sample.held, Why.ASIDE))


def _that_can_go(catalog: Catalog, wanted: Mapping[str, str]) -> dict[str, str]:
    """The files of whole samples and strays that can go into `held/`, with their reasons."""
    going = dict(wanted)
    staying = set(catalog.strays_of_splits())
    for sample in catalog.samples if wanted else ():
        paths = [record.path for record in sample.files]
        if is_because(sample.held, Why.UNREADABLE):
            staying.update(paths)
        elif reason := next((wanted[path] for path in paths if path in wanted), ""):
            going |= {path: going.get(path, reason) for path in paths}
    staying |= {note.path for note in catalog.strays if is_because(note.reason, Why.UNREADABLE)}
    return {path: why for path, why in going.items() if path not in staying and top(path) != HELD}


def _without_clashes(catalog: Catalog, files: Sequence[FileRecord], also: Mapping[str, str]) -> list[FileRecord]:
    """The files but for those of `also` whose sample would find a name taken in `held/`."""
    names = Counter(fold(below(record.path)) for record in files) if also else Counter[str]()
    names.update(fold(below(record.path)) for record in catalog.index.files if top(record.path) == HELD)
    clashing = {record.path for record in files if record.path in also and names[fold(below(record.path))] > 1}
    for sample in catalog.samples if clashing else ():
        if any(record.path in clashing for record in sample.files):
            clashing |= {record.path for record in sample.files if record.path in also}
    return [record for record in files if record.path not in clashing]


def _refuse_shut(catalog: Catalog, files: Iterable[FileRecord]) -> None:
    paths = {record.path for record in files}
    for sample in catalog.samples:
        if is_because(sample.held, Why.UNREADABLE) and any(record.path in paths for record in sample.files):
            problem = f"{show(sample.key)} cannot go whole ({sample.held})"
            raise UsageError(problem, "Allow reading that file (chmod), then run the command again")
