"""`classes.csv`: what a classifier made of each picture, a row each."""

from __future__ import annotations

import csv
import io
import os
from typing import TYPE_CHECKING, NamedTuple

from ..errors import RefusedError
from ..root import show

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

NAME = "classes.csv"
_AHEAD = ("path", "class", "probability")
_LAST = "made_of"
_DIGITS = 9  # so that what is read again has the same order


class Row(NamedTuple):
    """What a classifier made of a picture.

    Attributes:
        shares: the probability of each class, in their order.
        made_of: by what the picture and the model are known.
    """

    shares: tuple[float, ...]
    made_of: str


class ClassTable:
    """Rows by the path of the picture: the likeliest class, its probability, that of every class.

    Args:
        path: of the file, which need not exist.
        classes: their names, in the network's order.
        overwrite: whether an earlier table of another model may go.

    Raises:
        RefusedError: something else has the name, a hand changed it, or it is of another model and stays.
    """

    def __init__(self, path: Path, classes: Sequence[str], *, overwrite: bool = False) -> None:
        self._classes = tuple(classes)
        self._head = [*_AHEAD, *classes, _LAST]
        self._rows: dict[str, Row] = {}
        if not os.path.lexists(path):
            return
        try:
            data = path.read_bytes()
            head, *cells = list(csv.reader(io.StringIO(data.decode(), newline="")))
            first = len(_AHEAD)
            rows = {row[0]: Row(tuple(map(float, row[first:-1])), row[-1]) for row in cells}
            is_whole = all(len(row) == len(head) for row in cells)
            is_own = is_whole and not path.is_symlink() and _encoded(head[first:-1], rows) == data
        except (OSError, ValueError, IndexError, csv.Error) as error:
            raise _foreign(path) from error
        if not is_own:
            raise _foreign(path)
        if head == self._head:
            self._rows = rows
        elif not overwrite:
            problem = f"{show(str(path))} tells other classes apart: it is of another model"
            raise RefusedError(problem, "Move it away, or give --overwrite")

    def row(self, path: str) -> Row | None:
        """The row of a picture, if there is one."""
        return self._rows.get(show(path))

    def put(self, path: str, shares: Sequence[float], made_of: str) -> None:
        """Add a picture's row, or put it in the place of an earlier one."""
        self._rows[show(path)] = Row(tuple(round(of, _DIGITS) for of in shares), made_of)

    def encoded(self) -> bytes:
        """The whole table, in the order of the paths."""
        return _encoded(self._classes, self._rows)


def _encoded(classes: Sequence[str], rows: Mapping[str, Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_AHEAD, *classes, _LAST])
    for path, (shares, made_of) in sorted(rows.items()):
        best = max(range(len(shares)), key=shares.__getitem__)
        cells = [f"{of:.{_DIGITS}f}" for of in shares]
        writer.writerow([path, classes[best], cells[best], *cells, made_of])
    return text.getvalue().encode()


def _foreign(path: Path) -> RefusedError:
    problem = f"{show(str(path))} is there, and no table of classes as imgstage wrote it"
    return RefusedError(problem, "Move it away, with all that was written into it, then run the command again")
