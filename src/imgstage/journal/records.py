"""What the journal writes down: plans, commits and aborts, as immutable files with a checksum each.

`N.plan` says what operation N intends; `N.commit` that it was done; `N.abort` that it was taken back. A plan without
either is pending: the process died in its midst.

Each is lines of JSON, so that a plan of a million files is written and read in little memory: the name of the format,
the `Head`, lists of journeys, lists of steps, and the checksum of all that.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from blake3 import blake3

from ..errors import BrokenOffError, ChangedError, DestinationError
from ..plan import Identity, Journey, Made, MakeFolder, Plan, RemoveFolder, Rename, Step
from ..root import is_own
from .system import sync_folder, write_durable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_NAME, _VERSION = "imgstage-journal", 3
_FORMAT = {_NAME: _VERSION}
_BATCH = 1000  # journeys or steps in a line
_to_json = json.JSONEncoder(separators=(",", ":")).encode


class State(StrEnum):
    """How an operation ended."""

    PENDING = "pending"
    DONE = "done"
    ABORTED = "aborted"


class Head(NamedTuple):
    """A plan in brief.

    Attributes:
        number: of the operation.
        verb: what it was.
        started: local time, ISO 8601.
        undoes: the operations it took back.
        files: how many files of the user's it moved.
        tables: of each of imgstage's own text files that it wrote, the digest; empty when it took the file away.
    """

    number: int
    verb: str
    started: str
    undoes: tuple[int, ...]
    files: int
    tables: Mapping[str, str]


@dataclass(frozen=True)
class PlanRecord:
    """A plan as it was written down.

    Attributes:
        head: the plan in brief.
        journeys: the files that move.
        steps: what was done, in order.
        sources: where each file that was copied in `incoming/` came from, by its place there.
        made: where each file came from that was made in `incoming/`, by its place there.
        discards: paths in the vault that were given up with the commit.
    """

    head: Head
    journeys: tuple[Journey, ...]
    steps: tuple[Step, ...]
    sources: Mapping[str, str] = field(default_factory=dict)
    made: Mapping[str, Made] = field(default_factory=dict)
    discards: tuple[str, ...] = ()

    @classmethod
    def of(cls, plan: Plan, inodes: Mapping[str, int], started: str) -> PlanRecord:
        """The record of a plan whose prepared files have these inodes."""
        journeys = list(plan.journeys)
        taken: dict[str, str] = {}
        written: dict[str, str] = {}
        files = 0
        for number, (identity, places) in enumerate(journeys):
            first, last = places[0], places[-1]
            if first in inodes:
                journeys[number] = Journey(identity._replace(inode=inodes[first]), places)
            was_own, is_now_own = is_own(first), is_own(last)
            if was_own:
                taken[first] = ""
            if is_now_own:
                written[last] = identity.digest
            files += not (was_own or is_now_own or first in plan.made)  # what it took the place of counts
        files += len(plan.discards)
        head = Head(plan.operation, plan.verb, started, plan.undoes, files, taken | written)
        sources = {one.place: os.path.abspath(str(one.source)) for one in plan.preparations if one.source is not None}
        return cls(head, tuple(journeys), plan.steps, sources, plan.made, plan.discards)

    @property
    def number(self) -> int:
        """The number of the operation."""
        return self.head.number

    @property
    def verb(self) -> str:
        """What the operation was."""
        return self.head.verb


class Records:
    """The files in `.imgstage/journal/`."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def states(self) -> dict[int, State]:
        """Every operation there is a plan of, in order."""
        names: dict[int, set[str]] = {}
        try:
            entries = os.listdir(self.folder)
        except FileNotFoundError:
            return {}
        except OSError as error:
            problem = f"{self.folder} cannot be read ({error.strerror})"
            raise DestinationError(problem, "Let it be a folder that you may read") from error
        for name in entries:
            number, kind = _parted(name)
            if number is not None and kind in ("plan", "commit", "abort"):
                names.setdefault(number, set()).add(kind)
        return {number: _state(kinds) for number, kinds in sorted(names.items())}

    def head(self, number: int) -> Head:
        """The plan of an operation in brief; whether the rest of the file is whole is not looked at.

        Raises:
            BrokenOffError: the file was damaged.
        """
        with _undamaged(self._path(number, "plan")):
            return _head(next(self._lines(number), {}))

    def read(self, number: int, kind: str = "plan") -> PlanRecord:
        """The plan of an operation; of the kind "copies", the one it was when its copies were begun.

        Raises:
            BrokenOffError: the file was damaged.
        """
        journeys: list[Journey] = []
        steps: list[Step] = []
        sources: dict[str, str] = {}
        made: dict[str, Made] = {}
        discards: list[str] = []
        with _undamaged(self._path(number, kind)):
            lines = self._lines(number, kind)
            head = _head(next(lines, {}))
            for line in lines:
                journeys += [Journey(Identity(*who), tuple(places)) for who, places in line.get("journeys", ())]
                steps += [_step(*row) for row in line.get("steps", ())]
                sources |= line.get("sources", {})
                made |= {place: Made(*of) for place, of in line.get("made", {}).items()}
                discards += line.get("discards", ())
        return PlanRecord(head, tuple(journeys), tuple(steps), sources, made, tuple(discards))

    def write_copies(self, record: PlanRecord) -> None:
        """Note, before the first of them is made, which copies a plan needs, and of what."""
        self._write(record.number, "copies", _plan_lines(record))

    def copies(self) -> PlanRecord | None:
        """The plan whose copies were begun last, and may not have come to be written down.

        Raises:
            BrokenOffError: the file was damaged.
        """
        numbers = self._numbers("copies")
        return self.read(numbers[-1], "copies") if numbers else None

    def write_plan(self, record: PlanRecord) -> None:
        """Make an intent durable."""
        self._write(record.number, "plan", _plan_lines(record))

    def write_end(self, number: int, state: State) -> None:
        """Make the end of an operation durable; for DONE, this is the commit point."""
        self._write(number, "commit" if state is State.DONE else "abort", [{"number": number}])

    def note_discards(self, number: int) -> None:
        """Note, before a purge is written down, that it may leave files to be unlinked."""
        self._write(number, "discard", [{"number": number}])

    def noted_discards(self) -> list[int]:
        """The purges that may have left files to be unlinked."""
        return self._numbers("discard")

    def _numbers(self, wanted: str) -> list[int]:
        """The operations that there is a file of a kind of; whatever else lies there is not ours."""
        found = [_parted(name) for name in os.listdir(self.folder)]
        return sorted(number for number, kind in found if number is not None and kind == wanted)

    def forget_discards(self, number: int) -> None:
        """All of a purge is done, or nothing of it will be."""
        os.unlink(self._path(number, "discard"))

    def clean(self, endings: tuple[str, ...] = (".part", ".copies")) -> None:
        """Remove what a death in the midst of writing left behind, and notes that are not needed any more."""
        for name in os.listdir(self.folder):
            if name.endswith(endings):
                os.unlink(os.path.join(self.folder, name))

    def has_plan(self, number: int) -> bool:
        """Whether an intent was written down."""
        return os.path.lexists(self._path(number, "plan"))

    def has(self, number: int, state: State) -> bool:
        """Whether an operation ended so."""
        return os.path.lexists(self._path(number, "commit" if state is State.DONE else "abort"))

    def _path(self, number: int, kind: str) -> str:
        return os.path.join(self.folder, f"{number:06d}.{kind}")

    def _write(self, number: int, kind: str, lines: Iterable[Mapping[str, Any]]) -> None:
        write_durable(self._path(number, kind), _encoded(lines))
        sync_folder(self.folder)

    def _lines(self, number: int, kind: str = "plan") -> Iterator[dict[str, Any]]:
        """What the lines between the first and the last say; the last one is checked and not yielded."""
        hasher = blake3()
        with open(self._path(number, kind), "rb") as stream:
            first = stream.readline()
            name = json.loads(first)
            if name != _FORMAT and name.keys() == _FORMAT.keys():
                problem = f"The journal file {stream.name} was written by another version of imgstage"
                raise BrokenOffError(problem, "Use that version for this root")
            if name == _FORMAT:
                hasher.update(first)
                for line in stream:
                    content = json.loads(line)
                    if content.get("blake3") == hasher.hexdigest() and not stream.read(1):
                        return
                    hasher.update(line)
                    yield content
        problem = "the checksum does not fit"
        raise ValueError(problem)


