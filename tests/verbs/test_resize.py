"""`resize`: all images of a sample get one geometry; the originals are kept, and later sizes start from them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgstage import Dataset
from imgstage.errors import DestinationError, RefusedError, UsageError

from ..helpers import kit, photo, picture, snapshot, stage, write
from .photos import opened, sizes, write_photos


def test_every_image_gets_the_size_and_undo_returns_the_very_bytes(photos: Dataset) -> None:
    before = snapshot(photos.root.path)
    operation = photos.resize(size=(60, 40))
    assert operation is not None
    assert operation.report is not None
    assert (operation.report.done, operation.report.changed) == (24, 24)
    assert set(sizes(photos).values()) == {(60, 40)}
    assert set(snapshot(photos.root.path)) == set(before)
    photos.undo()
    assert snapshot(photos.root.path) == before
    photos.undo()  # the undo
    assert set(sizes(photos).values()) == {(60, 40)}


def test_the_result_depends_on_nothing_but_the_images(tmp_path: Path) -> None:
    found: list[list[bytes]] = []
    for threads in (1, 8):
        dataset = Dataset.create(tmp_path / f"root{threads}")
        write_photos(stage(dataset), 12)
        Dataset(dataset.root.path, threads=threads).resize(size=(60, 40))
        found.append([path.read_bytes() for path in sorted(stage(dataset).iterdir())])
    assert found[0] == found[1]


def test_a_dry_run_tells_what_it_will_take_and_writes_nothing(photos: Dataset) -> None:
    before = {path: path.stat().st_mtime_ns for path in photos.root.path.rglob("*")}
    told = Dataset(photos.root.path, remember=False).plan_resize(size=(60, 40)).report.details
    assert {path: path.stat().st_mtime_ns for path in photos.root.path.rglob("*")} == before
    assert (told["images"], told["samples"]) == (24, 12)
    assert (told["source_pixels"], told["pixels"]) == (24 * 120 * 80, 24 * 60 * 40)
    photos.resize(size=(60, 40))
    written = sum(path.stat().st_size for path in stage(photos).iterdir())
    assert written <= int(str(told["expected_bytes"])) <= 2 * written


def test_ids_splits_and_tables_follow(photos: Dataset) -> None:
    photos.split()
    before = {sample.key: (sample.id, sample.split) for sample in photos.samples}
    photos.resize(scale="0.5", format="png")
    assert {sample.key: (sample.id, sample.split) for sample in photos.samples} == before
    assert photos.check() == []
    listed = [json.loads(line) for line in (photos.root.path / "test/metadata.jsonl").read_text().splitlines()]
    assert all((photos.root.path / "test" / line["before_file_name"]).suffix == ".png" for line in listed)
    assert all((photos.root.path / "test" / line["after_file_name"]).is_file() for line in listed)
    photos.unsplit()
    photos.split()
    assert {sample.key: (sample.id, sample.split) for sample in photos.samples} == before
    assert all(sample.place == sample.split for sample in photos.samples)


def test_what_fits_is_not_encoded_again(photos: Dataset) -> None:
    assert photos.resize(size=(120, 80)) is None
    photos.resize(size=(60, 40))
    assert photos.resize(size=(60, 40)) is None
    assert photos.resize(long_side=60) is None
    plan = photos.plan_resize(size=(60, 40), fit="cover")  # that keeps the aspect too
    assert plan.is_empty
    assert not photos.plan_resize(size=(60, 30)).is_empty


def test_images_of_one_sample_get_one_geometry(empty: Dataset) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    wide = Image.fromarray(photo("coffee")[:80, :120])
    buffer = io.BytesIO()
    wide.transpose(Image.Transpose.ROTATE_90).save(buffer, "JPEG", exif=exif.tobytes(), quality=95)  # seen wide
    write(stage(empty) / "a_before.jpg", buffer.getvalue())
    buffer = io.BytesIO()
    wide.save(buffer, "JPEG", quality=95)
    write(stage(empty) / "a_after.jpg", buffer.getvalue())
    write(stage(empty) / "b_before.jpg", picture(1, size=(80, 120)))
    write(stage(empty) / "b_after.jpg", picture(2, size=(120, 80)))
    operation = empty.resize(size=(60, 40), orient="portrait")
    assert operation is not None
    assert operation.report is not None
    held = {note.path: note.reason for note in operation.report.held}
    assert set(held) == {"stage_data/b_before.jpg", "stage_data/b_after.jpg"}
    assert "different shapes (80x120 and 120x80, height x width)" in held["stage_data/b_before.jpg"]
    one, other = (np.asarray(opened(stage(empty) / f"a_{role}.jpg"), float) for role in ("before", "after"))
    assert one.shape == (60, 40, 3)
    assert np.abs(one - other).mean() < 3


def test_masks_keep_their_values(empty: Dataset) -> None:
    labels = np.random.default_rng(0).choice([0, 3, 7], (39, 60)).astype(np.uint8)
    mask = Image.fromarray(labels)
    mask.putpalette(list(range(256)) * 3)
    for number in range(3):
        write(stage(empty) / f"images/{number}.jpg", picture(number, size=(39, 60)))
        buffer = io.BytesIO()
        mask.save(buffer, "PNG")
        write(stage(empty) / f"masks/{number}.png", buffer.getvalue())
    empty.resize(scale="1/3", format="webp")
    found = opened(stage(empty) / "masks/0.png")
    assert found.mode == "P"
    assert np.array_equal(np.asarray(found), labels[1::3, 1::3])
    assert found.getpalette() == mask.getpalette()
    assert {path.name for path in (stage(empty) / "images").iterdir()} == {"0.webp", "1.webp", "2.webp"}


def test_a_new_suffix_is_followed_by_sidecars(photos: Dataset) -> None:
    write(stage(photos) / "p_01_before.jpg.txt", b"boxes")
    write(stage(photos) / "p_02.json", b"{}")
    before = snapshot(photos.root.path)
    photos.resize(format="png", scale="0.5")
    found = {path.name for path in stage(photos).iterdir()}
    assert {"p_01_before.png", "p_01_before.png.txt", "p_02.json"} <= found
    assert not any(name.endswith(".jpg") for name in found)
    photos.undo()
    assert snapshot(photos.root.path) == before


def test_a_taken_name_refuses(empty: Dataset) -> None:
    write(stage(empty) / "x.jpg", picture(1))
    write(stage(empty) / "x.png", picture(2, "PNG"))
    before = snapshot(empty.root.path)
    with pytest.raises(DestinationError, match=r"x\.png"):
        empty.resize(scale="0.5", format="png")
    assert snapshot(empty.root.path) == before


def test_a_wrong_extension_stays_with_its_format(empty: Dataset) -> None:
    write(stage(empty) / "x.jpg", picture(1, "PNG"))
    empty.resize(scale="0.5")
    assert opened(stage(empty) / "x.jpg").format == "PNG"


def test_enlarging_wants_to_be_asked_for(photos: Dataset) -> None:
    plan = photos.plan_resize(size=(240, 160))
    assert plan.is_empty
    assert len(plan.report.held) == 24
    assert "would be enlarged to 240x160; --enlarge allows it" in plan.report.held[0].reason
    photos.resize(size=(240, 160), enlarge=True)
    assert set(sizes(photos).values()) == {(240, 160)}


def test_only_named_samples_change(photos: Dataset) -> None:
    photos.resize("p_01", stage(photos) / "p_02_after.jpg", size=(60, 40))
    small = {path for path, size in sizes(photos).items() if size == (60, 40)}
    assert small == {f"stage_data/p_0{n}_{role}.jpg" for n in (1, 2) for role in ("before", "after")}


@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"size": "0x5"},
        {"size": "5"},
        {"scale": "2"},
        {"scale": "x"},
        {"long_side": 0},
        {"size": "5x5", "quality": 0},
    ],
)
def test_wishes_that_make_no_sense_are_refused(photos: Dataset, wishes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        photos.resize(**wishes)  # type: ignore[arg-type]


def test_real_pairs_of_a_camera(empty: Dataset) -> None:
    source = kit("pairs/polyu_crops")
    empty.add(source)
    before = snapshot(empty.root.path)
    empty.resize(long_side=256, multiple_of=32)
    assert all(height % 32 == width % 32 == 0 for height, width in sizes(empty).values())
    empty.undo()
    assert snapshot(empty.root.path) == before


def values(count: int) -> bytes:
    """A grey PNG of so many values, as a mask has them."""
    pixels = np.random.default_rng(count).integers(0, count, (40, 60)) * (255 // (count - 1))
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_what_looks_like_labels_is_never_blended_unasked(empty: Dataset) -> None:
    for number in range(4):
        write(stage(empty) / f"{number}_before.jpg", picture(number, size=(40, 60)))
        write(stage(empty) / f"{number}_after.png", values(3))
    with pytest.raises(RefusedError, match=r"its 3 values look like labels; say with --labels"):
        empty.resize(scale="0.5")
    empty.resize(scale="0.5", labels=["after"])
    assert set(np.unique(np.asarray(opened(stage(empty) / "0_after.png")))) == {0, 127, 254}
    empty.undo()
    empty.resize(scale="0.5", labels=[])
    assert len(np.unique(np.asarray(opened(stage(empty) / "0_after.png")))) > 3


def test_naming_another_role_takes_no_protection_from_masks(empty: Dataset) -> None:
    for number in range(4):
        write(stage(empty) / f"{number}.jpg", picture(number, size=(40, 60)))
        write(stage(empty) / f"{number}_mask.png", values(3))
    for labels in ([], ["Mask"]):
        empty.resize(scale="0.5", labels=labels)
        assert set(np.unique(np.asarray(opened(stage(empty) / "0_mask.png")))) == {0, 127, 254}
        empty.undo()
    with pytest.raises(UsageError, match=r"No sample has the role maks.*There are: image, mask"):
        empty.resize(scale="0.5", labels=["maks"])


def test_super_resolution_keeps_its_scale(empty: Dataset) -> None:
    for number in range(3):
        write(stage(empty) / f"lr/{number}.png", picture(number, "PNG", (32, 48)))
        write(stage(empty) / f"hr/{number}.png", picture(number + 10, "PNG", (64, 96)))
    assert empty.plan_resize(multiple_of=16).is_empty
    assert empty.plan_resize(orient="landscape").is_empty
    assert not empty.plan_resize(orient="portrait").is_empty
    assert "--scale keeps them so" in empty.plan_resize(long_side=40).report.held[0].reason
    empty.resize(scale="0.5")
    assert set(sizes(empty).values()) == {(16, 24), (32, 48)}


def test_multiples_keep_the_scale_too(empty: Dataset) -> None:
    for number in range(12):
        write(stage(empty) / f"lr/{number}.png", picture(number, "PNG", (50, 50)))
        write(stage(empty) / f"hr/{number}.png", picture(number + 20, "PNG", (200, 200)))
    empty.resize(multiple_of=32)
    assert {path.split("/")[1]: size for path, size in sizes(empty).items()} == {"lr": (32, 32), "hr": (128, 128)}
    assert empty.check() == []


def test_halves_are_turned_together(empty: Dataset) -> None:
    write(stage(empty) / "a_before.png", picture(1, "PNG", (100, 101)))
    write(stage(empty) / "a_after.png", picture(2, "PNG", (100, 100)))
    empty.resize(scale="0.5", orient="portrait")
    assert set(sizes(empty).values()) == {(50, 50)}
    one, other = (np.asarray(opened(stage(empty) / f"a_{role}.png"), float) for role in ("before", "after"))
    for pixels, seed, width in ((one, 1, 101), (other, 2, 100)):
        then = np.asarray(Image.open(io.BytesIO(picture(seed, "PNG", (100, width)))).resize((50, 50)), float)
        assert np.abs(np.rot90(then) - pixels).mean() < 5


@pytest.mark.parametrize(("side", "count"), [(1024, 3), (1024, 20), (600, 32)])
def test_labels_of_small_things_are_seen(empty: Dataset, side: int, count: int) -> None:
    """Objects that lie between the pixels at which one would look first."""
    pixels = np.zeros((side, side), np.uint8)
    for number in range(1, count):
        row, column = divmod(number, 8)
        pixels[row * 64 + 3 : row * 64 + 6, column * 64 + 3 : column * 64 + 6] = number * 8 - 1
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    write(stage(empty) / "x_before.jpg", picture(1, size=(side, side)))
    write(stage(empty) / "x_after.png", buffer.getvalue())
    with pytest.raises(RefusedError, match=f"its {count} values look like labels"):
        empty.resize(scale="0.5")


def test_a_size_may_be_a_list(photos: Dataset) -> None:
    photos.resize(scale="0.5")
    assert photos.plan_resize(size=[120, 80]).report.details["restored"] == 24  # type: ignore[arg-type]


def test_two_files_of_one_stem_are_told_by_their_names(empty: Dataset) -> None:
    write(stage(empty) / "a.jpg", picture(1))
    write(stage(empty) / "a.png", picture(2, "PNG"))
    with pytest.raises(DestinationError, match=r"stage_data/a\.png would become stage_data/a\.jpg"):
        empty.resize(scale="0.5", format="jpg")


def test_a_name_that_would_be_too_long_is_refused(empty: Dataset) -> None:
    write(stage(empty) / f"{'x' * 251}.jpg", picture(1))
    before = snapshot(empty.root.path)
    with pytest.raises(DestinationError, match="at most 255 bytes"):
        empty.resize(scale="0.5", format="webp")
    assert snapshot(empty.root.path) == before


@pytest.mark.parametrize("wishes", [{"fit": "Cover"}, {"orient": "Portrait"}, {"format": "jpeg"}])
def test_words_that_mean_nothing_are_refused(photos: Dataset, wishes: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="Did you mean"):
        photos.resize(size=(5, 5), **wishes)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", ["1e9", "1e-99999999", "999999999", "500000"])
def test_no_scale_leads_to_more_pixels_than_there_may_be(photos: Dataset, scale: str) -> None:
    try:
        plan = photos.plan_resize(scale=scale, enlarge=True)
    except UsageError:
        return
    assert plan.is_empty
    assert "pixels an image may have" in plan.report.held[0].reason


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_halves_in_a_turned_tiff_and_a_png_stay_the_same_picture(empty: Dataset, orientation: int) -> None:
    upright = Image.fromarray(photo("coffee")[:200, :300])
    way = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        6: Image.Transpose.ROTATE_90,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stage(empty).mkdir(exist_ok=True)
    upright.save(stage(empty) / "a_before.png")
    upright.transpose(way).save(stage(empty) / "a_after.tif", tiffinfo={0x0112: orientation})
    empty.resize(scale="0.5")
    one, other = (np.asarray(opened(stage(empty) / name), float) for name in ("a_before.png", "a_after.tif"))
    assert one.shape == other.shape == (100, 150, 3)
    assert np.abs(one - other).mean() < 1


def test_twins_that_are_held_are_in_nobodys_way(empty: Dataset) -> None:
    for number in range(30):
        write(stage(empty) / f"s{number}_before.png", picture(2 * number, "PNG"))
        write(stage(empty) / f"s{number}_after.png", picture(2 * number + 1, "PNG"))
    write(stage(empty) / "S1_before.png", picture(90, "PNG"))
    write(stage(empty) / "S1_after.png", picture(91, "PNG"))
    plan = empty.plan_resize(scale="0.5")
    assert {note.path[len("stage_data/") :].lower() for note in plan.report.held} == {"s1_before.png", "s1_after.png"}
    plan.apply()
    assert sizes(empty)["stage_data/s2_after.png"] == (12, 16)
