"""`purge`: what the vault keeps is given up. It is the only thing that unlinks what was a user's file.

Its commit comes first: from then on the files are gone for every purpose, and what is still there is cleared away,
now or by whoever comes next. So a purge that dies is either done or has done nothing.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ..errors import BrokenOffError, UsageError
from ..plan import VAULT, Plan, Report
from ..root import is_own
from .records import State
from .system import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .records import Records

_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def read_age(text: str) -> timedelta:
    """The span of time that a text such as "30d" says.

    Raises:
        UsageError: it says none.
    """
    found = re.fullmatch(r"\s*(\d{1,4})\s*(s|min|h|d|w)\s*", text)
    if found is None:
        problem = f"{text!r} is no span of time"
        raise UsageError(problem, "Write it as 30d; the units are s, min, h, d and w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


class _Kept(NamedTuple):
    """What an operation put into the vault, of the user's files."""

    number: int
    verb: str
    started: str
    places: tuple[str, ...]
    size: int


def plan_purge(root: str, records: Records, operation: int, older_than: timedelta | None) -> Plan:
    """Plan to empty the vault. imgstage's own tables stay there: they are small, and undo needs them.

    Args:
        root: the root's folder.
        records: what the journal has written down.
        operation: the number of the purge.
        older_than: keep what younger operations put there; None keeps nothing.

    Returns:
        The plan. Its report counts files; `details["bytes"]` what they take, `details["operations"]` whose they are.

    Raises:
        BrokenOffError: a plan was damaged.
    """
    latest = datetime.now().astimezone() - older_than if older_than is not None else None
    every = _kept(root, records)
    found = [kept for kept in every if latest is None or datetime.fromisoformat(kept.started) <= latest]
    places = tuple(place for kept in found for place in kept.places)
    report = Report(
        done=len(places),
        changed=len(places),
        details={
            "bytes": sum(kept.size for kept in found),
            "operations": [
                {
                    "operation": kept.number,
                    "verb": kept.verb,
                    "started": kept.started,
                    "files": len(kept.places),
                    "bytes": kept.size,
                }
                for kept in found
            ],
        },
    )
    return Plan("purge", operation, (), (), (), report, discards=places)


def _kept(root: str, records: Records) -> Iterator[_Kept]:
    vault = os.path.join(root, VAULT)
    states = records.states()
    for name in sorted(os.listdir(vault)) if os.path.isdir(vault) else ():
        folder = os.path.join(vault, name)
        if not (name.isascii() and name.isdigit()) or os.path.islink(folder) or not os.path.isdir(folder):
            continue
        number, verb, own = int(name), "", set[str]()
        started = datetime.fromtimestamp(os.stat(folder).st_mtime).astimezone().isoformat(timespec="seconds")
        if number in states:
            record = records.read(number)
            verb, started = record.verb, record.head.started
            done = states[number] is State.DONE
            own = {places[-1] for _, places in record.journeys if is_own(places[0])} if done else own
        sizes = {place: size for place, size in _files(root, f"{VAULT}/{name}") if place not in own}
        if sizes:
            yield _Kept(number, verb, started, tuple(sorted(sizes)), sum(sizes.values()))


def _files(root: str, folder: str) -> Iterator[tuple[str, int]]:
    with os.scandir(os.path.join(root, folder)) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                yield from _files(root, f"{folder}/{entry.name}")
            elif stat.S_ISREG(status.st_mode):
                yield f"{folder}/{entry.name}", status.st_size


def discard(root: str, records: Records, number: int) -> None:
    """Unlink what a committed purge gave up, as far as that is still there, and note that it is done.

    Raises:
        BrokenOffError: the plan was damaged.
        OSError: something cannot be unlinked; the rest stays for the next try.
    """
    places = records.read(number).discards
    foreign = next((place for place in places if not place.startswith(f"{VAULT}/") or ".." in place.split("/")), "")
    if foreign:
        problem = f"Operation {number} says to give up {foreign}, which is not in the vault"
        raise BrokenOffError(problem, "The journal is not as imgstage writes it; restore it from a backup")
    for place in places:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(root, place))
    folders = {place.rpartition("/")[0] for place in places}
    for folder in sorted(folders, key=len, reverse=True):
        _sync_or_remove(root, folder)
    sync_folder(os.path.join(root, VAULT))
    records.forget_discards(number)


def _sync_or_remove(root: str, folder: str) -> None:
    """Take away a folder of the vault that is empty now, and those above it; make durable what is gone from others."""
    while folder != VAULT:
        path = os.path.join(root, folder)
        if not os.path.isdir(path):
            folder = folder.rpartition("/")[0]
            continue
        if os.listdir(path):
            sync_folder(path)
            return
        os.rmdir(path)
        folder = folder.rpartition("/")[0]
