"""Results: whole or not at all, over nothing else, one process at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from imgstage.errors import DestinationError, LockedError
from imgstage.journal import results as results_module
from imgstage.journal import system
from imgstage.journal.results import open_results


def names(folder: Path) -> set[str]:
    there = {of.relative_to(folder).as_posix() for of in folder.rglob("*") if of.is_file()}
    return there - {".imgstage-lock"}


def test_a_result_lies_under_its_name_and_nothing_else_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "output"
    with open_results(folder) as results:
        results.put("a/b 😀.png", b"one")
        results.put("c.png", b"two")
    assert names(folder) == {"a/b 😀.png", "c.png"}
    assert (folder / "a/b 😀.png").read_bytes() == b"one"


def test_what_is_there_stays_unless_it_may_go(tmp_path: Path) -> None:
    with open_results(tmp_path) as results:
        results.put("a.png", b"one")
        with pytest.raises(FileExistsError):
            results.put("a.png", b"two")
        assert (tmp_path / "a.png").read_bytes() == b"one"
        assert names(tmp_path) == {"a.png"}
        results.put("a.png", b"two", replace=True)
    assert (tmp_path / "a.png").read_bytes() == b"two"


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with open_results(tmp_path) as results:
        (tmp_path / "a").write_bytes(b"a file")
        with pytest.raises(OSError, match="Not a directory"):
            results.put("a/b.png", b"x")
        with pytest.raises(OSError, match="name too long"):
            results.put("x" * 300 + ".png", b"x")
        (tmp_path / "folder.png").mkdir()
        with pytest.raises(OSError, match=r"Is a directory|File exists"):
            results.put("folder.png", b"x", replace=True)
    assert names(tmp_path) == {"a"}


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with open_results(tmp_path / "output") as results:
        (tmp_path / "output/cats").symlink_to(outside)
        with pytest.raises(DestinationError, match="leads out"):
            results.put("cats/a.png", b"x")
    assert not list(outside.iterdir())
    (tmp_path / "linked").symlink_to(outside)
    with pytest.raises(DestinationError, match="is a link"), open_results(tmp_path / "linked"):
        pass


def test_what_a_process_that_died_has_left_is_cleared_away_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("deep/.imgstage-3.part", ".imgstage-17.part", ".imgstage-x.part", "a.part", ".part"):
        (tmp_path / name).write_bytes(b"half")
    with open_results(tmp_path):
        pass
    assert names(tmp_path) == {".imgstage-x.part", "a.part", ".part"}


def test_two_processes_do_not_write_to_one_folder(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys\nfrom imgstage.journal.results import open_results\n"
        "with open_results(pathlib.Path(sys.argv[1])):\n    print('open', flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        with pytest.raises(LockedError), open_results(tmp_path):
            pass
        other.stdin.close()
        other.wait(20)
    with open_results(tmp_path):
        pass


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "output").write_bytes(b"a file")
    with pytest.raises(DestinationError, match="cannot be written to"), open_results(tmp_path / "output"):
        pass
    if os.geteuid():  # root may write anywhere
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o500)
        with pytest.raises(DestinationError), open_results(closed):
            pass


def test_bytes_are_durable_before_the_name_is_and_names_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, rename, sync = os.fsync, system.rename, system.sync_folder

    def watch(name: str, call: Any) -> Any:
        def called(*given: Any) -> Any:
            done.append(name)
            return call(*given)

        return called

    monkeypatch.setattr(results_module, "sync_folder", watch("sync", sync))
    with open_results(tmp_path) as results:
        monkeypatch.setattr(results_module, "rename", watch("rename", rename))
        monkeypatch.setattr(os, "fsync", watch("fsync", fsync))
        done.clear()
        results.put("a/1.png", b"x")
        assert done[-2:] == ["fsync", "rename"]
        results.put("b/2.png", b"x")
        done.clear()
    assert done.count("sync") == 2
