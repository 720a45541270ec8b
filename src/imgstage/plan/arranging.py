"""From wishes to steps: in an order in which nothing is ever replaced, with conflicts found before anything starts."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ..errors import DestinationError
from ..root import STAGE, STATE, fold, show, show_apart
from .model import HOP, INCOMING, VAULT, Journey, MakeFolder, Move, RemoveFolder, Rename, Step, some

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from ..index import Index

FOLDER_MODE = 0o755
_NAME_BYTES = 255  # what file systems allow


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
    _refuse_impossible([move.target for _, _, move in wishes])
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


def _refuse_impossible(targets: Sequence[str]) -> None:
    """Whatever a planner makes of a user's wish: no file goes out of the root, out of sight, or into imgstage's own."""
    hidden = [path for path in targets if ("/." in path or path[:1] in (".", "/")) and not _is_aside(path)]
    if hidden:
        problem = f"{some([show(path) for path in hidden])} would be hidden, or lie outside of the root's folders"
        raise DestinationError(problem, "Choose other names")
    long = [path for path in targets if len(path) > _NAME_BYTES // 4]  # in UTF-8 a letter takes four bytes at most
    long = [path for path in long if any(len(os.fsencode(part)) > _NAME_BYTES for part in path.split("/"))]
    if long:
        problem = f"A file's name has at most {_NAME_BYTES} bytes, and {show(long[0])} has more"
        raise DestinationError(problem, "Give that file a shorter name first, with `imgstage rename` or by hand")


def _is_aside(path: str) -> bool:
    return path.startswith((f"{VAULT}/", f"{INCOMING}/{HOP}")) and "/." not in path.removeprefix(STATE)


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
        remedy = (
            "Rename one of the two by hand, or give all samples names of their own with: imgstage rename --prefix img_"
        )
        raise DestinationError(some(clashes), remedy)


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
