"""`resize`: all images of a sample get one geometry; the originals are kept, and later sizes start from them."""

from __future__ import annotations

import errno
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgstage import Dataset, resizing
from imgstage.errors import ChangedError, DestinationError, RefusedError, UsageError
from imgstage.journal import engine
from imgstage.journal.system import write_durable
from imgstage.plan import Plan
from imgstage.resizing import Recipe
from imgstage.verbs import resize

from ..helpers import as_nobody, kit, photo, picture, snapshot, stage, write


def sizes(dataset: Dataset) -> dict[str, tuple[int, int]]:
    """(height, width) of each image file, by its path in the root."""
    root = dataset.root.path
    paths = [path for path in root.rglob("*.*") if ".imgstage" not in path.parts and path.suffix in (".jpg", ".png")]
    return {str(path.relative_to(root)): opened(path).size[::-1] for path in paths}


def opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


def write_photos(folder: Path, count: int, size: tuple[int, int] = (120, 80)) -> None:
    """Pairs cut from one photograph, each with its own bytes, mtime and mode."""
    coffee = photo("coffee")
    for number in range(1, count + 1):
        cut = Image.fromarray(np.roll(coffee, 17 * number, (0, 1))[: size[0], : size[1]])
        for role, quality in (("before", 60), ("after", 95)):
            buffer = io.BytesIO()
            cut.save(buffer, "JPEG", quality=quality)
            write(folder / f"p_{number:02d}_{role}.jpg", buffer.getvalue(), 1_500_000_000 + number, 0o640)


@pytest.fixture
def photos(empty: Dataset) -> Dataset:
    """A root with twelve pairs of 120 x 80 pixels in `stage_data/`."""
    write_photos(stage(empty), 12)
    return empty


def details(plan: Plan) -> dict[str, object]:
    return dict(plan.report.details)


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
    told = details(Dataset(photos.root.path, remember=False).plan_resize(size=(60, 40)))
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


def test_later_sizes_start_from_the_originals(photos: Dataset) -> None:
    direct = Dataset.create(photos.root.path.parent / "direct")
    write_photos(stage(direct), 12)
    direct.resize(size=(90, 60))
    photos.resize(size=(30, 20))
    photos.rename(prefix="q_")
    photos.split()
    plan = photos.plan_resize(size=(90, 60))  # larger than they are now, not than they were
    assert details(plan)["from_originals"] == 24
    plan.apply()
    photos.unsplit()
    made = [path.read_bytes() for path in sorted(stage(photos).iterdir())]
    assert made == [path.read_bytes() for path in sorted(stage(direct).iterdir())]


def test_a_size_that_an_original_has_brings_it_back(photos: Dataset) -> None:
    before = snapshot(photos.root.path)
    photos.resize(size=(30, 20))
    plan = photos.plan_resize(size=(120, 80))
    assert (details(plan)["restored"], details(plan)["images"]) == (24, 24)
    plan.apply()
    assert snapshot(photos.root.path) == before
    photos.undo()
    assert set(sizes(photos).values()) == {(30, 20)}
    photos.undo(1)
    assert snapshot(photos.root.path) == before


def test_what_fits_is_not_encoded_again(photos: Dataset) -> None:
    assert photos.resize(size=(120, 80)) is None
    photos.resize(size=(60, 40))
    assert photos.resize(size=(60, 40)) is None
    assert photos.resize(long_side=60) is None
    plan = photos.plan_resize(size=(60, 40), fit="cover")  # that keeps the aspect too
    assert plan.is_empty
    assert not photos.plan_resize(size=(60, 30)).is_empty


def test_the_same_size_another_way_is_made_anew_from_the_original(photos: Dataset) -> None:
    photos.resize(size=(60, 60))
    plan = photos.plan_resize(size=(60, 60), fit="cover")
    assert details(plan)["from_originals"] == 24


def test_an_image_that_a_hand_moved_keeps_its_original(photos: Dataset) -> None:
    photos.resize(size=(30, 20))
    for path in list(stage(photos).iterdir()):
        path.rename(path.with_name(f"moved_{path.name}"))
    assert details(photos.plan_resize(size=(60, 40)))["from_originals"] == 24


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


