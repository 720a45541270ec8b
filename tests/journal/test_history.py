"""Where a file has been."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imgstage import Dataset
from imgstage.cli import run

from ..helpers import write_pairs


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
    assert run(["-C", str(pairs.root.path), "log", "--file", "nothing.jpg"]) == 0
    assert "No operation has moved a file to nothing.jpg" in capsys.readouterr().out
