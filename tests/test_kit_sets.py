"""The main job on every real set: add, split, grow, unsplit, undo; read as torchvision's ImageFolder would."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from imgstage import Dataset
from imgstage.index import Kind, scan

from .helpers import KIT_SETS, kit, snapshot


@pytest.mark.parametrize("name", KIT_SETS)
def test_the_whole_life_of_a_real_set_ends_where_it_began(name: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    dataset = Dataset.create(root)
    nothing = snapshot(root)
    dataset.add(kit(name))
    staged = snapshot(root)
    dataset.split()
    earlier = {sample.id: sample.place for sample in dataset.samples}
    assert set(earlier.values()) == {"train", "val", "test"}
    assert not any(sample.held for sample in dataset.samples)
    # growth: every fifth sample again, with other bytes and another name
    models = dataset.samples[::5]
    for sample in models:
        for record in sample.files:
            _grow(root, record.path)
    dataset.split()
    later = {sample.id: sample.place for sample in dataset.samples}
    assert {sample: later[sample] for sample in earlier} == earlier
    assert len(later) == len(earlier) + len(models)
    dataset.unsplit()
    back = {path: entry for path, entry in snapshot(root).items() if path in staged}
    assert back == staged
    for path in root.joinpath("stage_data").rglob("*"):
        if path.is_file() and "grown" in str(path):
            path.unlink()
    dataset.undo(2, without_missing=True)
    assert {path: entry for path, entry in snapshot(root).items() if "grown" not in path} == staged
    for path in root.joinpath("stage_data").glob("grown*"):
        assert not any(inner.is_file() for inner in path.rglob("*"))
        shutil.rmtree(path)
    dataset.undo(1)
    assert snapshot(root) == nothing


def _grow(root: Path, path: str) -> None:
    """Put a file like this one into `stage_data/` under a new sample's name."""
    parts = path.split("/")[1:]
    # a scene's folder is its key; a pair's or class's key is the beginning of the name
    where = 0 if len(parts) == 3 else -1
    parts[where] = "grown" + parts[where]
    target = root.joinpath("stage_data", *parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    data = (root / path).read_bytes()
    target.write_bytes(data + b"\0" if target.suffix.lower() in (".jpg", ".png") else data)


def test_kodak_gives_19_3_2_and_truncated_19_2_3(tmp_path: Path) -> None:
    shutil.copytree(kit("pairs/kodak24_seedstyle"), tmp_path / "stage_data")
    dataset = Dataset(tmp_path)
    assert dataset.plan_split().report.details["samples"] == {"train": 19, "val": 3, "test": 2}
    report = dataset.plan_split(rounding="truncate").report
    assert report.details["samples"] == {"train": 19, "val": 2, "test": 3}
    assert report.found == 48 == report.done + len(report.held) + len(report.ignored)


@pytest.mark.parametrize(
    ("name", "roles", "samples", "held", "ignored"),
    [
        ("pairs/kodak24_seedstyle", {"before": 24, "after": 24}, 24, 0, 0),
        ("pairs/polyu_full", {"before": 8, "after": 8}, 8, 1, 0),
        ("pairs/polyu_crops", {"before": 100, "after": 100}, 100, 0, 0),
        ("pairs/funie_underwater", {"before": 23, "after": 23}, 23, 0, 0),
        ("classes/clothing_cc0", {"image": 1021}, 1021, 0, 0),
        ("groups/nuclei_dsb2018_cc0", {"image": 30, "mask": 701}, 30, 0, 0),
        ("groups/video_frames_dlc", {"image": 38}, 38, 0, 0),
        ("groups/xray_patients", {"image": 29}, 29, 0, 1),
        ("multilabel/bccd", {"image": 123, "sidecar": 123}, 123, 0, 0),
    ],
)
def test_how_each_real_set_is_read(
    name: str, roles: dict[str, int], samples: int, held: int, ignored: int, tmp_path: Path
) -> None:
    shutil.copytree(kit(name), tmp_path / "stage_data")
    dataset = Dataset(tmp_path)
    found = [sample for sample in dataset.samples if not sample.held]
    counts = {role: sum(len(sample.images.get(role, ())) for sample in found) for role in roles if role != "sidecar"}
    if "sidecar" in roles:
        counts["sidecar"] = sum(len(sample.sidecars) for sample in found)
    assert counts == roles
    assert len(found) == samples
    report = dataset.status().report
    assert (len(report.held), len(report.ignored)) == (held, ignored)


def test_patients_of_the_real_table_share_a_split(tmp_path: Path) -> None:
    source = kit("groups/xray_patients")
    shutil.copytree(source, tmp_path / "stage_data")
    dataset = Dataset(tmp_path)
    dataset.split(group_csv=f"{source}/metadata.csv:patientid")
    places: dict[str, set[str]] = {}
    for sample in dataset.samples:
        places.setdefault(sample.group, set()).add(sample.place)
    assert "" not in places
    assert all(len(of) == 1 for of in places.values())


def find_classes(folder: Path) -> dict[str, list[str]]:
    """What torchvision's ImageFolder reads, by its published rule.

    Each direct sub-folder is a class, in sorted order; every file below it (links followed) with one of these
    extensions is an image; a class without an image is an error.
    """
    extensions = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
    classes = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    if not classes:
        message = f"Couldn't find any class folder in {folder}."
        raise FileNotFoundError(message)
    found = {
        name: sorted(str(p) for p in (folder / name).rglob("*") if p.name.lower().endswith(extensions))
        for name in classes
    }
    empty = [name for name, files in found.items() if not files]
    if empty:
        message = f"Found no valid file for the classes {', '.join(empty)}."
        raise FileNotFoundError(message)
    return found


def test_image_folder_reads_the_split_of_a_class_folder_set(tmp_path: Path) -> None:
    source = kit("classes/clothing_cc0")
    dataset = Dataset.create(tmp_path / "data")
    dataset.add(source)
    dataset.split()
    found = {split: find_classes(tmp_path / "data" / split) for split in ("train", "val", "test")}
    assert set(found["train"]) == {path.name for path in source.iterdir() if path.is_dir()}
    assert sum(len(files) for classes in found.values() for files in classes.values()) == 1021
    dataset.unsplit()
    with pytest.raises(FileNotFoundError, match="any class"):
        find_classes(tmp_path / "data" / "train")


def test_the_same_real_set_in_any_order_gives_the_same_json(tmp_path: Path) -> None:
    source = kit("pairs/polyu_crops")
    reports = []
    for name, threads in (("one", 1), ("two", 4)):
        files = sorted(source.iterdir())
        random.Random(name).shuffle(files)
        (tmp_path / name / "stage_data").mkdir(parents=True)
        for path in files:
            shutil.copy2(path, tmp_path / name / "stage_data")
        reports.append(Dataset(tmp_path / name, threads=threads).plan_split().report.as_json())
    assert reports[0] == reports[1]


def test_every_nasty_file_is_accounted_for(tmp_path: Path) -> None:
    shutil.copytree(kit("nasty"), tmp_path / "stage_data", symlinks=True)
    found = scan(tmp_path, ["stage_data"])
    assert len(found.files) == sum(len(files) for _, _, files in os.walk(tmp_path / "stage_data"))
    for record in found.files:
        assert record.kind is not Kind.IMAGE or (record.image is None) == bool(record.trouble)
        assert record.kind is not Kind.IGNORED or record.trouble
