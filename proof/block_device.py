"""A disk image behind FUSE that writes down, in order, each write and each flush it was asked for.

    python -m proof.block_device IMAGE FOLDER LOG BASE

`FOLDER/disk` is the image, to be put behind a loop device. What is written to `FOLDER/mark` goes into the log as a
mark; the first one starts the log, and BASE is what the disk held at that moment.
"""

from __future__ import annotations

import errno
import stat
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import mfusepy

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = struct.Struct("<cQI")
WRITE, FLUSH, MARK = b"W", b"F", b"M"


class Event(NamedTuple):
    """What the disk was asked.

    Attributes:
        kind: WRITE, FLUSH or MARK.
        offset: bytes from the start of the disk.
        data: what was written there, or the mark.
    """

    kind: bytes
    offset: int
    data: bytes


class LoggedDisk(mfusepy.Operations):
    """Two files: the disk, and the mark."""

    use_ns = True

    def __init__(self, image: Path, log: Path, base: Path) -> None:
        self._bytes = bytearray(image.read_bytes())
        self._base = base
        self._log = log.open("wb")
        self._recording = False

    def _record(self, kind: bytes, offset: int = 0, data: bytes = b"") -> None:
        if self._recording:
            self._log.write(_HEAD.pack(kind, offset, len(data)) + data)
            self._log.flush()

    def getattr(self, path: str, _handle: Any = None) -> dict[str, Any]:
        """A folder with two files."""
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2}
        if path == "/disk":
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": len(self._bytes)}
        if path == "/mark":
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": 0}
        raise mfusepy.FuseOSError(errno.ENOENT)

    def readdir(self, _path: str, _handle: Any) -> list[str]:
        """Both."""
        return [".", "..", "disk", "mark"]

    def open(self, _path: str, _flags: int) -> int:
        """Nothing is kept for a handle."""
        return 1

    def truncate(self, _path: str, _length: int, _handle: Any = None) -> int:
        """A disk keeps its size."""
        return 0

    def read(self, _path: str, size: int, offset: int, _handle: Any) -> bytes:
        """From the image."""
        return bytes(self._bytes[offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, _handle: Any) -> int:
        """To the image and to the log."""
        if path == "/mark":
            if not self._recording:  # nothing can come between: a file system writes of its own accord, too
                self._base.write_bytes(self._bytes)
                self._recording = True
            self._record(MARK, 0, bytes(data))
        else:
            self._bytes[offset : offset + len(data)] = data
            self._record(WRITE, offset, bytes(data))
        return len(data)

    def fsync(self, path: str, _datasync: int, _handle: Any) -> int:
        """What was written before is on the disk for good now."""
        if path == "/disk":
            self._record(FLUSH)
        return 0

    def fallocate(self, _path: str, _mode: int, _offset: int, _length: int, _handle: Any = None) -> int:
        """No holes: a discard would say that what was there may be gone."""
        raise mfusepy.FuseOSError(errno.EOPNOTSUPP)

    def flush(self, _path: str, _handle: Any) -> int:
        """A handle was closed; that makes nothing durable."""
        return 0


def read_log(path: Path) -> Iterator[Event]:
    """The events of a log, in order."""
    data = path.read_bytes()
    at = 0
    while at < len(data):
        kind, offset, size = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        yield Event(kind, offset, data[at : at + size])
        at += size


def main() -> None:
    """Serve until it is unmounted."""
    image, folder, log, base = (Path(word) for word in sys.argv[1:])
    mfusepy.FUSE(LoggedDisk(image, log, base), str(folder), foreground=True, nothreads=True)


if __name__ == "__main__":
    main()
