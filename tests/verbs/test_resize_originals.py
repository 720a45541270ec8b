"""Resizing again: from the original, whatever became of its small copy since."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgstage import Dataset
from imgstage.errors import ChangedError

from ..helpers import picture, snapshot, stage, write
from .photos import opened, sizes, write_photos


def test_later_sizes_start_from_the_originals(photos: Dataset) -> None:
    direct = Dataset.create(photos.root.path.parent / "direct")
    write_photos(stage(direct), 12)
    direct.resize(size=(90, 60))
    photos.resize(size=(30, 20))
    photos.rename(prefix="q_")
    photos.split()
    plan = photos.plan_resize(size=(90, 60))  # larger than they are now, not than they were
    assert plan.report.details["from_originals"] == 24
    plan.apply()
    photos.unsplit()
    made = [path.read_bytes() for path in sorted(stage(photos).iterdir())]
    assert made == [path.read_bytes() for path in sorted(stage(direct).iterdir())]


def test_a_size_that_an_original_has_brings_it_back(photos: Dataset) -> None:
    before = snapshot(photos.root.path)
    photos.resize(size=(30, 20))
    plan = photos.plan_resize(size=(120, 80))
    assert (plan.report.details["restored"], plan.report.details["images"]) == (24, 24)
    plan.apply()
    assert snapshot(photos.root.path) == before
    photos.undo()
    assert set(sizes(photos).values()) == {(30, 20)}
    photos.undo(1)
    assert snapshot(photos.root.path) == before


def test_the_same_size_another_way_is_made_anew_from_the_original(photos: Dataset) -> None:
    photos.resize(size=(60, 60))
    plan = photos.plan_resize(size=(60, 60), fit="cover")
    assert plan.report.details["from_originals"] == 24


def test_an_image_that_a_hand_moved_keeps_its_original(photos: Dataset) -> None:
    photos.resize(size=(30, 20))
    for path in list(stage(photos).iterdir()):
        path.rename(path.with_name(f"moved_{path.name}"))
    assert photos.plan_resize(size=(60, 40)).report.details["from_originals"] == 24


def test_an_image_whose_original_cannot_be_told_is_held(empty: Dataset) -> None:
    for name, value in (("a", 100), ("b", 101)):  # different originals that look the same when they are small
        pixels = np.zeros((64, 64), np.uint8)
        pixels[:2, :2] = value
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        write(stage(empty) / f"{name}.png", buffer.getvalue())
    empty.resize(size=(2, 2), labels=())
    made = sorted(stage(empty).iterdir())
    assert made[0].read_bytes() == made[1].read_bytes()
    for path in made:
        path.rename(path.with_name(f"x{path.name}"))
    plan = empty.plan_resize(size=(32, 32))
    assert plan.is_empty
    assert "which of several originals" in plan.report.held[0].reason


def test_an_edit_of_a_resized_image_is_an_original(photos: Dataset) -> None:
    photos.resize(size=(60, 40))
    edited = stage(photos) / "p_01_after.jpg"
    write(edited, picture(5, size=(60, 40)))
    photos.resize(size=(30, 20))
    photos.undo()
    assert edited.read_bytes() == picture(5, size=(60, 40))


def test_a_small_copy_and_its_original_are_one_picture(empty: Dataset) -> None:
    """Copies of test images, before and after these were resized, go where they are."""
    for number in range(40):
        write(stage(empty) / f"{number:02d}.png", picture(number, "PNG"))
    empty.split()
    test = [sample for sample in empty.samples if sample.split == "test"]
    originals = {sample.key: (empty.root.path / sample.files[0].path).read_bytes() for sample in test}
    for key, content in originals.items():
        write(stage(empty) / f"copy_{key}.png", content)
    empty.resize("stage_data", scale="0.5")
    empty.split()
    assert {s.split for s in empty.samples if s.key.startswith("copy_")} == {"test"}
    empty.resize(scale="0.5")
    empty.purge()
    for key, content in originals.items():
        write(stage(empty) / f"again_{key}.png", content)
    empty.split()
    assert {s.split for s in empty.samples if s.key.startswith("again_")} == {"test"}


def test_a_resized_image_that_is_missing_is_still_known_by_its_original(empty: Dataset) -> None:
    for number in range(40):
        write(stage(empty) / f"{number:02d}.png", picture(number, "PNG"))
    empty.split()
    test = next(sample for sample in empty.samples if sample.split == "test")
    original = (empty.root.path / test.files[0].path).read_bytes()
    empty.resize(scale="0.5")
    (empty.root.path / test.files[0].path).unlink()
    write(stage(empty) / "again.png", original)
    empty.split(accept_new=True)
    assert next(s.split for s in empty.samples if s.key == "again") == "test"


def test_a_copy_in_another_split_is_found_after_a_resize_too(empty: Dataset) -> None:
    for place, number in (("train/copy", 1), ("test/one", 1), ("train/two", 2), ("val/three", 3)):
        write(empty.root.path / f"{place}.png", picture(number, "PNG"))
    empty.split()
    empty.resize("test", scale="0.5")
    assert [(one.code, one.path, one.sentence) for one in empty.check() if one.is_error] == [
        (
            "duplicate-across-splits",
            "train/copy.png",
            "it is, or was, the same picture as test/one.png (test)",
        )
    ]


def test_originals_that_are_added_again_are_there_already(photos: Dataset, tmp_path: Path) -> None:
    for path in stage(photos).iterdir():
        write(tmp_path / "in" / path.name, path.read_bytes())
    photos.resize(scale="0.5")
    assert photos.add(tmp_path / "in") is None


def test_an_edit_that_split_has_not_seen_is_held(photos: Dataset) -> None:
    photos.split()
    path = next((photos.root.path / "train").glob("*.jpg"))
    write(path, picture(77, size=(120, 80)))
    plan = photos.plan_resize(scale="0.5")
    assert {note.path for note in plan.report.held} >= {f"train/{path.name}"}
    assert "must look at that first" in plan.report.held[0].reason


def test_halves_do_not_start_from_different_generations(photos: Dataset) -> None:
    photos.resize(scale="0.5")
    write(stage(photos) / "p_01_after.jpg", picture(5, size=(60, 40)))
    plan = photos.plan_resize(scale="0.25")
    assert {note.path for note in plan.report.held} == {f"stage_data/p_01_{role}.jpg" for role in ("before", "after")}
    assert "would start from their originals" in plan.report.held[0].reason


def test_a_bit_that_flips_in_the_vault_is_noticed(photos: Dataset) -> None:
    photos.resize(scale="0.5")
    rotten = next((photos.root.path / ".imgstage/vault").rglob("*.jpg"))
    status, content = rotten.stat(), bytearray(rotten.read_bytes())
    content[len(content) // 2] ^= 1
    rotten.write_bytes(content)
    os.utime(rotten, ns=(status.st_mtime_ns, status.st_mtime_ns))
    found = photos.check(digests=True)
    assert [(one.code, one.path) for one in found] == [("rot", str(rotten.relative_to(photos.root.path)))]
    assert photos.check() == []
    before = snapshot(photos.root.path)
    with pytest.raises(ChangedError, match="is not what was put there"):
        photos.undo()
    assert snapshot(photos.root.path) == before


def test_an_original_that_was_changed_in_the_vault_is_not_used(photos: Dataset) -> None:
    before = snapshot(photos.root.path)
    photos.resize(scale="0.5")
    spoiled = next((photos.root.path / ".imgstage/vault").rglob("*.jpg"))
    write(spoiled, picture(5, size=(120, 80)))
    assert len(photos.plan_resize(scale="0.75").report.held) == 2
    with pytest.raises(ChangedError, match=r"is not what was put there|these are gone"):
        photos.undo()
    photos.undo(without_missing=True)
    different = {path for path, entry in snapshot(photos.root.path).items() if before.get(path) != entry}
    assert len(different) == 1
    assert opened(photos.root.path / different.pop()).size == (40, 60), "the small copy stands in"


def test_a_copy_that_a_hand_made_does_not_block_the_original(photos: Dataset) -> None:
    photos.resize(scale="0.5")
    for role in ("before", "after"):
        write(stage(photos) / f"z_{role}.jpg", (stage(photos) / f"p_01_{role}.jpg").read_bytes())
    plan = photos.plan_resize(scale="1")
    assert {note.path for note in plan.report.held} == {f"stage_data/z_{role}.jpg" for role in ("before", "after")}
    plan.apply()
    assert sizes(photos)["stage_data/p_01_before.jpg"] == (120, 80)
