"""Which pictures are nearly alike: found in whatever format, size and orientation; like is compared with like."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from imgstage import Dataset
from imgstage.cache import CACHE
from imgstage.fingerprint import Prints, components
from imgstage.index import Index
from imgstage.likeness import Likeness, alike, compare, prints

from ..helpers import kit, photo, stage, write

PHOTOS = ("astronaut", "coffee", "chelsea", "rocket", "camera", "motorcycle")


def cut(name: str, number: int = 0) -> Image.Image:
    """One of many different pictures of 300 x 300 pixels."""
    whole = photo(name) if name != "motorcycle" else photo("retina")
    top, left = 37 * number % (whole.shape[0] - 299), 53 * number % (whole.shape[1] - 299)
    return Image.fromarray(np.ascontiguousarray(whole[top : top + 300, left : left + 300])).convert("RGB")


def encoded(image: Image.Image, image_format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def variants(image: Image.Image) -> dict[str, bytes]:
    """What people make of a picture, by what the file is called."""
    return {
        "same.png": encoded(image),
        "small.jpg": encoded(image.resize((150, 150), Image.Resampling.LANCZOS), "JPEG", quality=90),
        "large.webp": encoded(image.resize((700, 700), Image.Resampling.BICUBIC), "WEBP", quality=80),
        "poor.jpg": encoded(image, "JPEG", quality=30),
        "blurred.png": encoded(image.filter(ImageFilter.GaussianBlur(1.2))),
        "mirrored.jpg": encoded(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "JPEG", quality=90),
        "turned.tif": encoded(image.transpose(Image.Transpose.ROTATE_90), "TIFF"),
        "grey.bmp": encoded(image.convert("L"), "BMP"),
    }


def likeness(dataset: Dataset) -> Likeness:
    seen = dataset._look()
    return compare(seen.catalog, dataset.root.state / CACHE, partial(dataset._scan, dataset.root.path), {})


def groups(dataset: Dataset) -> list[set[str]]:
    """The keys of samples that are alike, group by group."""
    found: dict[str, set[str]] = {}
    keys = {sample.id: sample.key for sample in dataset.samples}
    for owner, name in likeness(dataset).groups.items():
        found.setdefault(name, set()).add(keys.get(owner, owner))
    return sorted(found.values(), key=min)


def test_what_was_made_of_a_picture_is_like_it_and_nothing_else_is(empty: Dataset) -> None:
    for number, name in enumerate(PHOTOS):
        image = cut(name, number)
        write(stage(empty) / f"{number}_original.png", encoded(image))
        for what, content in variants(image).items():
            write(stage(empty) / f"{number}_{what}", content)
    found = groups(empty)
    assert len(found) == len(PHOTOS)
    assert [{key.partition("_")[0] for key in group} for group in found] == [{str(n)} for n in range(len(PHOTOS))]
    assert {len(group) for group in found} == {1 + len(variants(cut("coffee")))}


def test_links_tell_why(empty: Dataset) -> None:
    image = cut("coffee")
    for what, content in variants(image).items():
        write(stage(empty) / what, content)
    ((_, links),) = likeness(empty).links()
    assert len(links) == len(variants(image)) - 1
    assert [link.bits for link in links] == sorted(link.bits for link in links)
    assert links[-1].bits <= 31
    assert all(link.left < link.right for link in links)


def test_like_roles_are_compared_and_lone_images_with_all(empty: Dataset) -> None:
    """The halves of a pair look alike, and tie nothing; nor does one that is another's other half."""
    first, second = cut("coffee"), cut("chelsea", 2)
    for folder, (before, after) in {"p": (first, second), "q": (second, first), "r": (first, cut("astronaut"))}.items():
        for number in range(1, 3) if folder == "q" else range(1):
            shift = Image.fromarray(np.roll(np.asarray(cut("rocket", number + 3)), 99, 0)) if number else None
            write(stage(empty) / f"{folder}{number}_before.png", encoded(shift or before))
            write(stage(empty) / f"{folder}{number}_after.png", encoded(after if not shift else cut("camera", number)))
    assert groups(empty) == [{"p0", "r0"}]
    write(stage(empty) / "lone/x.jpg", encoded(second, "JPEG", quality=85))
    assert [{"lone/x", "p0", "r0"}] == [group & {"lone/x", "p0", "r0", "q1"} for group in groups(empty)]


def test_flat_pictures_are_like_nothing_and_are_named(empty: Dataset) -> None:
    for number in range(4):
        write(stage(empty) / f"black{number}.png", encoded(Image.new("RGB", (300 + number, 300))))
        write(stage(empty) / f"white{number}.jpg", encoded(Image.new("L", (300, 300 + number), 250), "JPEG"))
    write(stage(empty) / "photo.png", encoded(cut("coffee")))
    found = likeness(empty)
    assert found.groups == {}
    assert len(found.flat) == 8
    assert set(found.pictures.paths) - set(found.flat) == {"stage_data/photo.png"}


def test_masks_are_not_compared(empty: Dataset) -> None:
    mask = encoded(cut("coffee").convert("L"))
    for number in range(3):
        write(stage(empty) / f"{number}.jpg", encoded(cut("chelsea", number), "JPEG"))
        write(stage(empty) / f"{number}_mask.png", mask)
    assert likeness(empty).groups == {}


