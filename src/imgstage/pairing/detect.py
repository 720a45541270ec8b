"""Find the rule that explains most files of a folder: one rule a folder, not the best match a file."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

from ..errors import PairingError
from .candidates import candidates
from .rules import LONE, Reading, Rule, Slot, count_roles, read_roles
from .words import folder_sides

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

USED = 0.9
"""Coverage from which a rule is used without asking."""
LONE_BELOW = 0.1
"""Coverage up to which all images are lone."""
TOP = "."
"""The name of the unit of files that lie directly in `stage_data/`."""


@dataclass(frozen=True)
class FolderPairing:
    """How the images of one top-level folder (or of parallel siblings) go together.

    Attributes:
        folders: top-level folders; `.` stands for the files directly in `stage_data/`.
        rule: the rule.
        given: whether it comes from `imgstage.toml` rather than from the names.
        images: how many images the folders hold.
        explained: how many of them the rule puts into complete samples.
        passed_over: a rule that explained a few of the images, too few to be used.
        slots: where each image belongs that the rule can read, by its path.
    """

    folders: tuple[str, ...]
    rule: Rule
    given: bool
    images: int
    explained: int
    passed_over: Rule | None = None
    slots: Mapping[str, Slot] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The folders, as the name of their table in `imgstage.toml`."""
        return "+".join(self.folders)

    @property
    def is_parallel(self) -> bool:
        """Whether the rule names its folders, so that it holds for them together and for no others."""
        return any(text.startswith(f"{folder}/") for folder in self.folders for text in self.rule.texts().values())

    @property
    def coverage(self) -> float:
        """The share of images in complete samples, 0 to 1."""
        return self.explained / self.images if self.images else 1.0


def stem_of(path: str) -> str:
    """A path without the extension of its file."""
    folder, slash, name = path.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    return folder + slash + (stem if dot and stem else name)


def detect(images: Iterable[str], given: Mapping[str, Mapping[str, str]]) -> tuple[FolderPairing, ...]:
    """One rule for each top-level folder; parallel siblings count as one folder.

    Args:
        images: paths below `stage_data/`.
        given: templates by role, by folder, from `imgstage.toml`; "" holds for every folder without its own that it
            fits.

    Returns:
        The pairings, in the order of their folders.

    Raises:
        PairingError: between a tenth and nine tenths of a folder's images pair up, so both readings may be meant.
        UsageError: a given template is none.
    """
    tops: dict[str, dict[str, str]] = defaultdict(dict)
    for path in sorted(images):
        tops[_top(path)][path] = stem_of(path)
    rules = {name: Rule.parse(texts) for name, texts in given.items()}
    found: list[FolderPairing] = []
    for name, rule in rules.items():
        folders = (name,) if name in tops else tuple(name.split("+"))
        stems = {path: stem for folder in folders for path, stem in tops.pop(folder, {}).items()}
        if name and stems:
            reading = _read(rule, stems)
            found.append(FolderPairing(folders, rule, True, len(stems), _explained(rule, reading), slots=reading.slots))
        elif name and tops:
            found.append(FolderPairing(folders, rule, True, 0, 0))  # fits nothing: to be told
    if "" in rules and tops:
        found.extend(_where_it_fits(rules[""], tops) or [FolderPairing((), rules[""], True, 0, 0)])
    found.extend(_detect_all(tops))
    return tuple(sorted(found, key=lambda pairing: pairing.folders))


def _where_it_fits(rule: Rule, tops: dict[str, dict[str, str]]) -> list[FolderPairing]:
    """The rule that is given for all folders, for those of which it explains more than a few images.

    They are taken out of `tops`; the others may hold something else, which their names will tell.
    """
    reading = _read(rule, {path: stem for stems in tops.values() for path, stem in stems.items()})
    complete = {identity for identity, counts in reading.counts.items() if is_complete(rule, counts)}
    counts = Counter(_top(path) for path, slot in reading.slots.items() if slot.sample in complete)
    folders = tuple(sorted(f for f, stems in tops.items() if counts[f] > LONE_BELOW * len(stems) or rule.is_lone))
    images = sum(len(tops.pop(folder)) for folder in folders)
    if not folders:
        return []
    slots = {path: slot for path, slot in reading.slots.items() if _top(path) not in tops}
    return [FolderPairing(folders, rule, True, images, sum(counts[f] for f in folders), slots=slots)]


