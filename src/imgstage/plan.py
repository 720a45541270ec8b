"""Plan: what a verb would do, step by step, made without touching anything.

A plan knows one way to change things: rename a file without replacing another, and make or remove a folder. New bytes
are prepared aside first; replacing a file is then two renames, the old one into the vault and the new one in its place.
Destination conflicts are found here, before anything starts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import DestinationError
from .root import STAGE, STATE, fold, show, show_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping
    from pathlib import Path

    from .index import FileRecord, Index

INCOMING = f"{STATE}/incoming"
VAULT = f"{STATE}/vault"
HOP = "hop-"
"""How the name of a file begins that waits in `incoming/` in the midst of a swap."""
FOLDER_MODE = 0o755


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
    """

    verb: str
    operation: int
    journeys: tuple[Journey, ...]
    steps: tuple[Step, ...]
    preparations: tuple[Preparation, ...]
    report: Report
    undoes: tuple[int, ...] = ()
    applier: Callable[[Plan], Any] | None = field(default=None, compare=False, repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.steps

    def moves(self) -> Iterator[tuple[str, str]]:
        """(from, to) of every file of the user's that is moved or copied to where it can be seen."""
        copied = {p.place: str(p.source) for p in self.preparations if p.source is not None}
        for journey in self.journeys:
            first, last = journey.places[0], journey.places[-1]
            if not last.startswith(STATE) and (first in copied or not first.startswith(STATE)):
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


def arrange(
    operation: int, moves: Iterable[Move], occupied: Iterable[str], folders: Mapping[str, int], modes: Mapping[str, int]
) -> tuple[tuple[Journey, ...], tuple[Step, ...]]:
    """Turn wishes into steps that never replace anything: folders first, chains from their free end, cycles by a hop.

    Args:
        operation: the number the plan will have.
        moves: one for each file that moves.
        occupied: paths of all files there are, below the folders that are moved into.
        folders: the folders there are.
        modes: permission bits for folders that must be made; others get those of `stage_data/`.

    Returns:
        The journeys of the files, and the steps.

    Raises:
        DestinationError: two moves want one name, or a name is taken by something that stays.
    """
    wishes = [(fold(move.source), fold(move.target), move) for move in sorted(moves) if move.source != move.target]
    sources = {source for source, _, _ in wishes}
    _refuse_conflicts(wishes, sources, occupied, folders)
    ready, aliases, waiting = _by_obstacle(wishes, sources)
    journeys: list[Journey] = []
    steps: list[Step] = list(_missing_folders((move for _, _, move in wishes), folders, modes))

    def go(move: Move) -> None:
        steps.append(Rename(len(journeys), 0))
        journeys.append(Journey(move.identity, (move.source, move.target)))

    def drain(freed: str) -> None:
        while following := waiting.pop(freed, None):
            freed, move = following
            go(move)

    def detour(move: Move) -> int:
        hop = f"{INCOMING}/{HOP}{operation:06d}-{len(journeys):06d}"
        steps.append(Rename(len(journeys), 0))
        journeys.append(Journey(move.identity, (move.source, hop, move.target)))
        return len(journeys) - 1

    for source, move in ready:
        go(move)
        if waiting:
            drain(source)
    for move in aliases:  # a change of case only: on some file systems the new name "exists" already
        hopped = detour(move)
        steps.append(Rename(hopped, 1))
    while waiting:  # only cycles are left
        source, move = waiting.pop(min(waiting))
        hopped = detour(move)
        drain(source)
        steps.append(Rename(hopped, 1))
    return tuple(journeys), tuple(steps)


def _by_obstacle(
    wishes: Iterable[tuple[str, str, Move]], sources: Container[str]
) -> tuple[list[tuple[str, Move]], list[Move], dict[str, tuple[str, Move]]]:
    """The moves that nothing hinders, those to another spelling of their own name, and those that wait for a name."""
    ready: list[tuple[str, Move]] = []
    aliases: list[Move] = []
    waiting: dict[str, tuple[str, Move]] = {}
    for source, target, move in wishes:
        if target not in sources:
            ready.append((source, move))
        elif target == source:
            aliases.append(move)
        else:
            waiting[target] = (source, move)
    return ready, aliases, waiting


def _refuse_conflicts(
    wishes: Iterable[tuple[str, str, Move]], sources: set[str], occupied: Iterable[str], folders: Iterable[str]
) -> None:
    targets: dict[str, Move] = {}
    clashes: list[str] = []
    times = Counter(move.source for _, _, move in wishes)
    clashes += [f"{show(source)} would go to {count} places at once" for source, count in times.items() if count > 1]
    for _, target, move in wishes:
        other = targets.setdefault(target, move)
        if other is not move:
            clashes.append(
                f"{' and '.join(show_apart(other.source, move.source))} would both become {show(move.target)}"
            )
    for path in (*occupied, *folders):
        name = fold(path)
        if name in targets and name not in sources:
            wanted, there = show_apart(targets[name].target, path)
            clashes.append(f"{show(targets[name].source)} would become {wanted}, but {there} exists")
    if clashes:
        raise DestinationError(some(clashes), "Rename one of the two, then run the command again")


def some(problems: list[str], limit: int = 5) -> str:
    """The first few of many problems, as one sentence."""
    more = len(problems) - limit
    return "; ".join(problems[:limit]) + (f"; and {more} more" if more > 0 else "")


def _missing_folders(
    wishes: Iterable[Move], folders: Mapping[str, int], modes: Mapping[str, int]
) -> Iterator[MakeFolder]:
    needed: set[str] = set()
    for move in wishes:
        folder = move.target.rpartition("/")[0]
        while folder and folder not in needed and not folder.startswith(STATE):
            needed.add(folder)
            folder = folder.rpartition("/")[0]
    for path in sorted(needed - set(folders)):
        yield MakeFolder(path, modes.get(path, folders.get(STAGE, FOLDER_MODE)))


def emptied_folders(index: Index, moves: Iterable[Move], within: Iterable[str]) -> Iterator[RemoveFolder]:
    """The sub-folders that hold nothing any more after the moves, deepest first; the top folders themselves stay.

    Args:
        index: all files and folders as they are.
        moves: what leaves.
        within: the top-level folders to look in.
    """
    tops = tuple(f"{top}/" for top in within)
    leaving = {move.source for move in moves}
    if not tops or not leaving:
        return
    touched = {
        str(parent)
        for path in leaving
        if path.startswith(tops)
        for parent in PurePosixPath(path).parents
        if len(parent.parts) > 1
    }
    alive: set[str] = {
        str(parent)
        for record in index.files
        if record.path not in leaving
        for parent in PurePosixPath(record.path).parents
    }
    hollow = [
        folder for folder in index.folders if folder not in touched
    ]  # empty ones of the user's keep their parents
    alive |= {str(parent) for folder in hollow for parent in (PurePosixPath(folder), *PurePosixPath(folder).parents)}
    for folder in sorted(touched - alive, reverse=True):
        yield RemoveFolder(folder, index.folders.get(folder, FOLDER_MODE))


def folder_modes(index: Index, splits: Iterable[str]) -> dict[str, int]:
    """The folders of `stage_data/` lend their permission bits to those made in the splits, and the other way round."""
    modes = {STAGE + path.removeprefix(split): mode for split in splits for path, mode in _inside(index, split)}
    modes |= {split + path.removeprefix(STAGE): mode for split in splits for path, mode in _inside(index, STAGE)}
    return modes


def _inside(index: Index, place: str) -> Iterable[tuple[str, int]]:
    return [(path, mode) for path, mode in index.folders.items() if path == place or path.startswith(place + "/")]
