"""Going back: what `recover` does with an operation that broke off, and what it never does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from imgstage.errors import BrokenOffError
from imgstage.journal import Journal, steps, system
from imgstage.journal.records import Records
from imgstage.journal.system import RenameMethod
from imgstage.plan import Move, Plan, Preparation, Report, arrange

from ..helpers import snapshot, write
from .plans import PowerCutError, break_off, identity, make_plan, make_root


def test_recover_touches_nothing_while_a_file_is_at_none_of_its_places(journal: Journal, tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    break_off(journal)
    (tmp_path / "train/cats/0.jpg").rename(tmp_path / "elsewhere.jpg")
    broken = snapshot(tmp_path)
    with pytest.raises(BrokenOffError, match=r"stage_data/cats/0\.jpg"):
        journal.recover()
    assert snapshot(tmp_path) == broken
    (tmp_path / "elsewhere.jpg").rename(tmp_path / "train/cats/0.jpg")
    journal.recover()
    assert snapshot(tmp_path) == before


def test_recover_can_leave_out_what_is_gone_or_was_changed(journal: Journal, tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    break_off(journal)
    (tmp_path / "train/cats/0.jpg").unlink()
    write(tmp_path / "stage_data/cats/2.jpg", b"retouched")
    with pytest.raises(BrokenOffError, match="--without-missing"):
        journal.recover()
    with pytest.raises(BrokenOffError, match="old name"):
        journal.recover(without_missing=True)  # the retouched one lies where another one must go
    (tmp_path / "stage_data/cats/2.jpg").rename(tmp_path / "mine.jpg")
    journal.recover(without_missing=True)
    del before["stage_data/cats/0.jpg"], before["stage_data/cats/1.jpg"]
    after = snapshot(tmp_path)
    assert (tmp_path / "mine.jpg").read_bytes() == b"retouched"
    del after["mine.jpg"]
    assert after == before


def test_recover_never_writes_over_a_new_file(journal: Journal, tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    break_off(journal)
    new = write(tmp_path / "stage_data/cats/0.jpg", b"somebody's new picture")
    broken = snapshot(tmp_path)
    with pytest.raises(BrokenOffError, match="old name"):
        journal.recover()
    assert snapshot(tmp_path) == broken
    new.unlink()
    journal.recover()
    assert snapshot(tmp_path) == before


def test_a_rename_by_link_that_died_half_way_is_put_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_root(tmp_path)
    journal = Journal(tmp_path, RenameMethod.LINK)
    before = snapshot(tmp_path)
    real = os.unlink

    def die(path: str) -> None:
        if "cats" in str(path):
            raise PowerCutError
        real(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", die)
        with pytest.raises(PowerCutError):
            journal.apply(make_plan(journal))
    journal.recover()
    assert snapshot(tmp_path) == before


def test_last_copies_are_durable_before_the_end_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After that, the copies in `incoming/` are cleared away."""
    journal = Journal(tmp_path)
    journal.create()
    source = write(tmp_path / "card/x.jpg", b"picture")
    place = ".imgstage/incoming/0123"
    prepared = Preparation(place, identity(source)._replace(inode=0), source=source)
    journeys, planned = arrange(1, [Move(place, "stage_data/x.jpg", prepared.identity)], (), {"stage_data": 0o755}, {})

    def die(*_: object) -> None:
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(Records, "write_end", die)
        with pytest.raises(PowerCutError):
            journal.apply(Plan("add", 1, journeys, planned, (prepared,), Report()))
    source.unlink()
    seen: list[str] = []

    def watch(module: Any, name: str, word: str = "") -> None:
        real = getattr(module, name)

        def watched(*arguments: Any) -> None:
            seen.append(word or str(arguments[0]))
            real(*arguments)

        monkeypatch.setattr(module, name, watched)

    watch(steps, "sync_folder")
    watch(system, "sync_folder")
    watch(Records, "write_end", "end")
    assert journal.recover().restored.kept == 1
    vault = f"{tmp_path}/.imgstage/vault"
    assert seen.index(vault) < seen.index(f"{vault}/000001") < seen.index("end")


def test_recover_by_link_never_takes_away_a_new_file_under_the_old_name(tmp_path: Path) -> None:
    """The original has a second name of the user's own, so the number of its names tells nothing."""
    make_root(tmp_path)
    os.link(tmp_path / "stage_data/cats/0.jpg", tmp_path / "mine.jpg")
    journal = Journal(tmp_path, RenameMethod.LINK)
    break_off(journal)
    new = write(tmp_path / "stage_data/cats/0.jpg", b"saved meanwhile")
    with pytest.raises(BrokenOffError, match="a new file has the old name"):
        journal.recover()
    assert new.read_bytes() == b"saved meanwhile"
