"""A store is made whole or gone on with, by one process at a time, and is no reason not to train."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgstage.training import ImageDataset

from ..helpers import as_nobody, write
from .test_pixels import encoded
from .test_store import EXPECTED, SIZE, cached, decoded, pairs, values

__all__ = ["decoded"]  # a fixture


class Watch:
    """Notes what is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.done: Counter[str] = Counter()

    def start(self, label: str, total: int) -> None:
        self.told.append((label, total))

    def advance(self) -> None:
        self.done[self.told[-1][0]] += 1

    def finish(self) -> None:
        pass


def stores(root: Path) -> list[Path]:
    return sorted(root.glob(".imgstage/cache/pixels/*"))


def size_of(root: Path) -> int:
    return sum(path.stat().st_size for path in root.glob(".imgstage/cache/pixels/*/*.u8"))


def test_its_size_is_said_beforehand_and_its_progress(tmp_path: Path) -> None:
    watch = Watch()
    cached(pairs(tmp_path), progress=watch)
    assert watch.told[-1] == ("caching 6 samples, 0.0 MiB", 6)
    assert watch.done == {"looking at 6 samples": 6, "caching 6 samples, 0.0 MiB": 6}
    assert size_of(tmp_path) == 6 * 2 * 3 * 20 * 30
    watch = Watch()
    cached(tmp_path, progress=watch)
    assert watch.done == {"looking at 6 samples": 6}


@pytest.mark.parametrize("limit", [0, 6 * 2 * 3 * 20 * 30 - 1])
def test_it_does_not_grow_beyond_its_limit(tmp_path: Path, limit: int) -> None:
    root = pairs(tmp_path)
    with pytest.warns(UserWarning, match=r"would take 0\.0 MiB, and 0\.0 MiB are allowed: images are decoded"):
        dataset = cached(root, cache_limit=limit)
    assert (dataset.cached, values(dataset), size_of(root)) == (0, EXPECTED, 0)
    assert cached(root, cache_limit=6 * 2 * 3 * 20 * 30).cached == 6
    with pytest.warns(UserWarning, match="of other sizes and splits"):
        ImageDataset(root, "train", (20, 31), cache=True, cache_limit=6 * 2 * 3 * 20 * 30)


def test_a_root_that_may_only_be_read_is_trained_on_without(tmp_path: Path) -> None:
    root = pairs(tmp_path / "set")
    with as_nobody(root):
        root.chmod(0o555)
        try:
            with pytest.warns(
                UserWarning, match=r"cannot be written \(Permission denied\): images are decoded each time"
            ):
                dataset = cached(root)
            assert values(dataset) == EXPECTED
        finally:
            root.chmod(0o755)
    assert not (root / ".imgstage").exists()


def test_a_full_disk_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    root = pairs(tmp_path)
    with pytest.warns(UserWarning, match="No space left on device"):
        dataset = cached(root)
    assert (values(dataset), size_of(root)) == (EXPECTED, 0)


def test_nothing_is_written_through_links(tmp_path: Path) -> None:
    root = pairs(tmp_path / "set")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / ".imgstage").mkdir()
    (root / ".imgstage/cache").symlink_to(elsewhere)
    with pytest.warns(UserWarning, match="Too many levels of symbolic links"):
        cached(root)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"no table at all" * 300])
def test_a_damaged_table_is_made_anew(tmp_path: Path, damage: bytes, decoded: list[Any]) -> None:
    root = pairs(tmp_path)
    cached(root)
    (store,) = stores(root)
    (store / "index.sqlite").write_bytes(damage)
    assert values(cached(root)) == EXPECTED
    assert len(decoded) == 12
    assert size_of(root) == 6 * 2 * 3 * 20 * 30, "the old file is gone"


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM store",
        "UPDATE files SET inode = 'x'",
        "UPDATE slots SET slot = 'x'",
        "UPDATE slots SET slot = 7",
        "UPDATE slots SET slot = 0",
    ],
)
def test_a_table_that_holds_nonsense_is_made_anew(tmp_path: Path, damage: str, decoded: list[Any]) -> None:
    root = pairs(tmp_path)
    cached(root)
    (store,) = stores(root)
    with closing(sqlite3.connect(store / "index.sqlite")) as table, table:
        table.execute(damage)
    assert values(cached(root)) == EXPECTED
    assert len(decoded) == 12


def test_a_file_that_was_cut_off_gives_no_sample_the_pixels_of_another(tmp_path: Path) -> None:
    root = pairs(tmp_path)
    cached(root)
    (file,) = root.glob(".imgstage/cache/pixels/*/*.u8")
    os.truncate(file, 3 * 3600)
    for role in ("before", "after"):
        (root / f"train/3_{role}.png").rename(tmp_path / role)
    cached(root)
    for role in ("before", "after"):
        (tmp_path / role).rename(root / f"train/3_{role}.png")
    assert values(cached(root)) == EXPECTED


