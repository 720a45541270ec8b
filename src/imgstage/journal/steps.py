"""The steps of an operation, forwards and back."""

from __future__ import annotations

import errno
import os
from collections import Counter
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from ..errors import BrokenOffError, ChangedError
from ..plan import INCOMING, VAULT, MakeFolder, RemoveFolder, Rename, some
from ..root import STATE, fold, is_own, show
from .preflight import folders_of
from .records import State
from .system import (
    RenameMethod,
    copy_durable,
    is_alias,
    is_file,
    is_same_file,
    make_folder,
    rename,
    sync_folder,
)

if TYPE_CHECKING:
    from collections.abc import Container

    from ..parallel import Progress
    from ..plan import Identity, Journey, Step
    from .records import PlanRecord, Records


class Restored(NamedTuple):
    """What became of the files of an operation that was taken back.

    Attributes:
        returned: how many went back to where they had been.
        removed: how many that it had brought are gone from where they can be seen.
        kept: how many of these are kept in the vault, because something they are copies of is gone or was changed.
        vault: the folder they are kept in, relative to the root; empty when none is.
        left: files that were left out, where the user knows them.
    """

    returned: int = 0
    removed: int = 0
    kept: int = 0
    vault: str = ""
    left: tuple[str, ...] = ()


_NO_INODE = -1
_NOWHERE = -2  # the leg of a file that is left out: no step of its journey applies


def do(root: str, record: PlanRecord, step: Step, method: RenameMethod) -> None:
    """Do one step.

    Raises:
        ChangedError: a file is not what the plan saw.
        OSError: the step failed; it changed nothing, or made half of a rename by link.
    """
    if isinstance(step, Rename):
        number, leg = step
        identity, places = record.journeys[number]
        source = f"{root}/{places[leg]}"
        if not is_file(source, identity):
            problem = f"{_shown(record, number)} changed in the midst of {record.verb}"
            raise ChangedError(problem, "Run the command again; it will look anew")
        rename(source, f"{root}/{places[leg + 1]}", method)
    elif isinstance(step, MakeFolder):
        _make_folder(os.path.join(root, step.path), step.mode)
    else:
        _remove_if_empty(os.path.join(root, step.path))


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
    begun: int | None = None,
) -> Restored:
    """Restore the state before an operation, and write down that it was aborted.

    Args:
        root: the root's folder.
        records: where to write it down.
        record: the operation.
        method: how to rename.
        watch: told of each step.
        without_missing: leave out files that are at none of their places or were changed; they stay where they are.
        begun: how many steps were begun, when that is known; what became of files that they did not touch is nobody's
            business here.

    Returns:
        What became of the files.

    Raises:
        BrokenOffError: a file is at none of its places, or its old place is taken; nothing was touched.
        OSError: a step failed; it can be tried again.
    """
    untouched = frozenset[int]() if begun is None else _untouched(record, begun)
    legs = _locate(root, record, method, untouched, without_missing=without_missing)
    moved = {True: 0, False: 0}  # by whether it had come with the operation
    watch.start("Going back", len(record.steps))
    try:
        for step in reversed(record.steps):
            match step:
                case Rename(number, leg) if legs[number] == leg + 1:
                    places = record.journeys[number].places
                    rename(os.path.join(root, places[leg + 1]), os.path.join(root, places[leg]), method)
                    legs[number] = leg
                    moved[places[0] in record.sources] += not (leg or is_own(places[0]) or is_own(places[-1]))
                case MakeFolder(path, _):
                    _remove_if_empty(os.path.join(root, path))
                case RemoveFolder(path, mode):
                    _make_folder(os.path.join(root, path), mode)
            watch.advance()
    finally:
        watch.finish()
    sync(root, record)
    kept = keep_last_copies(root, record)
    records.write_end(record.number, State.ABORTED)
    left = tuple(
        _shown(record, number) for number, leg in enumerate(legs) if leg == _NOWHERE and number not in untouched
    )
    return kept._replace(returned=moved[False], removed=moved[True], left=left)


