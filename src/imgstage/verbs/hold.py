"""`hold` and `release`: samples go out of the way into the visible `held/`, and come back."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..catalog import Catalog, Sample, below, top
from ..errors import UsageError
from ..plan import Identity, Move, Note, Plan, Report, arrange, folder_modes
from ..reasons import Why, is_because
from ..root import HELD, REASONS, STAGE, fold, show
from ..tables import write_reasons
from .guard import refuse_doubtful_places
from .metadata import write_metadata
from .named import named
from .wishes import Draft, write_ledger, write_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..index import FileRecord


def plan_hold(
    catalog: Catalog, names: Sequence[str], reason: str | Mapping[str, str], draft: Draft, *, troubled: bool = False
) -> Plan:
    """Plan to put samples into `held/`, whole.

    Args:
        catalog: what there is.
        names: keys, ids, or paths of files; of a sample that has one file too many, a path takes only that file.
        reason: why; it is shown by `status`. Or the reason of each path that is named.
        draft: about the plan.
        troubled: put everything there that is held where it lies, but for what would have one name there.

    Returns:
        The plan. Its report counts the files that go.

    Raises:
        UsageError: a name means nothing here, nothing was named, or a file of a named sample cannot be read.
        DestinationError: a name in `held/` is taken.
        ChangedError: held-out images are missing, and an unknown one of `train` would go.
    """
    files = named(catalog, names, lambda record: top(record.path) != HELD, STAGE)
    _refuse_shut(catalog, files)
    why_of = dict.fromkeys((record.path for record in files), "you put it there")
    if isinstance(reason, str):
        why_of |= dict.fromkeys(why_of, show(reason)) if reason else {}
    else:
        of = {r.path: reason[n.path] for s in catalog.samples for n in s.files if n.path in reason for r in s.files}
        of.update(reason)
        why_of |= {path: of[path] for path in why_of if path in of}
    strays = catalog.strays_of_splits()
    if troubled:
        for note in catalog.held():
            record = catalog.index.by_path[note.path]
            shut = is_because(note.reason, Why.UNREADABLE)  # then its sample cannot go whole
            if not shut and top(note.path) != HELD and note.path not in why_of and note.path not in strays:
                files.append(record)
                why_of[note.path] = note.reason
        files = _without_clashes(catalog, files)
        why_of = {record.path: why_of[record.path] for record in files}
    target = {record.path: f"{HELD}/{below(record.path)}" for record in files}
    refuse_doubtful_places(catalog, _moved(catalog, target))
    reasons = dict(draft.reasons) | {target[path]: text for path, text in why_of.items()}
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
    refuse_doubtful_places(catalog, (), [sample for sample in _moved(catalog, target) if sample.split in filled])
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
    splits = {sample.id: sample.split for sample in catalog.samples if sample.split}
    usable = [sample for sample in catalog.samples if _is_usable_after(sample, target)]
    # Who is new, and is not moved here, is for `split` to look at.
    known = {row.sample for row in catalog.rows.values()} | {sample.id for sample in _moved(catalog, target)}
    wishes = write_ledger(draft, catalog, {name: split for name, split in splits.items() if name in known}, target)
    wishes |= write_table(draft, REASONS, write_reasons(reasons) if reasons else None)
    wishes |= write_metadata(draft, catalog, usable, splits, target)[0]
    places = {top(path) for path in (*target, *target.values())} - {STAGE}
    journeys, steps = arrange(
        draft.operation,
        [*moves, *wishes.moves],
        (record.path for record in catalog.index.files),
        catalog.index.folders,
        folder_modes(catalog.index, places),
    )
    into = Counter(top(target[sample.files[0].path]) for sample in catalog.samples if sample.files[0].path in target)
    report = Report(
        done=len(files),
        changed=len(files),
        held=tuple(sorted(held)),
        details={"samples": dict(sorted(into.items())), "files": sorted(show(path) for path in target)},
    )
    return Plan(verb, draft.operation, journeys, steps, tuple(wishes.preparations), report)


def _moved(catalog: Catalog, target: Mapping[str, str]) -> list[Sample]:
    return [sample for sample in catalog.samples if any(record.path in target for record in sample.files)]


def _is_usable_after(sample: Sample, target: Mapping[str, str]) -> bool:
    """Whether a sample is not held when the files have moved: as far as their places tell."""
    places = {top(target.get(record.path, record.path)) for record in sample.files}
    return HELD not in places and (not sample.held or is_because(sample.held, Why.ASIDE))


def _without_clashes(catalog: Catalog, files: Sequence[FileRecord]) -> list[FileRecord]:
    """The files but for those of samples of which one would find its name taken in `held/`."""
    names = Counter(fold(below(record.path)) for record in files)
    names.update(fold(below(record.path)) for record in catalog.index.files if top(record.path) == HELD)
    clashing = {record.path for record in files if names[fold(below(record.path))] > 1}
    for sample in catalog.samples if clashing else ():
        if any(record.path in clashing for record in sample.files):
            clashing |= {record.path for record in sample.files}
    return [record for record in files if record.path not in clashing]


def _refuse_shut(catalog: Catalog, files: Iterable[FileRecord]) -> None:
    paths = {record.path for record in files}
    for sample in catalog.samples:
        if is_because(sample.held, Why.UNREADABLE) and any(record.path in paths for record in sample.files):
            problem = f"{show(sample.key)} cannot go whole ({sample.held})"
            raise UsageError(problem, "Allow reading that file (chmod), then run the command again")
