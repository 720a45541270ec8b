"""`metadata.jsonl`: the splits as Hugging Face's `imagefolder` reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imgstage import Dataset

from ..helpers import names, picture, snapshot, write, write_pairs


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_line_a_sample_with_paths_relative_to_the_table(pairs: Dataset) -> None:
    pairs.split()
    for split in ("train", "val", "test"):
        folder = pairs.root.path / split
        found = lines(folder / "metadata.jsonl")
        assert [list(line) for line in found] == [["before_file_name", "after_file_name"]] * len(found)
        listed = {line[role] for line in found for role in ("before_file_name", "after_file_name")}
        assert listed == names(folder) - {"metadata.jsonl"}


def test_a_manifest_moves_nothing_and_names_every_file(pairs: Dataset) -> None:
    before = snapshot(pairs.root.path)
    pairs.split(manifest=True)
    after = snapshot(pairs.root.path)
    assert {path: after[path] for path in before} == before
    tables = {f"{split}.metadata.jsonl" for split in ("train", "val", "test")}
    assert set(after) - set(before) == {"splits.csv", "splits.json", "imgstage.toml"} | tables
    found = [line for split in ("train", "val", "test") for line in lines(pairs.root.path / f"{split}.metadata.jsonl")]
    assert {path for line in found for path in line.values()} == {p for p in before if p.endswith(".jpg")}
    assert [len(lines(pairs.root.path / f"{split}.metadata.jsonl")) for split in ("train", "val", "test")] == [20, 3, 2]
    pairs.undo()
    assert snapshot(pairs.root.path) == before


def test_a_manifest_is_what_a_split_would_do_and_follows_it(pairs: Dataset) -> None:
    pairs.split(manifest=True)
    planned = {line["before_file_name"] for line in lines(pairs.root.path / "test.metadata.jsonl")}
    pairs.split()
    assert {f"stage_data/{name}" for name in names(pairs.root.path, "test") if "before" in name} == planned
    now = {line["before_file_name"] for line in lines(pairs.root.path / "test.metadata.jsonl")}
    assert now == {path.replace("stage_data", "test") for path in planned}
    pairs.unsplit()
    assert {line["before_file_name"] for line in lines(pairs.root.path / "test.metadata.jsonl")} == planned
    assert not (pairs.root.path / "test/metadata.jsonl").exists()


def test_a_manifest_grows_without_moving_who_was_drawn(pairs: Dataset) -> None:
    pairs.split(manifest=True)
    root = pairs.root.path
    before = {split: lines(root / f"{split}.metadata.jsonl") for split in ("train", "val", "test")}
    write_pairs(root / "stage_data", range(26, 51))
    pairs.split(manifest=True)
    for split, old in before.items():
        now = lines(root / f"{split}.metadata.jsonl")
        assert all(line in now for line in old)
        assert len(now) > len(old)


def test_class_folders_are_labels_and_lone_images_have_one_column(empty: Dataset) -> None:
    for number in range(30):
        write(empty.root.path / f"stage_data/{'cats' if number % 2 else 'dogs'}/{number:02d} ü.jpg", picture(number))
    empty.split()
    found = lines(empty.root.path / "train/metadata.jsonl")
    assert found[0] == {"file_name": "cats/03 ü.jpg", "label": "cats"} or found[0]["label"] == "cats"
    assert all(line["file_name"].startswith(line["label"] + "/") for line in found)


def test_a_role_that_holds_many_is_a_list_even_of_one(empty: Dataset) -> None:
    for scene in range(12):
        write(empty.root.path / f"stage_data/{scene:02d}/images/x.png", picture(scene, "PNG"))
        for mask in range(1 + (scene == 0)):
            write(empty.root.path / f"stage_data/{scene:02d}/masks/{mask}.png", picture(100 * scene + mask, "PNG"))
    empty.split()
    for split in ("train", "val", "test"):
        for line in lines(empty.root.path / split / "metadata.jsonl"):
            scene = line["file_name"].partition("/")[0]
            expected = [f"{scene}/masks/{mask}.png" for mask in range(1 + (scene == "00"))]
            assert line["mask_file_names"] == expected


def test_somebody_elses_table_stays_and_is_told(pairs: Dataset) -> None:
    write(pairs.root.path / "train/metadata.jsonl", b'{"file_name": "x.jpg"}\n')
    plan = pairs.plan_split()
    assert plan.report.details["foreign_tables"] == ["train/metadata.jsonl"]
    plan.apply()
    assert (pairs.root.path / "train/metadata.jsonl").read_bytes() == b'{"file_name": "x.jpg"}\n'
    assert (pairs.root.path / "test/metadata.jsonl").exists()


def test_what_the_user_added_to_a_table_is_never_taken_away(pairs: Dataset) -> None:
    pairs.split()
    table = pairs.root.path / "train/metadata.jsonl"
    table.write_text(table.read_text().replace("}", ', "caption": "mine"}'))
    mine = table.read_bytes()
    write_pairs(pairs.root.path / "stage_data", range(26, 40))
    assert pairs.plan_split().report.details["foreign_tables"] == ["train/metadata.jsonl"]
    pairs.split()
    assert table.read_bytes() == mine
    pairs.unsplit()
    assert table.read_bytes() == mine
    pairs.undo(1)
    assert table.read_bytes() == mine


def test_held_samples_are_in_no_table(pairs: Dataset) -> None:
    write(pairs.root.path / "stage_data/github_05_after.jpg", b"no picture")
    pairs.split(manifest=True)
    text = "".join((pairs.root.path / f"{split}.metadata.jsonl").read_text() for split in ("train", "val", "test"))
    assert "github_05" not in text
    assert "github_06" in text


@pytest.mark.parametrize("manifest", [False, True])
def test_the_tables_are_the_same_whatever_the_order(tmp_path: Path, manifest: bool) -> None:
    found = []
    for name, order in (("one", range(1, 26)), ("two", range(25, 0, -1))):
        dataset = Dataset.create(tmp_path / name)
        for number in order:
            write_pairs(dataset.root.path / "stage_data", range(number, number + 1))
        dataset.split(manifest=manifest)
        found.append({
            path: entry[0] for path, entry in snapshot(dataset.root.path).items()
            if path.endswith(".jsonl") and not isinstance(entry, int)
        })  # fmt: skip
    assert found[0] == found[1]
    assert len(found[0]) == 3


def test_a_split_that_is_dropped_loses_its_table(pairs: Dataset) -> None:
    pairs.split()
    pairs.split(ratios="train=0.8,test=0.2", reshuffle=True)
    assert not (pairs.root.path / "val/metadata.jsonl").exists()
    assert len(lines(pairs.root.path / "train/metadata.jsonl")) == 20
