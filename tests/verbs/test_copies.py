"""Copies of a picture share a split; what they are called, and whether one is missing, changes nothing."""

from __future__ import annotations

import pytest

from imgstage import Dataset
from imgstage.cli import run

from ..helpers import picture, stage, where, write, write_pairs


def test_a_copy_of_a_test_image_never_becomes_a_train_image(pairs: Dataset) -> None:
    """Under another name, in a sub-folder, as half of another pair, and put into train by hand."""
    pairs.split()
    root = pairs.root.path
    name = next(name for name, place in where(pairs).items() if place == "test" and "after" in name)
    data = (root / "test" / name).read_bytes()
    for number in range(30):
        write(stage(pairs) / f"copy{number}_after.jpg", data)
        write(stage(pairs) / f"copy{number}_before.jpg", picture(8000 + number))
    plan = pairs.plan_split()
    assert plan.report.details["samples_sharing_a_picture"] == 31
    plan.apply()
    assert {place for file, place in where(pairs).items() if file.startswith("copy")} == {"test"}
    write(root / "train/hand_after.jpg", data)
    write(root / "train/hand_before.jpg", picture(9000))
    write(stage(pairs) / "late_after.jpg", data)
    write(stage(pairs) / "late_before.jpg", picture(9001))
    held = {note.path: note.reason for note in pairs.plan_split().report.held}
    key = min("copy0", name.removesuffix("_after.jpg"))
    assert held == dict.fromkeys(
        ("stage_data/late_after.jpg", "stage_data/late_before.jpg"),
        f"tied: its picture is that of {key} (test) and hand (train)",
    )


def test_copies_share_a_split_at_the_first_draw_and_equal_masks_do_not(empty: Dataset) -> None:
    for number in range(20):
        write(stage(empty) / f"images/{number}.jpg", picture(number))
        write(stage(empty) / f"images/copy{number}.jpg", picture(number))
        for name in (f"{number}", f"copy{number}"):
            write(stage(empty) / f"masks/{name}.png", picture(99, "PNG"))
    plan = empty.plan_split()
    assert plan.report.details["samples"] == {"train": 32, "val": 4, "test": 4}
    plan.apply()
    places = where(empty)
    assert all(places[f"{number}.jpg"] == places[f"copy{number}.jpg"] for number in range(20))


def test_copies_that_lay_in_two_splits_before_are_told(empty: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    root = empty.root.path
    write_pairs(root / "train", range(1, 7))
    for role in ("before", "after"):
        write(root / f"test/x_1_{role}.jpg", (root / f"train/github_01_{role}.jpg").read_bytes())
    assert run(["-C", str(root), "split"]) == 0
    told = capsys.readouterr().out
    assert "share a picture with one in another split" in told
    assert "github_01 (train)" in told
    assert "x_1 (test)" in told
    assert "not divided" not in told


def test_equal_masks_of_a_role_of_ones_own_tie_nothing(empty: Dataset) -> None:
    """`label = ...` in the settings; every label is the same empty picture."""
    (empty.root.path / "imgstage.toml").write_text('[pairing]\nphoto = "{key}_p"\nhand_label = "{key}_l"\n')
    for number in range(25):
        write(stage(empty) / f"{number:02}_p.png", picture(number, "PNG"))
        write(stage(empty) / f"{number:02}_l.png", picture(0, "PNG", (9, 9)))
    report = empty.plan_split().report
    assert report.details["samples"] == {"train": 20, "val": 3, "test": 2}
    assert report.details["samples_sharing_a_picture"] == 0


def test_the_bytes_of_a_missing_test_image_tie_their_copy_to_its_split(pairs: Dataset) -> None:
    """It may come under any name while the row says that the image is gone."""
    pairs.split()
    root = pairs.root.path
    name = next(name for name, place in where(pairs).items() if place == "test" and "after" in name)
    key = name.removesuffix("_after.jpg")
    data = (root / "test" / name).read_bytes()
    for half in (root / "test").glob(f"{key}_*"):
        half.unlink()
    for number in range(4):
        write(stage(pairs) / f"new{number}_after.jpg", data)
        write(stage(pairs) / f"new{number}_before.jpg", picture(8000 + number))
    pairs.plan_split(accept_new=True).apply()
    assert {place for file, place in where(pairs).items() if file.startswith("new")} == {"test"}


def test_a_copy_of_a_missing_image_and_of_one_in_another_split_is_held(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    places = where(pairs)
    gone = next(name for name, place in places.items() if place == "test" and "after" in name)
    there = next(name for name, place in places.items() if place == "train" and "before" in name)
    for number in range(2):  # of a single copy, the row itself would say that it is the missing one
        write(stage(pairs) / f"new{number}_after.jpg", (root / "test" / gone).read_bytes())
        write(stage(pairs) / f"new{number}_before.jpg", (root / "train" / there).read_bytes())
    for half in (root / "test").glob(f"{gone.removesuffix('_after.jpg')}_*"):
        half.unlink()
    held = {note.reason for note in pairs.plan_split(accept_new=True).report.held}
    first = there.removesuffix("_before.jpg")
    assert held == {f"tied: its picture is that of test/{gone} (test) and {first} (train)"}
