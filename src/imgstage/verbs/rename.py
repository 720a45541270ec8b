"""`rename`: whole samples get names of one kind, numbered in natural order; ids, splits and sub-folders stay."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import chain
from string import Formatter
from typing import TYPE_CHECKING, TypedDict

from ..catalog import Catalog, Sample, below, top
from ..errors import DestinationError, UsageError
from ..index import Kind, unsafe_name
from ..pairing import read_all, stem_of, without_noise
from ..plan import Identity, Move, Note, Plan, Report, emptied_folders, some
from ..root import fold, show
from .guard import refuse_doubtful_names
from .metadata import write_tables
from .named import chosen_samples
from .newnames import follow, refuse_other_reading
from .ties import name_of
from .wishes import arrange_wishes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..index import FileRecord
    from ..pairing import Slot
    from .wishes import Draft

_FIELDS = ("prefix", "n", "role", "i", "ext", "key", "folder")
_DIGITS = 18


class RenameOptions(TypedDict, total=False):
    """What `Dataset.plan_rename` takes; see there."""

    prefix: str
    start: int
    width: int | None
    template: str | None


@dataclass(frozen=True)
class RenameWish:
    """What the user asks of a rename.

    Attributes:
        prefix: what every name begins with.
        start: the first number.
        width: digits of a number at least; None fits them to the last number, but two at least.
        template: a file's name, or with a slash its path below `stage_data/` or its split, of the fields `{prefix}`,
            `{n}`, `{role}`, `{i}` (which of several images in one role), `{key}`, `{folder}` and, at the end, `{ext}`;
            None changes only what the names of a sample have in common, so that they are read as before.
        given: the pairing templates of `imgstage.toml`, by which the new names will be read.
        grouping: what the rules of `imgstage.toml` read from names, by the ids of the samples of a catalog.
    """

    prefix: str
    start: int
    width: int | None
    template: str | None
    given: Mapping[str, Mapping[str, str]]
    grouping: Callable[[Catalog], Mapping[str, str]]


def plan_rename(catalog: Catalog, names: Sequence[str], wish: RenameWish, draft: Draft) -> Plan:
    """Plan to rename samples, where they lie.

    Args:
        catalog: what there is.
        names: keys, ids, or paths of files and folders; none means all. Samples that are held stay as they are.
        wish: what is asked.
        draft: about the plan.

    Returns:
        The plan. Its report counts files; `details["samples"]` counts samples.

    Raises:
        UsageError: the wish makes no sense, a name means nothing here, or the new names would be read otherwise.
        DestinationError: a name is taken, or is that of an image that is missing.
        ChangedError: a name is all that tells that an unknown image may be a held-out one.
    """
    _check_wish(wish)
    chosen = chosen_samples(catalog, names)
    usable = sorted((sample for sample in chosen if not sample.held), key=lambda s: (_natural(s.key), s.key, s.id))
    refuse_doubtful_names(catalog, usable)
    target = _targets(catalog, usable, wish)
    _refuse_impossible(target)
    _refuse_one_name(target, wish)
    _refuse_names_elsewhere(catalog, target)
    _refuse_names_of_missing(catalog, target)
    moves = [
        Move(path, target[path], Identity.of(catalog.index.by_path[path]))
        for path in sorted(target)
        if target[path] != path
    ]
    wishes, foreign = write_tables(draft, catalog, target)
    places = sorted({top(path) for path in target})
    journeys, steps = arrange_wishes(draft, catalog, moves, wishes, places)
    stale = refuse_other_reading(catalog, target, wish.given, wish.grouping, _other_names(wish))
    emptied = tuple(emptied_folders(catalog.index, [*moves, *wishes.moves], places))
    changed = [sample for sample in usable if any(target[record.path] != record.path for record in sample.files)]
    report = Report(
        done=len(target),
        changed=len(moves),
        held=tuple(sorted(Note(r.path, s.held) for s in chosen if s.held for r in s.files)),
        details={
            "samples": len(changed),
            "examples": _examples(changed, target),
            "foreign_tables": foreign,
            "stale_rules": stale,
        },
    )
    return Plan("rename", draft.operation, journeys, (*steps, *emptied), tuple(wishes.preparations), report)


def _check_wish(wish: RenameWish) -> None:
    """Refuse what can be no name, before anything is read.

    Raises:
        UsageError: naming it.
    """
    if not 0 <= wish.start < 10**_DIGITS or (wish.width is not None and not 1 <= wish.width <= _DIGITS):
        problem = "Numbers like that cannot be counted"
        raise UsageError(
            problem, f"Give a --start of 0 or more with up to {_DIGITS} digits, and a --width up to {_DIGITS}"
        )
    if not wish.prefix and wish.template is None:
        problem = "There is no prefix"
        raise UsageError(problem, "Give one, as in: imgstage rename --prefix github_")
    for what, text in (("prefix", wish.prefix), ("template", wish.template or "")):
        if unsafe_name(text) or (what == "prefix" and ("/" in text or text.startswith((".", "-")))):
            problem = (
                f"{show(text)!r} can be no {what}: names that begin with . are not staged, those with - are options"
            )
            raise UsageError(problem, "Use letters, digits, - and _")
    if wish.template is not None:
        _check_template(wish.template)


def _check_template(template: str) -> None:
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        problem = f"The template {template!r} cannot be read ({error})"
        raise UsageError(problem, f"Write it as {{prefix}}{{n}}_{{role}}{{ext}}, of {', '.join(_FIELDS)}") from error
    fields = [name for _, name, _, _ in parts if name is not None]
    plain = all(not spec and not conversion for _, name, spec, conversion in parts if name is not None)
    segments = template.split("/")
    if (
        not plain
        or not set(fields) <= set(_FIELDS)
        or "n" not in fields
        or fields.count("ext") != 1
        or not template.endswith("{ext}")
        or any(segment in ("", ".", "..") or segment.startswith(".") for segment in segments)
    ):
        problem = f"{template!r} is no template for new names"
        remedy = f"It is made of {', '.join(f'{{{name}}}' for name in _FIELDS)}, needs {{n}}, and ends with {{ext}}"
        raise UsageError(problem, f"{remedy}, as in {{prefix}}{{n}}_{{role}}{{ext}}")


def _natural(key: str) -> list[tuple[bool, int, str]]:
    """`2` before `10`."""
    parts = re.split(r"(\d+)", fold(key))
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def _targets(catalog: Catalog, samples: Sequence[Sample], wish: RenameWish) -> dict[str, str]:
    """Where each file of the samples goes, by path."""
    of = _sharing(samples)
    names = {name: count for count, name in enumerate(dict.fromkeys(of[s.id] for s in samples), start=wish.start)}
    width = wish.width or max(2, len(str(wish.start + len(names) - 1)))
    slots = read_all(catalog.pairings)
    target: dict[str, str] = {}
    for sample in samples:
        number = f"{names[of[sample.id]]:0{width}d}"
        new: dict[str, str] = {}
        for role, records in sample.images.items():
            for position, record in enumerate(records, start=1):
                name = below(record.path)
                if wish.template is None:
                    new[name] = _with_key(name, slots.get(name), sample, role, wish.prefix, number)
                else:
                    new[name] = _by_template(name, sample, role, position, wish, number)
        target |= {f"{top(path)}/{name}": f"{top(path)}/{new[name]}" for path, name in _below_of(sample.images)}
        for record in sample.sidecars:
            target[record.path] = (
                f"{top(record.path)}/{follow(below(record.path), new, sample.key, wish.prefix + number)}"
            )
    return target


def _sharing(samples: Sequence[Sample]) -> dict[str, tuple[str, str]]:
    """By what samples share a number, by id: `3.jpg` and `3.png` go on sharing a name, and a split.

    Where each split counts from one, equal names mean nothing, and may not do so any more.
    """
    splits: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        splits[name_of(sample)] |= {sample.split} - {""}
    return {s.id: (name_of(s), s.split if len(splits[name_of(s)]) > 1 else "") for s in samples}


def _below_of(images: Mapping[str, Sequence[FileRecord]]) -> Iterable[tuple[str, str]]:
    return ((record.path, below(record.path)) for record in chain.from_iterable(images.values()))


def _with_key(name: str, slot: Slot | None, sample: Sample, role: str, prefix: str, number: str) -> str:
    """A path that the rule reads as before, but for the last part of the sample's key."""
    stem = stem_of(name)
    ext = name[len(stem) :]
    if slot is not None and not slot.rule.is_lone:
        template = dict(slot.rule.templates)[slot.role]
        found = template.with_key(stem, slot.identity, prefix, number)
        if found is None:  # tools add to names what the rule looks over
            found = template.with_key(without_noise(stem), slot.identity, prefix, number)
        if found is not None:
            return found + ext
    folder, slash, _ = stem.rpartition("/")
    marker = f"_{role}" if len(sample.images) > 1 else ""
    return f"{folder}{slash}{prefix}{number}{marker}{ext}"


