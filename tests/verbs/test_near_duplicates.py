"""Pictures that look nearly the same share a split, however the set grows; an independent judge looks across splits."""

from __future__ import annotations

import io
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from imgstage import Dataset
from imgstage.cli import run
from imgstage.errors import ChangedError, UsageError
from imgstage.geometry import Fit

from ..helpers import KIT, kit, stage, write
from ..lookalikes import cuts, encoded, small_copy


@pytest.fixture
def lone(empty: Dataset) -> Dataset:
    """A root of forty pictures that do not look alike."""
    for number, image in enumerate(cuts(40)):
        write(stage(empty) / f"{number:02d}.png", encoded(image))
    return empty


def place_of(dataset: Dataset) -> dict[str, str]:
    return {sample.key: sample.split for sample in dataset.samples}


def test_copies_go_where_their_originals_are_however_late_they_come(lone: Dataset) -> None:
    lone.split()
    before = place_of(lone)
    for number, image in enumerate(cuts(40)):
        write(stage(lone) / f"late/{number}_copy.jpg", small_copy(image))
    lone.split()
    after = place_of(lone)
    assert after.items() >= before.items()
    assert {key: after[f"late/{int(key)}_copy"] for key in before} == before


def test_a_first_split_divides_no_group(lone: Dataset) -> None:
    for number, image in enumerate(cuts(40)[:20]):
        write(stage(lone) / f"{number}_copy.jpg", small_copy(image))
    plan = lone.plan_split()
    assert plan.report.details["alike_groups"] == 20
    assert plan.report.details["samples_alike"] == 40
    plan.apply()
    found = place_of(lone)
    assert all(found[f"{number:02d}"] == found[f"{number}_copy"] for number in range(20))
    assert Counter(found.values()) == {"train": 48, "val": 7, "test": 5}


def test_what_looks_like_two_splits_is_held_and_says_so(lone: Dataset) -> None:
    lone.split()
    found = place_of(lone)
    images = dict(zip(sorted(found), cuts(40), strict=True))
    train, test = (next(key for key in sorted(found) if found[key] == split) for split in ("train", "test"))
    (lone.root.path / "imgstage.toml").unlink()
    for side, key in (("before", train), ("after", test)):
        write(stage(lone) / f"both/x_{side}.jpg", small_copy(images[key]))
    write(lone.root.path / "imgstage.toml", b'[pairing."both"]\nbefore = "{key}_before"\nafter = "{key}_after"\n')
    plan = lone.plan_split()
    reasons = {note.reason for note in plan.report.held}
    assert reasons == {f"tied: its picture is, or looks like, that of {test} (test) and {train} (train)"}
    assert plan.report.details["new_samples"] == {"train": 0, "val": 0, "test": 0}


