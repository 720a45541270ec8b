"""A pairing rule: one file name template for each role.

A template is matched against a path below `stage_data/` without its extension, whatever its case:

    {key}      what the images of one sample have in common; may span folders
    {folder}   leading folders, part of what they have in common
    {tail}     the end of the name after a word in its middle, in common too
    *          anything within a name, not in common: the role may then hold several images

So `before = "{key}_before"` reads `cats/01_before.jpg` as the `before` of the sample `cats/01`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..root import fold

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SIDECAR = "sidecar"
"""The role of a sidecar in `splits.csv`; no rule may use it for images."""

_FIELD = re.compile(r"(\{[a-z]*\}|\*)")
_PATTERNS = {"{key}": r"(?P<key>.+)", "{folder}": r"(?P<folder>.+)", "{tail}": r"(?P<tail>[^/]+)", "*": r"[^/]+"}
_OPEN_END = re.compile(r"\{key\}([^{}*]+)\*$")


@dataclass(frozen=True)
class Template:
    """One role's file name.

    Raises:
        UsageError: the text holds no `{key}`, or a field nobody knows.
    """

    text: str

    def __post_init__(self) -> None:
        fields = _FIELD.findall(self.text)
        if fields.count("{key}") != 1 or len(set(fields)) != len(fields) or not set(fields) <= set(_PATTERNS):
            problem = f"{self.text!r} is no template for file names"
            raise UsageError(
                problem, "It must hold {key} once, as in {key}_before; {folder}, {tail} and * may stand beside it"
            )

    @property
    def holds_many(self) -> bool:
        """Whether several files of one sample may match."""
        return "*" in self.text

    @cached_property
    def literal_length(self) -> int:
        """How many characters are fixed: the more, the more a match says."""
        return len(_FIELD.sub("", self.text))

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        parts = _FIELD.split(unicodedata.normalize("NFC", self.text))
        return re.compile("".join(_PATTERNS.get(part, re.escape(part)) for part in parts), re.IGNORECASE | re.DOTALL)

    def keys(self, stem: str) -> Iterator[str]:
        """The keys a path without extension can have under this template, the longest first."""
        stem = unicodedata.normalize("NFC", stem)
        match = self._regex.fullmatch(stem)
        if match is None:
            return
        groups = match.groupdict()
        key = groups["key"]
        open_end = _OPEN_END.search(self.text)
        while True:
            yield "_".join(filter(None, ("/".join(filter(None, (groups.get("folder"), key))), groups.get("tail"))))
            if open_end is None:  # `{key}_*` may end its key at each `_`
                return
            shorter = key.lower().rfind(open_end[1].lower())
            if shorter <= 0:
                return
            key = key[:shorter]


@dataclass(frozen=True)
class Rule:
    """Templates by role.

    Attributes:
        templates: in the order in which roles are printed.
        guessed: which of the two roles is which is not certain from the words alone.
    """

    templates: tuple[tuple[str, Template], ...]
    guessed: bool = False

    @classmethod
    def parse(cls, texts: Mapping[str, str], *, guessed: bool = False) -> Rule:
        """Make a rule of template texts by role.

        Raises:
            UsageError: there is no role, a role has no usable name, or a template is none.
        """
        if not texts:
            problem = "A pairing rule without roles pairs nothing"
            raise UsageError(problem, 'Write at least one line such as image = "{key}"')
        for role in texts:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", role) or role == SIDECAR:
                problem = f"{role!r} cannot be the name of a role"
                raise UsageError(problem, "Use a short lower-case word such as before, after, image or mask")
        return cls(tuple((role, Template(text)) for role, text in texts.items()), guessed)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles a complete sample has."""
        return tuple(role for role, _ in self.templates)

    @property
    def is_lone(self) -> bool:
        """Whether each image is a sample of its own."""
        return len(self.templates) == 1

    def texts(self) -> dict[str, str]:
        """The templates as text, by role."""
        return {role: template.text for role, template in self.templates}

    def matches(self, stem: str) -> Iterator[tuple[str, str]]:
        """Each (role, key) a path can have, the most specific first."""
        for role, template in sorted(self.templates, key=lambda item: -item[1].literal_length):
            for key in template.keys(stem):
                yield role, key

    def many(self, role: str) -> bool:
        """Whether a sample may have several images in this role."""
        return dict(self.templates)[role].holds_many


LONE = Rule.parse({"image": "{key}"})
"""Every image is a sample."""

_NOISE = (
    re.compile(r" ?\(\d{1,3}\)$"),  # a browser's second download
    re.compile(r" [-–] copy$| copy(?: \d+)?$", re.IGNORECASE),  # a file manager's copy
    re.compile(r"(?:(?<=/)|^)[0-9a-f]{8}-(?=[^/]+$)"),  # an annotation tool's prefix
)


def without_noise(stem: str) -> str:
    """A path without what tools add to names: `(1)`, ` copy`, an eight digit hexadecimal prefix."""
    for pattern in _NOISE:
        stem = pattern.sub("", stem)
    return stem


@dataclass(frozen=True, slots=True)
class Slot:
    """Where an image belongs: which role of which sample.

    Attributes:
        role: the role.
        key: the sample's key, as first spelled.
        identity: the key in the form in which keys are compared.
        many: whether the role may hold several images.
    """

    role: str
    key: str
    identity: str
    many: bool


def read_roles(rule: Rule, stems: Mapping[str, str]) -> dict[str, Slot]:
    """Read the names of one folder's images by a rule.

    Args:
        rule: the rule.
        stems: for each path, the path without its extension.

    Returns:
        A slot for each path that matches a template.
    """
    slots: dict[str, Slot] = {}
    exact: set[str] = set()
    open_ended: list[str] = []
    for path, stem in stems.items():
        first = next(rule.matches(stem), None)
        if first is None:
            continue
        if rule.many(first[0]):
            open_ended.append(path)
        else:
            slots[path] = _slot(rule, *first)
            exact.add(slots[path].identity)
    for path in open_ended:  # of the keys such a name can have, the one that another role has too
        choices = [_slot(rule, role, key) for role, key in rule.matches(stems[path])]
        slots[path] = next((slot for slot in choices if slot.identity in exact), choices[0])
    _retry_without_noise(rule, stems, slots)
    return slots


def _slot(rule: Rule, role: str, key: str) -> Slot:
    return Slot(role, key, fold(key), rule.many(role))


def _retry_without_noise(rule: Rule, stems: Mapping[str, str], slots: dict[str, Slot]) -> None:
    """Names that lead to no complete sample are read once more without what tools add to them."""
    if rule.is_lone:
        return
    filled = {(slot.identity, slot.role) for slot in slots.values()}
    complete = {i for i in {i for i, _ in filled} if all((i, role) in filled for role in rule.roles)}
    for path, stem in stems.items():
        plain = without_noise(stem)
        if plain == stem or (path in slots and slots[path].identity in complete):
            continue
        found = next(rule.matches(plain), None)
        if found is not None:
            slot = _slot(rule, *found)
            if slot.many or (slot.identity, slot.role) not in filled:
                slots[path] = slot
                filled.add((slot.identity, slot.role))
