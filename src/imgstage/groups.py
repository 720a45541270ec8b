"""Which samples must share a split: what the user's rule says. Pure."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import UsageError
from .pairing import stem_of
from .root import SETTINGS, STAGE, did_you_mean, fold, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def gone_key(path: str) -> str:
    """What stands for the key of a sample whose file is gone: its last name, without the suffix."""
    return stem_of(path.partition("/")[2])


def parse_table(text: str) -> tuple[str, str]:
    """The file and the column of `FILE:COLUMN`.

    Raises:
        UsageError: one of them is missing.
    """
    name, _, column = text.rpartition(":")
    if not name or not column:
        problem = f"{text!r} does not say which column of which file"
        raise UsageError(problem, "Write it as FILE:COLUMN, such as metadata.csv:patient")
    return name, column


def stored_table(root: Path, base: Path, table: str) -> str:
    """`FILE:COLUMN` as it is stored: a table inside the root by its path there, another by its whole path."""
    name, column = parse_table(table)
    path = Path(os.path.realpath(base / name)) if "\0" not in name else base
    stored = path.relative_to(root) if root in path.parents else path
    return f"{stored.as_posix()}:{column}"


def _quoted(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        problem = f"{show(text)} is no UTF-8, so it cannot be stored in {SETTINGS}"
        raise UsageError(problem, "Rename the file, or write the rule in UTF-8") from error
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def setting(key: str, text: str) -> str:
    """The line of `imgstage.toml` that stores a text.

    Raises:
        UsageError: it is no UTF-8.
    """
    return f"{key} = {_quoted(text)}"


def by_pattern(pattern: str, keys: Iterable[str]) -> dict[str, str]:
    """Group samples by the first bracket of a regular expression that is searched in their keys.

    Args:
        pattern: such as `^(.+)_frame` or `(patient\\d+)/`.
        keys: the samples' keys.

    Returns:
        The group of each key that matches; the others are not in it.

    Raises:
        UsageError: the expression is none, has no bracket, or matches no key at all.
    """
    keys = list(keys)
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        problem = f"The group rule {pattern[:200]!r} is no regular expression: {error}"
        raise UsageError(problem, r"Write something like '^(\w+)_frame'") from error
    if compiled.groups < 1:
        problem = f"The group rule {pattern!r} has no bracket, so it names no group"
        raise UsageError(problem, "Put brackets around the part that samples of one group have in common")
    found = {key: match[1] for key in keys if (match := compiled.search(key)) and match[1]}
    if keys and not found:
        problem = f"The group rule {pattern!r} matches none of the {len(keys)} samples, such as {keys[0]!r}"
        raise UsageError(
            problem, "Correct the rule; it is searched in the sample's key, its path without role and extension"
        )
    return found


def read_table(data: bytes, name: str, column: str) -> list[dict[str, str]]:
    """Read a CSV with a header.

    Args:
        data: the bytes of the file, UTF-8.
        name: what to call it in messages.
        column: a column it must have.

    Returns:
        One mapping a row.

    Raises:
        UsageError: it is not UTF-8, empty, divided otherwise, or lacks the column, or has it twice.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"{name} is not UTF-8 text (byte {error.start})"
        raise UsageError(problem, "Save it as UTF-8") from error
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""))
        columns = list(reader.fieldnames or ())
        rows = [{key: value or "" for key, value in row.items() if isinstance(key, str)} for row in reader]
    except csv.Error as error:
        problem = f"{name} is no CSV table ({error})"
        raise UsageError(problem, "Save it as comma-separated values") from error
    if len(columns) == 1 and (other := next((mark for mark in ";\t|" if mark in columns[0]), "")):
        problem = f"{name} has one column only, {show(columns[0])!r}, and seems to be divided by {other!r}"
        raise UsageError(problem, "Save it as comma-separated values")
    if columns.count(column) > 1:
        problem = f"{name} has {columns.count(column)} columns called {column!r}"
        raise UsageError(problem, "Give each a name of its own")
    if column not in columns:
        problem = f"{name} has no column {column!r}"
        raise UsageError(problem, did_you_mean(column, tuple(columns)))
    return rows


def by_column(rows: Sequence[Mapping[str, str]], column: str, paths: Mapping[str, str]) -> dict[str, set[str]]:
    """What a column of a table says of samples; it names their images.

    The column that names the images is found by looking: the one whose values are the most images' paths, names or
    stems.

    Args:
        rows: the table.
        column: which of its columns is meant.
        paths: for each image's path in the root, whom it belongs to. A table may also name it by its path below its
            split, by that below `stage_data/`, by the bare name, and each without the suffix; what a whole path says
            goes before that.

    Returns:
        What the column says of each sample that the table names; several where its images have different ones, and none
        where the cell is empty.

    Raises:
        UsageError: no column names any image.
    """
    names: dict[str, set[str]] = defaultdict(set)
    whole = {fold(path): {owner} for path, owner in paths.items()}
    for path, key in paths.items():
        below = path.partition("/")[2]
        for place in {path, below, f"{STAGE}/{below}", path.rpartition("/")[2]}:
            names[fold(place)].add(key)
            names[fold(stem_of(place))].add(key)
    hits: Counter[str] = Counter()
    for row in rows:
        hits.update(other for other, value in row.items() if other != column and _named(value) in names)
    if not hits:
        problem = f"No column of the table beside {column!r} names any of the images"
        raise UsageError(problem, "It must have a column with the images' paths in the root, file names or stems")
    best = min(hits, key=lambda other: (-hits[other], other))
    groups: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        named = _named(row[best])
        for key in whole.get(named) or names.get(named, set()):
            groups[key] |= {row[column]} - {""}
    return dict(groups)


def _named(value: str) -> str:
    return fold(value.removeprefix("./"))


def merge(groups: Mapping[str, set[str]]) -> dict[str, str]:
    """Join groups that share a sample.

    Args:
        groups: the group names of each sample.

    Returns:
        One group name a sample: the first, in order of names, of all that are joined.
    """
    parent: dict[str, str] = {}

    def top(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = name = parent[parent[name]]  # halves the way for whoever comes next
        return name

    for names in filter(None, groups.values()):
        first, *others = sorted(names)
        for other in others:
            one, two = sorted((top(first), top(other)))
            parent[two] = one
    return {sample: top(min(names)) for sample, names in groups.items() if names}
