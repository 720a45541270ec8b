"""Real file systems on loop images, for those who are root; what a machine cannot mount is skipped by name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import unittest
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imgstage.journal.system import RenameMethod

if TYPE_CHECKING:
    from collections.abc import Iterator

FULL = "IMGSTAGE_FULL" in os.environ
"""Whether to try every point instead of a sample."""
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"  # where mkfs and mount helpers live


@dataclass(frozen=True)
class FileSystem:
    """A kind of file system and what is known of it.

    Attributes:
        name: how tests and skips call it.
        method: how files must be renamed there.
        folds: whether two names that differ in case are one.
        grain_ns: times are kept to this many nanoseconds.
        keeps_modes: whether permission bits are kept.
        megabytes: size of its loop image; 0 for one in memory.
        make: the command that formats the image, which comes last.
        mount: the command that mounts; the image (or device) and the folder come last.
        lowers: whether it lists names in lower case only.
        device: whether `mount` wants a loop device instead of a file.
        shows: whether it shows another folder instead of having a disk of its own.
    """

    name: str
    method: RenameMethod
    folds: bool = False
    grain_ns: int = 1
    keeps_modes: bool = True
    megabytes: int = 0
    make: tuple[str, ...] = ()
    mount: tuple[str, ...] = ("mount", "-o", "loop")
    device: bool = False
    lowers: bool = False
    shows: bool = False


FILE_SYSTEMS = (
    FileSystem("ext4", RenameMethod.NOREPLACE, megabytes=32, make=("mkfs.ext4", "-q", "-F")),
    FileSystem("xfs", RenameMethod.NOREPLACE, megabytes=300, make=("mkfs.xfs", "-q", "-f")),
    FileSystem("btrfs", RenameMethod.NOREPLACE, megabytes=114, make=("mkfs.btrfs", "-q", "-f")),
    FileSystem("tmpfs", RenameMethod.NOREPLACE, mount=("mount", "-t", "tmpfs", "-o", "size=32m")),
    FileSystem(
        "exfat-fuse",
        RenameMethod.CHECKED,
        folds=True,
        grain_ns=1_000_000_000,
        keeps_modes=False,
        megabytes=32,
        make=("mkfs.exfat",),
        mount=("mount.exfat-fuse",),
        device=True,
    ),
    FileSystem(
        "lowntfs-3g",
        RenameMethod.LINK,
        folds=True,
        grain_ns=100,
        keeps_modes=False,
        megabytes=32,
        make=("mkfs.ntfs", "-Q", "-F", "-q"),
        mount=("lowntfs-3g", "-o", "ignore_case"),
        lowers=True,
    ),
    FileSystem(
        "folding-fuse",
        RenameMethod.CHECKED,
        folds=True,
        mount=(sys.executable, str(Path(__file__).with_name("folding.py"))),
        shows=True,
    ),
)


REQUIRED = "IMGSTAGE_REQUIRE_FAULTS" in os.environ
"""Whether what cannot be tried here is a failure."""


class NotHereError(unittest.SkipTest):
    """This machine cannot do what is to be tried; the message says what and why."""


def not_here(reason: str) -> Exception:
    """What to raise where something cannot be tried."""
    return AssertionError(f"IMGSTAGE_REQUIRE_FAULTS is set, but {reason}") if REQUIRED else NotHereError(reason)


def command(*words: str) -> str:
    """Run a command that only root may run.

    Raises:
        NotHereError: that is not possible on this machine.
    """
    if os.geteuid() != 0:
        reason = "only root may mount file systems"
        raise NotHereError(reason)
    program = shutil.which(words[0], path=_PATH)
    if program is None:
        reason = f"{words[0]} is not on this machine"
        raise not_here(reason)
    result = subprocess.run([program, *words[1:]], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        told = " ".join((result.stderr or result.stdout).split())[-200:]
        reason = f"{' '.join(words)} is not possible on this machine: {told}"
        raise not_here(reason)
    return result.stdout.strip()


class Disk:
    """A file system that is mounted."""

    def __init__(self, kind: FileSystem, folder: Path) -> None:
        self.kind = kind
        self.path = folder / "disk"
        self.path.mkdir(parents=True)
        self._image = folder / "image"
        self._device = ""
        if kind.make:
            with self._image.open("wb") as stream:
                stream.truncate(kind.megabytes << 20)
            command(*kind.make, str(self._image))
        if kind.shows:
            self._image.mkdir()
        self.mount()

    def mount(self) -> None:
        """Mount it; what it held is there again."""
        source = str(self._image) if self.kind.make or self.kind.shows else "imgstage-test"
        if self.kind.device:
            self._device = source = command("losetup", "--find", "--show", source)
        try:
            command(*self.kind.mount, source, str(self.path))
        except BaseException:
            self._detach()
            raise

    def listed(self, name: str) -> str:
        """How the disk lists a name."""
        return name.lower() if self.kind.lowers else name

    def unmount(self) -> None:
        """Unmount it, lazily if something still holds it."""
        unmount(self.path)
        self._detach()

    def _detach(self) -> None:
        if self._device:
            command("losetup", "--detach", self._device)
            self._device = ""


def unmount(path: Path) -> None:
    """Unmount a folder, lazily if something still holds it."""
    if subprocess.run(["umount", str(path)], capture_output=True, check=False).returncode != 0:
        subprocess.run(["umount", "--lazy", str(path)], capture_output=True, check=False)


@contextmanager
def disk_of(kind: FileSystem, folder: Path) -> Iterator[Disk]:
    """A mounted file system, for as long as it is wanted."""
    disk = Disk(kind, folder)
    try:
        yield disk
    finally:
        disk.unmount()


@contextmanager
def mounted(path: Path, *words: str) -> Iterator[None]:
    """Mount something over a folder: the words of `mount` but for the folder itself."""
    command("mount", *words, str(path))
    try:
        yield
    finally:
        unmount(path)


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """Make a folder and all below it read-only, as a medium is."""
    with mounted(path, "--bind", str(path)):
        command("mount", "-o", "remount,ro,bind", str(path))
        yield
