"""`split`: whole samples go from `stage_data/` into the splits; who has a split keeps it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from ..assign import Assignment, Group, assign
from ..catalog import Catalog, Sample, below
from ..errors import ChangedError, RefusedError, UsageError
from ..groups import merge
from ..pairing import SIDECAR
from ..plan import Identity, Move, Note, Plan, Report, arrange, some
from ..root import DEFAULT_RATIOS, STAGE, TRAIN, format_ratios, show
from .tables import Draft, pairing_details, settings_text, write_ledger, write_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from fractions import Fraction

    from ..index import Index

Trust = Literal["folders", "csv"]


@dataclass(frozen=True)
class SplitWish:
    """What the user asks of a split.

    Attributes:
        ratios: share of each split, summing to 1.
        seed: seeds the draw.
        rounding: "remainder" or "truncate".
        group_rule: the regular expression behind `groups`, to be stored; None when they come from elsewhere.
        groups: the group of each sample, by key, where the user's rule gives one.
        reshuffle: forget where samples were.
        accept_new: go on although held-out images are missing while unknown ones have appeared.
        trust: which is right where a folder and `splits.csv` disagree.
        foreign_ledger: `splits.csv` is not the one that was last written here, or is gone.
    """

    ratios: Mapping[str, Fraction] = field(default_factory=lambda: DEFAULT_RATIOS)
    seed: int = 0
    rounding: str = "remainder"
    group_rule: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    reshuffle: bool = False
    accept_new: bool = False
    trust: Trust | None = None
    foreign_ledger: bool = False


def plan_split(catalog: Catalog, wish: SplitWish, draft: Draft) -> Plan:
    """Plan a split.

    Args:
        catalog: what there is.
        wish: what is asked.
        draft: about the plan.

    Returns:
        The plan. Its report counts files; `details["samples"]` counts samples.

    Raises:
        RefusedError: there is nothing to split, or too little.
        ChangedError: folders and `splits.csv` disagree, or held-out images are missing while unknown ones appeared.
        UsageError: the ratios leave out a split that has samples.
        DestinationError: a name in a split is taken.
    """
    usable = [sample for sample in catalog.samples if not sample.held]
    if not usable:
        problem = f"There is nothing to split: no complete sample among {len(catalog.index.files)} files"
        raise RefusedError(
            problem, "Bring images in with: imgstage add FOLDER; see why files are held with: imgstage status"
        )
    past = _past(usable, wish)
    new = [sample for sample in usable if sample.id not in past]
    if not wish.reshuffle:
        _refuse_dropped(past, wish)
        _refuse_unexplained(catalog, usable, wish)
    group_of = {sample.id: wish.groups.get(sample.key, sample.group) for sample in usable}
    splits, bridged, outcome = _assign(catalog, usable, past, group_of, wish)
    moves = [
        Move(record.path, f"{splits[sample.id]}/{below(record.path)}", Identity.of(record))
        for sample in usable
        if sample.id in splits
        for record in sample.files
    ]
    moves = [move for move in moves if move.source != move.target]
    occupied = (record.path for record in catalog.index.files)
    ledger_moves, preparations = write_ledger(draft, catalog, splits, moves, group_of)
    text = settings_text(wish.ratios, wish.seed, wish.rounding, wish.group_rule, catalog.pairings)
    settings_moves, settings_preparations = write_settings(draft, text) if new else ([], [])
    journeys, steps = arrange(
        draft.operation,
        [*moves, *ledger_moves, *settings_moves],
        occupied,
        catalog.index.folders,
        folder_modes(catalog.index, set(splits.values())),
    )
    report = _report(
        catalog, usable, splits, bridged, outcome, wish, len(moves), new, writes_settings=bool(settings_moves)
    )
    report = replace(report, details={**report.details, **_group_details(usable, splits, group_of)})
    return Plan("split", draft.operation, journeys, steps, (*preparations, *settings_preparations), report)


def folder_modes(index: Index, splits: Iterable[str]) -> dict[str, int]:
    """The folders of `stage_data/` lend their permission bits to those made in the splits, and the other way round."""
    modes = {STAGE + path.removeprefix(split): mode for split in splits for path, mode in _inside(index, split)}
    modes |= {split + path.removeprefix(STAGE): mode for split in splits for path, mode in _inside(index, STAGE)}
    return modes


def _inside(index: Index, place: str) -> Iterable[tuple[str, int]]:
    return [(path, mode) for path, mode in index.folders.items() if path == place or path.startswith(place + "/")]


def _past(usable: Iterable[Sample], wish: SplitWish) -> dict[str, str]:
    """The split of each sample that has one, by id; refuses while folders and ledger disagree."""
    if wish.reshuffle:
        return {}
    past: dict[str, str] = {}
    disagreeing: list[str] = []
    for sample in usable:
        if not sample.split:
            continue
        past[sample.id] = sample.split
        if sample.place not in (STAGE, sample.split):
            disagreeing.append(f"{show(sample.key)} lies in {sample.place}/, splits.csv says {sample.split}")
            if wish.trust == "folders":
                past[sample.id] = sample.place
    if disagreeing and wish.trust is None:
        raise ChangedError(some(disagreeing), "Say which is right, with --trust folders or --trust csv")
    return past


def _refuse_dropped(past: Mapping[str, str], wish: SplitWish) -> None:
    dropped = Counter(split for split in past.values() if split not in wish.ratios)
    if dropped:
        names = ", ".join(f"{split} ({count} samples)" for split, count in sorted(dropped.items()))
        problem = f"The ratios leave out {names}"
        raise UsageError(problem, "Name every split that has samples, or draw all of them anew with --reshuffle")


def _refuse_unexplained(catalog: Catalog, usable: list[Sample], wish: SplitWish) -> None:
    """A renamed and edited test image must not slip into train as a new one."""
    unknown = [sample for sample in usable if not any(record.path in catalog.rows for record in sample.files)]
    if wish.foreign_ledger and unknown and not wish.accept_new:
        came = some([show(sample.key) for sample in unknown])
        problem = f"splits.csv is gone, or is not the one imgstage wrote last, and does not know {came}"
        remedy = "Restore it from git or a backup, or let split draw (or take from their folders) all it does not know"
        raise ChangedError(problem, f"{remedy}, with --accept-new")
    grouped = any(row.group for row in catalog.rows.values())
    if grouped and not wish.groups and unknown and not wish.accept_new:
        problem = (
            f"Earlier samples have groups, and no rule says to which {some([show(s.key) for s in unknown])} belong"
        )
        raise ChangedError(problem, "Give --group or --group-csv again, or let them stand alone with --accept-new")
    training = TRAIN if TRAIN in wish.ratios else next(iter(wish.ratios))
    missing = [row for row in catalog.missing if row.split != training and row.role != SIDECAR]
    if missing:  # an edited training image may be a held-out one that took its name
        edited = {path for path in catalog.edited if catalog.rows[path].split == training}
        unknown += [sample for sample in usable if any(record.path in edited for record in sample.files)]
    if missing and unknown and not wish.accept_new:
        gone = some([f"{show(row.last_path)} ({row.split})" for row in missing])
        came = some([show(sample.key) for sample in unknown])
        problem = f"Held-out images are missing: {gone}. At the same time unknown samples have appeared: {came}"
        remedy = "If these are other pictures, say so with --accept-new; else give them their old names"
        raise ChangedError(problem, remedy)


def _assign(
    catalog: Catalog, usable: list[Sample], past: Mapping[str, str], group_of: Mapping[str, str], wish: SplitWish
) -> tuple[dict[str, str], dict[str, str], Assignment]:
    """The split of each sample by id; why each sample that ties two splits is held; and the outcome itself."""
    ties = _ties(catalog, group_of)
    members: dict[str, list[Sample]] = defaultdict(list)
    for sample in usable:
        members[ties[sample.id]].append(sample)
    earlier = {} if wish.reshuffle else _earlier_splits(catalog, past, ties)
    groups = [part for group, samples in members.items() for part in _parts(group, samples, past, earlier)]
    outcome = assign(groups, wish.ratios, wish.seed, wish.rounding)
    splits = dict(past)
    bridged: dict[str, str] = {}
    for group, samples in members.items():
        for sample in samples:
            if sample.id in past:
                continue
            if group in outcome.splits:
                splits[sample.id] = outcome.splits[group]
            else:
                what = f"its {group}" if group.startswith(_GROUP) else "the same picture"
                bridged[sample.id] = f"{what} is in {' and '.join(sorted(earlier[group]))} already"
    return splits, bridged, outcome


_GROUP = "group "


def _ties(catalog: Catalog, group_of: Mapping[str, str]) -> dict[str, str]:
    """What holds each sample in one split with others: its group, and every picture that has the same bytes.

    Equal masks tie nothing: many samples have an empty one. Rows of missing files tie too, under their own paths.
    """
    names: dict[str, set[str]] = {}
    for sample in catalog.samples:
        pictures = {r.digest for role, records in sample.images.items() if role != _MASK for r in records}
        names[sample.id] = _tie_names(pictures, group_of.get(sample.id, sample.group)) or {f"sample {sample.id}"}
    for row in catalog.missing:
        names[row.path] = _tie_names({row.digest} if row.role not in (_MASK, SIDECAR) else set(), row.group)
    return merge(names)


_MASK = "mask"


def _tie_names(digests: set[str], group: str) -> set[str]:
    return {f"picture {digest}" for digest in digests} | ({_GROUP + group} if group else set())


def _earlier_splits(catalog: Catalog, past: Mapping[str, str], ties: Mapping[str, str]) -> dict[str, set[str]]:
    """The splits in which each group has, or had, samples; held and missing ones count."""
    earlier: dict[str, set[str]] = defaultdict(set)
    for sample in catalog.samples:
        if sample.split:
            earlier[ties[sample.id]].add(past.get(sample.id, sample.split))
    for row in catalog.missing:
        if row.path in ties:
            earlier[ties[row.path]].add(row.split)
    return earlier


def _parts(
    group: str, samples: list[Sample], past: Mapping[str, str], earlier: Mapping[str, set[str]]
) -> Iterable[Group]:
    """A group as `assign` sees it: what it has in each split already, and what is new."""
    for split, size in Counter(past[sample.id] for sample in samples if sample.id in past).items():
        yield Group(f"{group} in {split}", size, frozenset((split,)))
    fresh = [sample for sample in samples if sample.id not in past]
    if fresh:
        labels = Counter(sample.label for sample in fresh)
        yield Group(group, len(fresh), frozenset(earlier.get(group, ())), tuple(sorted(labels.items())))


def _group_details(usable: list[Sample], splits: Mapping[str, str], group_of: Mapping[str, str]) -> dict[str, Any]:
    """How far groups reach: samples without one, groups that were divided before they were named, copies."""
    places: dict[str, set[str]] = defaultdict(set)
    pictures: Counter[str] = Counter()
    for sample in usable:
        name = group_of.get(sample.id, "")
        if name and sample.id in splits:
            places[name].add(splits[sample.id])
        pictures.update({r.digest for role, records in sample.images.items() if role != _MASK for r in records})
    copies = [
        s for s in usable if any(pictures[r.digest] > 1 for role, of in s.images.items() if role != _MASK for r in of)
    ]
    return {
        "groups": len(places),
        "samples_without_group": sum(1 for sample in usable if not group_of.get(sample.id)) if places else 0,
        "divided_groups": {name: sorted(of) for name, of in sorted(places.items()) if len(of) > 1},
        "samples_sharing_a_picture": len(copies),
    }


def _report(
    catalog: Catalog,
    usable: list[Sample],
    splits: Mapping[str, str],
    bridged: Mapping[str, str],
    outcome: Assignment,
    wish: SplitWish,
    changed: int,
    new: list[Sample],
    *,
    writes_settings: bool,
) -> Report:
    notes = [Note(record.path, bridged[s.id]) for s in usable if s.id in bridged for record in s.files]
    counts = Counter(splits[sample.id] for sample in usable if sample.id in splits)
    fresh = Counter(splits[sample.id] for sample in new if sample.id in splits)
    total = counts.total()
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in usable:
        if sample.id in splits and sample.label:
            labels[sample.label][splits[sample.id]] += 1
    details = {
        "samples": {name: counts[name] for name in wish.ratios},
        "new_samples": {name: fresh[name] for name in wish.ratios},
        "asked": format_ratios(wish.ratios),
        "reached": {name: round(counts[name] / total, 4) if total else 0 for name in wish.ratios},
        "targets": {name: outcome.targets[name] for name in wish.ratios},
        "seed": wish.seed,
        "rounding": wish.rounding,
        "pairing": pairing_details(catalog.pairings),
        "labels": {label: {name: labels[label][name] for name in wish.ratios} for label in sorted(labels)},
        "missing": [show(row.last_path) for row in catalog.missing],
        "edited": [show(path) for path in catalog.edited],
        "wrote_settings": writes_settings,
    }
    return Report(
        done=sum(len(sample.files) for sample in usable if sample.id in splits),
        changed=changed,
        held=tuple(sorted((*catalog.held(), *notes), key=lambda note: note.path)),
        ignored=catalog.ignored,
        details=details,
    )