def test_groups_that_were_divided_before_stay_and_are_told(lone: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    write(lone.root.path / "train/a.png", encoded(cuts(41)[40]))
    write(lone.root.path / "test/b.jpg", small_copy(cuts(41)[40]))
    assert run(["-C", str(lone.root.path), "split"]) == 0
    told = capsys.readouterr().out
    assert "2 samples look nearly like another, in 1 group; 2 of them are divided, and stay so" in told
    assert "  divided: a (train), b (test); `imgstage -C" in told
    assert (place_of(lone)["a"], place_of(lone)["b"]) == ("train", "test")
    lone.split(reshuffle=True)
    assert len({place_of(lone)["a"], place_of(lone)["b"]}) == 1


def test_it_can_be_turned_off_and_is_remembered(lone: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    for number, image in enumerate(cuts(40)):
        write(stage(lone) / f"{number}_copy.jpg", small_copy(image))
    assert run(["-C", str(lone.root.path), "split", "--near-duplicates", "ignore"]) == 0
    assert "Not looked for: pictures that look nearly the same" in capsys.readouterr().out
    assert 'near_duplicates = "ignore"' in (lone.root.path / "imgstage.toml").read_text()
    found = place_of(lone)
    assert sum(found[f"{number:02d}"] != found[f"{number}_copy"] for number in range(40)) > 3
    assert lone.plan_split().report.details["near_duplicates"] == "ignore"
    plan = lone.plan_split(near_duplicates="tie")
    assert plan.report.details["divided_alike"]
    assert 'near_duplicates = "tie"' in plan.report.details["add_to_settings"]
    with pytest.raises(UsageError, match="near_duplicates is 'maybe'"):
        lone.plan_split(near_duplicates="maybe")  # type: ignore[arg-type]


def test_a_held_sample_has_a_say(lone: Dataset) -> None:
    lone.split()
    found = place_of(lone)
    key = next(key for key in sorted(found) if found[key] == "test")
    image = cuts(40)[int(key)]
    lone.hold(key)
    write(stage(lone) / "copy.jpg", small_copy(image))
    lone.split()
    assert place_of(lone)["copy"] == "test"


@pytest.mark.parametrize("name", ["half{}_after.png", "fits_no_template_{}.png"])
def test_images_of_no_whole_sample_in_test_have_a_say(pairs: Dataset, name: str) -> None:
    """More of them than a draw would put there."""
    pairs.split()
    before, after = cuts(12)[:6], cuts(12)[6:]
    for number in range(6):
        write(pairs.root.path / f"test/{name.format(number)}", encoded(after[number]))
        write(stage(pairs) / f"x{number}_before.png", encoded(before[number]))
        write(stage(pairs) / f"x{number}_after.jpg", small_copy(after[number]))
    pairs.split(accept_new=True)
    assert {split for key, split in place_of(pairs).items() if key.startswith("x")} == {"test"}


@pytest.mark.parametrize("fit", ["cover", "pad"])
def test_a_copy_of_what_a_resized_image_was_is_known(lone: Dataset, fit: Fit) -> None:
    """The small copy was cut or padded, and looks otherwise; its original lies in the vault."""
    lone.split()
    images = dict(zip(sorted(place_of(lone)), cuts(40), strict=True))
    lone.resize("test", size=(120, 300), fit=fit)
    for key, split in place_of(lone).items():
        if split == "test":
            write(stage(lone) / f"again_{key}.jpg", small_copy(images[key]))
    lone.split()
    assert {split for key, split in place_of(lone).items() if key.startswith("again_")} == {"test"}


def test_it_asks_while_a_held_out_image_is_broken(lone: Dataset) -> None:
    lone.split()
    sample = next(sample for sample in lone.samples if sample.split == "test")
    path = lone.root.path / sample.files[0].path
    content = path.read_bytes()
    path.write_bytes(content[:3000])
    lone.split()
    write(stage(lone) / "new.jpg", small_copy(Image.open(io.BytesIO(content)).convert("RGB")))
    with pytest.raises(ChangedError, match="do not decode any more, so copies of what they were may be drawn into"):
        lone.split()
    path.write_bytes(content)
    lone.split()
    assert place_of(lone)["new"] == "test"


@pytest.mark.parametrize("side", [128, 160, 256])
def test_small_pictures_that_were_turned_are_known(empty: Dataset, side: int) -> None:
    for number, image in enumerate(cuts(24)):
        write(stage(empty) / f"{number:02d}.png", encoded(image.resize((side, side), Image.Resampling.LANCZOS)))
    empty.split(ratios="40/30/30")
    before = place_of(empty)
    for sample in empty.samples:
        with Image.open(empty.root.path / sample.files[0].path) as image:
            write(stage(empty) / f"turned_{sample.key}.png", encoded(image.rotate(180)))
    empty.split()
    after = place_of(empty)
    assert {key: after[f"turned_{key}"] for key in before} == before


def test_colours_that_nobody_sees_make_no_difference(empty: Dataset) -> None:
    """Of transparent pixels, what resizes or encodes them makes something else."""
    shape = Image.new("L", (320, 320))
    ImageDraw.Draw(shape).ellipse((40, 60, 280, 260), fill=255)
    for number, image in enumerate(cuts(12)):
        cutout = image.convert("RGB")
        cutout.putalpha(shape)
        write(stage(empty) / f"{number:02d}.png", encoded(cutout))
    empty.split(ratios="40/30/30")
    before = place_of(empty)
    for number, image in enumerate(cuts(12)):
        cutout = image.convert("RGB")
        cutout.putalpha(shape)
        flat = Image.new("RGBA", cutout.size, "white")
        flat.alpha_composite(cutout)
        write(stage(empty) / f"{number:02d}_small.png", encoded(cutout.resize((200, 200), Image.Resampling.LANCZOS)))
        write(stage(empty) / f"{number:02d}_web.webp", encoded(cutout, "WEBP", lossless=True))
        write(stage(empty) / f"{number:02d}_flat.jpg", encoded(flat.convert("RGB"), "JPEG", quality=90))
    empty.split()
    after = place_of(empty)
    assert {key: {after[f"{key}_{what}"] for what in ("small", "web", "flat")} for key in before} == {
        key: {split} for key, split in before.items()
    }


SETS = (
    "pairs/kodak24_seedstyle",
    "pairs/polyu_crops",
    "classes/clothing_cc0",
    "multilabel/bccd",
    "groups/xray_patients",
    "duplicates/pdq_bridge",
)


def test_a_mixture_of_real_sets_with_planted_copies_passes_an_independent_judge(empty: Dataset) -> None:
    """Copies of images of all sets under other names, in other formats, sizes and orientations, some of them late."""
    pdqhash = pytest.importorskip("pdqhash", reason="pdqhash, which is built from source, is not installed")
    for name in SETS:
        shutil.copytree(kit(name), stage(empty) / name.replace("/", "_"), dirs_exist_ok=True)
    originals = sorted(path for path in (KIT / "classes/clothing_cc0").rglob("*.jpg"))[::20]
    originals += sorted((KIT / "multilabel/bccd").rglob("*.jpg"))[::10]
    originals += sorted((KIT / "pairs/kodak24_seedstyle").rglob("*before*"))[::3]
    for number, original in enumerate(originals[::2]):
        plant(original, stage(empty) / "other", number)
    empty.split(accept_new=True)
    for number, original in enumerate(originals[1::2]):
        plant(original, stage(empty) / "late", number)
    empty.split(accept_new=True)
    judged = 0
    for of in judge(pdqhash, empty).values():
        all_of_them = np.stack([hashes for _, _, hashes in of])
        splits = np.array([split for split, _, _ in of])
        for split, path, hashes in of:
            bits = np.bitwise_count(hashes[0] ^ all_of_them).sum(2).min(1)
            near = bits <= 20  # clearly within 31, whatever the decoders differ in
            astray = [of[place][1] for place in np.nonzero(near & (splits != split))[0]]
            assert astray == [], path
            judged += int(near.sum()) - 1
    assert judged > 2 * len(originals)


def judge(pdqhash: Any, dataset: Dataset) -> dict[str, list[tuple[str, str, NDArray[np.uint8]]]]:
    """(split, path, hashes) of each picture by role, from whole decodes and the reference implementation."""
    found: dict[str, list[tuple[str, str, NDArray[np.uint8]]]] = {}
    for sample in dataset.samples:
        for role, records in sample.images.items() if not sample.held else ():
            for record in records:
                with Image.open(dataset.root.path / record.path) as image:
                    pixels = np.asarray(image.convert("RGB"))
                eight, quality = pdqhash.compute_dihedral(pixels)
                if quality > 49:
                    hashes = np.packbits(np.array(eight).reshape(8, 256), axis=1)
                    found.setdefault(role, []).append((sample.split, record.path, hashes))
    return found


def plant(path: Path, folder: Path, number: int) -> None:
    """A copy under another name, changed in one of several ways."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    ways = (
        lambda: ("png", image),
        lambda: ("jpg", image.resize((image.width * 2 // 3, image.height * 2 // 3), Image.Resampling.LANCZOS)),
        lambda: ("webp", image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        lambda: ("jpg", image.transpose(Image.Transpose.ROTATE_270)),
        lambda: ("tif", image.convert("L")),
    )
    suffix, made = ways[number % len(ways)]()
    image_format = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "tif": "TIFF"}[suffix]
    write(folder / f"img{number}.{suffix}", encoded(made, image_format))