def lost_sources(root: str, record: PlanRecord, wanted: Container[str] = ()) -> bool:
    """Whether `incoming/` has a copy, other than those that are wanted still, whose source is gone or was changed."""
    return any(
        places[0] not in wanted
        and not _is_unchanged(record.sources[places[0]], identity)
        and os.path.lexists(os.path.join(root, places[0]))
        for identity, places in record.journeys
        if places[0] in record.sources
    )


def keep_last_copies(root: str, record: PlanRecord) -> Restored:
    """What was copied waits in `incoming/` to be cleared away; that must not be the last there is of a file.

    When one source is gone or was changed, all copies are kept, so that no sample is kept by halves.
    """
    if not lost_sources(root, record):
        return Restored()
    kept = 0
    for identity, places in record.journeys:
        copy, path = os.path.join(root, places[0]), os.path.join(root, _kept_place(record, places[-1]))
        if places[0] in record.sources and os.path.lexists(copy):
            make_folder(os.path.dirname(path))
            _keep(copy, path, identity)
            sync_folder(os.path.dirname(path))
            kept += 1
    return Restored(kept=kept, vault=f"{VAULT}/{record.number:06d}")


def _kept_place(record: PlanRecord, place: str) -> str:
    return f"{VAULT}/{record.number:06d}/{place.partition('/')[2]}"


def _keep(copy: str, path: str, identity: Identity) -> None:
    """Give a copy a second name, which needs no space and no longer name; the first one is about to be cleared away."""
    try:
        os.link(copy, path)
    except FileExistsError:  # kept by an earlier try
        return
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES):
            raise
        copy_durable(copy, path, identity)  # a file system without links


def _is_unchanged(source: str, identity: Identity) -> bool:
    try:
        status = os.stat(source)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (identity.size, identity.mtime_ns)


def _untouched(record: PlanRecord, begun: int) -> frozenset[int]:
    """The journeys of which no step was begun."""
    touched = {step.journey for step in record.steps[:begun] if isinstance(step, Rename)}
    return frozenset(range(len(record.journeys))) - touched


def _locate(
    root: str, record: PlanRecord, method: RenameMethod, untouched: Container[int], *, without_missing: bool
) -> list[int]:
    """At which of its places each file is.

    The whole chain is judged, not each hop alone: in a swap, two journeys share their places, and only the file's
    identity tells which of them a place belongs to.
    """
    uses = Counter(fold(place) for journey in record.journeys for place in journey.places)
    found = [_found_at(root, journey, uses) for journey in record.journeys]
    lost = [_shown(record, number) for number, legs in enumerate(found) if not legs and number not in untouched]
    state = f"{STATE}/journal/{record.number:06d}.plan"
    if lost and not without_missing:
        problem = (
            f"Operation {record.number} ({record.verb}) cannot be taken back whole: {some(lost)} was changed since, or"
            " is neither there nor where it was to go"
        )
        remedy = f"Put the file back (its places are in {state}) and run recover again, or leave it out"
        raise BrokenOffError(problem, f"{remedy} with --without-missing")
    done = _steps_done(record, found)
    if done is None:
        found = [_with_aliases(root, journey, legs) for journey, legs in zip(record.journeys, found, strict=True)]
        done = _steps_done(record, found)
    legs = [at[0] if at else _NOWHERE for at in found] if done is None else _legs_after(record, found, done)
    now = [journey.places[leg] for journey, leg in zip(record.journeys, legs, strict=True) if leg != _NOWHERE]
    here = set(now)
    if len(here) < len(now):  # equal contents, and their inodes are not those of the plan: a restored copy
        problem = f"Operation {record.number} cannot be taken back: files with equal bytes cannot be told apart"
        raise BrokenOffError(problem, f"Move them to where they were by hand; {state} lists all places")
    held = {fold(place): place for place in here}
    doubles = set[str]() if done is None or method is not RenameMethod.LINK else _second_names(root, record, legs, held)
    taken = [
        show(first)
        for first, leg in ((journey.places[0], leg) for journey, leg in zip(record.journeys, legs, strict=True))
        if leg > 0
        and first not in here
        and first not in doubles
        and os.path.lexists(os.path.join(root, first))
        and not is_alias(root, first, held.get(fold(first), ""))
    ]
    if taken:
        problem = f"Operation {record.number} cannot be taken back: a new file has the old name {some(taken)}"
        raise BrokenOffError(problem, "Move that file elsewhere, then run recover again")
    for place in doubles:
        with suppress(FileNotFoundError):  # where case is folded, two spellings are one name
            os.unlink(os.path.join(root, place))
    return legs