def test_bits_that_flipped_in_the_table_do_no_harm(tmp_path: Path) -> None:
    root = pairs(tmp_path)
    cached(root)
    (table,) = root.glob(".imgstage/cache/pixels/*/index.sqlite")
    whole, chance = table.read_bytes(), np.random.default_rng(0)
    for _ in range(40):
        damaged = bytearray(whole)
        for place in chance.integers(0, len(whole), 8):
            damaged[place] = chance.integers(0, 256)
        table.write_bytes(damaged)
        assert values(cached(root)) == EXPECTED
        again = cached(root)
        assert (values(again), again.cached) == (EXPECTED, 6)


def test_pixels_of_another_version_are_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoded: list[Any]
) -> None:
    root = pairs(tmp_path)
    cached(root)
    monkeypatch.setattr("imgstage.training.dataset.version", lambda name: f"{name} 99")
    assert values(cached(root)) == EXPECTED
    assert len(decoded) == 12
    assert size_of(root) == 6 * 2 * 3 * 20 * 30


def test_what_is_no_longer_wanted_goes_when_it_is_half(tmp_path: Path, decoded: list[Any]) -> None:
    root = pairs(tmp_path)
    cached(root)
    for path in [root / f"train/{number}_{role}.png" for number in (0, 1, 2) for role in ("before", "after")]:
        path.unlink()
    assert cached(root).cached == 3
    assert size_of(root) == 6 * 3600, "half is kept: who knows"
    (root / "train/3_before.png").unlink()
    (root / "train/3_after.png").unlink()
    assert cached(root).cached == 2
    assert size_of(root) == 2 * 3600
    assert len(decoded) == 8


def test_what_does_not_go_into_it_is_loaded_as_ever(tmp_path: Path) -> None:
    deep = (np.indices((40, 60)).sum(0) * 7).astype(np.uint16)
    for number in range(3):
        write(tmp_path / f"train/images/{number}.png", encoded(np.full((40, 60, 3), number, np.uint8)))
        write(tmp_path / f"train/masks/{number}.png", encoded(deep if number == 1 else deep.astype(np.uint8)))
    write(tmp_path / "train/images/2.png", b"no image")
    dataset = cached(tmp_path)
    assert (dataset.cached, dataset.is_ready_made) == (1, False)
    assert int(dataset[1]["mask" if "mask" in dataset.roles else "masks"].max()) > 255
    with pytest.raises(Exception, match=r"2\.png.*no JPEG"):
        dataset[2]


def test_equal_samples_lie_in_it_once(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path / f"train/{number}_before.png", encoded(np.full((40, 60, 3), 7, np.uint8)))
        write(tmp_path / f"train/{number}_after.png", encoded(np.full((40, 60, 3), 8, np.uint8)))
    dataset = cached(tmp_path)
    assert dataset.cached == 4
    assert size_of(tmp_path) == 3600
    assert int(dataset[3]["after"][0, 0, 0]) == 8


def slow(root: Path, pause: float) -> subprocess.Popen[bytes]:
    """Another process that fills the store, a sample at a time."""
    code = (
        "import time\nfrom imgstage.training import ImageDataset, filling\n"
        "from imgstage.training.pixels import Preprocessing\n"
        "load = Preprocessing.load\nfilling._CHUNK = 1\n"
        f"Preprocessing.load = lambda *a: (print('.', end='', flush=True), time.sleep({pause}), load(*a))[2]\n"
        f"ImageDataset('.', 'train', {SIZE}, cache=True)\n"
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_who_is_ended_in_the_middle_keeps_what_is_made(tmp_path: Path, decoded: list[Any], end: signal.Signals) -> None:
    root = pairs(tmp_path)
    with slow(root, 0.4) as process:
        assert process.stdout is not None
        process.stdout.read(4)
        process.send_signal(end)
        assert process.wait(20) != 0
    assert end == signal.SIGKILL or 3600 <= size_of(root) <= 5 * 3600, "what was reserved is given back"
    assert values(cached(root)) == EXPECTED
    assert 1 <= len(decoded) <= 4, "three were made before the fourth was begun"
    assert size_of(root) == 6 * 3600


def test_two_at_once_make_each_sample_once(tmp_path: Path) -> None:
    root = pairs(tmp_path)
    with slow(root, 0.1) as one:
        assert one.stdout is not None
        begun = one.stdout.read(1)
        with slow(root, 0.1) as other:
            outputs = [begun + one.communicate(timeout=60)[0], other.communicate(timeout=60)[0]]
            assert (one.returncode, other.returncode) == (0, 0)
    assert sorted(map(len, outputs)) == [0, 6]
    assert values(cached(root)) == EXPECTED


def test_waiting_is_told(tmp_path: Path) -> None:
    root = pairs(tmp_path)
    watch = Watch()
    with slow(root, 0.3) as other:
        assert other.stdout is not None
        other.stdout.read(1)
        start = time.monotonic()
        dataset = cached(root, progress=watch)
        assert time.monotonic() - start > 0.2
        other.communicate(timeout=60)
    assert watch.told[0] == ("another process fills the cache", 0)
    assert watch.done == {"looking at 6 samples": 6}
    assert dataset.cached == 6