def _by_template(name: str, sample: Sample, role: str, position: int, wish: RenameWish, number: str) -> str:
    template = wish.template or ""
    folder = name.rpartition("/")[0]
    made = template.format(
        prefix=wish.prefix,
        n=number,
        role=role,
        i=position,
        ext=name[len(stem_of(name)) :],
        key=sample.key.rpartition("/")[2],
        folder=folder,
    )
    return made.lstrip("/") if "/" in template else f"{folder}/{made}".lstrip("/")


def _refuse_one_name(target: Mapping[str, str], wish: RenameWish) -> None:
    times = Counter(map(fold, target.values()))
    same = [show(path) for path, to in target.items() if times[fold(to)] > 1]
    if same:
        problem = f"{some(same, 2)} would have one name"
        remedy = "Tell them apart in the template, with {role}, and {i} where a role has several images"
        raise UsageError(problem, remedy if wish.template else "Say their whole names, with --template")


def _other_names(wish: RenameWish) -> str:
    if wish.template is None:
        return (
            "Say the whole names, with --template; or set aside the samples that are in the way, with `imgstage hold`"
        )
    return "Choose another template; without one, only what the names of a sample have in common changes"


def _refuse_impossible(target: Mapping[str, str]) -> None:
    """Whatever the fields of a template come to: every file stays in its folder of the root, in sight."""
    for path, to in target.items():
        parts = to.split("/")
        if top(to) != top(path) or unsafe_name(to) or any(not part or part.startswith(".") for part in parts):
            problem = f"{show(path)} would become {show(to)}, which is no name for a file in {top(path)}/"
            raise UsageError(problem, "Choose another prefix or template")
        if parts[-1].startswith("-") and path != to:
            problem = f"{show(path)} would become {show(to)}, whose name begins with -, as options do"
            raise UsageError(problem, "Choose another prefix or template")


