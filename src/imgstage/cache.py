"""What earlier scans learned, in an SQLite file that may be deleted at any time.

Where it cannot be opened (a read-only medium, a broken file), everything is read again: it is a cache, never an error.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from blake3 import blake3

from .formats import ImageInfo
from .root import STATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CACHE = PurePosixPath("cache/index.sqlite")
_TRUSTED_AGE_NS = 2_000_000_000  # a file touched in the 2 s before it was hashed may have changed again unseen
_VERSION = 5
_COARSE_NS = 10_000_000
"""FAT and exFAT keep times this coarsely, no change time of their own, and give inode numbers anew at each mount: there
nothing but the content tells a file."""
_MODULUS = 1 << 64
_CHECK = 16  # bytes of a digest, before a result that nobody could tell from another when a bit of it flips
_NONE: dict[int, Any] = {}
_UNTRUSTED = -1  # the size in the row of a file of which only the content is remembered


class Stamp(NamedTuple):
    """By what an unchanged file is recognised.

    Attributes:
        device: number of the file system.
        inode: number of the file on it.
        size: bytes.
        mtime_ns: time of the last change of the content, nanoseconds since 1970.
        ctime_ns: time of the last change of anything about the file, nanoseconds since 1970.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """The stamp of a file with this status."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    @property
    def tells(self) -> bool:
        """Whether a later change of the content would change the stamp: not where it is young, or kept coarsely."""
        youngest = max(self.mtime_ns, self.ctime_ns)
        coarse = self.ctime_ns == self.mtime_ns and youngest % _COARSE_NS == 0
        return not coarse and time.time_ns() - youngest >= _TRUSTED_AGE_NS

    def trusted(self) -> Stamp:
        """Itself, if it tells; else one that no file has. Ask before the file is read: it may change after."""
        return self if self.tells else self._replace(size=_UNTRUSTED)


class Content(NamedTuple):
    """What a file holds.

    Attributes:
        digest: blake3, 64 hex digits.
        image: what the image is; None for anything else, and for an image with a defect.
        trouble: the defect; empty when there is none.
        fingerprint: of the picture, packed; empty for anything else, and for what was not decoded just now.
    """

    digest: str
    image: ImageInfo | None = None
    trouble: str = ""
    fingerprint: bytes = b""


class Cache:
    """Contents by (device, inode, size, mtime_ns, ctime_ns), and by digest.

    The latter spares decoding what was only moved or copied.

    Args:
        path: the file; None remembers nothing.
        write: False leaves the file as it is.
    """

    def __init__(self, path: Path | None, *, write: bool) -> None:
        self._path = path
        self._write = write
        self._files: dict[int, dict[int, Any]] = {}  # as `_rows` has them, by device and inode
        self._by_digest: dict[str, Any] | None = None
        self._images: dict[str, ImageInfo | None] = {}  # most images of a set are alike
        self._new: list[tuple[Stamp, Content]] = []

    def __enter__(self) -> Cache:
        if self._path is not None:
            try:
                if self._path.is_file():
                    self._load(self._path)
            except (sqlite3.Error, OSError, ValueError, TypeError):
                self._files = {}
        return self

    def _load(self, path: Path) -> None:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            if connection.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
                devices = connection.execute("SELECT DISTINCT device FROM files").fetchall()
                self._files = {device % _MODULUS: _rows(connection, device) for (device,) in devices}
        finally:
            connection.close()
        self._images = {text: _image(text) for text in {row[5] for row in self._rows()}}

    def _rows(self) -> Iterator[Any]:
        return chain.from_iterable(of.values() for of in self._files.values())

    def get(self, status: os.stat_result, *, is_image: bool) -> Content | None:
        """What the file with this status holds; None when it must be read."""
        row = self._files.get(status.st_dev, _NONE).get(status.st_ino)
        if row is None:
            return None
        _, size, mtime_ns, ctime_ns, digest, image, trouble = row
        if mtime_ns != status.st_mtime_ns or ctime_ns != status.st_ctime_ns or size != status.st_size:
            return None
        if not is_image:
            return Content(digest)
        if image or trouble:
            return Content(digest, self._images[image], trouble)
        return None  # it had another suffix, and was no image

    def image(self, digest: str) -> Content | None:
        """What the image with these bytes is, wherever it lay; None when it must be decoded."""
        if self._by_digest is None:
            self._by_digest = {row[4]: row for row in self._rows() if row[5] or row[6]}
        row = self._by_digest.get(digest)
        return Content(digest, self._images[row[5]], row[6]) if row else None

    def put(self, stamp: Stamp, content: Content) -> None:
        """Remember what was just read."""
        if self._write:
            self._new.append((stamp.trusted(), content))

    def __exit__(self, *_: object) -> None:
        if self._new and self._path is not None:
            try:
                self._store(self._path)
            except (sqlite3.Error, OSError):
                return

    def _store(self, path: Path) -> None:
        with _opened(path) as connection:
            rows = (
                (_signed(device), _signed(inode), *rest, content.digest, _text(content.image), content.trouble)
                for (device, inode, *rest), content in self._new
            )
            connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            prints = ((of.digest, of.fingerprint) for _, of in self._new if of.fingerprint)
            connection.executemany("INSERT OR REPLACE INTO fingerprints VALUES (?, ?)", prints)


def make_folder(folder: Path) -> None:
    """Make a folder below `.imgstage`, and those above it; the root itself must exist.

    Raises:
        OSError: it cannot be made, or one of them is a link, which might lead out of the root.
    """
    parts = folder.parts[::-1]
    depth = parts.index(STATE) if STATE in parts else 1
    for one in (*folder.parents[:depth][::-1], folder):
        one.mkdir(exist_ok=True)
        if one.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _rows(connection: sqlite3.Connection, device: int) -> dict[int, Any]:
    """What is known of the files of one device, by inode."""
    rows = connection.execute(
        "SELECT inode, size, mtime_ns, ctime_ns, digest, image, trouble FROM files WHERE device = ?", (device,)
    )
    return {row[0] % _MODULUS: row for row in rows}


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, to be written, with its tables; nothing is written outside of the root.

    Raises:
        OSError: there is no root, or no place in it.
        sqlite3.Error: the file is none.
    """
    make_folder(path.parent)
    if path.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    with closing(sqlite3.connect(path)) as connection, connection:
        if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            connection.executescript(
                "DROP TABLE IF EXISTS files; DROP TABLE IF EXISTS fingerprints; DROP TABLE IF EXISTS results;"
                "CREATE TABLE fingerprints (digest TEXT PRIMARY KEY, fingerprint BLOB) WITHOUT ROWID;"
                "CREATE TABLE results (name TEXT PRIMARY KEY, result BLOB);"
                "CREATE TABLE files (device INTEGER, inode INTEGER, size INTEGER, mtime_ns INTEGER,"
                " ctime_ns INTEGER, digest TEXT, image TEXT, trouble TEXT, PRIMARY KEY (device, inode))"
                " WITHOUT ROWID;"
                f"PRAGMA user_version = {_VERSION};"
            )
        yield connection


