"""`unsplit`: the way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgstage import Dataset
from imgstage.errors import ChangedError, DestinationError, UsageError

from ..helpers import as_nobody, names, picture, snapshot, write


def test_bytes_times_modes_and_sub_folders_survive(pairs: Dataset) -> None:
    root = pairs.root.path
    for number in range(9):
        write(root / f"stage_data/cats/{number}.jpg", picture(200 + number), 1_450_000_000 + number, 0o600)
    (root / "stage_data/empty").mkdir()
    before = {path: entry for path, entry in snapshot(root).items() if path.startswith("stage_data/")}
    pairs.split()
    pairs.unsplit()
    after = {path: entry for path, entry in snapshot(root).items() if path.startswith("stage_data/")}
    assert after == before
    assert not names(root, "train") | names(root, "val") | names(root, "test")
    assert not (root / "train/cats").exists(), "an emptied class folder would be an empty class"


def test_a_name_with_different_bytes_in_two_splits_refuses(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    for number, role in enumerate(("before", "after")):
        write(root / f"val/x_{role}.jpg", picture(101 + number))
        write(root / f"test/X_{role}.jpg", picture(201 + number))
    before = snapshot(root)
    with pytest.raises(DestinationError, match=r"test/X_after\.jpg and val/x_after\.jpg have one name and different"):
        pairs.unsplit()
    assert snapshot(root) == before


def test_a_name_taken_in_stage_data_refuses(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    name = next(iter(names(root, "train")))
    write(root / "stage_data" / name, picture(4711))
    before = snapshot(root)
    with pytest.raises(DestinationError, match="different bytes"):
        pairs.unsplit()
    assert snapshot(root) == before


def test_one_of_two_equal_files_stays(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    name = next(iter(names(root, "train")))
    copy = write(root / "val" / name, (root / "train" / name).read_bytes())
    plan = pairs.plan_unsplit()
    assert [(note.path, note.reason) for note in plan.report.held] == [
        (f"val/{name}", f"twins: the same name and bytes as train/{name}")
    ]
    plan.apply()
    assert copy.exists()
    assert (root / "stage_data" / name).exists()


def test_held_samples_go_back_too_and_foreign_files_stay(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    name = next(iter(names(root, "train")))
    write(root / "train" / name, b"broken by an editor")
    write(root / "train/notes.docx", b"x")
    plan = pairs.plan_unsplit()
    assert plan.report.found == 51 == plan.report.done + 1
    plan.apply()
    assert (root / "stage_data" / name).read_bytes() == b"broken by an editor"
    assert names(root, "train") == {"notes.docx"}


def test_images_put_into_test_by_hand_are_remembered_as_test_images(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    for role in ("before", "after"):
        write(root / f"test/mine_{role}.jpg", picture(900 + len(role)))
    pairs.unsplit()
    pairs.split()
    assert (root / "test/mine_before.jpg").exists()


def test_nothing_to_bring_back_is_no_operation(pairs: Dataset) -> None:
    assert pairs.unsplit() is None
    assert not Path(pairs.root.path / "splits.csv").exists()


def test_a_pair_of_which_one_half_cannot_be_read_stays_whole(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    path = next(record.path for sample in pairs.samples if sample.split == "test" for record in sample.files)
    mate = path.replace("before", "x").replace("after", "before").replace("x.jpg", "after.jpg")
    (root / path).chmod(0)
    with as_nobody(root):
        plan = pairs.plan_unsplit()
        status = pairs.status()
        plan.apply()
    assert {path, mate} <= names(root)
    assert {note.path for note in plan.report.held} == {path, mate}
    assert status.report.details["missing"] == []
    (root / path).chmod(0o640)
    pairs.unsplit()
    assert len(names(root, "stage_data")) == 50


def test_of_equal_files_in_two_splits_the_first_in_order_goes(pairs: Dataset) -> None:
    root = pairs.root.path
    for split in ("val", "test", "train"):
        for number, role in enumerate(("before", "after")):
            write(root / split / f"same_{role}.png", picture(77 + number, "PNG"))
    notes = {note.path: note.reason for note in pairs.plan_unsplit().report.held}
    assert notes == {
        f"{split}/same_{role}.png": f"twins: the same name and bytes as test/same_{role}.png"
        for split in ("train", "val")
        for role in ("before", "after")
    }


def test_images_of_no_sample_stay_in_their_split(pairs: Dataset) -> None:
    """No row could remember that they are test images; mended in `stage_data/`, they would be drawn anew."""
    root = pairs.root.path
    pairs.split()
    stray = write(root / "test/odd one.jpg", picture(900))
    plan = pairs.plan_unsplit()
    assert [note.path for note in plan.report.held] == ["test/odd one.jpg"]
    plan.apply()
    assert stray.exists()
    pairs.hold(troubled=True)
    assert stray.exists()
    with pytest.raises(UsageError, match="no sample that could go"):
        pairs.hold("test/odd one.jpg")


def test_unknown_twins_in_two_splits_get_no_row_that_fits_both(pairs: Dataset) -> None:
    """Equal names and bytes, two splits: they are two samples, and the row of each tells its own place."""
    root = pairs.root.path
    for split in ("train", "test"):
        for number, role in enumerate(("before", "after")):
            write(root / split / f"same_{role}.jpg", picture(77 + number))
    write(root / "val/lone_before.jpg", picture(80))
    write(root / "val/lone_after.jpg", picture(81))
    pairs.unsplit()
    table = (root / "splits.csv").read_text()
    rows = [line.split(",") for line in table.splitlines() if "same_" in line]
    assert {(row[1], row[4]) for row in rows} == {
        ("test", f"stage_data/same_{role}.jpg") for role in ("before", "after")
    }
    assert "lone_" in table


def test_where_folders_and_ledger_disagree_it_asks_too(pairs: Dataset) -> None:
    """In `stage_data/` nothing would tell any more that a hand had moved them."""
    root = pairs.root.path
    pairs.split()
    sample = next(sample for sample in pairs.samples if sample.split == "train")
    for record in sample.files:
        (root / record.path).rename(root / "val" / record.path.removeprefix("train/"))
    before = snapshot(root)
    with pytest.raises(ChangedError, match=r"1 sample lies in another folder.*--trust folders or --trust csv"):
        pairs.unsplit()
    assert snapshot(root) == before
    for trust, split in (("csv", "train"), ("folders", "val")):
        pairs.unsplit(trust="csv" if trust == "csv" else "folders")
        assert {row.split for row in pairs.samples if row.id == sample.id} == {split}
        pairs.undo()


def test_of_a_pair_that_lies_twice_no_half_goes_without_the_other(pairs: Dataset) -> None:
    """One half has a twin with its bytes in `stage_data/`, so it stays; so must the other."""
    root = pairs.root.path
    pairs.split()
    sample = next(sample for sample in pairs.samples if sample.split == "train")
    first, second = (record.path for record in sample.files)
    (root / "stage_data").mkdir(exist_ok=True)
    write(root / "stage_data" / first.partition("/")[2], (root / first).read_bytes())
    notes = {note.path: note.reason for note in pairs.plan_unsplit().report.held}
    assert {first, second} <= notes.keys()
    pairs.unsplit()
    assert (root / first).exists()
    assert (root / second).exists()


def test_of_three_equal_files_two_stay(empty: Dataset) -> None:
    root = empty.root.path
    for split in ("train", "val", "test"):
        write(root / split / "1.jpg", picture(1))
        write(root / split / f"only_{split}.jpg", picture(len(split)))
    empty.unsplit()
    assert names(root, "stage_data") == {"1.jpg", "only_train.jpg", "only_val.jpg", "only_test.jpg"}
    assert {path for path in names(root) if path.endswith("/1.jpg")} == {"stage_data/1.jpg", "train/1.jpg", "val/1.jpg"}
