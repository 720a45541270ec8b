"""What is checked before a plan starts, so that one that cannot succeed hardly ever has to be taken back.

Whether each file is what the plan saw is checked when its turn comes; to look twice would not make it surer.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from typing import TYPE_CHECKING

from ..errors import DestinationError
from ..plan import MakeFolder, Rename, some
from ..root import STATE, fold, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..plan import Journey, Plan, Step

_RECORD_BYTES = 600  # what one journey takes in the plan file, generously
_SPARE_BYTES = 1 << 16


def check(root: str, plan: Plan) -> None:
    """Refuse a plan that cannot succeed.

    Raises:
        DestinationError: a target exists, a folder cannot be written, lies outside of the root or on another file
            system, or the space does not suffice.
    """
    given_up = {place.rpartition("/")[0] for place in plan.discards}
    refuse_links(os.path.join(root, folder) for folder in given_up)
    check_folders(root, folders_of(plan.journeys, plan.steps) | given_up)
    if not plan.discards:  # what frees space shall not want any
        check_space(root, plan)
    taken = [show(place) for place in _taken(root, plan.journeys)]
    if taken:
        problem = f"The names {some(taken)} are taken"
        raise DestinationError(problem, "Rename what is there, then run the command again")


def _taken(root: str, journeys: Sequence[Journey]) -> Iterator[str]:
    """The places that files would come to where something else lies and stays, under this or an equal name."""
    coming: dict[str, list[str]] = defaultdict(list)
    for _, places in journeys:
        for place in places[1:]:
            folder, _, name = place.rpartition("/")
            coming[folder].append(name)
    there: dict[str, str] = {}
    for folder, wanted in coming.items():
        try:
            names = {fold(name) for name in os.listdir(os.path.join(root, folder))}
        except FileNotFoundError:
            continue
        if names:
            for name in wanted:
                if fold(name) in names:
                    place = f"{folder}/{name}" if folder else name
                    there[fold(place)] = place
    if there:
        leaving = {fold(places[0]) for _, places in journeys}
        yield from (place for folded, place in there.items() if folded not in leaving)


def refuse_links(folders: Iterable[str]) -> None:
    """Refuse folders of imgstage's own that lie elsewhere: what is cleared away there would be somebody's.

    Raises:
        DestinationError: naming the link.
    """
    for folder in folders:
        if os.path.islink(folder):
            problem = f"{folder} is a symbolic link that may lead out of the root"
            raise DestinationError(problem, "Put a real folder there, then run the command again")


def check_folders(root: str, folders: Iterable[str]) -> None:
    """Refuse when a folder that must change cannot, or is not really inside the root.

    Raises:
        DestinationError: naming the folder.
    """
    device = os.lstat(os.path.join(root, STATE)).st_dev
    checked: set[str] = set()
    for folder in sorted(folders):
        nearest = _check_inside(root, folder, device, checked)
        if not os.access(nearest, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            problem = f"The folder {nearest} cannot be written"
            raise DestinationError(problem, "Allow writing there (or remount it writable), then run the command again")


def _check_inside(root: str, folder: str, device: int, checked: set[str]) -> str:
    """Walk down to a folder; every part that exists must be a real folder on the root's file system."""
    path = root
    for part in folder.split("/") if folder else ():
        below = os.path.join(path, part)
        if below in checked:
            path = below
            continue
        try:
            status = os.lstat(below)
        except FileNotFoundError:
            return path
        if not stat.S_ISDIR(status.st_mode):
            what = "a symbolic link that may lead out of the root" if stat.S_ISLNK(status.st_mode) else "not a folder"
            problem = f"{below} is {what}"
            raise DestinationError(problem, "Put a real folder there, then run the command again")
        if status.st_dev != device:
            problem = f"{below} lies on another file system than {os.path.join(root, STATE)}"
            raise DestinationError(
                problem, "Keep all folders of a root on one file system, so that a move is one rename"
            )
        checked.add(below)
        path = below
    return path


def check_space(root: str, plan: Plan) -> None:
    """Refuse when the new bytes and the plan itself would not fit.

    Raises:
        DestinationError: with both figures.
    """
    disk = os.statvfs(os.path.join(root, STATE))
    block = disk.f_frsize
    sizes = [one.identity.size for one in plan.preparations if _size(root, one.place) != one.identity.size]
    jobs = plan.making.jobs if plan.making else ()
    sizes += [job.size for job in jobs if _size(root, job.place) is None]
    needed = sum(-(-size // block) * block for size in sizes) + _RECORD_BYTES * len(plan.journeys) + _SPARE_BYTES
    free = disk.f_bavail * block
    if needed > free:
        problem = f"{root} has {free / 1e6:,.1f} MB free, and {plan.verb} needs {needed / 1e6:,.1f} MB"
        raise DestinationError(problem, "Free some space, then run the command again")
    inodes = len(sizes) + sum(isinstance(step, MakeFolder) for step in plan.steps) + 8
    if disk.f_files and inodes > disk.f_favail:
        problem = f"{root} has room for {disk.f_favail:,} more files, and {plan.verb} needs {inodes:,}"
        raise DestinationError(problem, "Remove some files, then run the command again")


def _size(root: str, place: str) -> int | None:
    """How large a file is; what an interrupted run has written already needs no space any more."""
    try:
        return os.lstat(os.path.join(root, place)).st_size
    except FileNotFoundError:
        return None


def folders_of(journeys: Iterable[Journey], steps: Iterable[Step]) -> set[str]:
    """Every folder whose list of names a plan changes."""
    folders = {place.rpartition("/")[0] for journey in journeys for place in journey.places}
    for step in steps:
        if not isinstance(step, Rename):
            folders.add(step.path.rpartition("/")[0])
    return folders
