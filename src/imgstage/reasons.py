"""Why a file is held or ignored: a word that says what kind of reason it is, a colon, a sentence.

The word lets a report count what would be too much to list, and name the command or the deed that helps.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Why(StrEnum):
    """The kinds of reasons. Those up to "gone" hold a file, the others make it none of imgstage's business."""

    BROKEN = "broken"
    UNREADABLE = "unreadable"
    NAME = "name"
    TEMPLATE = "template"
    INCOMPLETE = "incomplete"
    AMBIGUOUS = "ambiguous"
    TWINS = "twins"
    MIXED = "mixed"
    TORN = "torn"
    TIED = "tied"
    UNLISTED = "unlisted"
    UNFIT = "unfit"
    ASIDE = "aside"
    EARLIER = "earlier"
    GONE = "gone"
    HIDDEN = "hidden"
    LINK = "link"
    SPECIAL = "special"
    FORMAT = "format"
    OTHER = "other"
    ALONE = "alone"
    CLOSED = "closed"


HELP: Mapping[Why, str] = MappingProxyType(
    {
        Why.BROKEN: "put a whole file in its place, or set the sample aside with `imgstage hold NAME`",
        Why.UNREADABLE: "allow reading it (chmod), then look again",
        Why.NAME: "rename it by hand to something that a text file can hold",
        Why.TEMPLATE: "rename it, or widen [pairing] in imgstage.toml",
        Why.INCOMPLETE: "bring its other half into the same folder by hand (into stage_data/ with `imgstage add`), or"
        " set it aside with `imgstage hold NAME`",
        Why.AMBIGUOUS: "rename or set aside the one too many with `imgstage hold PATH`",
        Why.TWINS: "rename one of the two; but an edit of the other belongs in its place, so that it keeps its split",
        Why.MIXED: "give the files their old names (splits.csv has them), or give their rows there one split; set aside"
        " what cannot be mended so, with `imgstage hold NAME`",
        Why.TORN: "bring its files together, with `imgstage unsplit`, or `imgstage hold NAME` when one is in held/",
        Why.TIED: "it stays out until its group lies in one split; `imgstage split --reshuffle` draws all anew",
        Why.UNLISTED: "give its image a row in that table, or mend its annotation; `imgstage split --unlisted alone`"
        " takes it as it is",
        Why.UNFIT: "choose another size, --fit or --format, or set the sample aside with `imgstage hold NAME`",
        Why.EARLIER: "`imgstage play --overwrite` puts the new one in its place; else move it away",
        Why.ASIDE: "`imgstage release NAME` brings it back",
    }
)
"""What helps, for each kind that holds a file."""


def because(why: Why, sentence: str) -> str:
    """A reason."""
    return f"{why}: {sentence}"


def why(reason: str) -> Why:
    """The kind of a reason.

    Raises:
        ValueError: the text is no reason.
    """
    return Why(reason.partition(": ")[0])


def is_because(reason: str, *kinds: Why) -> bool:
    """Whether a reason is of one of some kinds; no reason is of none."""
    return bool(reason) and why(reason) in kinds


def about(path: str, reason: str) -> str:
    """A file's reason as a reason of its sample: it names the file."""
    word, _, sentence = reason.partition(": ")
    return f"{word}: {path}: {sentence}"
