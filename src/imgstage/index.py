"""Disk -> Index: every file of a folder with its digest, and what the images among them are.

A file is read once: the same bytes are hashed and decoded. What was learned goes into an SQLite cache under
`.imgstage/cache/`, which may be deleted at any time.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from blake3 import blake3

from .images import SUFFIXES, UNSUPPORTED_SUFFIXES, DefectError, ImageInfo, inspect, quiet_codecs
from .parallel import Progress, Silent, map_ordered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SIDECAR_SUFFIXES = frozenset(".txt .json .xml .csv .tsv .yaml .yml .toml .xmp .npy .npz .caption .cap".split())
CACHE = PurePosixPath("cache/index.sqlite")
UNREADABLE = "the folder cannot be read"
"""How the trouble of a folder begins that could not be looked into."""
_TRUSTED_AGE_NS = 2_000_000_000  # a file touched in the 2 s before it was hashed may have changed again unseen
_COARSE_NS = 10_000_000
"""FAT and exFAT keep times this coarsely, no change time of their own, and give inode numbers anew at each mount: there
nothing but the content tells a file."""
_CACHE_VERSION = 1


class Kind(StrEnum):
    """What a file is to imgstage."""

    IMAGE = "image"
    SIDECAR = "sidecar"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file as it was when it was scanned.

    Attributes:
        path: relative to the scanned folder, with forward slashes.
        kind: image, sidecar (by its suffix; whether an image goes with it is for `pairing` to say), or ignored.
        size: bytes.
        mtime_ns: time of the last change of the content, nanoseconds since 1970.
        mode: permission bits.
        device: number of the file system.
        inode: number of the file on it.
        digest: blake3 of the content, 64 hex digits; empty for an ignored file.
        image: what the image is; None for anything else, and for an image with a defect.
        trouble: why the file is held or ignored; empty when it is fine.
    """

    path: str
    kind: Kind
    size: int
    mtime_ns: int
    mode: int
    device: int
    inode: int
    digest: str = ""
    image: ImageInfo | None = None
    trouble: str = ""


@dataclass(frozen=True)
class Index:
    """All files of a folder, sorted by path, and its sub-folders.

    Attributes:
        files: one record for each file met, ignored ones too.
        folders: permission bits of each sub-folder, by its path.
    """

    files: tuple[FileRecord, ...]
    folders: dict[str, int]

    @cached_property
    def by_path(self) -> dict[str, FileRecord]:
        """The records by their path."""
        return {record.path: record for record in self.files}