def recall(path: Path, name: str) -> bytes | None:
    """What was kept under a name, if it was the last that was kept."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                return None
            row = connection.execute("SELECT result FROM results WHERE name = ?", (name,)).fetchone()
            told = row[0] if row and isinstance(row[0], bytes) else b""
            return told[_CHECK:] if told and told[:_CHECK] == blake3(told[_CHECK:]).digest(_CHECK) else None
    except (sqlite3.Error, OSError):
        return None


def keep(path: Path, name: str, result: bytes) -> None:
    """Keep what took long to find, in the place of what was kept before."""
    with suppress(sqlite3.Error, OSError), _opened(path) as connection:
        connection.execute("DELETE FROM results")
        connection.execute("INSERT INTO results VALUES (?, ?)", (name, blake3(result).digest(_CHECK) + result))


def read_fingerprints(path: Path) -> Iterator[tuple[str, bytes]]:
    """All fingerprints that are remembered, by the digest of the picture; none where there is no such file."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
                yield from connection.execute("SELECT digest, fingerprint FROM fingerprints")
    except (sqlite3.Error, OSError):
        return


def _text(image: ImageInfo | None) -> str:
    return " ".join(map(str, image)) if image else ""


def _image(text: str) -> ImageInfo | None:
    if not text:
        return None
    name, height, width, mode, orientation, profile = text.split(" ")
    return ImageInfo(name, int(height), int(width), mode, int(orientation), profile)


def _signed(number: int) -> int:
    """Some file systems have inode numbers too large for SQLite's integers."""
    return number - _MODULUS if number >= _MODULUS // 2 else number