def _shown(record: PlanRecord, journey: int) -> str:
    """Where the user knows a file: where it was, or where one that is new was to go."""
    places = record.journeys[journey].places
    return show(places[-1] if places[0].startswith(INCOMING) else places[0])


def _found_at(root: str, journey: Journey, uses: Counter[str]) -> list[int]:
    """The legs at which a file is: the very same file by inode, else one with its content."""
    places = [os.path.join(root, place) for place in journey.places]
    legs = list(range(len(places)))
    if fold(journey.places[0]) == fold(journey.places[-1]):
        # Where case is folded, both names find the file; only the folder's listing tells which one it has.
        legs = [leg for leg in legs if _is_spelled_so(places[leg])]
    if any(uses[fold(place)] > 1 for place in journey.places) and journey.identity.digest:
        # Some file systems number inodes anew at each mount: where files take each other's places, bytes must tell.
        content = journey.identity._replace(inode=_NO_INODE)
        legs = [leg for leg in legs if is_file(places[leg], content)]
    same = [leg for leg in legs if is_same_file(places[leg], journey.identity)]
    return same or [leg for leg in legs if is_file(places[leg], journey.identity)]


def _with_aliases(root: str, journey: Journey, legs: list[int]) -> list[int]:
    """The legs of a file of which only the case changes, where the folder lists either name in one way of its own."""
    ends = [0, len(journey.places) - 1]
    if legs in ([ends[0]], [ends[1]]) and is_alias(root, journey.places[0], journey.places[-1]):
        return ends
    return legs


def _steps_done(record: PlanRecord, found: list[list[int]]) -> int | None:
    """After how many steps every file is where it was found; None when somebody moved one meanwhile.

    A file may be found at several of its places: half a rename by link, hard links of the user's own, equal contents.
    Steps are done in order, forwards and back, so all the files together tell how far they went; of several answers,
    which differ in nothing that can be seen, the least is given.
    """
    number = {(step.journey, step.leg): n for n, step in enumerate(record.steps) if isinstance(step, Rename)}
    changes = [0] * (len(record.steps) + 2)  # in how many files are where they should be, from one count to the next
    for journey, legs in enumerate(found):
        for leg in legs:
            changes[number[journey, leg - 1] + 1 if leg else 0] += 1
            changes[number.get((journey, leg), len(record.steps)) + 1] -= 1
    present = sum(1 for legs in found if legs)
    counts = accumulate(changes[:-1])
    return next((done for done, fitting in enumerate(counts) if fitting == present), None)


def _legs_after(record: PlanRecord, found: list[list[int]], done: int) -> list[int]:
    legs = [0 if at else _NOWHERE for at in found]
    for step in record.steps[:done]:
        if isinstance(step, Rename) and legs[step.journey] != _NOWHERE:
            legs[step.journey] = step.leg + 1
    return legs


def _second_names(root: str, record: PlanRecord, legs: list[int], held: Container[str]) -> set[str]:
    """The names that renames by link gave before they died, or took away and a power cut brought back.

    Only such names may be taken away: places of a file's own journey, at which no file is to be, and which lead to the
    very file that is safe at another name.
    """
    doubles: set[str] = set()
    for journey, leg in zip(record.journeys, legs, strict=True):
        if leg == _NOWHERE:
            continue
        here = os.lstat(os.path.join(root, journey.places[leg]))
        for place in journey.places if here.st_nlink > 1 else ():
            path = os.path.join(root, place)
            if fold(place) not in held and os.path.lexists(path) and os.path.samestat(here, os.lstat(path)):
                doubles.add(place)
    return doubles


def _is_spelled_so(path: str) -> bool:
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
