"""Undo: trace every file back through some operations, and plan the net moves that bring back the state before them."""

from __future__ import annotations

import os
import stat
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from ..digests import digest_of
from ..errors import ChangedError, DestinationError
from ..plan import (
    INCOMING,
    VAULT,
    Identity,
    MakeFolder,
    Move,
    Note,
    Plan,
    RemoveFolder,
    Report,
    arrange,
    some,
    vault_place,
)
from ..reasons import Why, because
from ..root import HELD, LEDGER, STAGE, STATE, TRAIN, fold, is_own, show
from .system import is_file, is_same_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..plan import Journey
    from .records import PlanRecord


Homes = Mapping[str, frozenset[str]]


@dataclass
class _Trace:
    """A file on its way back: where it is now, who it is, and where it was; lost when another file is there now."""

    now: str
    identity: Identity
    then: str
    lost: bool = False


@dataclass(frozen=True)
class Reversal:
    """How to get back to the state before some operations.

    Attributes:
        moves: one for each file that must move; what was new goes into the vault.
        made: folders that those operations removed.
        removed: folders that they made, deepest first.
        lost: places of files that somebody took away before a later operation put another file there.
        replaced: what went into the vault when another file took its place, by where that one is now.
    """

    moves: tuple[Move, ...]
    made: tuple[MakeFolder, ...]
    removed: tuple[RemoveFolder, ...]
    lost: tuple[str, ...]
    replaced: Mapping[str, str]


def reverse(records: Iterable[PlanRecord], operation: int) -> Reversal:
    """Trace every file back through some operations.

    Args:
        records: the operations, newest first, without a gap.
        operation: the number of the undo itself, for its place in the vault.

    Returns:
        The net effect, whatever happened in between.
    """
    at: dict[str, _Trace] = {}
    spelled: dict[str, str] = {}
    claimed: set[str] = set()
    lost: list[str] = []
    folders: dict[str, MakeFolder | RemoveFolder] = {}
    replaced: dict[str, str] = {}
    fresh = 0
    for record in records:
        # All files of one operation move at once: in a swap, one's first place is the other's last.
        traces = [_take(at, spelled, journey) or _begin(claimed, journey) for journey in record.journeys]
        lost += [trace.now for trace in traces if trace.lost and trace.then == ""]
        for trace, journey in zip(traces, record.journeys, strict=True):
            place = journey.places[0]
            if place.startswith(f"{INCOMING}/"):  # it did not exist before: out of sight, never unlinked
                fresh += 1
                place = trace.now if trace.now.startswith(f"{VAULT}/") else vault_place(operation, fresh, trace.now)
            if place in at and (trace.lost or at[place].lost):
                if trace.lost:
                    continue
            elif place in at:
                problem = f"{show(trace.now)} and {show(at[place].now)} would both go back to {show(place)}"
                raise DestinationError(problem, "Move one of them out of the root, then run the command again")
            trace.then = place
            at[place] = trace
            spelled[fold(place)] = place
        replaced |= _replaced(record, traces)
        folders |= _folders_back(record)
    found = [trace for trace in at.values() if not trace.lost]
    moves = (Move(trace.now, trace.then, trace.identity) for trace in found if trace.now != trace.then)
    return Reversal(
        tuple(sorted(moves, key=lambda move: move.source)),
        tuple(step for _, step in sorted(folders.items()) if isinstance(step, MakeFolder)),
        tuple(step for _, step in sorted(folders.items(), reverse=True) if isinstance(step, RemoveFolder)),
        tuple(sorted(lost)),
        replaced,
    )


def _replaced(record: PlanRecord, traces: Iterable[_Trace]) -> dict[str, str]:
    """What went into the vault when another file took its place, by where that one is now."""
    came: dict[str, str] = {}
    for trace, (_, places) in zip(traces, record.journeys, strict=True):
        if not places[-1].startswith(f"{VAULT}/") and not is_own(places[-1]):
            made = record.made.get(places[0])
            came[fold(made.replaced if made else places[-1])] = trace.now
    aside = [places for _, places in record.journeys if places[-1].startswith(f"{VAULT}/")]
    return {came[fold(places[0])]: places[-1] for places in aside if fold(places[0]) in came}


def _folders_back(record: PlanRecord) -> dict[str, MakeFolder | RemoveFolder]:
    """What takes back that folders were made and removed, by path; the first that happened counts."""
    folders: dict[str, MakeFolder | RemoveFolder] = {}
    for step in reversed(record.steps):
        if isinstance(step, MakeFolder):
            folders[step.path] = RemoveFolder(step.path, step.mode)
        elif isinstance(step, RemoveFolder):
            folders[step.path] = MakeFolder(step.path, step.mode)
    return folders


