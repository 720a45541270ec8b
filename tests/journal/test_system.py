"""The system calls that change a root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgstage.errors import LockedError
from imgstage.journal.system import (
    RenameMethod,
    copy_durable,
    is_alias,
    is_file,
    is_same_file,
    locked,
    make_folder,
    probe,
    rename,
    spelling,
    write_durable,
)
from imgstage.plan import Identity

from ..helpers import write


@pytest.mark.parametrize("method", RenameMethod)
def test_rename_gives_a_new_name_and_replaces_nothing(tmp_path: Path, method: RenameMethod) -> None:
    first, second, third = (str(tmp_path / name) for name in "abc")
    write(Path(first), b"one")
    write(Path(second), b"two")
    with pytest.raises(FileExistsError):
        rename(first, second, method)
    assert (Path(first).read_bytes(), Path(second).read_bytes()) == (b"one", b"two")
    rename(first, third, method)
    assert (Path(third).read_bytes(), os.path.lexists(first)) == (b"one", False)


@pytest.mark.parametrize("saved", [b"saved in the meantime", None])
def test_a_rename_by_link_takes_no_file_away_that_has_just_come(
    tmp_path: Path, saved: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = write(tmp_path / "a", b"1"), tmp_path / "b"

    def save(_: str) -> None:
        source.unlink()
        if saved is not None:
            write(source, saved)

    monkeypatch.setattr("imgstage.journal.system.sync_folder", save)
    rename(str(source), str(target), RenameMethod.LINK)
    assert target.read_bytes() == b"1"
    assert (source.read_bytes() if source.exists() else None) == saved


def test_each_folder_that_is_made_is_made_durable_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut must not take a folder away together with the originals that came into it."""
    seen: list[str] = []
    real = os.mkdir
    monkeypatch.setattr("imgstage.journal.system.sync_folder", lambda path: seen.append(f"sync {path}"))

    def make(path: str) -> None:
        seen.append(f"make {path}")
        real(path)

    monkeypatch.setattr(os, "mkdir", make)
    make_folder(f"{tmp_path}/a/b")
    assert seen == [f"make {tmp_path}/a", f"sync {tmp_path}", f"make {tmp_path}/a/b", f"sync {tmp_path}/a"]
    make_folder(f"{tmp_path}/a/b")
    assert len(seen) == 4


def test_probe_finds_a_method_and_leaves_nothing(tmp_path: Path) -> None:
    assert probe(str(tmp_path)) in (RenameMethod.NOREPLACE, RenameMethod.LINK)
    assert not list(tmp_path.iterdir())


def test_a_copy_has_the_bytes_time_and_mode(tmp_path: Path) -> None:
    source = write(tmp_path / "source", b"x" * 3_000_000)
    wanted = Identity(3_000_000, 1_234_567_890_123_456_789, 0o604, "")
    copy_durable(str(source), str(tmp_path / "copy"), wanted)
    status = (tmp_path / "copy").stat()
    assert (status.st_size, status.st_mtime_ns, status.st_mode & 0o777) == (wanted.size, wanted.mtime_ns, wanted.mode)
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def blocks() -> list[bytes]:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_durable(str(tmp_path / "x"), (block for _ in (1,) for block in blocks()))
    assert not list(tmp_path.iterdir())


def test_a_file_is_known_by_its_inode_and_else_by_its_content(tmp_path: Path) -> None:
    path = write(tmp_path / "x", b"content")
    status = path.stat()
    digest = copy_durable(str(path), str(tmp_path / "copy"), Identity(7, status.st_mtime_ns, 0o644, ""))
    same = Identity(7, status.st_mtime_ns, 0o644, digest, status.st_ino)
    assert is_file(str(path), same)
    assert is_file(str(tmp_path / "copy"), same)
    write(tmp_path / "copy", b"CONTENT")
    assert not is_file(str(tmp_path / "copy"), same)
    assert not is_file(str(tmp_path / "gone"), same)
    (tmp_path / "link").symlink_to(path)
    assert not is_file(str(tmp_path / "link"), same)


def test_a_file_that_was_written_into_is_not_the_same_file(tmp_path: Path) -> None:
    """Inode and size stay; the time tells."""
    path = write(tmp_path / "x", b"content")
    status = path.stat()
    seen = Identity(7, status.st_mtime_ns, 0o644, "", status.st_ino)
    assert is_same_file(str(path), seen)
    write(path, b"CONTENT", 1_600_000_001)
    assert path.stat().st_ino == status.st_ino
    assert not is_same_file(str(path), seen)


def test_the_lock_is_held_by_one(tmp_path: Path) -> None:
    path = str(tmp_path / ".imgstage" / "lock")
    Path(path).parent.mkdir()
    with locked(path), pytest.raises(LockedError, match="Another imgstage"), locked(path):
        pass
    with locked(path):
        pass


def test_two_spellings_are_one_file_only_where_the_folder_lists_one(tmp_path: Path) -> None:
    """Here case is not folded: what is not there under a spelling is no alias, nor are two files."""
    write(tmp_path / "a/X.jpg", b"one")
    assert is_alias(str(tmp_path), "a/X.jpg", "a/X.jpg")
    assert not is_alias(str(tmp_path), "a/x.jpg", "a/X.jpg")
    write(tmp_path / "a/x.jpg", b"two")
    assert not is_alias(str(tmp_path), "a/x.jpg", "a/X.jpg")
    assert not is_alias(str(tmp_path), "a/y.jpg", "a/X.jpg")
    assert spelling(str(tmp_path), "a/x.jpg") == "a/x.jpg"
    assert spelling(str(tmp_path), "a/nowhere.jpg") is None
