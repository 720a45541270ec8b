"""Which pictures are played, what their results are called, and which true ones they are compared with."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from .. import pairing, settings
from ..errors import PairingError, RefusedError, UsageError
from ..formats import SUFFIXES
from ..index import Kind, list_files
from ..pairing import CONVENTIONS, LONE, Rule, is_mask
from ..plan import Note
from ..reasons import Why, because
from ..root import PLAY, STAGE, fold, show

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ..pairing import Slot
    from ..root import Root

OUTPUT = "output"
_WORDS = [
    words
    for convention in CONVENTIONS
    if not (convention.guessed or convention.bare)
    for words in product(*map(sorted, convention.words))
]
_RULES = (
    *(Rule.parse({"before": f"{{key}}_{first}", "after": f"{{key}}_{second}"}) for first, second in _WORDS),
    Rule.parse({"before": "{key}", "after": "{key}_after"}),
)
"""By these, names are read whatever else lies there: pictures to play often are few pairs among others."""


@dataclass(frozen=True)
class Job:
    """A picture to be played.

    Attributes:
        path: as it is shown and counted.
        file: where it lies.
        name: of its result, with sub-folders, without extension.
        truth: the picture that it should become, or the mask; None where there is none.
        label: its true class, where it lies in a class folder of a split.
    """

    path: str
    file: Path
    name: str
    truth: Path | None = None
    label: str = ""


@dataclass(frozen=True)
class Gathered:
    """What there is to play.

    Attributes:
        jobs: in the order of their paths.
        truths: how many files are there to compare with.
        held: files that cannot be played.
        ignored: files that are none of its business.
        pairing: how names were read, in words; empty where each stands alone.
    """

    jobs: tuple[Job, ...]
    truths: int = 0
    held: tuple[Note, ...] = ()
    ignored: tuple[Note, ...] = ()
    pairing: str = ""


def of_folder(root: Root, suffix: str | None, *, masks: bool) -> Gathered:
    """All pictures in `play_data/`, but for those in `play_data/output/`.

    Names are read as those of samples are: by `imgstage.toml`, else by what explains most of them. A name that ends
    with `_before` is always read so, and what ends with `_after` beside it is what it should become.

    Args:
        root: holds the folder.
        suffix: what names of results end with; None where they are rows of a table: then each picture stands alone.
        masks: whether true ones are masks, rather than pictures.

    Raises:
        RefusedError: there is no such folder, or nothing in it.
    """
    folder = root.path / PLAY
    if not folder.is_dir():
        problem = f"{show(str(folder))} is no folder"
        raise RefusedError(problem, "Make a folder there and put pictures into it, or name files")
    files = [of for of in list_files(folder) if of.path != OUTPUT and not of.path.startswith(f"{OUTPUT}/")]
    held = [Note(f"{PLAY}/{of.path}", of.trouble) for of in files if of.trouble and of.kind is Kind.IMAGE]
    ignored = [Note(f"{PLAY}/{of.path}", of.trouble) for of in files if of.trouble and of.kind is Kind.IGNORED]
    beside = because(Why.OTHER, "it lies beside pictures, and is none")
    ignored += [Note(f"{PLAY}/{of.path}", beside) for of in files if of.kind is Kind.SIDECAR]
    names = [of.path for of in files if of.kind is Kind.IMAGE and not of.trouble]
    if not names and not held:
        problem = f"There are no pictures in {show(str(folder))}"
        raise RefusedError(problem, "Put some there, or name files")
    if suffix is None:
        alone = tuple(Job(f"{PLAY}/{name}", folder / name, name) for name in names)
        return Gathered(alone, held=tuple(sorted(held)), ignored=tuple(sorted(ignored)))
    slots, told = _read_names(names, settings.read(root).pairing)
    truths = {slot.sample: name for name, slot in slots.items() if slot.role == slot.rule.roles[1]}
    jobs: list[Job] = []
    for name in names:
        slot = slots.get(name)
        if slot is None:
            jobs.append(Job(f"{PLAY}/{name}", folder / name, _ended(_bare(name), suffix)))
        elif slot.role == slot.rule.roles[0]:
            fits = is_mask(slot.rule.roles[1]) == masks
            truth = folder / truths[slot.sample] if fits else None
            jobs.append(Job(f"{PLAY}/{name}", folder / name, _ended(slot.name, suffix), truth))
    apart, twins = _apart(jobs)
    met = {*(job.file for job in jobs), *(job.truth for job in apart)}
    with_held = {job.truth for job in jobs} - met
    for name in names:
        if folder / name in with_held:
            held.append(Note(f"{PLAY}/{name}", because(Why.TWINS, "the picture that should become it is held")))
        elif folder / name not in met:
            ignored.append(Note(f"{PLAY}/{name}", because(Why.OTHER, "it goes with a picture, but not as its result")))
    truth_count = sum(1 for job in apart if job.truth)
    return Gathered(tuple(apart), truth_count, tuple(sorted(held + twins)), tuple(sorted(ignored)), told)


def _read_names(names: Sequence[str], given: Mapping[str, Mapping[str, str]]) -> tuple[dict[str, Slot], str]:
    """Of each picture that is part of a whole sample of several, its slot; and how that was read, in words."""
    slots: dict[str, Slot] = {}
    told: list[str] = []

    def keep(rule: Rule, read: Mapping[str, Slot]) -> None:
        whole = _complete(read)
        slots.update(whole)
        if whole:
            told.append(pairing.describe(rule) + (" (which is which is a guess)" if rule.guessed else ""))

    for rule in (*_RULES, *map(Rule.parse, given.values())):
        keep(rule, pairing.read_rule(rule, [name for name in names if name not in slots]))
    try:
        found = pairing.detect([name for name in names if name not in slots], {})
    except PairingError:  # the others stand alone then
        return slots, "; ".join(told)
    for of in found:
        if not of.rule.is_lone:
            keep(of.rule, of.slots)
    return slots, "; ".join(told)


def _complete(slots: Mapping[str, Slot]) -> dict[str, Slot]:
    """Those of samples that have one picture in each of their first two roles."""
    counts: dict[str, list[str]] = defaultdict(list)
    for slot in slots.values():
        counts[slot.sample].append(slot.role)
    roles = {sample: Counter(of) for sample, of in counts.items()}
    return {
        name: slot for name, slot in slots.items() if all(roles[slot.sample][role] == 1 for role in slot.rule.roles[:2])
    }


def _bare(name: str) -> str:
    """A path without its extension, and without the word of the role."""
    stem = pairing.stem_of(name)
    return next((stem[: -len(end)] for end in ("_after", "_before") if fold(stem).endswith(end)), stem)


def _ended(name: str, suffix: str) -> str:
    """The name of a result; the suffix stands there once."""
    return name if suffix and fold(name).endswith(fold(suffix)) else name + suffix


def _apart(jobs: Sequence[Job]) -> tuple[list[Job], list[Note]]:
    """Jobs whose results have names of their own, and the others, which nobody can tell apart there."""
    same: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        same[fold(job.name)].append(job)
    notes = [
        Note(job.path, because(Why.TWINS, f"its result would have the name of that of {show(other.path)}"))
        for of in same.values()
        if len(of) > 1
        for job, other in zip(of, [of[1], *of], strict=False)
    ]
    return [job for job in jobs if len(same[fold(job.name)]) == 1], notes


def of_files(files: Sequence[str], here: Path, suffix: str | None, *, masks: bool) -> Gathered:
    """Pictures that a user names.

    Args:
        files: their paths.
        here: what paths are relative to.
        suffix: see `of_folder`.
        masks: whether masks are made, of which no true ones lie beside pictures by name.

    Raises:
        UsageError: one is no picture, or two would have one result.
    """
    jobs: list[Job] = []
    has_truths = not masks and suffix is not None
    truths = {_truth_beside(here / given) for given in files} if has_truths else set()
    for given in dict.fromkeys(files):
        path = here / given
        told = show(given)
        if path.is_dir():
            problem = f"{told} is a folder"
            raise UsageError(problem, f"Name files, or put its pictures into {PLAY}/, where sub-folders are kept")
        if not os.path.lexists(path):
            problem = f"There is no file {told}"
            raise UsageError(problem, "Check the path")
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            problem = f"{told} is no picture that imgstage reads"
            raise UsageError(problem, f"It reads {', '.join(sorted(SUFFIXES))}")
        if path in truths:  # named beside the picture that should become it
            continue
        name = given if suffix is None else _ended(_bare(path.name), suffix)
        jobs.append(Job(given, path, name, _truth_beside(path) if has_truths else None))
    apart, twins = _apart(jobs) if suffix is not None else (jobs, [])
    if twins:
        problem = f"{show(twins[0].path)} and {show(twins[1].path)} would have one result"
        raise UsageError(problem, f"Name one of the two, or put them into folders of {PLAY}/, which are kept")
    return Gathered(tuple(apart), truths=sum(1 for job in apart if job.truth))


def _truth_beside(path: Path) -> Path | None:
    """What ends with `_after` where a picture's name ends with `_before`, or with nothing."""
    stem = _bare(path.name)
    if fold(path.stem).endswith("_after"):
        return None
    ends = (f"{stem}_after{suffix}" for suffix in (path.suffix, *sorted(SUFFIXES)))
    return next((path.with_name(name) for name in ends if path.with_name(name).is_file()), None)


