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
from typing import TYPE_CHECKING, NamedTuple

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

    @cached_property
    def _open_end(self) -> str:
        """The separator at each of which the key of `{key}_*` may end; empty for other templates."""
        match = _OPEN_END.search(self.text)
        return match[1].lower() if match else ""

    @cached_property
    def _is_plain(self) -> bool:
        return "{folder}" not in self.text and "{tail}" not in self.text

    def _match(self, stem: str) -> re.Match[str] | None:
        return self._regex.fullmatch(stem if stem.isascii() else unicodedata.normalize("NFC", stem))

    def _whole_key(self, match: re.Match[str], key: str) -> str:
        if self._is_plain:
            return key
        groups = match.groupdict()
        return "_".join(filter(None, ("/".join(filter(None, (groups.get("folder"), key))), groups.get("tail"))))

    @cached_property
    def _ending(self) -> str | None:
        """What follows the key in a template such as `{key}_before`, the most common; None for other templates."""
        key, field, ending = self.text.partition("{key}")
        return ending.lower() if not key and field and ending.isascii() and not _FIELD.search(ending) else None

    def key(self, stem: str) -> str | None:
        """The longest key that a path without extension can have under this template; None when it does not match."""
        if self._ending is not None and stem.isascii():
            cut = len(stem) - len(self._ending)
            return stem[:cut] if cut > 0 and stem[cut:].lower() == self._ending else None
        match = self._match(stem)
        return None if match is None else self._whole_key(match, match["key"])

    def with_key(self, stem: str, identity: str, name: str, number: str) -> str | None:
        """A path without extension that reads as before, but for the last part of its key.

        Args:
            stem: what matches now.
            identity: which of the keys it can have is meant, folded.
            name: what the last part of the key becomes, followed by the number.
            number: as text. Where the key's end stands apart as `{tail}`, the number goes there.

        Returns:
            The path; None when it does not have that key.
        """
        match = self._match(stem)
        if match is None:
            return None
        stem, key, start = match.string, match["key"], match.start("key")
        while key and fold(self._whole_key(match, key)) != identity:
            key = self._shorter(key)
        if not key:
            return None
        ahead, slash, _ = key.rpartition("/")
        rest = stem[start + len(key) :]
        if "tail" not in match.groupdict():
            return stem[:start] + ahead + slash + name + number + rest
        between, after = stem[start + len(key) : match.start("tail")], stem[match.end("tail") :]
        return stem[:start] + ahead + slash + (name.rstrip("_- .") or number) + between + number + after

    def keys(self, stem: str) -> Iterator[str]:
        """All keys that a path without extension can have under this template, the longest first."""
        match = self._match(stem)
        key = match["key"] if match else ""
        while match and key:
            yield self._whole_key(match, key)
            key = self._shorter(key)

    def _shorter(self, key: str) -> str:
        """The next shorter key that the open end of `{key}_*` allows; empty when there is none."""
        shorter = key.lower().rfind(self._open_end) if self._open_end else 0
        return key[:shorter] if shorter > 0 else ""


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

    @cached_property
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

    @cached_property
    def _by_precision(self) -> list[tuple[str, Template]]:
        """The most specific template first."""
        return sorted(self.templates, key=lambda item: -item[1].literal_length)

    def first_match(self, stem: str) -> tuple[str, str] | None:
        """The (role, key) that the most specific template gives to a path; None when none matches."""
        for role, template in self._by_precision:
            key = template.key(stem)
            if key is not None:
                return role, key
        return None

    def matches(self, stem: str) -> Iterator[tuple[str, str]]:
        """Each (role, key) a path can have, the most specific first."""
        return ((role, key) for role, template in self._by_precision for key in template.keys(stem))

    @cached_property
    def open_roles(self) -> frozenset[str]:
        """The roles in which a sample may have several images."""
        return frozenset(role for role, template in self.templates if template.holds_many)

    def many(self, role: str) -> bool:
        """Whether a sample may have several images in this role."""
        return role in self.open_roles


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


class Slot(NamedTuple):
    """Where an image belongs: which role of which sample.

    Attributes:
        role: the role.
        key: the sample's key, as first spelled.
        identity: the key in the form in which keys are compared.
        rule: the rule that says so.
        suffix: that of its file, where whole samples of one key differ in it (`3.jpg`, `3.png`); else empty.
    """

    role: str
    key: str
    identity: str
    rule: Rule
    suffix: str = ""

    @property
    def sample(self) -> str:
        """What it has in common with the other images of its sample, and with no other."""
        return self.identity + fold(self.suffix) if self.suffix else self.identity

    @property
    def name(self) -> str:
        """The key of its sample, which no other sample of the folder has."""
        return self.key + self.suffix

    @property
    def many(self) -> bool:
        """Whether the role may hold several images."""
        return self.rule.many(self.role)


class Reading(NamedTuple):
    """A folder's names as a rule reads them.

    Attributes:
        slots: where each image belongs whose name matches a template, by its path.
        counts: how many images each sample has in each role, by `Slot.sample`.
    """

    slots: dict[str, Slot]
    counts: dict[str, dict[str, int]]


def read_roles(rule: Rule, stems: Mapping[str, str]) -> Reading:
    """Read the names of one folder's images by a rule.

    Args:
        rule: the rule.
        stems: for each path, the path without its extension.
    """
    slots: dict[str, Slot] = {}
    open_roles = rule.open_roles
    open_ended: list[str] = []
    for path, stem in stems.items():
        first = rule.first_match(stem)
        if first is None:
            continue
        slots[path] = _slot(rule, *first)
        if first[0] in open_roles:
            open_ended.append(path)
    if open_ended:
        exact = {slot.identity for slot in slots.values() if not slot.many}
        for path in open_ended:  # of the keys such a name can have, the one that another role has too
            choices = (_slot(rule, role, key) for role, key in rule.matches(stems[path]))
            slots[path] = next((slot for slot in choices if slot.identity in exact), slots[path])
    counts = count_roles(slots)
    if not rule.is_lone and _retry_without_noise(rule, stems, slots, counts):
        counts = count_roles(slots)
    return Reading(slots, counts)


def _slot(rule: Rule, role: str, key: str) -> Slot:
    return Slot(role, key, fold(key), rule)


def count_roles(slots: Mapping[str, Slot]) -> dict[str, dict[str, int]]:
    """How many images each sample has in each role, by `Slot.sample`."""
    counts: dict[str, dict[str, int]] = {}
    for slot in slots.values():
        role, identity = slot.role, slot.sample
        sample = counts.get(identity)
        if sample is None:
            counts[identity] = {role: 1}
        else:
            sample[role] = sample.get(role, 0) + 1
    return counts


def _retry_without_noise(
    rule: Rule, stems: Mapping[str, str], slots: dict[str, Slot], counts: Mapping[str, Mapping[str, int]]
) -> bool:
    """Read names that lead to no complete sample once more, without what tools add to them; tells if any changed."""
    complete = {identity for identity, roles in counts.items() if len(roles) == len(rule.roles)}
    if len(complete) == len(counts) and len(slots) == len(stems):
        return False
    filled = {(identity, role) for identity, roles in counts.items() for role in roles}
    changed = False
    for path, stem in stems.items():
        if path in slots and slots[path].identity in complete:
            continue
        plain = without_noise(stem)
        found = rule.first_match(plain) if plain != stem else None
        if found is not None:
            slot = _slot(rule, *found)
            if slot.many or (slot.identity, slot.role) not in filled:
                slots[path] = slot
                filled.add((slot.identity, slot.role))
                changed = True
    return changed