def _begin(claimed: set[str], journey: Journey) -> _Trace:
    """A file that none of the newer operations moved: it is where its journey ended, if no other came there since."""
    place = journey.places[-1]
    trace = _Trace(place, journey.identity, "", lost=fold(place) in claimed)
    claimed.add(fold(place))
    return trace


def _gone(path: str) -> Note:
    return Note(path, because(Why.GONE, "it is not where it was put"))


def _take(at: dict[str, _Trace], spelled: dict[str, str], journey: Journey) -> _Trace | None:
    """The file that has come back as far as the end of an older journey."""
    place = journey.places[-1]
    if place not in at:  # some file systems list a name otherwise than it was given: in lower case, or decomposed
        place = spelled.get(fold(place), place)
        if place in at and at[place].identity.digest != journey.identity.digest:
            return None
    return at.pop(place, None)


def plan_undo(
    root: str, records: list[PlanRecord], operation: int, homes: Homes, *, without_missing: bool = False
) -> Plan:
    """Plan to take operations back.

    Files edited since are moved back as they are and listed.

    Args:
        root: the root's folder.
        records: the operations, newest first, without a gap.
        operation: the number of the undo.
        homes: the folder of the split that each picture belongs to, by its digest.
        without_missing: leave files that are gone out, instead of refusing.

    Returns:
        The plan.

    Raises:
        ChangedError: files are gone, or a file that would go out of sight was edited.
        DestinationError: an old name is taken by now.
    """
    reversal = reverse(records, operation)
    there = _what_is_there(root, reversal, {place: r.number for r in records for place in r.discards})
    missing, edited = there.missing, there.edited
    moves = _following_bytes(there.moves, reversal.moves, homes)
    moves = _with_stand_ins(moves, there.gone, reversal.replaced)
    kept = {path for path in edited if is_own(path)} - {move.source for move in moves}
    moves = [move for move in moves if move.target not in kept]
    if missing and not without_missing:
        told = [f"{show(note.path)} ({note.reason.partition(': ')[2]})" for note in missing]
        problem = f"Not all can go back, for these are gone: {some(told)}"
        remedy = "Put them back where they were, or leave them out with --without-missing"
        if any("purged it" in note.reason for note in missing):
            remedy = "What was purged is gone for good; what else these operations did goes back with --without-missing"
        raise ChangedError(problem, remedy)
    hidden = sorted(path for path in edited if path in {m.source for m in moves if _goes_out_of_sight(m)})
    if hidden:
        problem = (
            f"{some(hidden)} came with these operations and was edited since; undoing would take the edit out of sight"
        )
        remedy = "Restore what it was; or move it out of the root, and leave it out with --without-missing"
        raise ChangedError(problem, remedy)
    targets = {move.target for move in moves}
    existing = [path for path in targets if os.path.lexists(os.path.join(root, path))]
    parents = {path: os.path.join(root, path) for path in (*_parents(targets), STAGE)}
    folders = {path: stat.S_IMODE(os.stat(real).st_mode) for path, real in parents.items() if os.path.isdir(real)}
    made = {step.path: step.mode for step in reversal.made}
    journeys, steps = arrange(operation, moves, existing, folders, made)
    planned = {step.path for step in steps if isinstance(step, MakeFolder)}
    extra = tuple(
        step for step in reversal.made if step.path not in planned and not os.path.isdir(os.path.join(root, step.path))
    )
    removed = tuple(step for step in reversal.removed if os.path.isdir(os.path.join(root, step.path)))
    back = {move.target for move in moves}
    seen = [move for move in moves if _is_users(move) and not (move.source in back and _goes_out_of_sight(move))]
    numbers = tuple(record.number for record in records if not record.discards)  # what was purged stays so
    again = {number for record in records for number in record.head.undoes} - set(numbers)
    details = {"undoes": list(numbers), "in_force_again": sorted(again), "edited": edited}
    report = Report(done=len(seen), changed=len(seen), held=tuple(missing), details=details)
    return Plan("undo", operation, journeys, (*extra, *steps, *removed), (), report, undoes=numbers)


class _There(NamedTuple):
    """What there is of the files that shall go back.

    Attributes:
        moves: of those that are there, with who they are now.
        missing: those that are not, and why.
        edited: those that hold other bytes than they should.
        gone: originals that are in the vault no more, or are not what they were, with where they would go.
    """

    moves: list[Move]
    missing: list[Note]
    edited: list[str]
    gone: dict[str, str]