def _detect_all(tops: dict[str, dict[str, str]]) -> Iterator[FolderPairing]:
    units: dict[tuple[str, ...], Rule] = dict(_parallel_tops(tops))
    paired = {folder for unit in units for folder in unit}
    known: list[Rule] = []
    same: dict[tuple[Rule, Rule | None], list[FolderPairing]] = defaultdict(list)
    for unit, rule in sorted(units.items()):
        stems = {path: stem for folder in unit for path, stem in tops[folder].items()}
        yield _judge(unit, rule, stems, _read(rule, stems))
    for folder, stems in sorted(tops.items()):
        if folder in paired:
            continue
        # Many folders are often alike (one a scene): what explained all of an earlier one is tried first.
        readings = ((rule, _read(rule, stems)) for rule in known)
        best = next((item for item in readings if _explained(*item) == len(stems)), None) or _best(stems)
        judged = _judge((folder,), *((best[0], stems, best[1]) if best else (LONE, stems, None)))
        if not judged.rule.is_lone and judged.rule not in known:
            known.append(judged.rule)
        same[judged.rule, judged.passed_over].append(judged)
    for (rule, passed_over), members in same.items():
        yield FolderPairing(
            tuple(member.folders[0] for member in members),
            rule,
            given=False,
            images=sum(member.images for member in members),
            explained=sum(member.explained for member in members),
            passed_over=passed_over,
            slots={path: slot for member in members for path, slot in member.slots.items()},
        )


def _judge(folders: tuple[str, ...], rule: Rule, stems: Mapping[str, str], reading: Reading | None) -> FolderPairing:
    images, count = len(stems), _explained(rule, reading) if reading else 0
    doubled = _doubled(rule, reading) if reading and not rule.is_lone else 0
    if reading and not rule.is_lone and count + doubled >= USED * images:
        return FolderPairing(folders, rule, given=False, images=images, explained=count, slots=reading.slots)
    count += doubled
    if rule.is_lone or count <= LONE_BELOW * images:
        passed_over = rule if count and not rule.is_lone else None
        return FolderPairing(folders, LONE, False, images, images, passed_over, slots=_read(LONE, stems).slots)
    name = "+".join(folders)
    where = "stage_data" if name == TOP else f"stage_data/{name}"
    problem = (
        f"The names in {where} can be read in two ways: {count} of {images} images ({count / images:.0%}) go together"
        f" as {describe(rule)}, or every image stands alone"
    )
    remedy = (
        "Put one of these into imgstage.toml:\n"
        + toml_table(name, rule)
        + "  or, for lone images:\n"
        + toml_table(name, LONE).rstrip()
        + "\nThen run the command again"
    )
    raise PairingError(problem, remedy)


def describe(rule: Rule) -> str:
    """A rule in one line."""
    return ", ".join(f'{role} = "{text}"' for role, text in rule.texts().items())


def toml_table(name: str, rule: Rule) -> str:
    """The lines of `imgstage.toml` that set a rule; an empty name sets it for all folders."""
    header = '[pairing."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"]' if name else "[pairing]"
    return header + "\n" + "".join(f"{role} = {_quoted(text)}\n" for role, text in rule.texts().items())


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _read(rule: Rule, stems: Mapping[str, str]) -> Reading:
    """Names by a rule; whole samples of one key that differ in their suffix (`3.jpg`, `3.png`) are told apart by it."""
    reading = read_roles(rule, stems)
    doubled = {sample for sample, counts in reading.counts.items() if max(counts.values()) > 1}
    doubled -= {sample for sample in doubled if is_complete(rule, reading.counts[sample])}
    if not doubled:
        return reading
    apart = {
        path: slot._replace(suffix=path[len(stems[path]) :])
        for path, slot in reading.slots.items()
        if slot.identity in doubled
    }
    counts = count_roles(apart)
    torn = {slot.identity for slot in apart.values() if not rule.is_lone and not is_complete(rule, counts[slot.sample])}
    slots = reading.slots | {path: slot for path, slot in apart.items() if slot.identity not in torn}
    return Reading(slots, count_roles(slots))


