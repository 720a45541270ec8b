"""Full disks, read-only media, mounts inside a root: refused in one sentence, and all is as before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from blake3 import blake3
from proof.mounts import FILE_SYSTEMS, disk_of, mounted, read_only

from imgstage import Dataset
from imgstage.cli import run
from imgstage.errors import ChangedError
from imgstage.journal import system
from imgstage.journal.records import Records
from imgstage.journal.system import copy_durable
from imgstage.plan import Identity

from ..helpers import names, picture, snapshot, write, write_pairs
from .plans import PowerCutError

if TYPE_CHECKING:
    from collections.abc import Iterator

KB = 1 << 10


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte and 200 files."""
    folder = tmp_path / "small"
    folder.mkdir()
    with mounted(folder, "-t", "tmpfs", "-o", "size=1m,nr_inodes=200", "imgstage-test"):
        yield folder


def write_bitmaps(folder: Path, count: int, side: int = 128) -> None:
    for number in range(count):
        write(folder / f"image {number}.bmp", picture(number, "BMP", (side, side)))


def refused(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> str:
    """Run a command that must be refused, in one line, changing nothing; give that line."""
    before = snapshot(root)
    code = run(["-C", str(root), *words])
    out, err = capsys.readouterr()
    assert (code, out) == (2, ""), err
    assert err.startswith("imgstage: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert snapshot(root) == before
    return err


def incoming(root: Path) -> list[str]:
    return os.listdir(root / ".imgstage/incoming")


# -- full disks -------------------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_refused_with_both_figures(
    capsys: pytest.CaptureFixture[str], small: Path, tmp_path: Path
) -> None:
    root = Dataset.create(small / "data").root.path
    write_bitmaps(tmp_path / "photos", 24)
    assert " MB free, and add needs 1.4 MB" in refused(capsys, root, "add", str(tmp_path / "photos"))
    assert incoming(root) == []


def test_more_files_than_the_disk_has_room_for_are_refused(
    capsys: pytest.CaptureFixture[str], small: Path, tmp_path: Path
) -> None:
    root = Dataset.create(small / "data").root.path
    write_bitmaps(tmp_path / "photos", 5, side=2)
    for number in range(170):
        write(small / f"other/{number}", b"")
    more = 190 - sum(len(files) + len(folders) for _, folders, files in os.walk(small))
    for number in range(more):
        write(small / f"other/more {number}", b"")
    assert " more files, and add needs 13" in refused(capsys, root, "add", str(tmp_path / "photos"))
    assert incoming(root) == []


def test_a_disk_that_fills_up_meanwhile_gets_its_space_back(
    capsys: pytest.CaptureFixture[str], small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Dataset.create(small / "data").root.path
    write_bitmaps(tmp_path / "photos", 24)
    monkeypatch.setattr("imgstage.journal.preflight.check_space", lambda *_: None)
    free = os.statvfs(small).f_bavail
    assert "No space left on device" in refused(capsys, root, "add", str(tmp_path / "photos"))
    assert incoming(root) == []
    assert free - os.statvfs(small).f_bavail < 30  # the cache of what was read may stay
    (tmp_path / "photos/image 0.bmp").rename(tmp_path / "one.bmp")
    monkeypatch.undo()
    Dataset(root).add(tmp_path / "one.bmp")


def test_a_disk_that_is_full_to_the_brim_can_be_looked_at_and_used_again(
    capsys: pytest.CaptureFixture[str], small: Path
) -> None:
    root = Dataset.create(small / "data").root.path
    write_bitmaps(root / "stage_data", 8, side=16)
    Dataset(root).split()
    ballast = small / "ballast"
    ballast.write_bytes(b"x" * 4096 * os.statvfs(small).f_bavail)
    assert run(["-C", str(root), "status"]) == 0
    assert run(["-C", str(root), "unsplit", "-n"]) == 0
    capsys.readouterr()
    for verb in ("unsplit", "undo"):
        assert "0.0 MB free" in refused(capsys, root, verb)
    ballast.unlink()
    Dataset(root).undo()
    assert len(names(root, "stage_data")) == 8


def test_what_an_interrupted_add_copied_is_not_counted_again(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Dataset.create(small / "data")
    write_bitmaps(tmp_path / "photos", 12)  # takes 0.6 MB of 1 MB

    def die(*_: object) -> None:
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(Records, "write_plan", die)
        with pytest.raises(PowerCutError):
            dataset.add(tmp_path / "photos")
    assert len(incoming(dataset.root.path)) == 12
    dataset.add(tmp_path / "photos")
    assert len(names(dataset.root.path, "stage_data")) == 12
    assert incoming(dataset.root.path) == []


def test_what_another_interrupted_add_copied_makes_room(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Dataset.create(small / "data")
    write_bitmaps(tmp_path / "photos", 12)

    def die(*_: object) -> None:
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(Records, "write_plan", die)
        with pytest.raises(PowerCutError):
            dataset.add(tmp_path / "photos")
    for number in range(10):
        write(tmp_path / f"others/{number}.bmp", picture(100 + number, "BMP", (128, 128)))
    dataset.add(tmp_path / "others")
    assert len(names(dataset.root.path, "stage_data")) == 10


# -- read-only media and mounts inside a root ------------------------------------------------------------------------


@pytest.fixture
def split_root(tmp_path: Path) -> Path:
    write_pairs(tmp_path / "data/stage_data", range(1, 15))
    Dataset(tmp_path / "data").split()
    write_pairs(tmp_path / "data/stage_data", range(20, 24))
    write_pairs(tmp_path / "photos", range(30, 33))
    return tmp_path / "data"


@pytest.mark.parametrize("verb", ["add", "split", "unsplit", "undo"])
def test_a_read_only_root_refuses_every_change_and_can_be_looked_at(
    capsys: pytest.CaptureFixture[str], split_root: Path, tmp_path: Path, verb: str
) -> None:
    words = [verb, str(tmp_path / "photos")] if verb == "add" else [verb]
    with read_only(split_root):
        assert str(split_root) in refused(capsys, split_root, *words)
        for look in (["status"], ["log"], ["split", "-n"], ["unsplit", "-n"], ["undo", "-n"]):
            assert run(["-C", str(split_root), *look]) == 0, capsys.readouterr().err
    assert run(["-C", str(split_root), *words]) == 0


def test_nothing_can_be_made_or_recovered_on_a_read_only_medium(
    capsys: pytest.CaptureFixture[str], split_root: Path, tmp_path: Path
) -> None:
    with read_only(tmp_path):
        assert str(split_root) in refused(capsys, split_root, "recover")
        assert run(["init", str(tmp_path / "new")]) == 2
        assert f"{tmp_path / 'new'} cannot be made a root (Read-only file system)" in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["train", "stage_data", "val"])
def test_one_read_only_folder_refuses_all(capsys: pytest.CaptureFixture[str], split_root: Path, folder: str) -> None:
    with read_only(split_root / folder):
        for verb in ("unsplit", "undo"):
            assert f"{split_root / folder} cannot be written" in refused(capsys, split_root, verb)
    Dataset(split_root).unsplit()


def test_another_device_inside_a_root_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_pairs(tmp_path / "data/stage_data", range(1, 15))
    (tmp_path / "data/train").mkdir()
    with mounted(tmp_path / "data/train", "-t", "tmpfs", "imgstage-test"):
        write_pairs(tmp_path / "data/train", range(20, 23))
        for verb in ("split", "unsplit"):
            told = refused(capsys, tmp_path / "data", verb)
            assert f"{tmp_path / 'data/train'} lies on another file system" in told


@pytest.mark.parametrize("verb", ["split", "unsplit", "undo"])
def test_a_bind_mount_inside_a_root_is_refused_and_all_is_as_before(
    capsys: pytest.CaptureFixture[str], split_root: Path, tmp_path: Path, verb: str
) -> None:
    """It has the root's device number, but no file can be renamed across its border."""
    elsewhere = tmp_path / "elsewhere"
    (split_root / "train").rename(elsewhere)
    (split_root / "train").mkdir()
    with mounted(split_root / "train", "--bind", str(elsewhere)):
        told = refused(capsys, split_root, verb)
        assert str(split_root) in told
        assert Dataset(split_root).journal.pending() is None
    (split_root / "train").rmdir()
    elsewhere.rename(split_root / "train")
    assert run(["-C", str(split_root), verb]) == 0


# -- copies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in FILE_SYSTEMS if kind.name in ("xfs", "btrfs")], ids=lambda k: k.name)
def test_a_clone_is_what_is_hashed_and_an_error_leaves_nothing(
    kind: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with disk_of(next(other for other in FILE_SYSTEMS if other is kind), tmp_path) as disk:
        source = write(disk.path / "source", b"1" * 300 * KB)
        wanted = Identity(300 * KB, 1_234_567_890_123_456_789, 0o604, "")
        digest = copy_durable(str(source), str(disk.path / "copy"), wanted)
        assert digest == blake3(source.read_bytes()).hexdigest()
        assert (disk.path / "copy").stat().st_mtime_ns == wanted.mtime_ns
        clone = system._reflink
        cloned: list[bool] = []

        def clone_and_edit(descriptor: int, target: str) -> bool:
            cloned.append(clone(descriptor, target))
            source.write_bytes(b"2" * 300 * KB)  # the source changes after it was cloned
            return cloned[-1]

        with monkeypatch.context() as patch:
            patch.setattr(system, "_reflink", clone_and_edit)
            digest = copy_durable(str(source), str(disk.path / "second"), wanted)
        assert cloned == [True]
        assert (disk.path / "second").read_bytes() == b"1" * 300 * KB
        assert digest == blake3(b"1" * 300 * KB).hexdigest()

        def fail(_: int) -> None:
            raise OSError(5, "Input/output error")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            with pytest.raises(OSError, match="Input"):
                copy_durable(str(source), str(disk.path / "third"), wanted)
        assert sorted(os.listdir(disk.path)) == ["copy", "second", "source"]


def test_a_source_that_changes_while_it_is_copied_is_refused(
    tmp_path: Path, empty: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pairs(tmp_path / "photos", range(1, 4))
    real = copy_durable

    def edit(source: str, path: str, identity: Identity) -> str:
        if "02_after" in source:
            write(Path(source), picture(77))
        return real(source, path, identity)

    monkeypatch.setattr("imgstage.journal.incoming.copy_durable", edit)
    before = snapshot(empty.root.path)
    with pytest.raises(ChangedError, match=r"github_02_after\.jpg changed while it was copied"):
        empty.add(tmp_path / "photos")
    assert snapshot(empty.root.path) == before
    monkeypatch.undo()
    empty.add(tmp_path / "photos")
    assert len(names(empty.root.path)) == 6
