"""`split`: whole samples go from `stage_data/` into the splits; who has a split keeps it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..assign import Assignment, Group, assign
from ..catalog import Catalog, Sample, below
from ..errors import RefusedError
from ..plan import Identity, Move, Note, Plan, Report
from ..reasons import Why, because, is_because
from ..root import LEDGER, REPORT, SETTINGS, STAGE, TRAIN, show
from ..settings import format_ratios
from ..tables import in_split, manifest
from .guard import past_splits, refuse_dropped, refuse_unexplained
from .metadata import write_metadata
from .splitreport import contradictions, count, describe
from .ties import (
    Pictures,
    earlier_splits,
    find_pictures,
    find_ties,
    homes_of_repeated,
    pictures_of,
    why_bridged,
    without_astray_copies,
)
from .wishes import (
    Draft,
    arrange_wishes,
    is_own_table,
    pairing_details,
    settings_text,
    write_ledger,
    write_settings,
    write_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..root import Layout
    from .splitwish import SplitWish


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
    past = _kept(usable, wish) if wish.reshuffle else past_splits(usable, wish.trust)
    if not wish.reshuffle:
        catalog = without_astray_copies(catalog, past)
    catalog = _without_unlisted(catalog, wish)
    usable = [sample for sample in catalog.samples if not sample.held]
    new = [sample for sample in usable if sample.id not in past]
    if not wish.reshuffle:
        refuse_dropped(past, wish)
        refuse_unexplained(catalog, usable, wish)
    group_of = {sample.id: wish.groups.get(sample.id, sample.group) for sample in catalog.samples}
    pictures = find_pictures(catalog, wish.groups)
    splits, bridged, outcome = _assign(catalog, usable, past, group_of, pictures, wish)
    layout = catalog.layout
    if wish.manifest:
        _refuse_moved(usable, splits)
    target, moves = ({}, []) if wish.manifest else _moves(usable, splits, layout)
    wishes = write_ledger(draft, catalog, splits, target, group_of, settle=True, acknowledged=wish.accept_new)
    if new or LEDGER not in draft.tables:
        text = settings_text(wish, catalog.pairings)
        wishes |= write_settings(draft, text)
    counts = count(catalog, splits, usable)
    details = (
        _details(catalog, usable, splits, outcome, wish, counts, new)
        | _group_details(catalog, usable, splits, group_of, pictures)
        | _alike_details(usable, splits, wish)
        | {
            "search": wish.searched(splits, target),
            "add_to_settings": list(wish.to_store) if SETTINGS in draft.tables else [],
        }
    )
    wanted = [manifest(split) if wish.manifest else in_split(layout, split) for split in wish.ratios]
    tables, foreign = write_metadata(draft, catalog, usable, splits, target, wanted)
    wishes |= tables
    is_ours = is_own_table(draft, REPORT)
    if is_ours and (moves or wishes.moves or contradictions(draft.report, counts)):  # else it would tell of other words
        wishes |= write_table(draft, REPORT, describe(details, wish))
    places = {layout.folder(split) for split in set(splits.values())}
    journeys, steps = arrange_wishes(draft, catalog, moves, wishes, places)
    report = replace(
        _report(catalog, usable, splits, bridged, len(moves)),
        details=details | {"foreign_tables": foreign if is_ours else [REPORT, *foreign]},
    )
    return Plan("split", draft.operation, journeys, steps, tuple(wishes.preparations), report)


def _assign(
    catalog: Catalog,
    usable: list[Sample],
    past: Mapping[str, str],
    group_of: Mapping[str, str],
    pictures: Pictures,
    wish: SplitWish,
) -> tuple[dict[str, str], dict[str, str], Assignment]:
    """The split of each sample by id; why each sample that ties two splits is held; and the outcome itself."""
    ties = find_ties(catalog, group_of, pictures, wish.alike)
    members: dict[str, list[Sample]] = defaultdict(list)
    for sample in usable:
        members[ties[sample.id]].append(sample)
    earlier = earlier_splits(catalog, past, ties, pictures.absent)
    if wish.reshuffle:
        earlier = {group: of & wish.kept for group, of in earlier.items()}
    groups = [part for group, samples in members.items() for part in _parts(catalog, group, samples, past, earlier)]
    outcome = _draw(catalog, groups, wish)
    splits = dict(past)
    if wish.reshuffle:  # what is held has no say, but goes where its group goes
        held = [sample for sample in catalog.samples if sample.held and sample.split]
        splits |= {s.id: outcome.splits[ties[s.id]] for s in held if ties[s.id] in outcome.splits}
    between: dict[str, list[Sample]] = {}
    for group, samples in members.items():
        fresh = [sample for sample in samples if sample.id not in past]
        if group in outcome.splits:
            splits |= dict.fromkeys((sample.id for sample in fresh), outcome.splits[group])
        elif fresh:
            between[group] = fresh
    reasons = why_bridged(catalog, between, ties, past, pictures.absent) if between else {}
    return splits, {s.id: reasons[group] for group, samples in between.items() for s in samples}, outcome


def _draw(catalog: Catalog, groups: list[Group], wish: SplitWish) -> Assignment:
    """The draw.

    Raises:
        RefusedError: there are too few groups; it tells of what is held for want of a group or label.
    """
    try:
        return assign(groups, wish.ratios, wish.seed, wish.rounding)
    except RefusedError as error:
        unlisted = sum(is_because(sample.held, Why.UNLISTED) for sample in catalog.samples)
        if not unlisted:
            raise
        problem = f"{error.problem}; {unlisted:,} more are held, for no table or annotation tells their group or label"
        remedy = "Give their images rows there, or take them as they are with --unlisted alone"
        raise RefusedError(problem, remedy) from error


def _parts(
    catalog: Catalog, group: str, samples: list[Sample], past: Mapping[str, str], earlier: Mapping[str, set[str]]
) -> Iterable[Group]:
    """A group as `assign` sees it: what it has in each split already, and what is new."""
    if len(samples) == 1 and samples[0].id not in past:
        counted = tuple((label, 1) for label in catalog.labels_of(samples[0]))
        yield Group(group, 1, frozenset(earlier.get(group, ())), counted)
        return
    old: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        old[past.get(sample.id, "")].append(sample)
    fresh = old.pop("", [])
    for split, members in old.items():
        yield Group(f"{group} in {split}", len(members), frozenset((split,)), _labels(catalog, members))
    if fresh:
        yield Group(group, len(fresh), frozenset(earlier.get(group, ())), _labels(catalog, fresh))


def _labels(catalog: Catalog, samples: Iterable[Sample]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(label for sample in samples for label in catalog.labels_of(sample)).items()))


def _kept(usable: Iterable[Sample], wish: SplitWish) -> dict[str, str]:
    """The splits of samples that stay when all others are drawn anew, by id."""
    return {sample.id: sample.split for sample in usable if sample.split in wish.kept}


def _moves(usable: Iterable[Sample], splits: Mapping[str, str], layout: Layout) -> tuple[dict[str, str], list[Move]]:
    """Where files will be, by where they are, and the moves of those that are not there yet."""
    target: dict[str, str] = {}
    moves: list[Move] = []
    for sample in usable:
        split = splits.get(sample.id)
        if split is not None:
            folder = layout.folder(split)
            for record in sample.files:
                target[record.path] = place = f"{folder}/{below(record.path)}"
                if place != record.path:
                    moves.append(Move(record.path, place, Identity.of(record)))
    return target, moves


def _refuse_moved(usable: Iterable[Sample], splits: Mapping[str, str]) -> None:
    """A manifest moves nothing, so it cannot give to another split what lies in the folder of one.

    Raises:
        RefusedError: it would have to.
    """
    lying = [s for s in usable if s.place != STAGE and splits.get(s.id, s.place) != s.place]
    if lying:
        problem = f"{len(lying):,} samples, such as {show(lying[0].key)}, lie in the folder of another split than they"
        problem += " would get, and --manifest moves nothing"
        raise RefusedError(problem, "Bring all of them back first, with: imgstage unsplit")


def _without_unlisted(catalog: Catalog, wish: SplitWish) -> Catalog:
    """The catalog, with samples held that are new, and of which a table should tell, and does not."""
    if not wish.unlisted:
        return catalog
    samples = tuple(
        sample._replace(held=wish.unlisted[sample.id])
        if sample.id in wish.unlisted and not sample.split and not sample.held
        else sample
        for sample in catalog.samples
    )
    return replace(catalog, samples=samples)


def _group_details(
    catalog: Catalog,
    usable: list[Sample],
    splits: Mapping[str, str],
    group_of: Mapping[str, str],
    pictures: Pictures,
) -> dict[str, Any]:
    """How far groups reach: samples without one, groups that were divided before they were named, copies."""
    places: dict[str, set[str]] = defaultdict(set)
    for sample in usable:
        name = group_of.get(sample.id, "")
        if name and sample.id in splits:
            places[name].add(splits[sample.id])
    telling = tuple(s for s in catalog.samples if not s.held or s.split != TRAIN)  # of train, one may be set aside
    homes = homes_of_repeated(replace(catalog, samples=telling), splits, pictures)
    copies = [sample for sample in usable if not homes.keys().isdisjoint(pictures_of(sample))] if homes else []
    divided = [s for s in copies if s.id in splits and any(len(homes.get(d, ())) > 1 for d in pictures_of(s))]
    return {
        "groups": len(places),
        "samples_without_group": sum(1 for sample in usable if not group_of.get(sample.id)) if places else 0,
        "divided_groups": {name: sorted(of) for name, of in sorted(places.items()) if len(of) > 1},
        "samples_sharing_a_picture": len(copies),
        "divided_copies": [{"sample": show(s.key), "split": splits[s.id]} for s in divided],
    }


def _alike_details(usable: Iterable[Sample], splits: Mapping[str, str], wish: SplitWish) -> dict[str, Any]:
    """Samples that look nearly like others, and those of them that were divided before that was looked at."""
    members: dict[str, dict[str, Sample]] = defaultdict(dict)
    for sample in usable:
        if sample.id in wish.alike and sample.id in splits:
            members[wish.alike[sample.id]][sample.id] = sample
    groups = {name: of for name, of in members.items() if len(of) > 1}
    divided = [of for of in groups.values() if len({splits[name] for name in of}) > 1]
    return {
        "near_duplicates": wish.near_duplicates,
        "alike_groups": len(groups),
        "samples_alike": sum(map(len, groups.values())),
        "largest_alike": max(map(len, groups.values()), default=0),
        "divided_alike": [{"sample": show(s.key), "split": splits[name]} for of in divided for name, s in of.items()],
    }


def _details(
    catalog: Catalog,
    usable: list[Sample],
    splits: Mapping[str, str],
    outcome: Assignment,
    wish: SplitWish,
    counts: Mapping[str, Any],
    new: list[Sample],
) -> dict[str, Any]:
    """What was asked, what it came to, and what is odd."""
    fresh = Counter(splits[sample.id] for sample in new if sample.id in splits)
    samples = {name: counts["samples"].get(name, 0) for name in wish.ratios}
    total = sum(samples.values())
    labels = {label: {name: of.get(name, 0) for name in wish.ratios} for label, of in counts["labels"].items()}
    moved = (s.split for s in usable if s.split and splits.get(s.id, s.split) != s.split) if wish.reshuffle else ()
    redrawn = Counter(split for split in moved if split != TRAIN)
    unlabelled = [] if catalog.labels is None else [s for s in usable if not catalog.labels_of(s)]
    return {
        "samples": samples,
        "new_samples": {name: fresh[name] for name in wish.ratios},
        "asked": format_ratios(wish.ratios),
        "shares": {name: float(share) for name, share in wish.ratios.items()},
        "reached": {name: round(number / total, 4) if total else 0 for name, number in samples.items()},
        "targets": {name: outcome.targets[name] for name in wish.ratios},
        "seed": wish.seed,
        "rounding": wish.rounding,
        "pairing": pairing_details(catalog.pairings),
        "label_source": wish.label_source,
        "labels": labels,
        "samples_without_label": len(unlabelled),
        "samples_unlisted": sum(is_because(sample.held, Why.UNLISTED) for sample in catalog.samples),
        "redrawn": dict(sorted(redrawn.items())),
        "missing": [show(row.last_path) for row in catalog.missing],
        "edited": [show(path) for path in catalog.edited],
        "assigned_as_lone": [show(sample.files[0].path) for sample in catalog.assigned_as_lone()],
    }


def _report(
    catalog: Catalog,
    usable: list[Sample],
    splits: Mapping[str, str],
    bridged: Mapping[str, str],
    changed: int,
) -> Report:
    notes = [
        Note(record.path, because(Why.TIED, bridged[s.id])) for s in usable if s.id in bridged for record in s.files
    ]
    return Report(
        done=sum(len(sample.files) for sample in usable if sample.id in splits),
        changed=changed,
        held=tuple(sorted((*catalog.held(), *notes))),
        ignored=catalog.ignored,
    )
