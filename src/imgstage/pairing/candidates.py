"""The rules that names may mean: by a word in the file's name, or by folders."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import product
from typing import TYPE_CHECKING

from .rules import Rule, without_noise
from .words import CONVENTIONS, SCALE, SIDES, Convention, folder_sides, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_GLUED = re.compile(r"(?P<word>[^\W\d_]+)(?P<digits>\d+)")
_SCALED = re.compile(r".+(?P<scale>x[2348])", re.IGNORECASE)


def candidates(stems: Mapping[str, str], enough: float) -> Iterator[Rule]:
    """Rules that may explain names.

    Args:
        stems: for each path, the path without its extension.
        enough: words that occur in fewer names are not worth a mention.
    """
    yield from _name_candidates(list(stems.values()), enough)
    yield from _folder_candidates(list(stems.values()), enough)


def _rule(convention: Convention, first: str, second: str) -> Rule:
    return Rule.parse({convention.roles[0]: first, convention.roles[1]: second}, guessed=convention.guessed)


def _name_candidates(stems: Sequence[str], enough: float) -> Iterator[Rule]:
    """Rules that tell roles by a word in the file's name."""
    counts: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    for stem in stems:
        for sense, side, template in set(_name_templates(without_noise(stem))):
            counts[sense, side][template] += 1
    frequent = {
        place: [text for text, n in sorted(counter.items(), key=lambda i: (-i[1], i[0]))[:3] if n >= enough]
        for place, counter in counts.items()
    }
    for number, convention in enumerate(CONVENTIONS):
        firsts, seconds = frequent.get((number, 0), []), frequent.get((number, 1), [])
        many = [text.replace("{tail}", "*") for text in seconds if "{tail}" in text]  # `x_mask_1`, `x_mask_2`
        for first, second in product(firsts, seconds + many):
            yield _rule(convention, first, second)
        if convention.bare:
            for second in seconds + many:
                yield _rule(convention, "{key}", second)
    for small in frequent.get((_SCALE_NUMBER, 0), []):
        yield _rule(SCALE, small, "{key}")


_SCALE_NUMBER = len(CONVENTIONS)


def _name_templates(stem: str) -> Iterator[tuple[int, int, str]]:
    """What a name's words can mean: (convention, side, template)."""
    folder, _, name = stem.rpartition("/")
    ahead = "{folder}/" if folder else ""
    words = words_of(name)
    if len(words) == 1:
        yield from _whole_name_templates(name, ahead)
        return
    for position, word in enumerate(words):
        text = word[0].lower()
        for convention, side in SIDES.get(text, ()):
            if position == len(words) - 1:
                yield convention, side, "{key}" + name[words[position - 1].end() : word.start()] + text
            elif position == 0:
                yield convention, side, ahead + text + name[word.end() : words[1].start()] + "{key}"
            else:
                before = name[words[position - 1].end() : word.start()]
                after = name[word.end() : words[position + 1].start()]
                yield convention, side, f"{{key}}{before}{text}{after}{{tail}}"


def _whole_name_templates(name: str, ahead: str) -> Iterator[tuple[int, int, str]]:
    """What a name of one word can mean: `noisy` in a folder of its own, `low0001`, `0801x4`."""
    for convention, side in SIDES.get(name.lower(), ()):
        if ahead and len(name) > 1:
            yield convention, side, f"{{key}}/{name.lower()}"
    if glued := _GLUED.fullmatch(name):
        text = glued["word"].lower()
        for convention, side in SIDES.get(text, ()):
            if len(text) > 1:
                yield convention, side, f"{ahead}{text}{{key}}"
    if scaled := _SCALED.fullmatch(name):
        yield _SCALE_NUMBER, 0, "{key}" + scaled["scale"].lower()


def _folder_candidates(stems: Sequence[str], enough: float) -> Iterator[Rule]:
    """Rules that tell roles by a folder: parallel folders, or one folder a scene with a folder for each role."""
    names: dict[tuple[bool, str], list[str]] = defaultdict(list)
    for stem in stems:
        folders = stem.split("/")[:-1]
        for depth, folder in enumerate(folders):
            names[depth > 0, folder].append(stem)
    sides: dict[tuple[bool, int, tuple[str, ...]], tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for (nested, folder), members in sorted(names.items()):
        if len(members) >= enough:
            for convention, side, rest in sorted(folder_sides(folder)):
                sides[nested, convention, rest][side].append(folder)
    words = {stem.rpartition("/")[2].lower() for stem in stems}
    for (nested, number, rest), (firsts, seconds) in sides.items():
        if nested and not rest:
            yield from _scene_candidates(CONVENTIONS[number], words, seconds)
        yield from _folder_pairs(CONVENTIONS[number], nested, (firsts, seconds), names)


def _folder_pairs(
    convention: Convention,
    nested: bool,
    sides: tuple[Sequence[str], Sequence[str]],
    names: Mapping[tuple[bool, str], Sequence[str]],
) -> Iterator[Rule]:
    for first, second in product(*sides):
        if first != second and not set(first + second) & set("{}*"):  # these have a meaning in templates
            yield from _parallel(convention, nested, (first, second), names)


def _scene_candidates(convention: Convention, words: set[str], seconds: Sequence[str]) -> Iterator[Rule]:
    """One folder a scene, of which only the masks have a folder of their own: `0001/image`, `0001/masks/*`."""
    plain = [second for second in seconds if not set(second) & set("{}*")]
    for word, second in product(sorted(words & convention.words[0]), plain):
        yield _rule(convention, f"{{key}}/{word}", f"{{key}}/{second}/*")


def _parallel(
    convention: Convention, nested: bool, pair: tuple[str, str], names: Mapping[tuple[bool, str], Sequence[str]]
) -> Iterator[Rule]:
    ahead = "{folder}/" if nested else ""
    choices = [
        [f"{ahead}{folder}/{ending}" for ending in _endings(names[nested, folder], side)]
        for side, folder in enumerate(pair)
    ]
    for first, second in product(*choices):
        yield _rule(convention, first, second)
    # `hazy/0001_0.8_0.2` and `hazy/0001_0.9_0.1` beside `clear/0001`; `imagesTr/case_0000` beside `labelsTr/case`
    yield _rule(convention, f"{ahead}{pair[0]}/{{key}}_*", f"{ahead}{pair[1]}/{{key}}")
    yield _rule(convention, f"{ahead}{pair[0]}/{{key}}", f"{ahead}{pair[1]}/{{key}}_*")
    yield _rule(convention, f"{ahead}{pair[0]}/{{key}}", f"{ahead}{pair[1]}/{{key}}/*")  # a folder of masks an image
    if nested:  # one folder a scene: `0001/images/x`, `0001/masks/*`
        yield _rule(convention, f"{{key}}/{pair[0]}/*", f"{{key}}/{pair[1]}/*")


def _endings(stems: Sequence[str], side: int) -> list[str]:
    """How names in one of two parallel folders may end beyond what they have in common."""
    counts: Counter[str] = Counter()
    for stem in stems:
        for convention, its_side, template in set(_name_templates(stem.rpartition("/")[2])):
            if template.startswith("{key}") and its_side == (0 if convention == _SCALE_NUMBER else side):
                counts[template] += 1
    common = [text for text, n in sorted(counts.items(), key=lambda i: (-i[1], i[0]))[:2] if n > len(stems) / 2]
    return ["{key}", *common]
