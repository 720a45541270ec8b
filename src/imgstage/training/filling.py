"""Make a store of ready-made images, or bring one up to date."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sqlite3
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import torch
from blake3 import blake3

from ..cache import Stamp, make_folder
from ..errors import DefectError, RefusedError
from ..parallel import map_ordered
from ..root import Root, read_regular, show
from .store import FileRecord, Files, PixelStore, Slot, flat, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ..parallel import Progress

STORES = PurePosixPath("cache/pixels")
_VERSION = 1
_NONE = -1  # the slot of a sample that does not go into one
_CHUNK = 2**28  # bytes made between two points from which a run that broke off goes on


class Wanted(NamedTuple):
    """What a store shall have.

    Attributes:
        root: the folder that paths are below.
        name: of the store's folder.
        how: a text that is another one where the same files would become other pixels.
        samples: the files of each.
        slot: how the images of a sample are laid out.
        make: makes them of the bytes of the files of each role; raises `DefectError` where that does not go.
        limit: bytes that all stores of the root may have; None for half of what is free on the disk.
    """

    root: Path
    name: str
    how: str
    samples: Sequence[Files]
    slot: Slot
    make: Callable[[Sequence[Sequence[bytes]]], list[torch.Tensor]]
    limit: int | None


def fill(wanted: Wanted, progress: Progress) -> PixelStore:
    """Make what is not in a store yet. Other processes that want the same wait until this one is ready.

    Raises:
        RefusedError: it would be larger than it may, or it cannot be written.
    """
    folder = Root(wanted.root).state / STORES / wanted.name
    try:
        with _locked(folder, progress), closing(_opened(folder / "index.sqlite")) as table:
            return _Filling(wanted, folder, table).run(progress)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        problem = f"The cache {show(str(folder))} cannot be written ({reason})"
        raise RefusedError(problem, "Make that folder writable, or make room; it may also be deleted") from error


@contextmanager
def _locked(folder: Path, progress: Progress) -> Iterator[None]:
    make_folder(folder)
    with _file(folder / "lock") as descriptor:
        progress.start("another process fills the cache", 0)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        finally:
            progress.finish()
        yield


@contextmanager
def _file(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _opened(path: Path) -> sqlite3.Connection:
    """The table; a new one where there is none that can be read."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    connection = sqlite3.connect(path)
    try:
        if connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",):
            return connection
    except sqlite3.OperationalError:
        connection.close()
        raise
    except (sqlite3.DatabaseError, ValueError):  # also a text that is none
        pass
    connection.close()
    path.unlink()
    path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
    return sqlite3.connect(path)


