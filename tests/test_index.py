"""Disk -> Index."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from pathlib import Path

import pytest
from blake3 import blake3

from imgstage import images
from imgstage.digests import digest_of
from imgstage.images import Inspected, inspect
from imgstage.index import Kind, scan

from .helpers import picture, write


def test_every_file_is_met_once_and_sorted(tmp_path: Path) -> None:
    for name in ("b/2.png", "a.jpg", "b/1.jpg", "b/1.txt", "notes.docx", "raw.dng", ".hidden.jpg"):
        write(tmp_path / name, picture(1))
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    (tmp_path / "folder_link").symlink_to("b")
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "s.jpg"))
        found = {record.path: (record.kind, record.trouble) for record in scan(tmp_path).files}
    assert list(found) == sorted(found)
    assert found == {
        ".hidden.jpg": (Kind.IGNORED, "hidden: a hidden file"),
        "a.jpg": (Kind.IMAGE, ""),
        "b/1.jpg": (Kind.IMAGE, ""),
        "b/1.txt": (Kind.SIDECAR, ""),
        "b/2.png": (Kind.IMAGE, ""),
        "folder_link": (Kind.IGNORED, "link: a symbolic link; only the file itself is staged"),
        "link.jpg": (Kind.IGNORED, "link: a symbolic link; only the file itself is staged"),
        "notes.docx": (Kind.IGNORED, "other: not an image, not a sidecar"),
        "pipe.jpg": (Kind.IGNORED, "special: not a regular file"),
        "raw.dng": (Kind.IGNORED, "format: a picture format imgstage does not read (.dng)"),
        "s.jpg": (Kind.IGNORED, "special: not a regular file"),
    }


def test_digest_size_and_image_are_recorded(tmp_path: Path) -> None:
    path = write(tmp_path / "x.png", picture(3, "JPEG"), 1_234_567_890, 0o604)
    (record,) = scan(tmp_path).files
    assert record.digest == blake3(path.read_bytes()).hexdigest() == digest_of(path)
    assert (record.size, record.mtime_ns, record.mode) == (path.stat().st_size, 1_234_567_890 * 10**9 + 123, 0o604)
    assert record.image is not None
    assert record.image.format == "JPEG", "PNG by name only: the content counts"


@pytest.mark.parametrize("name", [b"caf\xe9.jpg", b"two\nlines.jpg", b"tab\t.jpg"])
def test_a_name_no_table_can_hold_is_held(tmp_path: Path, name: bytes) -> None:
    Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_bytes(picture(1))
    (record,) = scan(tmp_path).files
    assert (record.kind, record.digest) == (Kind.IMAGE, "")
    assert "name: it is not UTF-8" in record.trouble


def test_threads_and_creation_order_do_not_matter(tmp_path: Path) -> None:
    order = [7, 3, 11, 1, 9, 5, 2]
    for folder, numbers in (("one", order), ("two", sorted(order))):
        for number in numbers:
            write(tmp_path / folder / f"{number}.jpg", picture(number))
    first, second = scan(tmp_path / "one", threads=1), scan(tmp_path / "two", threads=5)
    assert [(r.path, r.digest, r.image) for r in first.files] == [(r.path, r.digest, r.image) for r in second.files]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / ".imgstage").mkdir()
    return tmp_path / ".imgstage" / "cache" / "index.sqlite"


def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From now on, the files that are decoded."""
    seen: list[str] = []
    real = inspect

    def watch(data: bytes) -> Inspected:
        seen.append(blake3(data).hexdigest())
        return real(data)

    monkeypatch.setattr(images, "inspect", watch)
    return seen


def age(path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float = 10) -> None:
    """Let the files be old enough to be trusted."""
    now = time.time_ns() + int(seconds * 1e9)
    monkeypatch.setattr(time, "time_ns", lambda: now)
    assert path.exists()


def test_a_second_scan_reads_nothing(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "stage_data/x.jpg", picture(1))
    write(tmp_path / "stage_data/broken.jpg", b"no picture")
    age(tmp_path, monkeypatch)
    first = scan(tmp_path, ["stage_data"], cache)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("the file was read again"))
    assert scan(tmp_path, ["stage_data"], cache) == first


def test_what_was_moved_or_copied_is_not_decoded_again(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "stage_data/x.jpg", picture(1))
    scan(tmp_path, ["stage_data"], cache)
    (tmp_path / "stage_data/x.jpg").rename(tmp_path / "stage_data/y.jpg")
    seen = reads(monkeypatch)
    assert scan(tmp_path, ["stage_data"], cache).files[0].image is not None
    assert not seen


def test_what_was_touched_less_than_two_seconds_ago_is_read_again(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a coarse clock a second change in the same tick would leave no trace."""
    write(tmp_path / "stage_data/x.jpg", picture(1))
    scan(tmp_path, ["stage_data"], cache)
    read: list[Path] = []
    real = Path.read_bytes

    def watch(path: Path) -> bytes:
        read.append(path)
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", watch)
    scan(tmp_path, ["stage_data"], cache)
    assert len(read) == 1


def test_an_edit_within_two_seconds_is_seen(tmp_path: Path, cache: Path) -> None:
    """Same size, same mtime: only that the entry is too young to be trusted tells."""
    path = write(tmp_path / "stage_data/x.txt", b"one")
    first = scan(tmp_path, ["stage_data"], cache)
    status = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
    assert scan(tmp_path, ["stage_data"], cache).files[0].digest != first.files[0].digest


@pytest.mark.parametrize("damage", [b"not a database", b""])
def test_a_damaged_cache_is_only_a_slow_one(tmp_path: Path, cache: Path, damage: bytes) -> None:
    write(tmp_path / "stage_data/x.jpg", picture(1))
    first = scan(tmp_path, ["stage_data"], cache)
    cache.write_bytes(damage)
    assert scan(tmp_path, ["stage_data"], cache) == first


def test_a_cache_of_another_version_is_made_anew(tmp_path: Path, cache: Path) -> None:
    write(tmp_path / "stage_data/x.jpg", picture(1))
    first = scan(tmp_path, ["stage_data"], cache)
    connection = sqlite3.connect(cache)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert scan(tmp_path, ["stage_data"], cache) == first


def test_no_cache_is_written_where_there_is_no_root_or_no_wish(tmp_path: Path, cache: Path) -> None:
    write(tmp_path / "stage_data/x.jpg", picture(1))
    scan(tmp_path, ["stage_data"], cache, write_cache=False)
    assert not cache.exists()
    scan(tmp_path, ["stage_data"], tmp_path / "elsewhere" / ".imgstage" / "cache" / "index.sqlite")
    assert not (tmp_path / "elsewhere").exists()


def test_what_changes_while_it_is_read_is_not_remembered(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "stage_data/x.jpg", picture(1))

    def meanwhile(data: bytes) -> Inspected:
        path.write_bytes(picture(2))
        return inspect(data)

    with monkeypatch.context() as patch:
        patch.setattr(images, "inspect", meanwhile)
        scan(tmp_path, ["stage_data"], cache)
    assert not cache.exists()
