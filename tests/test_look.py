"""Roots as people make them by hand: adoption, other names of folders."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

import pytest

from imgstage import Dataset
from imgstage.errors import ChangedError, RefusedError
from imgstage.root import is_own

from .helpers import names, picture, snapshot, write, write_pairs


def splits(root: Path) -> dict[str, str]:
    """The split of each file by its path, as splits.csv has it."""
    with (root / "splits.csv").open(newline="") as stream:
        return {row["path"]: row["split"] for row in csv.DictReader(stream)}


def by_hand(root: Path, val: str = "val", *, stage: bool = True) -> None:
    """A root that the old scripts left: pairs in all folders."""
    write_pairs(root / "train", range(1, 13))
    write_pairs(root / val, range(13, 16))
    write_pairs(root / "test", range(16, 18))
    if stage:
        write_pairs(root / "stage_data", range(18, 26))


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val", "VALIDATION"])
@pytest.mark.parametrize("stage", [True, False])
def test_a_root_made_by_hand_is_taken_as_it_stands(tmp_path: Path, val: str, stage: bool) -> None:
    by_hand(tmp_path, val, stage=stage)
    before = snapshot(tmp_path)
    dataset = Dataset(tmp_path)
    assert dataset.status().samples.get("val", 3) == 3
    dataset.split()
    found = splits(tmp_path)
    assert {path: split for path, split in found.items() if path in before} == {
        path: {"train": "train", val: "val", "test": "test"}[path.partition("/")[0]]
        for path in before
        if path.endswith(".jpg") and not path.startswith("stage_data")
    }
    assert all(snapshot(tmp_path)[path] == entry for path, entry in before.items() if not path.startswith("stage_data"))
    assert val == "val" or not (tmp_path / "val").exists()
    assert not names(tmp_path, "stage_data") if stage else not (tmp_path / "stage_data").exists()
    dataset.undo()
    assert snapshot(tmp_path) == before


def test_new_samples_of_val_go_into_valid(tmp_path: Path) -> None:
    write_pairs(tmp_path / "valid", range(1, 3))
    write_pairs(tmp_path / "stage_data", range(3, 51))
    Dataset(tmp_path).split()
    assert len([name for name in names(tmp_path, "valid") if name.endswith(".jpg")]) == 12
    assert {split for path, split in splits(tmp_path).items() if path.startswith("valid/")} == {"val"}
    Dataset(tmp_path).unsplit()
    assert names(tmp_path, "valid") == set()
    Dataset(tmp_path).split()
    assert len([name for name in names(tmp_path, "valid") if name.endswith(".jpg")]) == 12


def test_a_split_that_is_called_valid_is_no_other_name(tmp_path: Path) -> None:
    write_pairs(tmp_path / "stage_data", range(1, 21))
    (tmp_path / "valid").mkdir()
    Dataset(tmp_path).split(ratios="train=0.8,valid=0.2")
    assert set(splits(tmp_path).values()) == {"train", "valid"}


def test_two_folders_for_one_split_are_refused(tmp_path: Path) -> None:
    by_hand(tmp_path, "valid")
    write_pairs(tmp_path / "val", range(40, 42))
    before = snapshot(tmp_path)
    with pytest.raises(RefusedError, match=r"val and .*valid both stand for val"):
        Dataset(tmp_path).split()
    assert snapshot(tmp_path) == before


def test_disagreement_with_another_name_of_a_folder_is_told_in_splits(tmp_path: Path) -> None:
    by_hand(tmp_path, "valid", stage=False)
    dataset = Dataset(tmp_path)
    dataset.split()
    for role in ("before", "after"):
        (tmp_path / f"valid/github_13_{role}.jpg").rename(tmp_path / f"train/github_13_{role}.jpg")
    with pytest.raises(ChangedError) as refusal:
        dataset.split()
    assert refusal.value.table[1:] == [("github_13", "train", "val")]
    dataset.split(trust="csv")
    assert (tmp_path / "valid/github_13_before.jpg").exists()


def test_imgstages_own_tables_are_no_files_of_the_users(tmp_path: Path) -> None:
    by_hand(tmp_path)
    dataset = Dataset(tmp_path)
    dataset.split()
    dataset.hold("train/github_01_before.jpg")
    own = {name for name in names(tmp_path) if is_own(name)}
    assert own == {"splits.csv", "splits.json", "imgstage.toml", "held/reasons.csv"} | {
        f"{split}/metadata.jsonl" for split in ("train", "val", "test")
    }
    report = dataset.status().report
    assert report.found == len(names(tmp_path)) - len(own) == 50


def test_splits_that_only_the_ledger_names_are_still_looked_at(tmp_path: Path) -> None:
    write_pairs(tmp_path / "stage_data", range(1, 11))
    Dataset(tmp_path).split(ratios="learn=0.8,check=0.2")
    (tmp_path / "imgstage.toml").unlink()
    found = Dataset(tmp_path).status()
    assert (found.samples["learn"], found.samples["check"]) == (8, 2)
    assert not found.report.details["missing"]


def test_an_old_ledger_is_not_written_on_while_samples_wait_in_held_that_it_does_not_know(pairs: Dataset) -> None:
    """They would be drawn anew when they come back."""
    root = pairs.root.path
    pairs.split()
    older = (root / "splits.csv").read_bytes()
    write_pairs(root / "stage_data", range(50, 53))
    pairs.split()
    pairs.hold("github_50", "github_51", "github_52")
    (root / "splits.csv").write_bytes(older)
    for verb in (partial(pairs.hold, "github_03"), partial(pairs.release, "github_50"), pairs.unsplit, pairs.split):
        with pytest.raises(ChangedError, match=r"does not know github_50 \(in held/\); github_51"):
            verb()
    pairs.split(accept_new=True)
    pairs.release("github_50")


def test_the_usual_folders_are_looked_at_whatever_the_ratios_say(pairs: Dataset) -> None:
    root = pairs.root.path
    (root / "imgstage.toml").write_text('ratios = "learn=0.8,check=0.2"\n')
    write(root / "test/x_before.jpg", picture(5000))
    write(root / "test/x_after.jpg", picture(5001))
    assert pairs.status().samples["test"] == 1
