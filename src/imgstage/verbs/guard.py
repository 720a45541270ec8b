"""When verbs refuse: whenever a held-out image might slip into training unseen."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ..catalog import below, top
from ..errors import ChangedError, UsageError
from ..pairing import SIDECAR, stem_of
from ..plan import some
from ..reasons import Why, is_because
from ..root import HELD, STAGE, TRAIN, fold, show, split_sets
from .ties import find_absent, is_picture, name_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from ..catalog import Catalog, Sample
    from ..ledger import Row
    from .splitwish import SplitWish, Trust


def past_splits(usable: Iterable[Sample], trust: Trust | None) -> dict[str, str]:
    """The split of each sample that has one, by id.

    Args:
        usable: the samples.
        trust: which is right where a folder and `splits.csv` disagree.

    Raises:
        ChangedError: they disagree, and nobody said which is right.
    """
    past: dict[str, str] = {}
    disagreeing: list[tuple[str, str, str]] = []
    for sample in usable:
        if not sample.split:
            continue
        past[sample.id] = sample.split
        if sample.place not in (STAGE, sample.split):
            disagreeing.append((show(sample.key), sample.place, sample.split))
            if trust == "folders":
                past[sample.id] = sample.place
    if disagreeing and trust is None:
        count = len(disagreeing)
        problem = f"{count:,} sample{'s lie' if count > 1 else ' lies'} in another folder than splits.csv says"
        remedy = "Say which is right, with --trust folders or --trust csv"
        raise ChangedError(problem, remedy, [("sample", "folder", "splits.csv"), *disagreeing])
    return past


def refuse_dropped(past: Mapping[str, str], wish: SplitWish) -> None:
    """A split that has samples cannot be left out.

    Raises:
        UsageError: naming the splits.
    """
    dropped = Counter(split for split in past.values() if split not in wish.ratios)
    if dropped:
        names = ", ".join(f"{split} ({count} samples)" for split, count in sorted(dropped.items()))
        problem = f"The ratios leave out {names}, who have samples in splits.csv or their folders"
        remedy = "Name every split that has samples, or draw all anew, held-out ones too, with --reshuffle"
        kept = "; beside --folds, a split that --ratios names keeps its samples" if wish.with_folds else ""
        raise UsageError(problem, remedy + kept)


def refuse_foreign(unknown: Iterable[Sample]) -> None:
    """A `splits.csv` that is gone, or not the last one, is not made the last one by the way.

    Args:
        unknown: the samples that it does not know.

    Raises:
        ChangedError: there are some.
    """
    samples = sorted(unknown, key=lambda sample: sample.place not in (HELD, STAGE))  # others' folders tell their split
    came = [show(sample.key) + (f" (in {HELD}/)" if sample.place == HELD else "") for sample in samples]
    if came:
        problem = f"splits.csv is gone, or is not the one imgstage wrote last, and does not know {some(came)}"
        undo = "move away what there is of it, and take back the last operation: imgstage undo --without-missing"
        draw = "let split draw (or take from folders) what it does not know, with: imgstage split --accept-new"
        raise ChangedError(problem, f"Restore it from git or a backup; or {undo}; or {draw}")


def unknown_to_ledger(catalog: Catalog, samples: Iterable[Sample]) -> list[Sample]:
    """The samples with an image that has no row; a sidecar that has one vouches for nothing."""
    rows = catalog.rows
    return [s for s in samples if any(r.path not in rows for records in s.images.values() for r in records)]


def refuse_unexplained(catalog: Catalog, usable: list[Sample], wish: SplitWish) -> None:
    """A renamed and edited test image must not slip into train as a new one.

    Raises:
        ChangedError: unknown samples have appeared, and there are reasons to doubt that they are new; all are named.
    """
    if wish.accept_new:
        return
    unknown = unknown_to_ledger(catalog, usable)
    if wish.foreign_ledger:  # what is held would be drawn when it comes back
        refuse_foreign(unknown_to_ledger(catalog, catalog.samples))
    doubts = [
        *_without_rule(catalog, unknown, wish),
        *_in_place_of_missing(catalog, usable, unknown),
        *_under_held_out_names(catalog, unknown),
        *_split_by_somebody(unknown),
        *(_unknowable(catalog) if unknown else ()),
        *_copied_over(catalog, usable),
    ]
    if doubts:
        remedy = "If all of these are new pictures that stand for themselves, say so with --accept-new; else mend that"
        raise ChangedError(". ".join(doubts), remedy)


def refuse_doubtful_places(
    catalog: Catalog, samples: Iterable[Sample], going: Iterable[Sample] = (), moving: Iterable[Sample] = ()
) -> None:
    """That unknown images lie in `train` must not become their row while they may be held-out ones.

    Args:
        catalog: what there is.
        samples: those that would get rows.
        going: those that would go into a split.
        moving: those whose rows would say only where they go, and no more what they were called.

    Raises:
        ChangedError: held-out images are missing, and unknown ones lie in `train`, or edited ones would go there; or
            such a one holds the bytes of a held-out image, or has the name that one had.
    """
    placed = [sample for sample in unknown_to_ledger(catalog, samples) if sample.place == TRAIN]
    going = list(going)
    doubts = [
        *_in_place_of_missing(catalog, going, placed),
        *_under_held_out_names(catalog, placed),
        *(_under_names_of(catalog, moving) if not placed else ()),
        *_copied_over(catalog, going),
    ]
    if doubts:
        remedy = "Mend that, or say that they are new with: imgstage split --accept-new"
        raise ChangedError(". ".join(doubts), remedy)


def refuse_doubtful_names(catalog: Catalog, samples: Iterable[Sample]) -> None:
    """New names must not take away what tells that an unknown image may be a held-out one, or belongs to one.

    Args:
        catalog: what there is.
        samples: those that would get new names.

    Raises:
        ChangedError: there are such images.
    """
    samples = list(samples)
    unknown = unknown_to_ledger(catalog, samples)
    doubts = [*_under_held_out_names(catalog, unknown), *_under_names_of(catalog, samples)]
    absent = {name: one.path for one in find_absent(catalog) for name in one.names}
    tied = [f"{show(s.key)} has the name of {show(absent[name_of(s)])}" for s in unknown if name_of(s) in absent]
    if tied:
        doubts.append(f"{some(tied)}, which is in no sample now")
    doubts += _parted_from_name(catalog, samples)
    if doubts:
        raise ChangedError(". ".join(doubts), "Mend that, or let split look at it first")


def _parted_from_name(catalog: Catalog, samples: Iterable[Sample]) -> Iterator[str]:
    """Samples that share a name with one that keeps it, where nothing but the name gives one of them its split."""
    going = {sample.id for sample in samples}
    names = {name_of(sample) for sample in catalog.samples if sample.id in going}
    staying = {name_of(s): s for s in catalog.samples if s.id not in going and name_of(s) in names}
    shared = [sample for sample in catalog.samples if sample.id in going and name_of(sample) in staying]
    unknown = {sample.id for sample in unknown_to_ledger(catalog, (*shared, *staying.values()))}
    parted = [(sample, staying[name_of(sample)]) for sample in shared]
    told = [
        f"{show(one.files[0].path)} and {show(other.files[0].path)}"
        for one, other in parted
        if not unknown.isdisjoint((one.id, other.id))
    ]
    if told:
        yield f"Their name ties {some(told)} to one split, and only the first would get another"


def _under_names_of(catalog: Catalog, samples: Iterable[Sample]) -> Iterator[str]:
    """Unknown images under the names that some of these held-out samples had before a hand renamed them."""
    paths = {record.path for sample in samples for record in sample.files}
    suspects = [sample for sample in catalog.samples if paths and sample.place in (STAGE, HELD, TRAIN)]
    return _under_held_out_names(catalog, unknown_to_ledger(catalog, suspects), paths)


def _without_rule(catalog: Catalog, unknown: Iterable[Sample], wish: SplitWish) -> Iterator[str]:
    came = [show(sample.key) for sample in unknown]
    rows = (*catalog.rows.values(), *catalog.missing, *catalog.unread)
    if came and not wish.groups and any(row.group for row in rows):
        yield (
            f"Earlier samples have groups, and no rule says to which {some(came)} belong (give --group or --group-csv"
            " again)"
        )


def _split_by_somebody(unknown: Iterable[Sample]) -> Iterator[str]:
    """A set that was split already, and came into `stage_data/` with its folders."""
    staged = (record.path for sample in unknown if sample.place == STAGE for record in sample.files)
    folders = {PurePosixPath(folder) for folder in {below(path).rpartition("/")[0] for path in staged}}
    found = split_sets({str(parent) for folder in folders for parent in (folder, *folder.parents)})
    if found:
        listed = some([show(f"{STAGE}/{folder}".rstrip("/")) for folder in found])
        yield f"{listed} holds a set that is split already, with test images that may be drawn into train"


def _in_place_of_missing(catalog: Catalog, usable: Iterable[Sample], unknown: Iterable[Sample]) -> Iterator[str]:
    """Unknown images that may be held-out ones, which are gone, or whose names were changed about."""
    missing = [row for row in catalog.missing if row.split != TRAIN and row.role != SIDECAR and not row.is_acknowledged]
    suspects = [*unknown]
    lost = [row for row in catalog.missing if row.role != SIDECAR and not row.is_acknowledged]
    if lost:  # an edited training image may be a held-out one that took its name
        edited = {path for path in catalog.edited if catalog.rows[path].split == TRAIN}
        suspects += [sample for sample in usable if any(record.path in edited for record in sample.files)]
    if missing and suspects:  # the answer will hold for what comes out of held/ later, too
        suspects += unknown_to_ledger(catalog, (sample for sample in catalog.samples if sample.held))
        gone = some([f"{show(row.last_path)} ({row.split})" for row in missing])
        came = some([show(sample.key) for sample in suspects])
        yield f"Held-out images are missing: {gone}. At the same time unknown samples have appeared: {came}"
    held_out = _held_out(catalog)
    changed = [path for path in catalog.edited if path in held_out]
    if lost and not missing and suspects and changed:
        gone, came = some([show(row.last_path) for row in lost]), some([show(sample.key) for sample in suspects])
        yield (
            f"Held-out images hold other bytes than before ({some([show(path) for path in changed])}) while others are"
            f" gone ({gone}) and unknown or edited samples are there ({came}): if files were renumbered, each may be"
            " another"
        )


def _under_held_out_names(
    catalog: Catalog, unknown: Iterable[Sample], within: Container[str] | None = None
) -> Iterator[str]:
    """Unknown images under the names of held-out ones, whose bytes now lie under another, at one of some paths."""
    moved = {path: row for path, row in _held_out(catalog).items() if below(path) != below(row.last_path)}
    moved = {path: row for path, row in moved.items() if within is None or path in within}
    files = (r.path for s in unknown for records in s.images.values() for r in records) if moved else ()
    by_stem = {fold(stem_of(below(path))): path for path in files if path not in catalog.rows}
    by_name = {stem.rpartition("/")[2]: path for stem, path in by_stem.items()}
    found: list[str] = []
    for path, row in moved.items():
        now, then = (fold(stem_of(below(place))) for place in (path, row.last_path))
        renamed = now.rpartition("/")[2] != then.rpartition("/")[2]
        other = by_name.get(then.rpartition("/")[2]) if renamed else by_stem.get(then)
        if other is not None and now != then:
            found.append(f"{show(other)} has the name of a {row.split} image whose bytes now lie at {show(path)}")
    if found:
        yield f"{some(found)}: is it an edit"


def _held_out(catalog: Catalog) -> dict[str, Row]:
    """The rows of held-out images that are there; whoever calls no split `train` has none that nobody minds."""
    return {path: row for path, row in catalog.rows.items() if row.split != TRAIN and row.role != SIDECAR}


def _copied_over(catalog: Catalog, samples: Iterable[Sample]) -> Iterator[str]:
    """Training images on their way that hold the bytes of held-out ones since a hand was there."""
    paths = {r.path for sample in samples if sample.split == TRAIN for r in sample.files} if catalog.edited else set()
    edited = [path for path in catalog.edited if path in paths and top(path) in (STAGE, HELD)]
    split_of: dict[str, set[str]] = defaultdict(set)
    for row in (*catalog.rows.values(), *catalog.missing, *catalog.unread) if edited else ():
        if is_picture(row.role):
            for digest in {row.digest, row.first_digest}:
                split_of[digest].add(row.split)
    copied = [path for path in edited if split_of.get(catalog.index.by_path[path].digest, {TRAIN}).isdisjoint({TRAIN})]
    if copied:
        yield f"{some([show(path) for path in copied])} of train hold the bytes of held-out images"


def _unknowable(catalog: Catalog) -> Iterator[str]:
    """Held-out images of which no copy would be recognised: links, and names that no table can hold."""
    notes = [(note, catalog.layout.place(top(note.path))) for note in (*catalog.strays, *catalog.ignored)]
    held_out = [(note, place) for note, place in notes if place not in (STAGE, HELD, TRAIN) and "/" in note.path]
    links = [show(note.path) for note, _ in held_out if is_because(note.reason, Why.LINK)]
    if links:
        yield f"{some(links)} are links, so the images that they show belong to no split and may be drawn into train"
    spoiled = [show(path) for path in _spoiled(catalog)]
    if spoiled:
        yield f"{some(spoiled)} do not decode any more, so copies of what they were may be drawn into train"
    shut = [show(path) for path, why in catalog.unrecorded().items() if is_because(why, Why.UNREADABLE)]
    shut = [path for path in shut if catalog.layout.place(top(path)) != TRAIN]
    if shut:
        yield f"{some(shut)} cannot be read, so copies of them may be drawn into train"
    names = [show(note.path) for note, _ in held_out if is_because(note.reason, Why.NAME)]
    if names:
        yield f"{some(names)} cannot be written down by their names, so copies of them may be drawn into train"


def _spoiled(catalog: Catalog) -> Iterator[str]:
    """Held-out pictures that do not decode, and held other bytes when they were assigned."""
    for path, row in catalog.rows.items():
        record = catalog.index.by_path[path]
        changed = record.digest != row.first_digest and row.split != TRAIN and is_picture(row.role)
        if changed and is_because(record.trouble, Why.BROKEN):
            yield path
