"""The steps of an operation, forwards and back."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from ..errors import BrokenOffError, ChangedError
from ..plan import VAULT, MakeFolder, RemoveFolder, Rename, some
from ..root import STATE, fold, show
from .preflight import folders_of
from .records import State
from .system import is_file, is_same_file, rename, sync_folder

if TYPE_CHECKING:
    from ..parallel import Progress
    from ..plan import Journey, Step
    from .records import PlanRecord, Records
    from .system import RenameMethod


_NOWHERE = -2  # the leg of a file that is left out: no step of its journey applies


def do(root: str, record: PlanRecord, step: Step, method: RenameMethod) -> None:
    """Do one step.

    Raises:
        ChangedError: a file is not what the plan saw.
        OSError: the step failed; it changed nothing, or made half of a rename by link.
    """
    match step:
        case Rename(number, leg):
            journey = record.journeys[number]
            source, target = f"{root}/{journey.places[leg]}", f"{root}/{journey.places[leg + 1]}"
            if not is_file(source, journey.identity):
                problem = f"{show(source)} changed in the midst of {record.verb}"
                raise ChangedError(problem, "Run the command again; it will look anew")
            rename(source, target, method)
        case MakeFolder(path, mode):
            _make_folder(os.path.join(root, path), mode)
        case RemoveFolder(path, _):
            _remove_if_empty(os.path.join(root, path))


def sync(root: str, record: PlanRecord) -> None:
    """Make every name durable that an operation changed.

    Raises:
        OSError: the disk did not confirm.
    """
    made = {step.path for step in record.steps if isinstance(step, MakeFolder)}
    for folder in sorted(folders_of(record.journeys, record.steps) | made | {VAULT}):
        path = os.path.join(root, folder)
        if os.path.isdir(path):
            sync_folder(path)


def go_back(
    root: str,
    records: Records,
    record: PlanRecord,
    method: RenameMethod,
    watch: Progress,
    *,
    without_missing: bool = False,
) -> int:
    """Restore the state before an operation, and write down that it was aborted.

    Args:
        root: the root's folder.
        records: where to write it down.
        record: the operation.
        method: how to rename.
        watch: told of each step.
        without_missing: leave out files that are at none of their places or were changed; they stay where they are.

    Returns:
        How many files went back.

    Raises:
        BrokenOffError: a file is at none of its places, or its old place is taken; nothing was touched.
        OSError: a step failed; it can be tried again.
    """
    legs = _locate(root, record, without_missing=without_missing)
    back = 0
    watch.start("Going back", len(record.steps))
    try:
        for step in reversed(record.steps):
            match step:
                case Rename(number, leg) if legs[number] == leg + 1:
                    places = record.journeys[number].places
                    rename(os.path.join(root, places[leg + 1]), os.path.join(root, places[leg]), method)
                    legs[number] = leg
                    back += leg == 0
                case MakeFolder(path, _):
                    _remove_if_empty(os.path.join(root, path))
                case RemoveFolder(path, mode):
                    _make_folder(os.path.join(root, path), mode)
            watch.advance()
    finally:
        watch.finish()
    sync(root, record)
    records.write_end(record.number, State.ABORTED)
    return back


def _locate(root: str, record: PlanRecord, *, without_missing: bool) -> list[int]:
    """At which of its places each file is.

    The whole chain is judged, not each hop alone: in a swap, two journeys share their places, and only the file's
    identity tells which of them a place belongs to.
    """
    found = [_found_at(root, journey) for journey in record.journeys]
    lost = [show(journey.places[0]) for journey, legs in zip(record.journeys, found, strict=True) if not legs]
    state = f"{STATE}/journal/{record.number:06d}.plan"
    if lost and not without_missing:
        problem = (
            f"Operation {record.number} ({record.verb}) cannot be taken back whole: {some(lost)} was changed since, or"
            " is neither there nor where it was to go"
        )
        remedy = f"Put the file back (its places are in {state}) and run recover again, or leave it out"
        raise BrokenOffError(problem, f"{remedy} with --without-missing")
    now = [journey.places[legs[0]] for journey, legs in zip(record.journeys, found, strict=True) if legs]
    if len(set(now)) < len(now):  # equal contents, and their inodes are not those of the plan: a restored copy
        problem = f"Operation {record.number} cannot be taken back: files with equal bytes cannot be told apart"
        raise BrokenOffError(problem, f"Move them to where they were by hand; {state} lists all places")
    held = {journey.places[leg] for journey, legs in zip(record.journeys, found, strict=True) for leg in legs}
    taken = [
        show(journey.places[0])
        for journey, legs in zip(record.journeys, found, strict=True)
        if legs
        and legs[0] > 0
        and journey.places[0] not in held
        and _is_other(root, journey.places[0], journey.places[legs[0]])
    ]
    if taken:
        problem = f"Operation {record.number} cannot be taken back: a new file has the old name {some(taken)}"
        raise BrokenOffError(problem, "Move that file elsewhere, then run recover again")
    for journey, legs in zip(record.journeys, found, strict=True):
        for later in legs[1:]:  # renaming by link died half-way: the file has two names, and the later one goes
            first, second = (os.path.join(root, journey.places[leg]) for leg in (legs[0], later))
            if os.path.samestat(os.lstat(first), os.lstat(second)):
                os.unlink(second)
    return [legs[0] if legs else _NOWHERE for legs in found]


def _found_at(root: str, journey: Journey) -> list[int]:
    """The legs at which a file is: the very same file by inode, else one with its content."""
    places = [os.path.join(root, place) for place in journey.places]
    legs = list(range(len(places)))
    if fold(journey.places[0]) == fold(journey.places[-1]):
        # Where case is folded, both names find the file; only the folder's listing tells which one it has.
        legs = [leg for leg in legs if _is_listed(places[leg])]
    same = [leg for leg in legs if is_same_file(places[leg], journey.identity)]
    return same or [leg for leg in legs if is_file(places[leg], journey.identity)]


def _is_other(root: str, place: str, own: str) -> bool:
    """Whether there is a file at a place that is not our own under another spelling."""
    path = os.path.join(root, place)
    return os.path.lexists(path) and not os.path.samestat(os.lstat(path), os.lstat(os.path.join(root, own)))


def _is_listed(path: str) -> bool:
    folder, name = os.path.split(path)
    return os.path.isdir(folder) and name in os.listdir(folder)


def _make_folder(path: str, mode: int) -> None:
    if not os.path.isdir(path):
        os.mkdir(path)
        os.chmod(path, mode)


def _remove_if_empty(path: str) -> None:
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
            raise