@pytest.mark.parametrize("lost", ["cache", "nothing"])
def test_the_cache_makes_no_difference(empty: Dataset, lost: str) -> None:
    for what, content in variants(cut("coffee")).items():
        write(stage(empty) / what, content)
    before = likeness(empty)
    again = Dataset(empty.root.path, remember=False)
    seen = again._look()
    assert not seen.catalog.index.fingerprints
    if lost == "cache":
        (empty.root.state / CACHE).unlink()
    after = compare(seen.catalog, empty.root.state / CACHE, partial(again._scan, again.root.path), {})
    assert after.groups == before.groups
    assert list(after.links()) == list(before.links()) != []


def test_a_file_that_goes_away_meanwhile_is_like_no_other(empty: Dataset) -> None:
    for what, content in variants(cut("coffee")).items():
        write(stage(empty) / what, content)
    seen = Dataset(empty.root.path, remember=False)._look()
    seen.catalog.index.fingerprints.clear()
    shutil.rmtree(stage(empty))
    found = compare(seen.catalog, empty.root.state / CACHE, partial(empty._scan, empty.root.path), {})
    assert found.groups == {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("multilabel/bccd", [{"JPEGImages/BloodImage_00037", "JPEGImages/BloodImage_00038"}]),
        ("pairs/polyu_crops", []),
        ("pairs/kodak24_seedstyle", []),
        ("classes/clothing_cc0", []),
        ("groups/xray_patients", []),
    ],
)
def test_real_sets_hold_the_near_duplicates_that_are_known_and_no_others(
    empty: Dataset, name: str, expected: list[set[str]]
) -> None:
    shutil.copytree(kit(name), stage(empty), dirs_exist_ok=True)
    assert groups(empty) == expected


def test_one_real_photograph_in_thirty_three_versions_is_one_group(empty: Dataset) -> None:
    shutil.copytree(kit("duplicates"), stage(empty), dirs_exist_ok=True)
    (found,) = groups(empty)
    assert len(found) == 33
    assert {Path(key).parts[0] for key in found} == {"pdq_bridge"}


def test_noisy_and_clean_halves_of_real_pairs_are_recognised(tmp_path: Path) -> None:
    """As lone images, for halves of one pair are never compared."""
    dataset = Dataset.create(tmp_path / "data")
    for path in sorted(kit("pairs/polyu_crops").rglob("*.JPG")):
        place = "noisy" if "_real" in path.name else "clean"
        write(
            stage(dataset) / f"{place}/{place[0]}{path.stem.replace('_real', '').replace('_mean', '')}.jpg",
            path.read_bytes(),
        )
    (stage(dataset).parent / "imgstage.toml").write_text('[pairing]\nimage = "{key}"\n')
    found = groups(dataset)
    assert len(found) >= 95
    assert {len(group) for group in found} == {2}
    assert all(len({key.partition("/")[2][1:] for key in group}) == 1 for group in found)


def test_the_same_pictures_are_compared_once(empty: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "_QUICK", 0)
    for what, content in variants(cut("coffee")).items():
        write(stage(empty) / what, content)
    write(stage(empty) / "black.png", encoded(Image.new("L", (300, 300))))

    def look() -> Likeness:
        seen = empty._look()
        scan = partial(empty._scan, empty.root.path)
        return compare(seen.catalog, empty.root.state / CACHE, scan, {}, remember=True)

    first = look()
    searched: list[int] = []

    def count(found: Prints, owners: int, radius: int) -> NDArray[np.int32]:
        searched.append(owners)
        return components(found, owners, radius)

    monkeypatch.setattr(prints, "components", count)
    again = look()
    assert searched == []
    assert (again.groups, again.flat, list(again.links())) == (first.groups, first.flat, list(first.links()))
    write(stage(empty) / "other.png", encoded(cut("chelsea")))
    assert len(look().pictures.paths) == len(first.pictures.paths) + 1
    assert len(searched) == 1


def test_what_is_known_is_told_without_numpy(empty: Dataset) -> None:
    """It takes 25 MB and a tenth of a second to load."""
    for number in range(3):
        write(stage(empty) / f"{number}.png", encoded(cut("chelsea", number)))
    empty.split(ratios="train=1")
    code = (
        "import sys; from imgstage import cache; from imgstage.likeness import alike\n"
        "alike._QUICK = cache._TRUSTED_AGE_NS = 0  # as if there were many, and not of just now\n"
        "from imgstage import Dataset\n"
        "Dataset('.').plan_split(); print('before', 'numpy' in sys.modules)\n"
        "Dataset('.').check(); print('known', 'numpy' in sys.modules)\n"
    )

    def run() -> list[str]:
        command = [sys.executable, "-c", code]
        return subprocess.run(command, cwd=empty.root.path, check=True, capture_output=True, text=True).stdout.split()

    assert run() == ["before", "True", "known", "True"]
    assert run() == ["before", "False", "known", "False"]


def test_what_could_not_be_read_is_not_remembered_as_flat(empty: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "_QUICK", 0)
    for what, content in variants(cut("coffee")).items():
        write(stage(empty) / what, content)
    seen = Dataset(empty.root.path, remember=False)._look()
    seen.catalog.index.fingerprints.clear()
    cache = empty.root.state / CACHE
    failing = compare(seen.catalog, cache, lambda _: Index((), {}), {}, remember=True)
    assert failing.groups == {}
    scan = partial(empty._scan, empty.root.path)
    assert len(compare(seen.catalog, cache, scan, {}, remember=True).groups) == len(variants(cut("coffee")))
