"""The few system calls that change a root, each of which either happens whole or not at all."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from blake3 import blake3

from ..digests import digest_of
from ..errors import DestinationError, LockedError
from ..root import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..plan import Identity

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_FICLONE = 0x40049409
_BLOCK = 1 << 20


class RenameMethod(StrEnum):
    """How a file gets a new name without ever replacing another file.

    NOREPLACE is one atomic call. LINK gives the file its second name and then takes the first away. CHECKED looks
    first and renames then; it relies on nobody else writing into the root meanwhile, and is used only where the file
    system offers neither of the others.
    """

    NOREPLACE = "no-replace"
    LINK = "link"
    CHECKED = "checked"


@cache
def _renameat2_call() -> Callable[..., int]:
    try:
        call: Callable[..., int] = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:  # no such call in this C library
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
    return call


def _renameat2(source: str, target: str) -> None:
    if _renameat2_call()(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), source, None, target)


def rename(source: str, target: str, method: RenameMethod) -> None:
    """Give a file another name, replacing nothing.

    Raises:
        FileExistsError: the target exists; nothing was changed.
        OSError: the call failed.
    """
    if method is RenameMethod.NOREPLACE:
        _renameat2(source, target)
        return
    if method is RenameMethod.LINK:
        os.link(source, target, follow_symlinks=False)
        sync_folder(os.path.dirname(target))
        with suppress(FileNotFoundError):
            if os.path.samestat(os.lstat(source), os.lstat(target)):  # else somebody has just saved a new file there
                os.unlink(source)
        return
    if os.path.lexists(target) and _lists_in_any_case(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), source, None, target)
    os.rename(source, target)


def _lists_in_any_case(path: str) -> bool:
    """Whether a folder lists a name, in whatever case.

    Where case is folded, a name that was seen under another spelling may be remembered for a second after it is gone.
    """
    folder, name = os.path.split(path)
    return any(fold(other) == fold(name) for other in os.listdir(folder))


def probe(folder: str) -> RenameMethod:
    """Find out by trying which way of renaming the file system of a folder offers."""
    first, second = os.path.join(folder, "probe.a"), os.path.join(folder, "probe.b")
    for path in (first, second):
        _unlink_if_there(path)
    os.close(os.open(first, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    try:
        for method in (RenameMethod.NOREPLACE, RenameMethod.LINK):
            try:
                rename(first, second, method)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP, errno.EACCES):
                    raise
            else:
                return method
        return RenameMethod.CHECKED
    finally:
        for path in (first, second):
            _unlink_if_there(path)


def _unlink_if_there(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def sync_folder(path: str) -> None:
    """Make the names in a folder durable.

    Raises:
        OSError: the disk did not confirm. It is never tried twice: a second fsync may succeed falsely.
    """
    descriptor = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: str) -> None:
    """Make a folder, and those above it, durably; what is there already stays.

    Raises:
        OSError: one of them cannot be made.
    """
    if not os.path.isdir(path):
        above = os.path.dirname(path)
        make_folder(above)
        try:
            os.mkdir(path)
        except FileExistsError:
            if not os.path.isdir(path):  # else somebody was faster
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
        sync_folder(above)


def write_durable(path: str, blocks: Iterable[bytes], identity: Identity | None = None) -> None:
    """Write a new file under a temporary name, make it durable, and only then give it its name.

    The caller makes the name durable with `sync_folder`.

    Args:
        path: what the file shall be called; an older file of this name is replaced, so it must be the journal's own.
        blocks: its content.
        identity: whose mtime and mode it shall have.

    Raises:
        OSError: it could not be written; the temporary file is gone again.
    """
    temporary = path + ".part"
    _unlink_if_there(temporary)
    mode = 0o600 if identity is not None else 0o666  # the journal's own files are as the umask wants them
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        try:
            for block in blocks:
                view = memoryview(block)
                while view:
                    view = view[os.write(descriptor, view) :]
            _complete(descriptor, identity)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except BaseException:
        _unlink_if_there(temporary)
        raise


def _complete(descriptor: int, identity: Identity | None) -> None:
    """Give a written file its mode and mtime, and make all of it durable."""
    if identity is not None:
        os.fchmod(descriptor, identity.mode)
        os.utime(descriptor, ns=(identity.mtime_ns, identity.mtime_ns))
    os.fsync(descriptor)


def copy_durable(source: str, path: str, identity: Identity) -> str:
    """Copy a file, sharing its blocks where the file system can, with the mtime and mode of `identity`.

    Returns:
        The digest of what was copied.

    Raises:
        OSError: reading or writing failed; nothing is left behind.
    """
    hasher = blake3()
    temporary = path + ".part"
    with open(source, "rb", buffering=0) as stream:
        if _reflink(stream.fileno(), temporary):
            return _finish(temporary, path, identity)

        def blocks() -> Iterator[bytes]:
            while block := stream.read(_BLOCK):
                hasher.update(block)
                yield block

        write_durable(path, blocks(), identity)
    return hasher.hexdigest()


def _reflink(source: int, target: str) -> bool:
    _unlink_if_there(target)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.ioctl(descriptor, _FICLONE, source)
    except OSError:  # another device, or a file system without shared blocks: copy instead
        return False
    finally:
        os.close(descriptor)
    return True


def _finish(temporary: str, path: str, identity: Identity) -> str:
    """Complete a clone, give it its name, and tell the digest of what it holds: the source may have changed since."""
    try:
        digest = digest_of(temporary)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_NOFOLLOW)
        try:
            _complete(descriptor, identity)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except BaseException:
        _unlink_if_there(temporary)
        raise
    return digest


def spelling(root: str, place: str) -> str | None:
    """How a place below a root is really written, or None when nothing is there.

    Where the file system folds case, a name is found under spellings that are not its own. Inode numbers do not tell:
    some file systems in user space give each spelling its own.
    """
    path, parts = root, []
    if not os.path.lexists(os.path.join(root, place)):
        return None
    for part in place.split("/"):
        names = os.listdir(path)
        parts.append(part if part in names else next((name for name in names if fold(name) == fold(part)), part))
        path = os.path.join(path, parts[-1])
    return "/".join(parts)


def is_alias(root: str, place: str, other: str) -> bool:
    """Whether two spellings of a place, different in case at most, lead to one file, because case is folded there."""
    return place == other or (fold(place) == fold(other) and spelling(root, place) == spelling(root, other))


def _status(path: str) -> os.stat_result | None:
    """What `lstat` says; None where nothing is there, or nothing can be, for the name is too long."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return None
        raise


