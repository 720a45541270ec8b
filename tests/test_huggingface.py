"""The tables of the splits, read by Hugging Face's own library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from imgstage import Dataset

from .helpers import picture, write

pytestmark = pytest.mark.skipif(find_spec("datasets") is None, reason="the library datasets is not installed")

LOAD = """
import json, sys
from datasets import load_dataset
found = load_dataset("imagefolder", **json.loads(sys.argv[1]))
print(json.dumps({
    split: [
        {column: value if isinstance(value, str) else value.size if hasattr(value, "size") else [v.size for v in value]
         for column, value in row.items()}
        for row in rows
    ]
    for split, rows in found.items()
}))
"""


def load(tmp_path: Path, **arguments: Any) -> dict[str, list[dict[str, Any]]]:
    """The rows of each split as `load_dataset` gives them, pictures by their (width, height)."""
    environment = os.environ | {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", LOAD, json.dumps(arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    loaded: dict[str, list[dict[str, Any]]] = json.loads(run.stdout.splitlines()[-1])
    return loaded


@pytest.fixture
def labelled(empty: Dataset) -> Dataset:
    """Pairs in class folders, with spaces and letters of other scripts in their names; each picture of its own size."""
    for number in range(20):
        for side, role in enumerate(("before", "after")):
            size = (10 + number, 40 + side)
            path = empty.root.path / f"stage_data/{'Kätzchen 1' if number % 2 else 'dogs'}/x {number:02d}_{role}.png"
            write(path, picture(2 * number + side, "PNG", size))
    return empty


def test_a_moved_split_loads_with_all_its_columns(labelled: Dataset, tmp_path: Path) -> None:
    labelled.split()
    found = load(tmp_path, data_dir=str(labelled.root.path))
    assert {split: len(rows) for split, rows in found.items()} == {"train": 16, "validation": 2, "test": 2}
    rows = [row for rows in found.values() for row in rows]
    assert {row["label"] for row in rows} == {"Kätzchen 1", "dogs"}
    assert all((row["before"][0], row["after"][0]) == (40, 41) for row in rows)
    assert sorted(row["before"][1] for row in rows) == list(range(10, 30))
    assert all(row["before"][1] == row["after"][1] for row in rows)


def test_a_manifest_loads_without_a_file_moved(labelled: Dataset, tmp_path: Path) -> None:
    labelled.split(manifest=True)
    tables = {split: f"{split}.metadata.jsonl" for split in ("train", "val", "test")}
    arguments = {"data_files": tables, "metadata_filenames": list(tables.values())}
    found = load(tmp_path, data_dir=str(labelled.root.path), **arguments)
    assert {split: len(rows) for split, rows in found.items()} == {"train": 16, "val": 2, "test": 2}
    labelled.split()
    moved = load(tmp_path, data_dir=str(labelled.root.path))
    assert [row["before"] for row in moved["test"]] == [row["before"] for row in found["test"]]


def test_masks_load_as_lists(empty: Dataset, tmp_path: Path) -> None:
    for scene in range(12):
        write(empty.root.path / f"stage_data/{scene:02d}/images/x.png", picture(scene, "PNG"))
        for mask in range(1 + scene % 3):
            write(empty.root.path / f"stage_data/{scene:02d}/masks/{mask}.png", picture(100 * scene + mask, "PNG"))
    empty.split()
    found = load(tmp_path, data_dir=str(empty.root.path))
    assert {len(row["mask"]) for row in found["train"]} == {1, 2, 3}
    assert all(row["image"] == [32, 24] for row in found["train"])
