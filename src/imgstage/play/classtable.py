"""`classes.csv`: what a classifier made of each picture, a row each."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, NamedTuple

from ..errors import RefusedError
from ..root import show

if TYPE_CHECKING:
    from collections.abc import Sequence
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
        RefusedError: something else has the name, or it is of another model and stays.
    """

    def __init__(self, path: Path, classes: Sequence[str], *, overwrite: bool = False) -> None:
        self._classes = tuple(classes)
        self._head = [*_AHEAD, *classes, _LAST]
        self._rows: dict[str, Row] = {}
        if not path.exists():
            return
        try:
            head, *rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
            is_own = tuple(head[: len(_AHEAD)]) == _AHEAD and head[-1] == _LAST
            if is_own and head == self._head:
                first = len(_AHEAD)
                whole = [row for row in rows if len(row) == len(head)]
                self._rows = {row[0]: Row(tuple(map(float, row[first:-1])), row[-1]) for row in whole}
        except (OSError, ValueError, IndexError, csv.Error) as error:
            raise _foreign(path) from error
        if not is_own:
            raise _foreign(path)
        if head != self._head and not overwrite:
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
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self._head)
        for path, (shares, made_of) in sorted(self._rows.items()):
            best = max(range(len(shares)), key=shares.__getitem__)
            cells = [f"{of:.{_DIGITS}f}" for of in shares]
            writer.writerow([path, self._classes[best], cells[best], *cells, made_of])
        return text.getvalue().encode()


def _foreign(path: Path) -> RefusedError:
    problem = f"{show(str(path))} is there, and no table of classes that imgstage wrote"
    return RefusedError(problem, "Move it away, then run the command again")