def is_same_file(path: str, identity: Identity) -> bool:
    """Whether the file at a path is the very one with this identity: by inode, size and mtime."""
    status = _status(path)
    return status is not None and (
        status.st_ino == identity.inode
        and status.st_size == identity.size
        and status.st_mtime_ns == identity.mtime_ns
        and stat.S_ISREG(status.st_mode)
    )


def is_file(path: str, identity: Identity) -> bool:
    """Whether the file at a path is the one with this identity: the very same file, else one with its content."""
    if is_same_file(path, identity):
        return True
    status = _status(path)
    if status is None or not stat.S_ISREG(status.st_mode) or status.st_size != identity.size or not identity.digest:
        return False
    try:
        return digest_of(path) == identity.digest
    except FileNotFoundError:  # where case is folded, a spelling may be remembered for a second after the file is gone
        return False


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold the lock of a root.

    Raises:
        LockedError: another process holds it.
        DestinationError: the lock cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        problem = f"{path} cannot be written ({error.strerror})"
        raise DestinationError(problem, "Allow writing there, then run the command again") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            problem = f"Another imgstage is at work in {os.path.dirname(os.path.dirname(path))}"
            raise LockedError(problem, "Wait until it is done, then run the command again") from None
        yield
    finally:
        os.close(descriptor)