@contextmanager
def _undamaged(path: str) -> Iterator[None]:
    """Whatever is wrong with the content of a plan file is damage, and nothing of it may be believed."""
    try:
        yield
    except FileNotFoundError as error:
        problem = f"The journal file {path} is gone"
        raise BrokenOffError(problem, "Restore it from a backup; imgstage will not guess what it said") from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        problem = f"The journal file {path} is damaged: its checksum does not fit"
        remedy = "Restore that file from a backup; imgstage will not guess what it said"
        raise BrokenOffError(problem, remedy) from error


@contextmanager
def only_looking() -> Iterator[None]:
    """Turn damage of the journal into a refusal, where somebody only looks and nothing can have been changed.

    Raises:
        ChangedError: a file was damaged, or is gone.
    """
    try:
        yield
    except BrokenOffError as error:
        raise ChangedError(error.problem, error.remedy) from error


def _parted(name: str) -> tuple[int | None, str]:
    """The number and the kind that a file's name tells; tools that copy files make names like ours."""
    number, _, kind = name.partition(".")
    return (int(number) if number.isascii() and number.isdigit() else None), kind


def _state(kinds: set[str]) -> State:
    if "commit" in kinds:
        return State.DONE
    return State.ABORTED if "abort" in kinds else State.PENDING


def _encoded(lines: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    hasher = blake3()
    for line in chain((_FORMAT,), lines):
        encoded = _to_json(line).encode() + b"\n"
        hasher.update(encoded)
        yield encoded
    yield _to_json({"blake3": hasher.hexdigest()}).encode() + b"\n"


def _plan_lines(record: PlanRecord) -> Iterator[Mapping[str, Any]]:
    yield record.head._asdict()
    for start in range(0, len(record.journeys), _BATCH):
        yield {"journeys": record.journeys[start : start + _BATCH]}
    for start in range(0, len(record.steps), _BATCH):
        yield {"steps": [_row(step) for step in record.steps[start : start + _BATCH]]}
    for name, origins in (("sources", record.sources), ("made", record.made)):
        items = list(origins.items())
        for start in range(0, len(items), _BATCH):
            yield {name: dict(items[start : start + _BATCH])}
    for start in range(0, len(record.discards), _BATCH):
        yield {"discards": record.discards[start : start + _BATCH]}


def _head(content: Mapping[str, Any]) -> Head:
    return Head(**{**content, "undoes": tuple(content["undoes"])})


_KINDS: dict[str, Any] = {"rename": Rename, "mkdir": MakeFolder, "rmdir": RemoveFolder}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def _row(step: Step) -> tuple[str | int, ...]:
    return (_NAMES[type(step)], *step)


def _step(kind: str, *arguments: Any) -> Step:
    step: Step = _KINDS[kind](*arguments)
    return step
