"""Where a file has been."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imgstage import Dataset
from imgstage.cli import run
from imgstage.errors import UsageError

from ..helpers import picture, stage, write, write_pairs


def test_every_name_of_a_file_is_told_back_to_where_it_came_from(
    empty: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(tmp_path / "in", range(1, 13), "DSC")
    empty.add(tmp_path / "in")
    empty.rename(prefix="github_")
    empty.split()
    empty.undo()
    empty.split()
    path = next(empty.root.path.glob("*/github_03_after.jpg"))
    split = path.parent.name
    steps = [(one.operation, one.verb, one.source, one.target) for one in empty.history(path)]
    assert steps == [
        (1, "add", str(tmp_path / "in/DSC_03_after.jpg"), "stage_data/DSC_03_after.jpg"),
        (2, "rename", "stage_data/DSC_03_after.jpg", "stage_data/github_03_after.jpg"),
        (3, "split", "stage_data/github_03_after.jpg", f"{split}/github_03_after.jpg"),
        (4, "undo", f"{split}/github_03_after.jpg", "stage_data/github_03_after.jpg"),
        (5, "split", "stage_data/github_03_after.jpg", f"{split}/github_03_after.jpg"),
    ]
    assert run(["-C", str(empty.root.path), "log", "--file", str(path)]) == 0
    assert "DSC_03_after.jpg" in capsys.readouterr().out
    assert run(["-C", str(empty.root.path), "log", "--file", f"{split}/github_03_after.jpg", "--json"]) == 0
    assert [one["verb"] for one in json.loads(capsys.readouterr().out)["passages"]] == [step[1] for step in steps]


def test_after_a_swap_each_file_has_its_own_way(pairs: Dataset) -> None:
    pairs.rename(prefix="github_", start=2)
    way = pairs.history("stage_data/github_05_before.jpg")
    assert [(one.source, one.target) for one in way] == [
        ("stage_data/github_04_before.jpg", "stage_data/github_05_before.jpg")
    ]


def test_what_no_operation_moved_has_no_way(pairs: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    assert pairs.history("stage_data/github_01_before.jpg") == []
    assert run(["-C", str(pairs.root.path), "log", "--file", "stage_data/github_01_before.jpg"]) == 0
    assert "No operation has moved stage_data/github_01_before.jpg" in capsys.readouterr().out
    assert run(["-C", str(pairs.root.path), "log", "--file", "nothing.jpg"]) == 2
    assert "No file is called nothing.jpg" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["DSC_03_after.jpg", "stage_data/DSC_03_after.jpg", "github_03_after.jpg", "in/DSC_03"]
)
def test_a_file_is_found_by_any_name_it_had(
    empty: Dataset, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(tmp_path / "in", range(1, 20), "DSC")
    empty.add(tmp_path / "in")
    empty.rename(prefix="github_")
    empty.split()
    empty.resize(scale="0.5")
    given = str(tmp_path / f"{name}_after.jpg") if name.startswith("in/") else name
    (tmp_path / "in/DSC_03_after.jpg").unlink()
    assert [one.verb for one in empty.history(given)] == ["add", "rename", "split", "resize"]
    assert run(["-C", str(empty.root.path), "log", "--file", given]) == 0
    place = next(path.parent.name for path in empty.root.path.rglob("github_03_after.jpg"))
    assert f"It is now {place}/github_03_after.jpg" in capsys.readouterr().out


def test_what_a_hand_put_under_an_old_name_has_no_way(pairs: Dataset) -> None:
    pairs.split()
    write(stage(pairs) / "github_01_before.jpg", picture(999))
    assert pairs.history("stage_data/github_01_before.jpg") == []


def test_of_several_files_of_one_name_none_is_guessed(empty: Dataset) -> None:
    for split in ("train", "val", "test"):
        write(empty.root.path / split / "1.png", picture(len(split), "PNG"))
    empty.rename(prefix="x_")
    with pytest.raises(UsageError, match=r"Several files were called 1\.png: .*Give the path of one"):
        empty.history("1.png")


def test_a_name_that_a_hand_gave_is_one_too(pairs: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    pairs.split()
    path = next((pairs.root.path / "train").glob("*.jpg"))
    path.rename(path.with_name("by hand.jpg"))
    assert pairs.history("by hand.jpg") == []
    assert run(["-C", str(pairs.root.path), "log", "--file", "by hand.jpg"]) == 0
    assert "No operation has moved by hand.jpg" in capsys.readouterr().out