def test_one_bad_image_is_held_with_its_sample_and_the_rest_goes_on(photos: Dataset) -> None:
    image = Image.fromarray(photo("coffee")[:120, :80]).convert("RGBA")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    bad = stage(photos) / "p_05_after.jpg"  # a PNG under that name, with a channel for transparency
    write(bad, buffer.getvalue())
    before = snapshot(photos.root.path)
    operation = photos.resize(size=(60, 40), format="jpg")
    assert operation is not None
    assert operation.report is not None
    assert {note.path for note in operation.report.held} == {f"stage_data/p_05_{r}.jpg" for r in ("before", "after")}
    assert all("p_05_after.jpg: JPEG cannot hold" in note.reason for note in operation.report.held)
    after = snapshot(photos.root.path)
    assert {path for path in after if after[path] == before[path]} == {
        "stage_data/",
        *(f"stage_data/p_05_{role}.jpg" for role in ("before", "after")),
    }


def test_when_no_image_can_be_made_nothing_is_done(empty: Dataset) -> None:
    write(stage(empty) / "x.gif", picture(1, "GIF"))
    assert "GIF cannot hold its pixels" in empty.plan_resize(scale="0.5").report.held[0].reason
    frames = [Image.fromarray(np.full((8, 8), value, np.uint8)) for value in (1, 200)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
    write(stage(empty) / "y.webp", buffer.getvalue())
    before = snapshot(empty.root.path)
    with pytest.raises(RefusedError, match=r"Of the 1 samples that are left to resize none can be .*holds 2 pictures"):
        empty.resize(scale="0.5")
    assert snapshot(empty.root.path) == before
    assert empty.log() == []


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


def test_an_image_that_changes_meanwhile_refuses_all(photos: Dataset) -> None:
    plan = photos.plan_resize(size=(60, 40))
    write(stage(photos) / "p_01_after.jpg", picture(9))
    before = snapshot(photos.root.path)
    with pytest.raises(ChangedError, match=r"p_01_after\.jpg changed since it was looked at"):
        plan.apply()
    assert snapshot(photos.root.path) == before


def test_a_folder_that_cannot_be_written_refuses_before_anything_is_made(
    photos: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    with as_nobody(photos.root.path):
        dataset = Dataset(photos.root.path)
        plan = dataset.plan_resize(size=(60, 40))
        monkeypatch.setattr(resizing, "decode", lambda *_, **__: pytest.fail("an image was made"))
        stage(photos).chmod(0o555)
        try:
            with pytest.raises(DestinationError, match="stage_data cannot be written"):
                plan.apply()
        finally:
            stage(photos).chmod(0o755)


def test_what_an_interrupted_run_made_is_used_again(photos: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Recipe] = []

    def counting(recipe: Recipe, data: bytes) -> bytes:
        made.append(recipe)
        return resizing.make(recipe, data)

    @contextmanager
    def pressed_after_ten() -> Iterator[Callable[[], bool]]:
        yield lambda: len(made) >= 10

    before = snapshot(photos.root.path)
    monkeypatch.setattr(resize, "make", counting)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "quietly_interruptible", pressed_after_ten)
        with pytest.raises(RefusedError, match=r"interrupted after \d+ of 24 images.*use those that are made"):
            photos.resize(size=(60, 40))
    assert snapshot(photos.root.path) == before
    first = len(made)
    photos.resize(size=(60, 40))
    assert 10 <= first < 24
    assert len(made) == 24
    assert set(sizes(photos).values()) == {(60, 40)}
    assert list((photos.root.path / ".imgstage/incoming").iterdir()) == []


def interrupted(dataset: Dataset, monkeypatch: pytest.MonkeyPatch, **wishes: object) -> list[Path]:
    """Press Ctrl-C in the midst of a resize; what it leaves to be used again."""
    pressed = iter([False] * 12 + [True] * 100)

    @contextmanager
    def impatient() -> Iterator[Callable[[], bool]]:
        yield lambda: next(pressed)

    with monkeypatch.context() as patch:
        patch.setattr(engine, "quietly_interruptible", impatient)
        with pytest.raises(RefusedError, match="interrupted"):
            dataset.resize(**wishes)  # type: ignore[arg-type]
    return sorted((dataset.root.path / ".imgstage/incoming").glob("made-*.jpg"))


def test_only_what_is_still_as_it_was_noted_is_used_again(
    photos: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in interrupted(photos, monkeypatch, size=(60, 40)):
        status = path.stat()
        path.write_bytes(picture(1, size=(60, 40)).ljust(status.st_size, b"\0")[: status.st_size])
        os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
    photos.resize(size=(60, 40))
    direct = Dataset.create(tmp_path / "direct")
    write_photos(stage(direct), 12)
    direct.resize(size=(60, 40))
    made = [path.read_bytes() for path in sorted(stage(photos).iterdir())]
    assert made == [path.read_bytes() for path in sorted(stage(direct).iterdir())]


def test_another_wish_or_another_image_uses_nothing_of_it(photos: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    assert interrupted(photos, monkeypatch, size=(60, 40), quality=50)
    write(stage(photos) / "p_01_after.jpg", picture(5, size=(120, 80)))
    photos.resize(size=(60, 40), quality=50)
    seen = np.asarray(opened(stage(photos) / "p_01_after.jpg"), float)
    wished = np.asarray(Image.open(io.BytesIO(picture(5, size=(120, 80)))).resize((40, 60)), float)
    assert np.abs(seen - wished).mean() < 8
    photos.undo()
    assert interrupted(photos, monkeypatch, size=(60, 40), quality=50)
    photos.resize(size=(60, 40), quality=100)
    assert (stage(photos) / "p_02_after.jpg").stat().st_size > 2000


def test_recover_leaves_what_waits_for_the_next_run(photos: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    made = interrupted(photos, monkeypatch, size=(60, 40))
    photos.recover()
    assert all(path.exists() for path in made)
    photos.hold("p_12")
    assert not any(path.exists() for path in made), "another verb clears it away"


def test_a_full_disk_in_the_midst_gives_the_space_back(photos: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    count = iter(range(100))

    def full(path: str, blocks: object, identity: object = None) -> None:
        if next(count) == 7:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        write_durable(path, blocks, identity)  # type: ignore[arg-type]

    before = snapshot(photos.root.path)
    monkeypatch.setattr("imgstage.journal.incoming.write_durable", full)
    with pytest.raises(DestinationError, match="No space left on device; everything is back where it was"):
        photos.resize(size=(60, 40))
    assert snapshot(photos.root.path) == before
    assert list((photos.root.path / ".imgstage/incoming").iterdir()) == []


def test_memory_that_lacks_for_one_image_holds_it(photos: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    count, lock = iter(range(100)), threading.Lock()

    def scarce(recipe: Recipe, data: bytes) -> bytes:
        with lock:
            if next(count) == 5:
                raise MemoryError
        return resizing.make(recipe, data)

    monkeypatch.setattr(resize, "make", scarce)
    operation = photos.resize(size=(60, 40))
    assert operation is not None
    assert operation.report is not None
    assert len(operation.report.held) == 2
    assert "not enough memory" in operation.report.held[0].reason


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


def test_super_resolution_keeps_its_scale(empty: Dataset) -> None:
    for number in range(3):
        write(stage(empty) / f"lr/{number}.png", picture(number, "PNG", (32, 48)))
        write(stage(empty) / f"hr/{number}.png", picture(number + 10, "PNG", (64, 96)))
    assert empty.plan_resize(multiple_of=16).is_empty
    assert empty.plan_resize(orient="landscape").is_empty
    assert "--scale keeps them so" in empty.plan_resize(long_side=40).report.held[0].reason
    empty.resize(scale="0.5")
    assert set(sizes(empty).values()) == {(16, 24), (32, 48)}


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


def test_a_copy_that_a_hand_made_does_not_block_the_original(photos: Dataset) -> None:
    photos.resize(scale="0.5")
    for role in ("before", "after"):
        write(stage(photos) / f"z_{role}.jpg", (stage(photos) / f"p_01_{role}.jpg").read_bytes())
    plan = photos.plan_resize(scale="1")
    assert {note.path for note in plan.report.held} == {f"stage_data/z_{role}.jpg" for role in ("before", "after")}
    plan.apply()
    assert sizes(photos)["stage_data/p_01_before.jpg"] == (120, 80)


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