def _explained(rule: Rule, reading: Reading) -> int:
    """How many images a rule puts into complete samples."""
    one_each = dict.fromkeys(rule.roles, 1)
    return sum(
        sum(counts.values()) for counts in reading.counts.values() if counts == one_each or is_complete(rule, counts)
    )


def _doubled(rule: Rule, reading: Reading) -> int:
    """How many images belong to samples that lack no role, and have too many images in one, as in two formats.

    They tell that the rule is right; which of the images go together, nobody can say.
    """
    whole = (of for of in reading.counts.values() if of.keys() == set(rule.roles))
    return sum(sum(of.values()) for of in whole if any(count > 1 and not rule.many(role) for role, count in of.items()))


def is_complete(rule: Rule, counts: Mapping[str, int]) -> bool:
    """Whether a sample with so many images in each role is one under the rule."""
    for role in rule.roles:
        count = counts.get(role, 0)
        if count < 1 or (count > 1 and not rule.many(role)):
            return False
    return 1 in counts.values()


def _best(stems: Mapping[str, str]) -> tuple[Rule, Reading] | None:
    """The candidate that explains most images, the first of equals; None when no candidate explains any."""
    best: tuple[Rule, Reading] | None = None
    most = 0
    for rule in dict.fromkeys(candidates(stems, LONE_BELOW * len(stems) / 10)):
        reading = _read(rule, stems)
        count = _explained(rule, reading) + (0 if rule.is_lone else _doubled(rule, reading))
        if count > most:
            best, most = (rule, reading), count
    return best


def _parallel_tops(tops: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[tuple[str, ...], Rule]]:
    """Top-level folders that are each other's counterparts by name, and whose files really match."""
    names = [name for name in tops if name != TOP]
    letters = {name.lower() for name in names if len(name) == 1}
    sides: dict[tuple[int, tuple[str, ...]], tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for name in names:
        for convention, side, rest in sorted(folder_sides(name)):
            sides[convention, rest][side].append(name)
    scored: dict[tuple[str, str], tuple[int, Rule]] = {}
    for firsts, seconds in sides.values():
        for first, second in product(firsts, seconds):
            # A and B beside C and D are letters of an alphabet, not two sides.
            if first == second or (first, second) in scored or (len(first) == len(second) == 1 and len(letters) > 2):
                continue
            stems = {**tops[first], **tops[second]}
            best = _best(stems)
            if best and (count := _explained(*best) + _doubled(*best)) > LONE_BELOW * len(stems):
                scored[first, second] = (count, best[0])
    taken: set[str] = set()
    for (first, second), (_, rule) in sorted(scored.items(), key=lambda item: (-item[1][0], item[0])):
        if not taken & {first, second}:
            taken |= {first, second}
            yield (first, second), rule


def read_rule(rule: Rule, images: Iterable[str]) -> Mapping[str, Slot]:
    """The slot of each image that a rule can read.

    Args:
        rule: the rule.
        images: their paths.
    """
    return read_roles(rule, {path: stem_of(path) for path in images}).slots


def read_all(pairings: Sequence[FolderPairing]) -> Mapping[str, Slot]:
    """The slot of each image that its folder's rule can read."""
    if len(pairings) == 1:
        return pairings[0].slots
    return {path: slot for pairing in pairings for path, slot in pairing.slots.items()}


def _top(path: str) -> str:
    """The unit a path belongs to."""
    first, slash, _ = path.partition("/")
    return first if slash else TOP
