"""What a plan is made of. It is made without touching anything, and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from ..root import STATE, is_own, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ..index import FileRecord

INCOMING = f"{STATE}/incoming"
VAULT = f"{STATE}/vault"
HOP = "hop-"
"""How the name of a file begins that waits in `incoming/` in the midst of a swap."""


MADE = "made-"
"""How the name of a file begins that is made anew in `incoming/`."""


class Identity(NamedTuple):
    """By what a file is recognised.

    Attributes:
        size: bytes.
        mtime_ns: nanoseconds since 1970.
        mode: permission bits.
        digest: blake3 of the content, 64 hex digits; empty where the content does not matter.
        inode: its number on the file system; 0 when not known yet.
    """

    size: int
    mtime_ns: int
    mode: int
    digest: str
    inode: int = 0

    @classmethod
    def of(cls, record: FileRecord) -> Identity:
        """The identity of a scanned file."""
        return cls(record.size, record.mtime_ns, record.mode, record.digest, record.inode)


class Move(NamedTuple):
    """The wish that a file lies elsewhere. Paths are relative to the root."""

    source: str
    target: str
    identity: Identity


class Preparation(NamedTuple):
    """New bytes, to be written to `place` in `incoming/` before the plan starts.

    Attributes:
        place: path below the root.
        identity: what the file must be when it is written.
        source: the file to copy; None when `content` is given.
        content: the bytes themselves.
    """

    place: str
    identity: Identity
    source: Path | None = None
    content: bytes = b""


class Job(NamedTuple):
    """New bytes that must be made from a file's, to be written to `place` in `incoming/`.

    Attributes:
        place: path below the root; it tells what is made, and of what, so that what is there already is that.
        source: path below the root of the file they are made from.
        identity: what that file must be.
        make: from its bytes to the new ones, in any thread. Raises `DefectError` where they cannot be made.
        size: how many bytes are expected.
    """

    place: str
    source: str
    identity: Identity
    make: Callable[[bytes], bytes]
    size: int


class Made(NamedTuple):
    """Where a file came from that an operation made.

    Attributes:
        replaced: the path of the file whose place it took; its own may have another suffix.
        origin: where the original it was made from lies in the vault.
        recipe: how it was made of that.
    """

    replaced: str
    origin: str
    recipe: str


@dataclass(frozen=True)
class Making:
    """What must be made before a plan is known to the last digit.

    Attributes:
        label: what goes on meanwhile, for the progress bar.
        jobs: what to make.
        setting: entered once around all of it.
        finish: given what each place in `incoming/` holds now, and why others could not be made, the plan to apply.
    """

    label: str
    jobs: tuple[Job, ...]
    setting: Callable[[], AbstractContextManager[None]]
    finish: Callable[[Mapping[str, Identity], Mapping[str, str]], Plan]


class Journey(NamedTuple):
    """All the places a file has in the course of a plan, first to last."""

    identity: Identity
    places: tuple[str, ...]


class Rename(NamedTuple):
    """Step: the file of a journey goes from its place number `leg` to the next, replacing nothing."""

    journey: int
    leg: int


class MakeFolder(NamedTuple):
    """Step: make a folder."""

    path: str
    mode: int


class RemoveFolder(NamedTuple):
    """Step: remove a folder if it is empty."""

    path: str
    mode: int


Step = Rename | MakeFolder | RemoveFolder


class Note(NamedTuple):
    """A file and why it is not where the verb would have it."""

    path: str
    reason: str


@dataclass(frozen=True)
class Report:
    """The accounting of a verb: each file it met is done, held or ignored.

    Attributes:
        done: files that are where the verb wants them, moved now or there before.
        changed: how many of these were moved or written now.
        held: files that stay where they are until someone looks at them.
        ignored: files that are none of imgstage's business.
        details: what else the verb has to say, ready for JSON.
    """

    done: int = 0
    changed: int = 0
    held: tuple[Note, ...] = ()
    ignored: tuple[Note, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def found(self) -> int:
        """All files the verb met."""
        return self.done + len(self.held) + len(self.ignored)

    def as_json(self) -> dict[str, Any]:
        """Counts of files, then the lists, then the details."""

        def notes(of: tuple[Note, ...]) -> list[dict[str, str]]:
            return [{"path": show(note.path), "reason": note.reason} for note in of]

        return {
            "found": self.found,
            "done": self.done,
            "changed": self.changed,
            "held": len(self.held),
            "ignored": len(self.ignored),
            **self.details,
            "held_files": notes(self.held),
            "ignored_files": notes(self.ignored),
        }


@dataclass(frozen=True)
class Plan:
    """Everything a verb would do.

    Attributes:
        verb: its name.
        operation: the number it will have.
        journeys: the files that move, with all their places.
        steps: what to do, in order.
        preparations: new bytes to write beforehand.
        report: what will be so afterwards.
        undoes: the operations that it takes back.
        made: where the files come from that were made for it, by their place in `incoming/`.
        making: what must be made before it can be applied; identities of such files are not known until then.
        discards: paths in the vault to unlink once it is committed.
    """

    verb: str
    operation: int
    journeys: tuple[Journey, ...]
    steps: tuple[Step, ...]
    preparations: tuple[Preparation, ...]
    report: Report
    undoes: tuple[int, ...] = ()
    made: Mapping[str, Made] = field(default_factory=dict)
    making: Making | None = field(default=None, compare=False, repr=False)
    discards: tuple[str, ...] = ()
    applier: Callable[[Plan], Any] | None = field(default=None, compare=False, repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.steps and not self.discards

    def moves(self) -> Iterator[tuple[str, str]]:
        """(from, to) of every file of the user's that is moved, copied, made or brought back into sight."""
        copied = {p.place: str(p.source) for p in self.preparations if p.source is not None}
        copied |= {place: made.replaced for place, made in self.made.items()}
        for journey in self.journeys:
            first, last = journey.places[0], journey.places[-1]
            from_sight = first in copied or not first.startswith(STATE)
            if not last.startswith(STATE) and (from_sight or (first.startswith(VAULT) and not is_own(last))):
                yield copied.get(first, first), last

    def apply(self) -> Any:
        """Do it, under the journal.

        Returns:
            The `Operation` that was done; None when there was nothing to do.

        Raises:
            RefusedError: it cannot be done; nothing was changed.
            BrokenOffError: it stopped part-way; `recover` puts it right.
        """
        assert self.applier is not None, "plans come from Dataset.plan_…, which know how to apply them"
        return self.applier(self)


def vault_place(operation: int, number: int, name: str) -> str:
    """Where an operation keeps the `number`th file that it takes out of sight."""
    return f"{VAULT}/{operation:06d}/{number:06d}{PurePosixPath(name).suffix[:16]}"


def some(problems: list[str], limit: int = 5) -> str:
    """The first few of many problems, as one sentence."""
    more = len(problems) - limit
    return "; ".join(problems[:limit]) + (f"; and {more} more" if more > 0 else "")