def _refuse_names_elsewhere(catalog: Catalog, target: Mapping[str, str]) -> None:
    """Equal names in two places tie samples that have nothing in common, and cannot come together again."""
    there = {
        _tying(record.path): record.path
        for record in catalog.index.files
        if record.kind is Kind.IMAGE and record.path not in target
    }
    taken = [(to, there[_tying(to)]) for path, to in target.items() if path != to and _tying(to) in there]
    if taken:
        listed = some([f"{show(to)} ({show(other)})" for to, other in taken])
        problem = f"Other images have such names already: {listed}"
        raise DestinationError(problem, "Choose another --prefix or --start, or rename all samples at once")


def _tying(path: str) -> str:
    return fold(stem_of(below(path)))


def _refuse_names_of_missing(catalog: Catalog, target: Mapping[str, str]) -> None:
    """A file under the name of a missing one would be taken for an edit of it, and for a member of its split."""
    missing = {fold(below(row.last_path)): row for row in catalog.missing}
    taken = [f"{show(to)} ({row.split})" for to in target.values() if (row := missing.get(fold(below(to))))]
    if taken:
        problem = f"Images that are missing have the names {some(taken)} in splits.csv"
        raise DestinationError(problem, "Put them back, or choose another --prefix or --start")


def _examples(samples: Sequence[Sample], target: Mapping[str, str]) -> list[dict[str, str]]:
    """The first, the second and the last sample, file by file."""
    shown = [*samples[:2], *samples[2:][-1:]]
    return [{"from": show(r.path), "to": show(target[r.path])} for sample in shown for r in sample.files]
