"""Where results go, and which are there already: a file each, or a row each in one table."""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from blake3 import blake3

from ..errors import DefectError, DestinationError
from ..images import png_comment
from .classtable import NAME, ClassTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..journal.results import Results
    from .pixels import Source
    from .sources import Job
    from .tasks import Classes, Task

_MARK = "imgstage play "
_FLUSH_S = 5.0  # after which a table is written again, so that little is lost


class EarlierError(Exception):
    """Another result has the name, and stays."""


def is_result(path: Path) -> bool:
    """Whether a file says that it is a result; whether another program changed it, its pixels would tell."""
    return png_comment(_content(path)).startswith(_MARK)


class Store(Protocol):
    """Where results go."""

    def name(self, job: Job) -> str:
        """Of the file that a picture's result is, or is in, relative to the folder of results."""

    def earlier(self, job: Job, made_of: str) -> NDArray[Any] | None:
        """The very result that would come out, where an earlier run has written it.

        Raises:
            EarlierError: another result is there, and stays.
            DestinationError: something else is.
        """

    def keep(self, job: Job, made_of: str, made: NDArray[Any], source: Source) -> None:
        """Write a result.

        Raises:
            EarlierError: another one came to be there meanwhile.
            OSError: it cannot be written.
        """

    def close(self) -> None:
        """Write what is not written yet."""


class Files:
    """A PNG for each picture. What it was made of stands in its comment.

    Args:
        results: the folder.
        task: makes files of results.
        overwrite: whether earlier ones may go; what is no result stays all the same.
    """

    def __init__(self, results: Results, task: Task, *, overwrite: bool) -> None:
        self._results, self._task, self._overwrite = results, task, overwrite

    def name(self, job: Job) -> str:
        """See `Store`."""
        return f"{job.name}.png"

    def earlier(self, job: Job, made_of: str) -> NDArray[Any] | None:
        """See `Store`."""
        path = self._place(job)
        if not os.path.lexists(path):
            return None
        data = _content(path)
        there = self._own(data)
        if there is None:
            problem = f"{self.name(job)} is there, and imgstage play did not write it so; move it away"
            raise DestinationError(problem, "Move it away")
        if self._overwrite:
            return None
        if png_comment(data) == _mark(made_of, there):
            return there
        raise EarlierError

    def keep(self, job: Job, made_of: str, made: NDArray[Any], source: Source) -> None:
        """See `Store`."""
        data = self._task.encode(made, source, _mark(made_of, made))
        replace = self._overwrite and self._own(_content(self._place(job))) is not None
        try:
            self._results.put(self.name(job), data, replace=replace)
        except FileExistsError as error:
            raise EarlierError from error

    def _own(self, data: bytes) -> NDArray[Any] | None:
        """The result that a file holds; None where it is none, or was changed by another program."""
        made_of, _, digest = png_comment(data).removeprefix(_MARK).partition(" ")
        if not digest:
            return None
        with suppress(DefectError):
            made = self._task.decode(data)
            return made if png_comment(data) == _mark(made_of, made) else None
        return None

    def _place(self, job: Job) -> Path:
        return Path(self._results.path(self.name(job)))

    def close(self) -> None:
        """See `Store`."""
        self._results.sync()


def _mark(made_of: str, made: NDArray[Any]) -> str:
    """What is kept in a result: what it was made of, and by what its pixels are known."""
    return f"{_MARK}{made_of} {blake3(np.ascontiguousarray(made).data.cast('B')).hexdigest()[:32]}"


def _content(path: Path) -> bytes:
    """Of a file; empty where it cannot be read, or is none."""
    with suppress(OSError):
        return path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    return b""


class Rows:
    """A row for each picture in `classes.csv`.

    Args:
        results: the folder.
        task: knows the classes.
        overwrite: whether earlier rows may go.

    Raises:
        RefusedError: something else has that name.
    """

    def __init__(self, results: Results, task: Classes, *, overwrite: bool) -> None:
        self._results, self._overwrite = results, overwrite
        self._path = Path(results.path(NAME))
        self._table = ClassTable(self._path, task.names, overwrite=overwrite)
        self._last = _content(self._path)
        self._is_new, self._written = False, time.monotonic()
        self._lock = Lock()  # results come from several threads

    def name(self, job: Job) -> str:  # noqa: ARG002
        """See `Store`."""
        return NAME

    def earlier(self, job: Job, made_of: str) -> NDArray[Any] | None:
        """See `Store`."""
        row = None if self._overwrite else self._table.row(job.path)
        if row is None:
            return None
        if row.made_of != made_of:
            raise EarlierError
        return np.array(row.shares)

    def keep(self, job: Job, made_of: str, made: NDArray[Any], source: Source) -> None:  # noqa: ARG002
        """See `Store`."""
        with self._lock:
            self._table.put(job.path, made.tolist(), made_of)
            self._is_new = True
            if time.monotonic() - self._written > _FLUSH_S:
                self._write()

    def close(self) -> None:
        """See `Store`."""
        with self._lock:
            self._write()
        self._results.sync()

    def _write(self) -> None:
        if self._is_new:
            if _content(self._path) != self._last or self._path.is_symlink():
                raise FileExistsError(errno.EEXIST, "it was changed meanwhile, and stays so", str(self._path))
            self._last = self._table.encoded()
            self._results.put(NAME, self._last, replace=True)
            self._is_new, self._written = False, time.monotonic()
