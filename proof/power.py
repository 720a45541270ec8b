"""Cut the power: every order in which a disk may have kept its writes is mounted, recovered and judged.

A disk promises one thing: what was written before a flush is there after it. So after a power cut, any part of the
writes since the last flush may be on it. A verb runs on a disk whose writes and flushes are logged; each prefix of the
log, and a sample of the subsets of what no flush has confirmed, is laid on the image as it was and mounted anew, as a
machine would that starts again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from .block_device import FLUSH, MARK, WRITE, Event, read_log
from .expected import Expected
from .judge import Verdict
from .mounts import command, unmount
from .process import Outcome, run, scratch
from .scenarios import METHODS

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from .scenarios import Scenario

_SECTOR = 512
_PATIENCE_S = 20.0
_SHARES = (0.2, 0.5, 0.8)  # of the unconfirmed writes, how many are kept


@dataclass(frozen=True)
class DiskKind:
    """A file system and how it is made and mounted.

    Attributes:
        name: as the table calls it.
        system: as `mount` calls it.
        megabytes: size of the disk.
        make: the command that formats an image, which comes last.
        options: for `mount`.
    """

    name: str
    system: str
    megabytes: int
    make: tuple[str, ...]
    options: str = ""


_EXT4 = ("mkfs.ext4", "-q", "-F", "-J", "size=1", "-b", "1024")
DISKS = (
    DiskKind("ext4 ordered", "ext4", 16, _EXT4),
    DiskKind("ext4 writeback", "ext4", 16, _EXT4, "data=writeback,noauto_da_alloc"),
    DiskKind("xfs", "xfs", 300, ("mkfs.xfs", "-q", "-m", "reflink=1"), "nouuid"),
    DiskKind("btrfs", "btrfs", 114, ("mkfs.btrfs", "-q")),
)


class State(NamedTuple):
    """What a disk may hold after a power cut.

    Attributes:
        writes: those of the log that it kept, in order.
        told: whether the verb had said by then that it was done.
        how: in words.
    """

    writes: tuple[Event, ...]
    told: bool
    how: str


@dataclass(frozen=True)
class Recording:
    """A verb on a logged disk.

    Attributes:
        kind: of the disk.
        extents: what the disk held before, by offset.
        events: what it was asked.
        expected: what must be so.
    """

    kind: DiskKind
    extents: tuple[tuple[int, bytes], ...]
    events: tuple[Event, ...]
    expected: Expected


def record(scenario: Scenario, kind: DiskKind, method: str = "no-replace") -> Recording:
    """Run a verb undisturbed on a disk that is logged.

    Args:
        scenario: the verb.
        kind: of the disk.
        method: how files may be renamed, one of `METHODS`.
    """
    refusals = METHODS[method]
    with tempfile.TemporaryDirectory(prefix="proof-", dir=scratch()) as name:
        folder = Path(name)
        image, log, base, shown, served = (folder / part for part in ("image", "log", "base", "disk", "served"))
        shown.mkdir()
        served.mkdir()
        with image.open("wb") as stream:
            stream.truncate(kind.megabytes << 20)
        command(*kind.make, str(image))
        with _mounted(kind, image, shown, "loop"):
            home = scenario.prepare(shown / "data")
        with _served(image, served, log, base) as disk, _looped(disk) as device, _mounted(kind, Path(device), shown):
            os.sync()
            root = shown / "data"
            expected = Expected(scenario, root, refusals, home)
            (served / "mark").write_bytes(b"start")
            outcome = run(lambda: scenario.command(root), refusals)
            assert outcome.code == 0, outcome
            (served / "mark").write_bytes(b"told")
            expected.learn(root)
            os.sync()
        return Recording(kind, tuple(_extents(base)), tuple(read_log(log)), expected)


@contextmanager
def _mounted(kind: DiskKind, source: Path, folder: Path, *options: str) -> Iterator[None]:
    words = ",".join(filter(None, (kind.options, *options)))
    command("mount", "-t", kind.system, *(("-o", words) if words else ()), str(source), str(folder))
    try:
        yield
    finally:
        unmount(folder)


@contextmanager
def _served(image: Path, folder: Path, log: Path, base: Path) -> Iterator[Path]:
    words = [sys.executable, "-m", "proof.block_device", *map(str, (image, folder, log, base))]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    disk = folder / "disk"
    try:
        end = time.monotonic() + _PATIENCE_S
        while not disk.exists():
            if server.poll() is not None or time.monotonic() > end:
                command("fusermount3", "--version")
                message = "the logged disk was not served"
                raise AssertionError(message)
            time.sleep(0.02)
        yield disk
    finally:
        with suppress(AssertionError):
            unmount(folder)
        server.wait(_PATIENCE_S)


@contextmanager
def _looped(disk: Path) -> Iterator[str]:
    device = command("losetup", "--find", "--show", str(disk))
    try:
        yield device
    finally:
        command("losetup", "--detach", device)


def _extents(disk: Path) -> Iterator[tuple[int, bytes]]:
    """What is not empty on a disk, in pieces."""
    piece, empty = 1 << 16, bytes(1 << 16)
    with disk.open("rb") as stream:
        at = 0
        while data := stream.read(piece):
            if data != empty[: len(data)]:
                yield at, data
            at += len(data)


def states(events: Sequence[Event], rng: random.Random, subsets: int, prefixes: int | None = None) -> Iterator[State]:
    """What the disk may hold, each only once.

    Args:
        events: the log.
        rng: draws the subsets.
        subsets: how many subsets of unconfirmed writes to try.
        prefixes: how many prefixes of the log to try, drawn; None means all.
    """
    cuts = list(range(len(events) + 1))
    if prefixes is not None and prefixes < len(cuts):
        cuts = sorted(rng.sample(cuts, prefixes))
    seen: set[tuple[str, bool]] = set()
    tries = [(cut, 1.0) for cut in cuts] + [
        (rng.randrange(1, len(events) + 1), rng.choice(_SHARES)) for _ in range(subsets)
    ]
    for cut, share in tries:
        flushed = max((n + 1 for n in range(cut) if events[n].kind == FLUSH), default=0)
        tail = [event for event in events[flushed:cut] if event.kind != WRITE or share == 1 or rng.random() < share]
        writes = tuple(event for event in (*events[:flushed], *tail) if event.kind == WRITE)
        told = any(event.kind == MARK and event.data == b"told" for event in events[:cut])
        key = (_fingerprint(writes), told)
        if key not in seen:
            seen.add(key)
            how = f"the first {cut} of {len(events)} events"
            yield State(writes, told, how if share == 1 else f"{how}, {len(tail)} of those since the last flush")


def _fingerprint(writes: Sequence[Event]) -> str:
    """Equal for writes that leave the same bytes."""
    sectors: dict[int, bytes] = {}
    for _, offset, data in writes:
        for at in range(0, len(data), _SECTOR):
            sectors[offset + at] = data[at : at + _SECTOR]
    hasher = blake3()
    for offset, sector in sorted(sectors.items()):
        hasher.update(offset.to_bytes(8, "little") + sector)
    return hasher.hexdigest()


def judged(recording: Recording, wanted: Iterator[State]) -> Iterator[tuple[State, Verdict]]:
    """Mount each state anew, recover, and judge."""
    with tempfile.TemporaryDirectory(prefix="proof-", dir=scratch()) as name:
        image, shown = Path(name, "image"), Path(name, "disk")
        shown.mkdir()
        for state in wanted:
            _lay(image, recording, state)
            yield state, _judge(recording, state, image, shown)


def _lay(image: Path, recording: Recording, state: State) -> None:
    with image.open("wb") as stream:
        stream.truncate(recording.kind.megabytes << 20)
        for offset, data in recording.extents:
            os.pwrite(stream.fileno(), data, offset)
        for _, offset, data in state.writes:
            os.pwrite(stream.fileno(), data, offset)


def _judge(recording: Recording, state: State, image: Path, shown: Path) -> Verdict:
    outcome = Outcome(-9, "Done as operation" if state.told else "", "")
    with _mounted(recording.kind, image, shown, "loop"):
        try:
            return recording.expected.judge(shown / "data", outcome, onwards=False)
        except OSError as error:  # such as a checksum of btrfs that does not fit
            return Verdict(between=f"the disk cannot be read: {error}")
