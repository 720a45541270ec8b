"""The words by which people tell the images of a sample apart."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Convention:
    """Two sets of words that stand against each other.

    Attributes:
        roles: the roles the two sides get.
        words: the words of each side, in lower case.
        bare: whether the first side may also be marked by no word at all (`x.png` beside `x_mask.png`).
        guessed: whether the words leave open which side is which.
    """

    roles: tuple[str, str]
    words: tuple[frozenset[str], frozenset[str]]
    bare: bool = False
    guessed: bool = False


def _pair(first: str, second: str, *, bare: bool = False, guessed: bool = False) -> Convention:
    return Convention(("before", "after"), (frozenset(first.split()), frozenset(second.split())), bare, guessed)


_MASKS = (
    "mask masks matte alpha seg segmentation segmentationclass segmentationobject label labels annotation annotations"
)
MASKS = frozenset(_MASKS.split())
"""Words for images that say something about another one."""
CONVENTIONS: tuple[Convention, ...] = (
    _pair("before", "after"),
    _pair("input inputs", "target targets output outputs gt"),
    _pair("noisy noise", "clean gt denoised"),
    _pair("lq", "gt hq"),
    _pair("lr", "hr"),
    _pair("low", "high normal"),
    _pair("blur blurry blurred", "sharp gt"),
    _pair("rain rainy", "norain clean gt"),
    _pair("hazy haze", "clear gt"),
    _pair("degraded", "clean gt"),
    _pair("dark", "light bright"),
    _pair("raw", "edited"),
    _pair("src source", "dst target"),
    _pair("shadow", "free"),
    _pair("a", "b", guessed=True),
    _pair("r", "c", guessed=True),
    _pair("real", "mean", guessed=True),
    _pair("gray grey", "color colour"),
    _pair("", "gt gtr gtc groundtruth", bare=True),
    Convention(
        ("image", "mask"),
        (frozenset("image images img imgs jpegimages photo photos".split()), MASKS),
        bare=True,
    ),
)
SCALE = _pair("", "", bare=True)
"""Super-resolution: `0801x4` is the small version of `0801`; the marked side is the first."""


def is_mask(role: str) -> bool:
    """Whether the images in a role only say something about others: then many are alike, such as the empty ones."""
    return not MASKS.isdisjoint(role.split("_"))


_WORD = re.compile(r"[^_\-. ]+")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
SIDES: dict[str, list[tuple[int, int]]] = {}
"""For each word, the (convention, side) it can stand for."""
for _number, _convention in enumerate(CONVENTIONS):
    for _side, _words in enumerate(_convention.words):
        for _entry in sorted(_words):
            SIDES.setdefault(_entry, []).append((_number, _side))


def words_of(name: str) -> list[re.Match[str]]:
    """The words of a file name, delimited by `_`, `-`, `.`, space or the ends."""
    return list(_WORD.finditer(name))


def folder_sides(name: str) -> set[tuple[int, int, tuple[str, ...]]]:
    """What a folder's name can stand for.

    Returns:
        Triples (convention, side, rest): two folders are parallel when convention and rest are equal and the side is
        not. `trainA` and `trainB` have the rest `train`; `A` and `GTr_A` the rest `a`.
    """
    plain = tuple(word[0].lower() for word in words_of(name))
    camel = tuple(part.lower() for word in words_of(name) for part in _CAMEL.findall(word[0]))
    found: set[tuple[int, int, tuple[str, ...]]] = {
        (number, side, ()) for number, side in SIDES.get("".join(plain), ())
    }
    for words in {plain, camel}:
        for position, word in enumerate(words):
            rest = words[:position] + words[position + 1 :]
            found |= {(number, side, rest) for number, side in SIDES.get(word, ())}
        found |= {(number, 0, words) for number, convention in enumerate(CONVENTIONS) if convention.bare}
    return found
