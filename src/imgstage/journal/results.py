"""What a model makes of pictures: results, which are no originals, each written whole or not at all.

A result is written under a hidden name, made durable, and renamed without replacing anything. Who dies on the way
leaves a hidden file, which the next run clears away.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING

from ..errors import DestinationError
from ..root import show
from .system import RenameMethod, locked, make_folder, probe, rename, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCK = ".imgstage-lock"
_PART = re.compile(r"\.imgstage-\d+\.part")


class Results:
    """A folder of results, which no other process writes to. See `open_results`."""

    def __init__(self, folder: str, method: RenameMethod) -> None:
        self._folder, self._method = folder, method
        self._numbers = count()
        self._touched: set[str] = set()
        self._lock = Lock()  # results come from several threads

    def path(self, name: str) -> str:
        """Where a result lies.

        Args:
            name: with sub-folders, relative to the folder.

        Raises:
            DestinationError: a link leads out of the folder there.
        """
        path = os.path.join(self._folder, name)
        real = os.path.realpath(os.path.dirname(path))
        if os.path.commonpath([real, os.path.realpath(self._folder)]) != os.path.realpath(self._folder):
            problem = f"{show(os.path.dirname(path))} leads out of {show(self._folder)}"
            raise DestinationError(problem, "Move that link away")
        return path

    def put(self, name: str, data: bytes, *, replace: bool = False) -> None:
        """Write a result.

        Args:
            name: with sub-folders, relative to the folder.
            data: its content.
            replace: whether an earlier result of this name may go.

        Raises:
            FileExistsError: there is one, and it stays.
            OSError: it cannot be written; an earlier one is as it was.
            DestinationError: see `path`.
        """
        target = self.path(name)
        parent = os.path.dirname(target)
        make_folder(parent)
        temporary = os.path.join(parent, f".imgstage-{next(self._numbers)}.part")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        try:
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if replace:
                os.replace(temporary, target)
            else:
                rename(temporary, target, self._method)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        with self._lock:
            self._touched.add(parent)

    def sync(self) -> None:
        """Make the names of what was written durable."""
        with self._lock:
            touched, self._touched = self._touched, set()
        for folder in sorted(touched):
            sync_folder(folder)


@contextmanager
def open_results(folder: Path) -> Iterator[Results]:
    """Open a folder for results, and make it where it is not there.

    Raises:
        LockedError: another process writes to it.
        DestinationError: it cannot be made or written to, or is a link.
    """
    path = os.fspath(folder)
    if os.path.islink(path):
        problem = f"{show(path)} is a link"
        raise DestinationError(problem, "Move it away; results are written to a folder of the root itself")
    try:
        make_folder(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    with locked(os.path.join(path, _LOCK)):
        try:
            _clear(path)
            results = Results(path, probe(path))
        except OSError as error:
            raise _unwritable(path, error) from error
        yield results
        results.sync()


def _unwritable(path: str, error: OSError) -> DestinationError:
    problem = f"{show(path)} cannot be written to ({error.strerror})"
    return DestinationError(problem, "Allow writing there, then run the command again")


def _clear(path: str) -> None:
    """Unlink what a process that died has left."""
    for folder, _, names in os.walk(path):
        for name in names:
            if _PART.fullmatch(name):
                os.unlink(os.path.join(folder, name))