@dataclass
class _Filling:
    """A store that is being filled; its folder is locked."""

    wanted: Wanted
    folder: Path
    table: sqlite3.Connection
    pixels: Path = field(init=False)
    slots: dict[bytes, int] = field(init=False)

    def run(self, progress: Progress) -> PixelStore:
        samples, known = self.wanted.samples, self._load()
        progress.start(f"looking at {len(samples):,} samples", len(samples))
        try:
            records = list(map_ordered(lambda files: self._look(files, known), samples, None, progress))
        finally:
            progress.finish()
        keys = [key_of(files, (record.digest for record in of)) for files, of in zip(samples, records, strict=True)]
        if 2 * len(self.slots.keys() - set(keys)) > len(self.slots):
            self._begin_anew()
        missing = {key: number for number, key in enumerate(keys) if records[number] and key not in self.slots}
        if missing:
            self._fill(list(missing.values()), progress)
        self._remember(records, known)
        slots = [self.slots.get(key, _NONE) for key in keys]
        return PixelStore(self.pixels, self.wanted.slot, self.wanted.root, samples, slots, records)

    def _load(self) -> dict[str, FileRecord]:
        """Take over what there is; the files it was made of."""
        with suppress(TypeError, ValueError, sqlite3.Error):  # what no store of ours holds
            if self.table.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
                how, name = self.table.execute("SELECT how, pixels FROM store").fetchone()
                self.pixels = self.folder / PurePosixPath(name).name
                if how == self._how and self.pixels.is_file():
                    whole = self.pixels.stat().st_size // self.wanted.slot.nbytes
                    self.slots = dict(self.table.execute("SELECT key, slot FROM slots").fetchall())
                    files = "SELECT path, digest, device, inode, size, mtime_ns, ctime_ns FROM files"
                    rows = self.table.execute(files).fetchall()
                    known = {
                        os.fsdecode(path): FileRecord(Stamp(*map(int, stamp)), digest) for path, digest, *stamp in rows
                    }
                    used = [slot for slot in self.slots.values() if slot != _NONE]
                    if all(type(slot) is int and 0 <= slot < whole for slot in used) and len(set(used)) == len(used):
                        return known
        self._begin_anew()
        return {}

    @property
    def _how(self) -> str:
        return f"{self.wanted.how}, {self.wanted.slot.shapes}"

    def _begin_anew(self) -> None:
        """With another file: who has the old one mapped goes on reading that."""
        for old in self.folder.glob("pixels-*.u8"):
            old.unlink()
        self.pixels, self.slots = self.folder / f"pixels-{os.urandom(6).hex()}.u8", {}
        with self.table as table:
            for name in ("store", "slots", "files"):
                table.execute(f"DROP TABLE IF EXISTS {name}")
            table.execute("CREATE TABLE store (how TEXT, pixels TEXT)")
            table.execute("CREATE TABLE slots (key BLOB PRIMARY KEY, slot INTEGER) WITHOUT ROWID")
            table.execute(  # text, for inodes may be too large for SQLite's integers
                "CREATE TABLE files (path BLOB PRIMARY KEY, digest BLOB, device TEXT, inode TEXT, size TEXT,"
                " mtime_ns TEXT, ctime_ns TEXT) WITHOUT ROWID"
            )
            table.execute("INSERT INTO store VALUES (?, ?)", (self._how, self.pixels.name))
            table.execute(f"PRAGMA user_version = {_VERSION}")

    def _look(self, files: Files, known: dict[str, FileRecord]) -> list[FileRecord]:
        """What the files of a sample hold; those that were not changed are not read. Nothing where one is gone."""
        records: list[FileRecord] = []
        for path in flat(files):
            record = known.get(path)
            file = self.wanted.root / path
            try:
                stamp = Stamp.of(file.stat())
                if record is None or record.stamp != stamp:
                    record = FileRecord(stamp.trusted(), blake3(read_regular(file)).digest())
            except OSError:
                return []
            records.append(record)
        return records

    def _fill(self, todo: Sequence[int], progress: Progress) -> None:
        nbytes = self.wanted.slot.nbytes
        free = 1 + max(self.slots.values(), default=_NONE)
        self._check_room((free + len(todo)) * nbytes)
        progress.start(f"caching {len(todo):,} samples, {_size(len(todo) * nbytes)}", len(todo))
        with _file(self.pixels) as descriptor:
            try:
                os.posix_fallocate(descriptor, 0, (free + len(todo)) * nbytes)  # a full disk is told of at once
                for few in _chunks(todo, max(1, _CHUNK // nbytes)):
                    placed: dict[bytes, int] = {}
                    for key, images in map_ordered(self._make, few, None, progress):
                        placed[key] = free if images else _NONE
                        _write(descriptor, free * nbytes, images)
                        free += bool(images)
                    os.fsync(descriptor)
                    with self.table as table:
                        table.executemany("INSERT OR REPLACE INTO slots VALUES (?, ?)", placed.items())
                    self.slots.update(placed)
            finally:
                os.ftruncate(descriptor, free * nbytes)
                progress.finish()

    def _check_room(self, length: int) -> None:
        """Refuse what would take more room than it may.

        Raises:
            RefusedError: saying how much.
        """
        there = {path: path.stat().st_size for path in self.folder.parent.glob("*/pixels-*.u8")}
        here = there.pop(self.pixels, 0)
        others = sum(there.values())
        limit = self.wanted.limit
        if limit is None:
            limit = others + here + shutil.disk_usage(self.folder).free // 2
        if others + length > limit:
            beside = f", beside {_size(others)} of other sizes and splits" if others else ""
            problem = (
                f"The cache {show(str(self.folder))} would take {_size(length)}{beside}, and {_size(limit)} are allowed"
            )
            raise RefusedError(problem, f"Give cache_limit, in bytes, or delete {show(str(self.folder.parent))}")

    def _make(self, number: int) -> tuple[bytes, list[torch.Tensor]]:
        """The key of a sample, by what its files hold now, and its images; none where they do not go into a slot."""
        files = self.wanted.samples[number]
        try:
            data = [[read_regular(self.wanted.root / path) for path in of] for of in files]
        except OSError:  # told when the sample is asked for, as is what cannot be decoded
            return b"", []
        key = key_of(files, [blake3(of).digest() for of in chain.from_iterable(data)])
        try:
            images = self.wanted.make(data)
        except DefectError:
            return key, []
        fits = all(
            image.shape == shape and image.dtype == torch.uint8
            for image, shape in zip(images, self.wanted.slot.shapes, strict=True)
        )
        return key, images if fits else []  # masks of more than 256 values do not

    def _remember(self, records: Sequence[Sequence[FileRecord]], known: dict[str, FileRecord]) -> None:
        found = {
            path: record
            for files, of in zip(self.wanted.samples, records, strict=True)
            for path, record in zip(flat(files), of, strict=False)
        }
        if found == known:
            return
        rows = ((os.fsencode(path), record.digest, *map(str, record.stamp)) for path, record in found.items())
        with self.table as table:
            table.execute("DELETE FROM files")
            table.executemany("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def _size(nbytes: int) -> str:
    """Bytes, for people."""
    return f"{nbytes / 2**30:,.1f} GiB" if nbytes >= 2**30 else f"{nbytes / 2**20:,.1f} MiB"


def _chunks(numbers: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (numbers[at : at + size] for at in range(0, len(numbers), size))


def _write(descriptor: int, at: int, images: Sequence[torch.Tensor]) -> None:
    for image in images:
        values = memoryview(image.contiguous().numpy().data).cast("B")
        while values:
            written = os.pwrite(descriptor, values, at)
            at, values = at + written, values[written:]