def scan(
    folder: Path,
    within: Iterable[str] = (".",),
    cache: Path | None = None,
    *,
    write_cache: bool = True,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Index:
    """Read every file below a folder.

    Args:
        folder: paths in the index are relative to it.
        within: the sub-folders (or single files) to read; those that do not exist are left out.
        cache: the SQLite file to remember digests and defects in; it need not exist.
        write_cache: False leaves the cache as it is.
        threads: how many files to read at once; None means one for each core. The result does not depend on it.
        progress: told of each file.

    Returns:
        The index, in the order of the paths, whatever order the directory has.
    """
    folders: dict[str, int] = {}
    found: list[FileRecord] = []
    for start in within:
        base = folder if start == "." else folder / start
        if base.is_dir() and not base.is_symlink():
            if start != ".":
                folders[start] = stat.S_IMODE(base.stat().st_mode)
            found.extend(_walk(base, "" if start == "." else start + "/", folders))
        elif os.path.lexists(base):
            found.append(_classify(start, base.name, base.lstat()))
    found.sort(key=lambda record: record.path)
    watch = progress or Silent()
    with _Cache(cache, write=write_cache) as known, quiet_codecs():
        fresh: dict[str, FileRecord] = {}
        todo: list[FileRecord] = []
        for record in found:
            if record.kind is Kind.IGNORED or record.trouble:
                continue
            remembered = known.get(record, folder / record.path)
            if remembered is None:
                todo.append(record)
            else:
                fresh[record.path] = remembered
        watch.start("Reading", len(todo))
        try:
            for record in map_ordered(lambda record: _read(folder, record, known), todo, threads, watch):
                fresh[record.path] = record
                known.put(record, folder / record.path)
        finally:
            watch.finish()
    return Index(tuple(fresh.get(record.path, record) for record in found), dict(sorted(folders.items())))


def digest_file(path: Path) -> str:
    """blake3 of a file's content as 64 hex digits.

    Raises:
        OSError: it cannot be read.
    """
    hasher = blake3()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()


def _walk(base: Path, prefix: str, folders: dict[str, int]) -> Iterator[FileRecord]:
    try:
        entries = list(os.scandir(base))
    except OSError as error:
        path = prefix.rstrip("/")
        yield FileRecord(path, Kind.IGNORED, 0, 0, 0, 0, 0, trouble=f"{UNREADABLE} ({error.strerror})")
        return
    for entry in entries:
        path = prefix + entry.name
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # gone since it was listed
            continue
        if stat.S_ISDIR(status.st_mode) and not entry.name.startswith("."):
            folders[path] = stat.S_IMODE(status.st_mode)
            yield from _walk(Path(entry.path), path + "/", folders)
        else:
            yield _classify(path, entry.name, status)


def _classify(path: str, name: str, status: os.stat_result) -> FileRecord:
    suffix = PurePosixPath(name).suffix.lower()
    kind, trouble = Kind.IGNORED, ""
    if name.startswith("."):
        trouble = "a hidden folder" if stat.S_ISDIR(status.st_mode) else "a hidden file"
    elif stat.S_ISLNK(status.st_mode):
        trouble = "a symbolic link; only the file itself is staged"
    elif not stat.S_ISREG(status.st_mode):
        trouble = "not a regular file"
    elif suffix in SUFFIXES:
        kind = Kind.IMAGE
    elif suffix in SIDECAR_SUFFIXES:
        kind = Kind.SIDECAR
    elif suffix in UNSUPPORTED_SUFFIXES:
        trouble = f"a picture format imgstage does not read ({suffix})"
    else:
        trouble = "not an image, not a sidecar"
    if kind is not Kind.IGNORED and unsafe_name(path):
        trouble = "its name is not UTF-8, or holds a line break or another control character"
    return FileRecord(
        path,
        kind,
        status.st_size,
        status.st_mtime_ns,
        stat.S_IMODE(status.st_mode),
        status.st_dev,
        status.st_ino,
        trouble=trouble,
    )


def unsafe_name(path: str) -> bool:
    """Whether a path holds what no text file can hold safely: bytes that are not UTF-8, or control characters."""
    return any(0xD800 <= ord(c) <= 0xDFFF or ord(c) < 0x20 or ord(c) == 0x7F for c in path)


def _read(folder: Path, record: FileRecord, known: _Cache) -> FileRecord:
    path = folder / record.path
    try:
        if record.kind is Kind.SIDECAR:
            return replace(record, digest=digest_file(path))
        data = path.read_bytes()
    except OSError as error:
        return replace(record, trouble=f"it cannot be read ({error.strerror})")
    digest = blake3(data).hexdigest()
    seen = known.content(digest)
    if seen is not None:
        return replace(record, digest=digest, image=seen[0], trouble=seen[1])
    try:
        return replace(record, digest=digest, image=inspect(data))
    except DefectError as error:
        return replace(record, digest=digest, trouble=str(error))


class _Cache:
    """Digests by (device, inode, size, mtime_ns, ctime_ns), and what the images are by digest.

    The second table spares decoding what was only moved or copied. Where the cache cannot be opened (a read-only
    medium, a broken file), everything is read again: it is a cache, and never an error.
    """

    def __init__(self, path: Path | None, *, write: bool) -> None:
        self._write = write
        self._contents: dict[str, tuple[ImageInfo | None, str]] = {}
        self._files: dict[tuple[str, str], str] = {}
        self._new: list[tuple[FileRecord, tuple[str, str] | None]] = []
        self._path = path

    def __enter__(self) -> _Cache:
        if self._path is not None and self._path.is_file():
            try:
                self._load(self._path)
            except sqlite3.Error:
                self._contents, self._files = {}, {}
        return self

    def _load(self, path: Path) -> None:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            if connection.execute("PRAGMA user_version").fetchone()[0] != _CACHE_VERSION:
                return
            for digest, name, height, width, mode, orientation, trouble in connection.execute("SELECT * FROM contents"):
                image = ImageInfo(name, height, width, mode, orientation) if name else None
                self._contents[digest] = (image, trouble)
            for file, stamp, digest in connection.execute("SELECT * FROM files"):
                self._files[file, stamp] = digest
        finally:
            connection.close()

    def get(self, record: FileRecord, path: Path) -> FileRecord | None:
        """The record completed from memory, or None when the file must be read."""
        key = self._key(record, path)
        digest = self._files.get(key) if key else None
        if digest is None:
            return None
        if record.kind is Kind.SIDECAR:
            return replace(record, digest=digest)
        seen = self._contents.get(digest)
        return None if seen is None else replace(record, digest=digest, image=seen[0], trouble=seen[1])

    def content(self, digest: str) -> tuple[ImageInfo | None, str] | None:
        """What is known of these bytes, wherever they lay."""
        return self._contents.get(digest)

    def put(self, record: FileRecord, path: Path) -> None:
        """Remember a record that was just read."""
        if self._write and record.digest:
            self._new.append((record, self._key(record, path, trusted=True)))

    @staticmethod
    def _key(record: FileRecord, path: Path, *, trusted: bool = False) -> tuple[str, str] | None:
        try:
            status = path.lstat()
        except OSError:
            return None
        unchanged = (status.st_size, status.st_mtime_ns, status.st_ino) == (record.size, record.mtime_ns, record.inode)
        youngest = max(status.st_mtime_ns, status.st_ctime_ns)
        if not unchanged or (trusted and time.time_ns() - youngest < _TRUSTED_AGE_NS):
            return None
        if status.st_ctime_ns == status.st_mtime_ns and youngest % _COARSE_NS == 0:
            return None
        # As text: some file systems have inode numbers too large for SQLite's integers.
        file = f"{status.st_dev}:{status.st_ino}"
        return file, f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"

    def __exit__(self, *_: object) -> None:
        if self._new and self._path is not None:
            try:
                self._store(self._path)
            except (sqlite3.Error, OSError):
                return

    def _store(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)  # never makes a root of a folder that is none: `.imgstage` itself must exist
        connection = sqlite3.connect(path)
        try:
            with connection:
                if connection.execute("PRAGMA user_version").fetchone()[0] != _CACHE_VERSION:
                    connection.executescript(
                        "DROP TABLE IF EXISTS contents; DROP TABLE IF EXISTS files;"
                        "CREATE TABLE contents (digest TEXT PRIMARY KEY, format TEXT, height INTEGER, width INTEGER,"
                        " mode TEXT, orientation INTEGER, trouble TEXT) WITHOUT ROWID;"
                        "CREATE TABLE files (file TEXT PRIMARY KEY, stamp TEXT, digest TEXT) WITHOUT ROWID;"
                        f"PRAGMA user_version = {_CACHE_VERSION};"
                    )
                images = (
                    (r.digest, i.format, i.height, i.width, i.mode, i.orientation, "")
                    if (i := r.image)
                    else (r.digest, "", 0, 0, "", 0, r.trouble)
                    for r, _ in self._new
                    if r.kind is Kind.IMAGE
                )
                connection.executemany("INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?, ?, ?, ?)", images)
                rows = ((*key, record.digest) for record, key in self._new if key is not None)
                connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", rows)
        finally:
            connection.close()
