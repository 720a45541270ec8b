"""Every error imgstage raises on purpose.

    ImgstageError
    ├── UsageError            a wish that makes no sense: a ratio over 1, an unknown setting
    ├── RefusedError          the verb would do harm, or cannot tell what is right
    │   ├── NotARootError         the folder is no root (yet)
    │   ├── PairingError          the file names can be read in two ways
    │   ├── DestinationError      a name is taken, or nothing may be written there
    │   ├── PendingError          an earlier operation broke off: recover first
    │   ├── LockedError           another imgstage is at work in this root
    │   └── ChangedError          files are not what the plan saw
    └── BrokenOffError        an operation stopped part-way; `imgstage recover` puts it right

Each one says what is wrong, what was not changed and what to do next. A
`UsageError` or `RefusedError` promises that nothing at all was changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def line_of(error: BaseException | None) -> str:
    """An error that somebody else raised, as a part of a sentence: its kind, and the first 200 letters of its text."""
    text = " ".join(str(error).split())[:200].rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class DefectError(Exception):
    """The bytes are no image that can be decoded whole, or hold what cannot be kept; the message says why.

    It says something of one file, which is then held with its sample, and never ends a run.
    """


class ImgstageError(Exception):
    """Base of all errors.

    Args:
        problem: what is wrong, naming the path; a sentence without its full stop.
        remedy: what to do next; a sentence without its full stop.
        table: what a sentence cannot hold: a header and rows.
    """

    unchanged = "Nothing was changed"
    exit_code = 2

    def __init__(self, problem: str, remedy: str, table: Sequence[Sequence[str]] = ()) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy
        self.table = table

    def __str__(self) -> str:
        stop = "" if "imgstage " in self.remedy.rpartition(": ")[2] else "."  # a command is to be copied as it is
        return f"{self.problem}. {self.unchanged}. {self.remedy}{stop}"


class UsageError(ImgstageError):
    """The wish itself makes no sense. Nothing was changed."""


class RefusedError(ImgstageError):
    """The verb would do harm, or cannot tell what is right. Nothing was changed."""


class NotARootError(RefusedError):
    """The folder is not a root. Nothing was changed."""


class PairingError(RefusedError):
    """The names in a folder can be read in two ways. Nothing was changed."""


class DestinationError(RefusedError):
    """A destination is taken or cannot be written. Nothing was changed."""


class PendingError(RefusedError):
    """An earlier operation broke off and waits for `imgstage recover`. Nothing was changed."""


class LockedError(RefusedError):
    """Another imgstage is changing this root. Nothing was changed."""


class ChangedError(RefusedError):
    """Files are not what the plan saw, so what was meant is unknown. Nothing was changed."""


class BrokenOffError(ImgstageError):
    """An operation stopped part-way; what it moved is at one of its places, and `recover` puts it right."""

    unchanged = "Nothing more was changed"
    exit_code = 3
