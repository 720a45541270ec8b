"""A file system as hard as some in the network: it shows a folder, but folds case and decomposes letters.

    python proof/folding.py REAL FOLDER

Two names that differ in case, or in how an accent is composed, are one file; names are listed decomposed, as on old
Macs; there are no hard links, and no rename that refuses to replace.
"""

from __future__ import annotations

import errno
import os
import sys
import unicodedata
from typing import Any

import mfusepy


def _key(name: str) -> str:
    return unicodedata.normalize("NFD", name).casefold()


class FoldingFolder(mfusepy.Operations):
    """Shows the folder `real`."""

    use_ns = True

    def __init__(self, real: str) -> None:
        self._real = os.path.realpath(real)

    def _at(self, path: str) -> str:
        """Where a path really is, in whatever spelling it was asked for."""
        at = self._real
        for part in filter(None, path.split("/")):
            names = os.listdir(at) if os.path.isdir(at) else []
            at = os.path.join(at, next((name for name in names if _key(name) == _key(part)), _listed(part)))
        return at

    def getattr(self, path: str, _handle: Any = None) -> dict[str, Any]:
        """As it is."""
        status = os.lstat(self._at(path))
        keys = ("st_mode", "st_size", "st_nlink", "st_uid", "st_gid", "st_ino")
        times = {"st_mtime": status.st_mtime_ns, "st_atime": status.st_atime_ns, "st_ctime": status.st_ctime_ns}
        return {key: getattr(status, key) for key in keys} | times

    def readdir(self, path: str, _handle: Any) -> list[str]:
        """Names, decomposed."""
        return [".", "..", *os.listdir(self._at(path))]

    def mkdir(self, path: str, mode: int) -> int:
        """Make a folder."""
        os.mkdir(self._at(path), mode)
        return 0

    def rmdir(self, path: str) -> int:
        """Remove a folder."""
        os.rmdir(self._at(path))
        return 0

    def unlink(self, path: str) -> int:
        """Remove a file."""
        os.unlink(self._at(path))
        return 0

    def rename(self, old: str, new: str) -> int:
        """Rename, replacing what is there; a change of spelling is one, too."""
        source, target = self._at(old), self._at(new)
        if source == target:
            target = os.path.join(os.path.dirname(source), _listed(os.path.basename(new)))
        os.rename(source, target)
        return 0

    def chmod(self, path: str, mode: int) -> int:
        """Modes are kept."""
        os.chmod(self._at(path), mode & 0o7777)
        return 0

    def utimens(self, path: str, times: tuple[int, int]) -> int:
        """So are times."""
        os.utime(self._at(path), ns=times)
        return 0

    def truncate(self, path: str, length: int, _handle: Any = None) -> int:
        """Cut off."""
        os.truncate(self._at(path), length)
        return 0

    def create(self, path: str, mode: int, _info: Any = None) -> int:
        """A new file."""
        return os.open(self._at(path), os.O_RDWR | os.O_CREAT, mode)

    def open(self, path: str, flags: int) -> int:
        """A file that is there."""
        return os.open(self._at(path), flags & ~(os.O_EXCL | os.O_CREAT | os.O_NOFOLLOW))

    def read(self, _path: str, size: int, offset: int, handle: int) -> bytes:
        """Bytes."""
        return os.pread(handle, size, offset)

    def write(self, _path: str, data: bytes, offset: int, handle: int) -> int:
        """Bytes."""
        return os.pwrite(handle, data, offset)

    def release(self, _path: str, handle: int) -> int:
        """Closed."""
        os.close(handle)
        return 0

    def fsync(self, _path: str, _datasync: int, handle: int) -> int:
        """Durable."""
        os.fsync(handle)
        return 0

    def fsyncdir(self, _path: str, _datasync: int, _handle: int) -> int:
        """Folders are always durable here."""
        return 0

    def statfs(self, _path: str) -> dict[str, int]:
        """The disk below."""
        status = os.statvfs(self._real)
        keys = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_frsize", "f_namemax")
        return {key: getattr(status, key) for key in keys}


def _listed(name: str) -> str:
    return unicodedata.normalize("NFD", name)


class _Network(mfusepy.FUSE):
    def rename_fuse_3(self, old: bytes, new: bytes, flags: int) -> int:
        if flags:
            raise mfusepy.FuseOSError(errno.EINVAL)
        done: int = super().rename_fuse_3(old, new, flags)
        return done


def main() -> None:
    """Serve in the background until it is unmounted."""
    real, folder = sys.argv[1:]
    timeouts = {"entry_timeout": 0, "negative_timeout": 0, "attr_timeout": 0}
    _Network(FoldingFolder(real), folder, nothreads=True, default_permissions=True, **timeouts)


if __name__ == "__main__":
    main()