def of_split(root: Root, split: str, suffix: str | None, *, masks: bool) -> Gathered:
    """The samples of a split, with what is true of each.

    Args:
        root: holds the split.
        split: its name.
        suffix: None where classes are told; see `of_folder`.
        masks: whether true ones are masks, rather than pictures.

    Raises:
        RefusedError: there is no such split, or nothing whole in it.
        UsageError: its samples have no true pictures.
    """
    from ..training.listing import list_split

    listing = list_split(root.path, split)
    if listing.roles != LONE.roles:
        truth = 1 if len(listing.roles) > 1 else 0
        if is_mask(listing.roles[truth]) != masks or not truth:
            problem = f"The samples of {split} have the roles {', '.join(listing.roles)}"
            raise UsageError(problem, "Name a network that makes such of them, or give --task")
    elif suffix is not None:
        problem = f"The samples of {split} are single pictures, with nothing beside them to compare with"
        raise UsageError(problem, "Name a network that tells their classes, or give --task classification")
    jobs = []
    for entry in listing.entries:
        path = entry.images[0][0]
        true = root.path / entry.images[1][0] if len(entry.images) > 1 else None
        jobs.append(Job(path, root.path / path, f"{split}/{entry.key}", true, entry.label))
    used = {path for entry in listing.entries for of in entry.images for path in of}
    there = list_files(root.path, sorted({path.partition("/")[0] for path in used} - {STAGE}))
    others = [of for of in there if of.path not in used]
    out = because(Why.INCOMPLETE, "it belongs to no whole sample")
    none = because(Why.OTHER, "no picture")
    held = [Note(of.path, of.trouble or out) for of in others if of.kind is Kind.IMAGE]
    ignored = [Note(of.path, of.trouble or none) for of in others if of.kind is not Kind.IMAGE]
    return Gathered(tuple(jobs), len(used) - len(jobs), tuple(held), tuple(ignored))
