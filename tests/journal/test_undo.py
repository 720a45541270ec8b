"""Undo after somebody took files away between the operations."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from imgstage import Dataset
from imgstage.cli import run
from imgstage.errors import ChangedError, DestinationError, UsageError
from imgstage.journal import Operation
from imgstage.journal.records import State

from ..helpers import names, picture, snapshot, write, write_pairs


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_pairs(tmp_path / "in", range(1, 11))
    return tmp_path / "in"


@pytest.mark.parametrize("split", [False, True])
def test_a_file_that_was_deleted_and_added_again_is_no_two_files(empty: Dataset, source: Path, split: bool) -> None:
    root = empty.root.path
    empty.add(source)
    if split:
        empty.split()
    lost = [path for path in names(root) if "github_03" in path]
    for path in lost:
        (root / path).unlink()
    empty.add(source)
    if split:
        empty.split(accept_new=True)
    before = snapshot(root)
    with pytest.raises(ChangedError, match=r"github_03_after.*--without-missing"):
        empty.undo(1)
    assert snapshot(root) == before
    empty.undo(1, without_missing=True)
    assert not any("github" in path for path in names(root))
    empty.undo()
    assert snapshot(root) == before
    assert empty.journal.pending() is None


@pytest.mark.parametrize("verb", ["split", "unsplit"])
def test_a_table_that_was_deleted_and_made_again_stops_no_undo(pairs: Dataset, verb: str) -> None:
    before = snapshot(pairs.root.path)
    pairs.split()
    (pairs.root.path / "train/metadata.jsonl").unlink()
    assert pairs.split() is not None if verb == "split" else pairs.unsplit() is not None
    pairs.undo(1)
    assert snapshot(pairs.root.path) == before


def test_what_is_gone_is_listed_with_its_reason(
    empty: Dataset, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty.add(source)
    (empty.root.path / "stage_data/github_01_after.jpg").unlink()
    assert run(["-C", str(empty.root.path), "undo"]) == 2
    assert run(["-C", str(empty.root.path), "undo", "--without-missing"]) == 0
    assert "held: stage_data/github_01_after.jpg -- gone: it is not where it was put" in capsys.readouterr().out


def test_the_log_does_not_say_that_an_undo_undid_which_was_taken_back() -> None:
    from imgstage.cli.render import operations

    log = [
        Operation(1, "split", "", State.DONE, 4, ()),
        Operation(2, "undo", "", State.ABORTED, 4, (1,)),
    ]
    assert [line.split()[-1] for line in operations(log, show_all=False)] == ["state", "done", "aborted"]


def test_a_table_that_the_user_edited_stays_and_the_rest_goes_back(pairs: Dataset) -> None:
    pairs.split()
    write_pairs(pairs.root.path / "stage_data", range(40, 60))
    before = snapshot(pairs.root.path)
    pairs.split()
    table = pairs.root.path / "train/metadata.jsonl"
    mine = table.read_bytes() + b'{"mine": 1}\n'
    table.write_bytes(mine)
    pairs.undo()
    after = snapshot(pairs.root.path)
    assert table.read_bytes() == mine
    del before["train/metadata.jsonl"], after["train/metadata.jsonl"]
    assert after == before


def test_an_edited_ledger_is_told_with_a_way_out_that_works(pairs: Dataset, tmp_path: Path) -> None:
    before = snapshot(pairs.root.path)
    pairs.split()
    ledger = pairs.root.path / "splits.csv"
    ledger.write_bytes(ledger.read_bytes() + b"\n")
    with pytest.raises(ChangedError, match=r"splits\.csv came with .*move it out of the root.*--without-missing"):
        pairs.undo()
    ledger.rename(tmp_path / "mine.csv")
    pairs.undo(without_missing=True)
    assert snapshot(pairs.root.path) == before


def test_a_journal_that_was_deleted_is_not_called_a_new_one(pairs: Dataset) -> None:
    pairs.split()
    pairs.split(seed=3, reshuffle=True)
    shutil.rmtree(pairs.root.path / ".imgstage/journal")
    with pytest.raises(UsageError, match=r"The journal of .* is gone or holds no finished operation"):
        pairs.undo()


def test_an_undo_that_finds_an_old_name_taken_refuses_before_it_is_applied(pairs: Dataset) -> None:
    """A dry run must say so too."""
    pairs.split()
    write(pairs.root.path / "stage_data/github_03_after.jpg", picture(4000))
    with pytest.raises(DestinationError, match=r"stage_data/github_03_after\.jpg exists"):
        pairs.plan_undo()


def test_files_that_took_each_others_names_go_back_by_their_bytes(pairs: Dataset) -> None:
    """Of three that went round and two that were exchanged; what was edited goes back by its name."""
    pairs.split()
    before = {path.read_bytes(): path for path in pairs.root.path.rglob("*.jpg") if ".imgstage" not in path.parts}
    pairs.unsplit()
    stage = pairs.root.path / "stage_data"
    files = sorted(stage.glob("*.jpg"))
    for ring in (files[:3], [files[9], files[40]]):
        contents = [path.read_bytes() for path in ring]
        for path, content in zip(ring, [*contents[1:], contents[0]], strict=True):
            path.unlink()
            path.write_bytes(content)
    edited = files[20]
    old = edited.read_bytes()
    edited.write_bytes(picture(6000))
    plan = pairs.plan_undo()
    assert plan.report.details["edited"] == sorted(
        f"stage_data/{path.name}" for path in (*files[:3], files[9], files[40], edited)
    )
    plan.apply()
    after = {path.read_bytes(): path for path in pairs.root.path.rglob("*.jpg") if ".imgstage" not in path.parts}
    assert after.pop(picture(6000)) == before.pop(old)
    assert after == before


def test_undo_brings_no_test_image_into_train_when_names_were_changed(pairs: Dataset) -> None:
    pairs.split()
    by_split = {sample.split: Path(sample.files[0].path).name for sample in pairs.samples}
    pairs.unsplit()
    stage = pairs.root.path / "stage_data"
    test, train = stage / by_split["test"], stage / by_split["train"]
    train.write_bytes(test.read_bytes())
    test.write_bytes(picture(6001))
    before = snapshot(pairs.root.path)
    with pytest.raises(ChangedError, match="holds the bytes of an image of test"):
        pairs.undo()
    assert snapshot(pairs.root.path) == before


@pytest.mark.parametrize("splits", ["train/test", "Train/test", "training/test"])
@pytest.mark.parametrize("way", ["unsplit", "hold"])
def test_undo_knows_held_out_bytes_whatever_the_splits_are_called(empty: Dataset, splits: str, way: str) -> None:
    """Where no split is called train, all count as held out; and the original need not be among what comes back."""
    root = empty.root.path
    train, test = splits.split("/")
    for number in range(10):
        write(root / "stage_data" / f"{number}.jpg", picture(number))
    if train == "Train":
        (root / "Train").mkdir()
        train = "train"
    empty.split(ratios=f"{train}=0.7,{test}=0.3")
    by_split = {sample.split: sample.files[0].path for sample in empty.samples}
    original = (root / by_split[test]).read_bytes()
    if way == "unsplit":
        empty.unsplit()
        place = root / "stage_data"
    else:
        empty.hold(by_split[train])
        place = root / "held"
    (place / Path(by_split[train]).name).write_bytes(original)
    before = snapshot(root)
    with pytest.raises(ChangedError, match="holds the bytes of an image of test"):
        empty.undo()
    assert snapshot(root) == before