def _what_is_there(root: str, reversal: Reversal, purged: Mapping[str, int]) -> _There:
    lost = [_gone(path) for path in reversal.lost if not is_own(path) or path == LEDGER]
    there = _There([], lost, [], {})
    for move in reversal.moves:
        hidden = move.source.startswith(f"{VAULT}/")
        now = _identity(os.path.join(root, move.source), move.identity)
        if hidden and now is not None and not is_own(move.target):  # nobody looks there from day to day
            spoiled = digest_of(os.path.join(root, move.source)) != move.identity.digest
        else:
            spoiled = now not in (None, move.identity) and not is_file(os.path.join(root, move.source), move.identity)
        if hidden and (now is None or spoiled):  # nobody edits there
            there.gone[move.source] = move.target
        if move.source in purged and now is None:
            there.missing.append(Note(move.target, because(Why.GONE, f"operation {purged[move.source]} purged it")))
        elif now is None:
            if not is_own(move.source) or move.source == LEDGER:  # imgstage's other tables are made from this one
                there.missing.append(_gone(move.source))
        elif spoiled and hidden:
            there.missing.append(Note(move.target, because(Why.GONE, f"{move.source} is not what was put there")))
        else:
            if spoiled:
                there.edited.append(move.source)
            if not (spoiled and is_own(move.source) and move.source != LEDGER):  # what the user wrote there stays
                there.moves.append(move._replace(identity=now))
    return there


def _with_stand_ins(moves: Iterable[Move], gone: Mapping[str, str], replaced: Mapping[str, str]) -> list[Move]:
    """Where a file is gone that should come back, what had replaced it goes there, for want of better."""
    free = {origin: place for origin, place in gone.items() if not place.startswith(f"{VAULT}/")}
    found: list[Move] = []
    for move in sorted(moves, key=lambda move: move.source.startswith(f"{VAULT}/")):
        place = free.pop(replaced.get(move.source, ""), None) if _goes_out_of_sight(move) else None
        if place is not None:  # under the suffix that tells the truth about it
            place = place[: place.rfind(".")] + move.source[move.source.rfind(".") :]
        found.append(move if place is None else move._replace(target=place))
    return [move for move in found if move.source != move.target]


def _following_bytes(moves: list[Move], expected: Iterable[Move], homes: Homes) -> list[Move]:
    """Where a hand exchanged the names of some files, each goes where its bytes were; a test image must not train.

    Args:
        moves: of what there is now.
        expected: the same moves, of what was there.
        homes: see `plan_undo`.

    Returns:
        The moves, those of files that took each other's names with their targets exchanged.

    Raises:
        ChangedError: of what remains, the bytes of a held-out image would go into train.
    """
    expected = list(expected)
    was = {move.source: move.identity.digest for move in expected}
    edited = {move.source: move for move in moves if move.identity.digest != was[move.source]}
    astray = edited
    while True:
        left = Counter(was[source] for source in astray)
        came = Counter(move.identity.digest for move in astray.values())
        closed = {
            source: move
            for source, move in astray.items()
            if left[was[source]] == came[was[source]] == 1 == came[move.identity.digest] == left[move.identity.digest]
        }
        if len(closed) == len(astray):
            break
        astray = closed
    _refuse_leak([move for source, move in edited.items() if source not in astray], expected, homes)
    home = {was[source]: move.target for source, move in astray.items()}
    return [move._replace(target=home[move.identity.digest]) if move.source in astray else move for move in moves]


def _refuse_leak(edited: Iterable[Move], expected: Iterable[Move], homes: Homes) -> None:
    """Where one holds another's bytes, names were exchanged; whose edits the others are, nobody knows."""
    found: dict[str, set[str]] = defaultdict(set)
    for digest, folders in homes.items():
        found[digest] |= folders
    for move in expected:
        found[move.identity.digest].add(move.target.partition("/")[0])
    somewhere = {STAGE, STATE, HELD}
    splits = {fold(folder) for folders in found.values() for folder in folders - somewhere}
    for move in edited:
        split, others = move.target.partition("/")[0], found.get(move.identity.digest, set()) - somewhere
        trains = TRAIN in (fold(split), *map(fold, others)) or TRAIN not in splits
        if others and split not in others | somewhere and trains:
            problem = f"{show(move.source)} holds the bytes of an image of {min(others)}, and would go into {split}/"
            raise ChangedError(problem, "Give the files their old names, then run the command again")


def _identity(path: str, expected: Identity) -> Identity | None:
    """Who the file at a path is now; what was seen before is not read again."""
    if is_same_file(path, expected):
        return expected
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return Identity(status.st_size, status.st_mtime_ns, stat.S_IMODE(status.st_mode), digest_of(path), status.st_ino)


def _is_users(move: Move) -> bool:
    """Whether a move is of the user's own file, not of imgstage's tables or within the vault."""
    hidden = move.source.startswith(STATE) and move.target.startswith(STATE)
    return not hidden and not is_own(move.source) and not is_own(move.target)


def _goes_out_of_sight(move: Move) -> bool:
    return move.target.startswith(f"{VAULT}/")


def _parents(paths: Iterable[str]) -> set[str]:
    return {str(parent) for path in paths for parent in PurePosixPath(path).parents} - {"."}
