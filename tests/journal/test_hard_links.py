"""Files that are hard to tell apart: hard links of the user's own, and inode numbers that have come to mean others."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imgstage.journal import Journal, steps
from imgstage.journal.records import PlanRecord, Records
from imgstage.journal.system import RenameMethod
from imgstage.plan import Move, Plan, Report, arrange

from ..helpers import Entry, snapshot, write
from .plans import PowerCutError, identity

RING = {"x": "y", "y": "z", "z": "x"}
CHAIN = {"x": "y", "y": "z"}
METHODS = [RenameMethod.NOREPLACE, RenameMethod.LINK]


def make_plan(journal: Journal, wishes: dict[str, str]) -> Plan:
    root = Path(journal.root)
    moves = [Move(f"train/{a}", f"train/{b}", identity(root / "train" / a)) for a, b in wishes.items()]
    journeys, planned = arrange(1, moves, (move.source for move in moves), {"train": 0o755}, {})
    return Plan("test", journal.next_number(), journeys, planned, (), Report())


def tree(root: Path) -> dict[str, tuple[Entry | int, int]]:
    """The snapshot, with how many names each file has."""
    return {path: (entry, (root / path).lstat().st_nlink) for path, entry in snapshot(root).items()}


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("wishes", [RING, CHAIN], ids=["ring", "chain"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("linked", ["", "y", "yz"])
def test_the_users_own_hard_links_keep_all_their_names(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: RenameMethod,
    wishes: dict[str, str],
    linked: str,
    *,
    half: bool,
) -> None:
    write(tmp_path / "train/x", b"x")
    for name in list(wishes)[1:]:
        if name in linked:
            os.link(tmp_path / "train/x", tmp_path / "train" / name)
        else:
            write(tmp_path / "train" / name, name.encode())
    before = tree(tmp_path)
    journal = Journal(tmp_path, method)
    total = len(make_plan(journal, wishes).steps)
    real = steps.do
    for death in range(total + 1):
        left = death

        def die(*arguments: Any) -> None:
            nonlocal left
            if left:
                left -= 1
                real(*arguments)
            elif half and method is RenameMethod.LINK:
                patch.setattr(os, "unlink", stop)
                real(*arguments)
            else:
                raise PowerCutError

        def stop(*_: object) -> None:
            raise PowerCutError

        with monkeypatch.context() as patch:
            patch.setattr("imgstage.journal.engine.do", die)
            patch.setattr(Records, "write_end", stop)
            with pytest.raises(PowerCutError):
                journal.apply(make_plan(journal, wishes))
        journal.recover()
        assert tree(tmp_path) == before, death


def test_a_link_that_the_user_made_meanwhile_is_not_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "train/x", b"x")
    journal = Journal(tmp_path, RenameMethod.LINK)

    def die(*_: object) -> None:
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(Records, "write_end", die)
        with pytest.raises(PowerCutError):
            journal.apply(make_plan(journal, {"x": "y"}))
    os.link(tmp_path / "train/y", tmp_path / "train/mine")
    journal.recover()
    assert set(snapshot(tmp_path)) == {"train/", "train/x", "train/mine"}


@pytest.mark.parametrize("death", range(4))
def test_bytes_tell_files_apart_whose_inode_numbers_were_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, death: int
) -> None:
    """After a new mount, exFAT and FAT number files anew; equal sizes and times are common there."""
    for name in "xy":
        write(tmp_path / "train" / name, name.encode())
    before = snapshot(tmp_path)
    journal = Journal(tmp_path)
    left = death
    real = steps.do

    def die(*arguments: Any) -> None:
        nonlocal left
        if not left:
            raise PowerCutError
        left -= 1
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("imgstage.journal.engine.do", die)
        patch.setattr(Records, "write_end", die)
        with pytest.raises(PowerCutError):
            journal.apply(make_plan(journal, {"x": "y", "y": "x"}))
    read = Records.read

    def remount(self: Records, number: int) -> PlanRecord:
        record = read(self, number)
        first, second = (journey.identity.inode for journey in record.journeys)
        journeys = tuple(
            journey._replace(identity=journey.identity._replace(inode=inode))
            for journey, inode in zip(record.journeys, (second, first), strict=True)
        )
        return replace(record, journeys=journeys)

    monkeypatch.setattr(Records, "read", remount)
    journal.recover()
    assert snapshot(tmp_path) == before


def test_a_file_that_somebody_moved_back_by_hand_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        write(tmp_path / "train" / name, name.encode())
    before = snapshot(tmp_path)
    journal = Journal(tmp_path)

    def die(*_: object) -> None:
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(Records, "write_end", die)
        with pytest.raises(PowerCutError):
            journal.apply(make_plan(journal, {"a": "d", "b": "e", "c": "f"}))
    (tmp_path / "train/d").rename(tmp_path / "train/a")
    journal.recover()
    assert snapshot(tmp_path) == before
