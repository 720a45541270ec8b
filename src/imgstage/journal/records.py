"""What the journal writes down: plans, commits and aborts, as immutable files with a checksum each.

`N.plan` says what operation N intends; `N.commit` that it was done; `N.abort` that it was taken back. A plan without
either is pending: the process died in its midst.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from blake3 import blake3

from ..errors import BrokenOffError, DestinationError
from ..plan import Identity, Journey, MakeFolder, Plan, RemoveFolder, Rename, Step
from .system import sync_folder, write_durable

_MAGIC = b"imgstage-journal 1 "


class State(StrEnum):
    """How an operation ended."""

    PENDING = "pending"
    DONE = "done"
    ABORTED = "aborted"


@dataclass(frozen=True)
class PlanRecord:
    """A plan as it was written down.

    Attributes:
        number: of the operation.
        verb: what it was.
        started: local time, ISO 8601.
        undoes: the operations it took back.
        journeys: the files that move.
        steps: what was done, in order.
    """

    number: int
    verb: str
    started: str
    undoes: tuple[int, ...]
    journeys: tuple[Journey, ...]
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, plan: Plan, inodes: dict[str, int], started: str) -> PlanRecord:
        """The record of a plan whose prepared files have these inodes."""
        journeys = tuple(
            replace(journey, identity=replace(journey.identity, inode=inodes[journey.places[0]]))
            if journey.places[0] in inodes
            else journey
            for journey in plan.journeys
        )
        return cls(plan.operation, plan.verb, started, plan.undoes, journeys, plan.steps)


class Records:
    """The files in `.imgstage/journal/`."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def states(self) -> dict[int, State]:
        """Every operation there is a plan of, in order."""
        names: dict[int, set[str]] = {}
        try:
            entries = os.listdir(self._folder)
        except FileNotFoundError:
            return {}
        except OSError as error:
            problem = f"{self._folder} cannot be read ({error.strerror})"
            raise DestinationError(problem, "Let it be a folder that you may read") from error
        for name in entries:
            number, _, kind = name.partition(".")
            if number.isdigit() and kind in ("plan", "commit", "abort"):
                names.setdefault(int(number), set()).add(kind)
        return {number: _state(kinds) for number, kinds in sorted(names.items())}

    def read(self, number: int) -> PlanRecord:
        """The plan of an operation.

        Raises:
            BrokenOffError: the file was damaged.
        """
        path = self._path(number, "plan")
        with open(path, "rb") as stream:
            header, _, body = stream.read().partition(b"\n")
        if header != _MAGIC + blake3(body).hexdigest().encode():
            problem = f"The journal file {path} is damaged: its checksum does not fit"
            raise BrokenOffError(problem, "Restore that file from a backup; imgstage will not guess what it said")
        return _decode(json.loads(body))

    def write_plan(self, record: PlanRecord) -> None:
        """Make an intent durable."""
        self._write(record.number, "plan", _encode(record))

    def write_end(self, number: int, state: State) -> None:
        """Make the end of an operation durable; for DONE, this is the commit point."""
        self._write(number, "commit" if state is State.DONE else "abort", {"number": number})

    def clean(self) -> None:
        """Remove what a death in the midst of writing left behind."""
        for name in os.listdir(self._folder):
            if name.endswith(".part"):
                os.unlink(os.path.join(self._folder, name))

    def has(self, number: int, state: State) -> bool:
        """Whether an operation ended so."""
        return os.path.lexists(self._path(number, "commit" if state is State.DONE else "abort"))

    def _path(self, number: int, kind: str) -> str:
        return os.path.join(self._folder, f"{number:06d}.{kind}")

    def _write(self, number: int, kind: str, content: dict[str, Any]) -> None:
        body = json.dumps(content, separators=(",", ":"), ensure_ascii=True).encode()
        write_durable(self._path(number, kind), (_MAGIC + blake3(body).hexdigest().encode() + b"\n", body))
        sync_folder(self._folder)


def _state(kinds: set[str]) -> State:
    if "commit" in kinds:
        return State.DONE
    return State.ABORTED if "abort" in kinds else State.PENDING


def _encode(record: PlanRecord) -> dict[str, Any]:
    steps: list[list[str | int]] = []
    for step in record.steps:
        match step:
            case Rename(journey, leg):
                steps.append(["rename", journey, leg])
            case MakeFolder(path, mode):
                steps.append(["mkdir", path, mode])
            case RemoveFolder(path, mode):
                steps.append(["rmdir", path, mode])
    return {
        "number": record.number,
        "verb": record.verb,
        "started": record.started,
        "undoes": record.undoes,
        "journeys": [
            [i.size, i.mtime_ns, i.mode, i.digest, i.inode, *journey.places]
            for journey in record.journeys
            for i in (journey.identity,)
        ],
        "steps": steps,
    }


def _decode(content: dict[str, Any]) -> PlanRecord:
    kinds: dict[str, Any] = {"rename": Rename, "mkdir": MakeFolder, "rmdir": RemoveFolder}
    return PlanRecord(
        content["number"],
        content["verb"],
        content["started"],
        tuple(content["undoes"]),
        tuple(Journey(Identity(*row[:5]), tuple(row[5:])) for row in content["journeys"]),
        tuple(kinds[kind](*arguments) for kind, *arguments in content["steps"]),
    )
