"""`splits.csv`: which sample was assigned to which split. One row an image or sidecar; rows are never deleted."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from . import tables
from .errors import UsageError
from .index import Kind, unsafe_name
from .pairing import SIDECAR, stem_of
from .root import LEDGER, Root, fold, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .index import FileRecord

MISSING = "missing:"
"""Stands before the last known path of a row whose file is gone."""
GONE = "gone:"
"""Stands there instead when the user has said, with --accept-new, that he knows."""


class Row(NamedTuple):
    """One line of `splits.csv`.

    Attributes:
        sample: id of the sample; see `sample_id`.
        split: where it was assigned to.
        group: the group it was assigned with; empty when it stood alone.
        role: the image's role, or `sidecar`.
        path: where the file is, relative to the root; `missing:` or `gone:` before it when it is not there any more.
        digest: blake3 of its content when it was last seen.
        first_digest: blake3 of its content when it was first assigned.
    """

    sample: str
    split: str
    group: str
    role: str
    path: str
    digest: str
    first_digest: str

    @property
    def last_path(self) -> str:
        """Where the file is, or was when it was last seen."""
        return self.path.removeprefix(MISSING).removeprefix(GONE) if ":" in self.path else self.path

    @property
    def is_acknowledged(self) -> bool:
        """Whether the file is gone and the user has said that he knows."""
        return self.path.startswith(GONE)


COLUMNS = Row._fields


def sample_id(key: str, digests: Iterable[str]) -> str:
    """The id of a sample: blake3 of its first key and the sorted first digests of its images, 32 hex digits.

    It is computed once and never again, so it outlives renaming, resizing and edits.
    """
    text = "\0".join((key, *sorted(digests)))
    return blake3(text.encode()).hexdigest(length=16)


def read(root: Root) -> tuple[Row, ...]:
    """All rows of a root's `splits.csv`; none when there is no such file.

    Raises:
        UsageError: it cannot be read, is no such table, or contradicts itself.
    """
    path = root.path / LEDGER
    rows = tuple(Row(*line) for line in tables.read_csv(path, list(COLUMNS)))
    paths: set[str] = set()
    splits: dict[str, str] = {}
    for row in rows:
        if row.path in paths and not row.path.startswith((MISSING, GONE)):
            problem = f"{path} has two rows for {row.path}, as a merge leaves them"
            raise UsageError(problem, "Keep the row that is right")
        if not all((row.sample, row.split, row.role, row.last_path)):
            problem = f"{path} has a row that lacks its sample, split, role or path, such as {row.path or row.sample}"
            raise UsageError(problem, "Fill it in, or take the row out")
        if unsafe_name(row.role) or "/" in row.role or row.role.startswith("."):
            problem = f"{path} has the role {show(row.role)!r} for {show(row.path)}"
            raise UsageError(problem, "Give it a plain name, such as before")
        if splits.setdefault(row.sample, row.split) != row.split:
            problem = (
                f"{path} has the files of one sample in {splits[row.sample]} and in {row.split}, such as {row.path}"
            )
            raise UsageError(problem, "Correct the split in all rows of that sample")
        paths.add(row.path)
    return rows


def write(rows: Iterable[Row]) -> bytes:
    """The content of a `splits.csv`, sorted so that a text diff shows what changed and nothing else."""
    ranked: list[Row] = sorted(rows, key=_rank)
    return tables.write_csv(COLUMNS, ranked)


def _rank(row: Row) -> tuple[str, str, Row]:
    path = row.last_path
    return path.partition("/")[2], path, row


def match(rows: Iterable[Row], files: Mapping[str, FileRecord], mates: Mapping[str, str]) -> dict[str, Row]:
    """Find each row's file.

    In this order: the same path and content; the same content elsewhere (the file was moved or renamed); the same path
    below `stage_data/` or a split (it was edited); the content it had first; the same name but for the suffix (it was
    converted, and the old file is gone). Content goes before the bare path because
    a test image that was given the name of a train image must stay a test image.

    Args:
        rows: the ledger.
        files: what there is, by path.
        mates: of the images and sidecars among these, the path below the top-level folder, by path; equal for
            `train/x.jpg` and `stage_data/x.jpg`.

    Returns:
        The row of each file that has one. Where several rows and files could belong together, names decide; what
        remains uncertain is left out.
    """
    found: dict[str, Row] = {}
    open_rows: list[Row] = []
    for row in rows:
        if row.path in mates and files[row.path].digest == row.digest:
            found[row.path] = row
        else:
            open_rows.append(row)
    if not open_rows:
        return found
    open_rows = _by_digest(open_rows, files, mates, found, first=False)
    still: list[Row] = []
    own = {row.last_path for row in open_rows}  # what lies there is theirs first
    at = {mates[path]: path for path in sorted(mates, reverse=True) if path not in found and path not in own}
    for row in open_rows:
        path = row.last_path if row.last_path in mates else at.get(row.last_path.partition("/")[2], "")
        if path and path not in found:
            found[path] = row
        else:
            still.append(row)
    _by_stem(_by_digest(still, files, mates, found, first=True), files, mates, found)
    return found


def _by_stem(
    rows: Iterable[Row], files: Mapping[str, FileRecord], mates: Mapping[str, str], found: dict[str, Row]
) -> None:
    """Match images that were converted: the only one that has the name, but for the suffix, of a file that is gone."""
    wanting: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.role != SIDECAR and row.last_path not in files:
            wanting[fold(stem_of(row.last_path.partition("/")[2]))].append(row)
    if not wanting:
        return
    there: dict[str, list[str]] = defaultdict(list)
    for path, name in mates.items():
        if path not in found and files[path].kind is Kind.IMAGE:
            there[fold(stem_of(name))].append(path)
    found |= {
        there[stem][0]: claimants[0]
        for stem, claimants in wanting.items()
        if len(claimants) == len(there.get(stem, ())) == 1
    }


def _by_digest(
    rows: list[Row], files: Mapping[str, FileRecord], mates: Mapping[str, str], found: dict[str, Row], *, first: bool
) -> list[Row]:
    """Match rows to files of equal content, one to one; returns the rows that found none."""
    wanting: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        wanting[row.first_digest if first else row.digest].append(row)
    by_digest: dict[str, dict[str, str]] = defaultdict(dict)
    for path in sorted(mates):
        if files[path].digest in wanting and path not in found:
            by_digest[files[path].digest][mates[path]] = path
    rest: list[Row] = []
    for digest, claimants in wanting.items():
        candidates = by_digest[digest]
        left: list[Row] = []
        for row in claimants:  # of equal contents, the one that kept its name
            kept = candidates.pop(row.last_path.partition("/")[2], None)
            if kept:
                found[kept] = row
            else:
                left.append(row)
        if len(left) == len(candidates) and (len(left) == 1 or len({row.sample for row in left}) == 1):
            found.update(zip(candidates.values(), left, strict=True))
        else:
            rest.extend(left)
    return rest


def mark_missing(row: Row, *, acknowledged: bool = False) -> Row:
    """The row of a file that is gone."""
    return row._replace(path=(GONE if acknowledged or row.is_acknowledged else MISSING) + row.last_path)
