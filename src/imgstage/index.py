"""Disk -> Index: every file of a folder with its digest, and what the images among them are.

A file is read once: the same bytes are hashed and decoded. What was learned is remembered in a `cache`.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from .cache import Cache, Content, Stamp
from .digests import digest_of
from .formats import SIDECAR_SUFFIXES, SUFFIXES, UNSUPPORTED_SUFFIXES
from .parallel import Progress, Silent, map_ordered
from .reasons import Why, because

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from .formats import ImageInfo


class Kind(StrEnum):
    """What a file is to imgstage."""

    IMAGE = "image"
    SIDECAR = "sidecar"
    IGNORED = "ignored"


class FileRecord(NamedTuple):
    """One file as it was when it was scanned.

    Attributes:
        path: relative to the scanned folder, with forward slashes.
        kind: image, sidecar (by its suffix; whether an image goes with it is for `pairing` to say), or ignored.
        size: bytes.
        mtime_ns: time of the last change of the content, nanoseconds since 1970.
        mode: permission bits.
        device: number of the file system.
        inode: number of the file on it.
        digest: blake3 of the content, 64 hex digits; empty for a file that was not read.
        image: what the image is; None for anything else, and for an image with a defect.
        trouble: why the file is held or ignored; empty when it is fine. See `reasons`.
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
        fingerprints: of the pictures that were decoded just now, packed, by digest; the cache has the others.
    """

    files: tuple[FileRecord, ...]
    folders: dict[str, int]
    fingerprints: dict[str, bytes] = field(default_factory=dict, compare=False)

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
    done: list[FileRecord] = []
    todo: list[tuple[FileRecord, Stamp]] = []
    fingerprints: dict[str, bytes] = {}
    with Cache(cache, write=write_cache) as known:
        for ahead, entries in _met(folder, within, folders, done):
            for name, status in entries:
                path = ahead + name
                kind, trouble = _classify(path, name, status.st_mode)
                content: Content | None = _NOTHING
                if kind is not Kind.IGNORED and not trouble:
                    content = known.get(status, is_image=kind is Kind.IMAGE)
                digest, image, defect, _ = content or _NOTHING
                record = FileRecord(
                    path,
                    kind,
                    status.st_size,
                    status.st_mtime_ns,
                    _same(status.st_mode & 0o7777),
                    _same(status.st_dev),
                    status.st_ino,
                    digest,
                    image,
                    trouble or defect,
                )
                if content is None:
                    todo.append((record, Stamp.of(status)))
                else:
                    done.append(record)
        if todo:
            done.extend(_read_all(folder, todo, known, fingerprints, threads, progress or Silent()))
    done.sort(key=_BY_PATH)
    return Index(tuple(done), dict(sorted(folders.items())), fingerprints)


def list_files(folder: Path, within: Iterable[str] = (".",)) -> tuple[FileRecord, ...]:
    """What files there are below a folder, by names alone: nothing is read, so no record has a digest or a defect.

    Args:
        folder: paths in the records are relative to it.
        within: see `scan`.

    Returns:
        The records, in the order of their paths.
    """
    found: list[FileRecord] = []
    for ahead, entries in _met(folder, within, {}, found):
        for name, status in entries:
            path = ahead + name
            kind, trouble = _classify(path, name, status.st_mode)
            sizes = status.st_size, status.st_mtime_ns, status.st_mode & 0o7777, status.st_dev, status.st_ino
            found.append(FileRecord(path, kind, *sizes, trouble=trouble))
    return tuple(sorted(found, key=_BY_PATH))


_Entries = list[tuple[str, os.stat_result]]
"""What lies in a folder: names, and the status of each."""


def _met(
    folder: Path, within: Iterable[str], folders: dict[str, int], closed: list[FileRecord]
) -> Iterator[tuple[str, _Entries]]:
    """Every file, folder by folder: what goes ahead of its name, and who is there; what cannot be looked into goes to
    `closed`."""
    for start in within:
        base = folder if start == "." else folder / start
        if base.is_dir() and not base.is_symlink():
            if start != ".":
                folders[start] = stat.S_IMODE(base.stat().st_mode)
            yield from _walk(os.fspath(base), "" if start == "." else start + "/", folders, closed)
        elif os.path.lexists(base):
            yield start.removesuffix(base.name), [(base.name, base.lstat())]


def _walk(base: str, prefix: str, folders: dict[str, int], closed: list[FileRecord]) -> Iterator[tuple[str, _Entries]]:
    waiting = [(base, prefix)]
    while waiting:
        folder, ahead = waiting.pop()
        try:
            entries = _entries(folder)
        except OSError as error:
            trouble = because(Why.CLOSED, f"the folder cannot be read ({error.strerror})")
            closed.append(FileRecord(ahead.rstrip("/"), Kind.IGNORED, 0, 0, 0, 0, 0, trouble=trouble))
            continue
        files: _Entries = []
        for name, status in entries:
            if stat.S_ISDIR(status.st_mode) and not name.startswith("."):
                folders[ahead + name] = stat.S_IMODE(status.st_mode)
                waiting.append((f"{folder}/{name}", f"{ahead}{name}/"))
            else:
                files.append((name, status))
        yield ahead, files


def _entries(folder: str) -> _Entries:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)  # names are looked up faster from there than by path
    try:
        found: _Entries = []
        with os.scandir(opened) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # gone since it was listed
                    continue
                found.append((entry.name, status))
        return found
    finally:
        os.close(opened)


_BY_PATH = itemgetter(0)
_KINDS = dict.fromkeys(SUFFIXES, Kind.IMAGE) | dict.fromkeys(SIDECAR_SUFFIXES, Kind.SIDECAR)
_UNSAFE = re.compile("[\ud800-\udfff\x00-\x1f\x7f]")


def unsafe_name(path: str) -> bool:
    """Whether a path holds what no text file can hold safely: bytes that are not UTF-8, or control characters."""
    return _UNSAFE.search(path) is not None


def _classify(path: str, name: str, mode: int) -> tuple[Kind, str]:
    """What a file is by its name and type, and why it is held or ignored."""
    suffix = name[name.rfind(".") :].lower()
    kind = _KINDS.get(suffix, Kind.IGNORED)
    if kind is not Kind.IGNORED and stat.S_ISREG(mode) and name[0] != ".":
        if path.isprintable() or not unsafe_name(path):
            return kind, ""
        return kind, because(Why.NAME, "it is not UTF-8, or holds a line break or another control character")
    if name[0] == ".":
        return Kind.IGNORED, because(Why.HIDDEN, "a hidden folder" if stat.S_ISDIR(mode) else "a hidden file")
    if stat.S_ISLNK(mode):
        return Kind.IGNORED, because(Why.LINK, "a symbolic link; only the file itself is staged")
    if not stat.S_ISREG(mode):
        return Kind.IGNORED, because(Why.SPECIAL, "not a regular file")
    if suffix in UNSUPPORTED_SUFFIXES:
        return Kind.IGNORED, because(Why.FORMAT, f"a picture format imgstage does not read ({suffix})")
    return Kind.IGNORED, because(Why.OTHER, "not an image, not a sidecar")


_NOTHING = Content("")


@cache
def _same(number: int) -> int:
    """A number that nearly all files share, once for all of them."""
    return number


def _read_all(
    folder: Path,
    todo: list[tuple[FileRecord, Stamp]],
    known: Cache,
    fingerprints: dict[str, bytes],
    threads: int | None,
    watch: Progress,
) -> Iterator[FileRecord]:
    from . import fingerprint, images  # decoders take longer to load than a thousand remembered files to look up

    def content_of(data: bytes) -> Content:
        digest = blake3(data).hexdigest()
        seen = known.image(digest)
        if seen is not None:
            return seen
        try:
            info, size, small, shrunk = images.inspect(data)
            return Content(digest, info, "", fingerprint.pack(fingerprint.fingerprint(small, size, shrunk)))
        except images.DefectError as error:
            return Content(digest, None, because(Why.BROKEN, str(error)))

    def read(item: tuple[FileRecord, Stamp]) -> FileRecord:
        record, stamp = item
        path = folder / record.path
        try:
            sidecar = record.kind is Kind.SIDECAR
            content = Content(digest_of(path)) if sidecar else content_of(path.read_bytes())
            status = path.lstat()
        except OSError as error:
            return record._replace(trouble=because(Why.UNREADABLE, f"it cannot be read ({error.strerror})"))
        except MemoryError:  # says nothing of the file, so it is not remembered
            return record._replace(trouble=because(Why.UNREADABLE, "there is not enough memory to decode it"))
        if Stamp.of(status) == stamp:  # nobody wrote meanwhile
            known.put(stamp, content)
        if content.fingerprint:
            fingerprints[content.digest] = content.fingerprint
        return record._replace(digest=content.digest, image=content.image, trouble=content.trouble)

    watch.start("Reading", len(todo))
    try:
        with images.quiet_codecs():
            yield from map_ordered(read, todo, threads, watch)
    finally:
        watch.finish()
