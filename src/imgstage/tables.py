"""imgstage's own text files in a root: which there are, who they are, and why files were put into `held/`."""

from __future__ import annotations

import csv
import io
import os
import stat
from itertools import chain, islice
from typing import TYPE_CHECKING

from blake3 import blake3

from .errors import RefusedError, UsageError
from .plan import Identity
from .root import LEDGER, METADATA, REASONS, REPORT, SETTINGS, Layout, Root, read_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_REMEDY = "Restore it from git or a backup, or move it away and see what split says"
_COLUMNS = ["path", "reason"]
_CHUNK = 1000  # rows, so that a long table is not three times in memory


def in_split(layout: Layout, split: str) -> str:
    """Where the table of a split's images lies, in the form that Hugging Face's `imagefolder` reads."""
    return f"{layout.folder(split)}/{METADATA}"


def manifest(split: str) -> str:
    """Where the same table lies when the images stay where they are: above them all, for it may not point upwards."""
    return f"{split}.{METADATA}"


def find(root: Root, layout: Layout, splits: Iterable[str]) -> dict[str, Identity]:
    """By what each of imgstage's own text files that lie in a root is recognised, by its path.

    Raises:
        RefusedError: one of them is a symbolic link, or a folder.
        UsageError: one of them cannot be read.
    """
    places = [LEDGER, SETTINGS, REPORT, REASONS]
    for split in splits:
        places += [in_split(layout, split), manifest(split)]
    found = {place: _identity(root.path / place) for place in places}
    return {place: identity for place, identity in found.items() if identity is not None}


def _identity(path: Path) -> Identity | None:
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            problem = f"{path} is a symbolic link, which a new table would replace"
            raise RefusedError(problem, "Put the file itself there")
        if stat.S_ISDIR(status.st_mode):
            problem = f"{path} is a folder, and a table is to be written there"
            raise RefusedError(problem, "Rename it, or move it away")
        if not stat.S_ISREG(status.st_mode):
            return None
        digest = blake3(path.read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        if os.access(path.parent, os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise unreadable(path, error) from error
        return None  # the folder is closed: the scan will say so
    except OSError as error:
        raise unreadable(path, error) from error
    return Identity(status.st_size, status.st_mtime_ns, status.st_mode & 0o7777, digest, status.st_ino)


def unreadable(path: Path, error: Exception) -> UsageError:
    """The error that a table cannot be read."""
    remedy = "Allow reading it (chmod), then run the command again" if isinstance(error, PermissionError) else _REMEDY
    return UsageError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error})", remedy)


def read_csv(path: Path, columns: list[str]) -> list[list[str]]:
    """The rows of a table that imgstage wrote; none when there is no such file.

    Raises:
        UsageError: it cannot be read, or is no such table.
    """
    try:
        text = read_regular(path).decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error
    try:
        lines = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error:
        lines = []
    if not lines or lines[0] != columns or any(line and len(line) != len(columns) for line in lines):
        problem = f"{path} is not the table imgstage wrote: its columns must be {','.join(columns)}"
        raise UsageError(problem, _REMEDY)
    return [line for line in lines[1:] if line]


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """The content of a table."""
    lines = chain([columns], rows)
    return b"".join(_csv(chunk).encode() for chunk in iter(lambda: list(islice(lines, _CHUNK)), []))


def _csv(lines: Sequence[Sequence[str]]) -> str:
    text = "".join([",".join(line) + "\n" for line in lines])
    needs_quotes = '"' in text or "\r" in text or text.count("\n") > len(lines)
    if needs_quotes or text.count(",") != sum(map(len, lines)) - len(lines):  # hardly ever: the slow way
        buffer = io.StringIO(newline="")
        csv.writer(buffer, lineterminator="\n").writerows(lines)
        return buffer.getvalue()
    return text


def read_report(root: Root) -> bytes:
    """The content of `splits.json`.

    Raises:
        UsageError: it cannot be read.
    """
    path = root.path / REPORT
    try:
        return read_regular(path)
    except OSError as error:
        raise unreadable(path, error) from error


def read_reasons(root: Root) -> dict[str, str]:
    """Why files were put into `held/`, by their path.

    Raises:
        UsageError: the table cannot be read.
    """
    return dict(read_csv(root.path / REASONS, _COLUMNS))


def write_reasons(reasons: Mapping[str, str]) -> bytes:
    """The content of the table of reasons."""
    return write_csv(_COLUMNS, sorted(reasons.items()))
