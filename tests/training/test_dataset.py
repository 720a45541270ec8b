"""A split in PyTorch: items, classes, transforms, workers, and what goes wrong."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from imgstage import Dataset, DefectError, RefusedError, UsageError
from imgstage.training import ImageDataset

from ..helpers import as_nobody, kit, photo, picture, stage, write
from .test_pixels import encoded


def twins(folder: Path, count: int) -> None:
    """Pairs of which both halves are the same picture."""
    for number in range(count):
        data = encoded(np.random.default_rng(number).integers(0, 256, (24, 32, 3), np.uint8))
        write(folder / f"{number:04d}_before.png", data)
        write(folder / f"{number:04d}_after.png", data)


def classes(folder: Path) -> None:
    names = ("cat/2.png", "cat/10.png", "cat/sub/1.png", "cat-like/x.png", "Dog/a.png", "Dog/B.png", "dog/z.png")
    for seed, name in enumerate(names):
        write(folder / name, picture(seed, "PNG"))


def test_pairs_are_dictionaries_or_tuples(pairs: Dataset) -> None:
    pairs.split()
    found = ImageDataset(pairs.root.path, "train", (24, 32))
    assert len(found) == 20
    item = found[0]
    assert list(item) == ["before", "after", "key"]
    assert item["key"] == found.key(0)
    assert all(isinstance(item[role], tv_tensors.Image) for role in ("before", "after"))
    assert item["before"].shape == (3, 24, 32)
    assert item["before"].dtype == torch.uint8
    before, after = ImageDataset(pairs.root.path, "train", (24, 32), as_tuple=True)[0]
    assert torch.equal(before, item["before"])
    assert torch.equal(after, item["after"])
    (only,) = ImageDataset(pairs.root.path, "train", (24, 32), roles=("after",), as_tuple=True)[0]
    assert torch.equal(only, after)
    assert found.paths(0)[1][0].name == f"{found.key(0)}_after.jpg"


def test_an_item_is_what_is_in_the_file(tmp_path: Path) -> None:
    twins(tmp_path / "train", 3)
    found = ImageDataset(tmp_path, "train")
    for number in range(3):
        expected = np.random.default_rng(number).integers(0, 256, (24, 32, 3), np.uint8)
        assert np.array_equal(found[number]["before"].permute(1, 2, 0).numpy(), expected)
    assert torch.equal(found[-1]["after"], found[2]["after"])
    with pytest.raises(IndexError):
        found[3]


def test_one_transform_hits_both_halves_of_a_thousand_pairs_alike(tmp_path: Path) -> None:
    twins(tmp_path / "train", 1000)
    change = v2.Compose([v2.RandomCrop(16), v2.RandomHorizontalFlip(), v2.RandomRotation(30), v2.ColorJitter(0.5)])
    torch.manual_seed(0)
    seen: set[bytes] = set()
    for as_tuple in (False, True):
        found = ImageDataset(tmp_path, "train", transform=change, as_tuple=as_tuple)
        for number in range(as_tuple, 1000, 2):
            item = found[number]
            before, after = item if as_tuple else (item["before"], item["after"])
            assert torch.equal(before, after), number
            seen.add(before.numpy().tobytes())
    assert len(seen) == 1000


def test_classes_and_targets_are_those_of_image_folder(tmp_path: Path) -> None:
    classes(tmp_path / "train")
    ours, theirs = ImageDataset(tmp_path, "train"), ImageFolder(str(tmp_path / "train"))
    assert ours.classes == theirs.classes == ["Dog", "cat", "cat-like", "dog"]
    assert ours.class_to_idx == theirs.class_to_idx
    assert ours.targets == theirs.targets
    assert [str(ours.paths(number)[0][0]) for number in range(len(ours))] == [path for path, _ in theirs.samples]
    image, target = ours[2]
    assert target == theirs[2][1]
    assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(theirs[2][0]))


def test_classes_and_targets_of_a_real_set_are_those_of_image_folder(tmp_path: Path) -> None:
    root = tmp_path / "set"
    shutil.copytree(kit("classes/clothing_cc0"), root / "train")
    ours, theirs = ImageDataset(root, "train", (64, 64)), ImageFolder(str(root / "train"))
    assert (ours.classes, ours.targets) == (theirs.classes, theirs.targets)
    assert [str(ours.paths(number)[0][0]) for number in range(len(ours))] == [path for path, _ in theirs.samples]
    assert len(ours) > 1000


def test_a_mask_goes_the_way_of_its_image(tmp_path: Path) -> None:
    for number in range(4):
        pixels = np.zeros((40, 60), np.uint8)
        pixels[number * 3 : number * 3 + 20, 10:40] = 1
        write(tmp_path / f"train/images/{number}.png", encoded(np.stack([pixels * 255] * 3, -1)))
        write(tmp_path / f"train/masks/{number}.png", encoded(pixels))
    change = v2.Compose([v2.RandomAffine(25, interpolation=v2.InterpolationMode.NEAREST), v2.RandomHorizontalFlip()])
    found = ImageDataset(tmp_path, "train", transform=change)
    image_role, mask_role = found.roles
    for number in range(4):
        item = found[number]
        assert isinstance(item[mask_role], tv_tensors.Mask)
        assert torch.equal(item[image_role][0] // 255, item[mask_role])
        assert item[mask_role].sum() > 100


@pytest.mark.parametrize(("start", "exact"), [("fork", False), ("spawn", False), ("spawn", True)])
def test_it_works_in_workers(tmp_path: Path, start: str, exact: bool) -> None:
    for number in range(12):
        write(tmp_path / f"train/{number:02d}_before.jpg", encoded(photo("coffee")[number:], "JPEG"))
        write(tmp_path / f"train/{number:02d}_after.jpg", encoded(photo("coffee")[number:], "JPEG"))
    found = ImageDataset(tmp_path, "train", (96, 128), exact=exact)
    loader = DataLoader(found, 4, num_workers=2, multiprocessing_context=start, persistent_workers=True)
    for _ in range(2):
        batches = list(loader)
        assert [batch["before"].shape for batch in batches] == [(4, 3, 96, 128)] * 3
        assert [key for batch in batches for key in batch["key"]] == [f"{number:02d}" for number in range(12)]
    expected = ImageDataset(tmp_path, "train", (96, 128), exact=exact)[5]["after"]
    assert torch.equal(batches[1]["after"][1], expected)


def test_a_forked_worker_says_why_the_exact_way_does_not_go(tmp_path: Path) -> None:
    """libvips would hang in a child of a process that has used it."""
    write(tmp_path / "train/a/x.png", encoded(photo("coffee")))
    found = ImageDataset(tmp_path, "train", (96, 128), exact=True)
    found[0]
    with pytest.raises(Exception, match="multiprocessing_context='spawn'"):
        list(DataLoader(found, 1, num_workers=1, multiprocessing_context="fork", timeout=60))
    assert len(list(DataLoader(found, 1, num_workers=1, multiprocessing_context="spawn", timeout=60))) == 1


def test_it_can_be_pickled(tmp_path: Path) -> None:
    classes(tmp_path / "train")
    found = ImageDataset(tmp_path, "train", (8, 8))
    again = pickle.loads(pickle.dumps(found))
    assert torch.equal(again[3][0], found[3][0])
    assert repr(again) == repr(found)
    assert "7 samples, 4 classes" in repr(found)


def test_exact_is_what_resize_writes_on_disk(empty: Dataset) -> None:
    for name in ("coffee", "chelsea", "camera"):
        for role in ("before", "after"):
            write(stage(empty) / f"{name}_{role}.png", encoded(photo(name) if role == "before" else photo(name)[::-1]))
    empty.split(ratios="train=1", near_duplicates="ignore")
    wanted = {key: ImageDataset(empty.root.path, "train", (120, 160), exact=True)[key] for key in range(3)}
    empty.resize(size=(120, 160))
    found = ImageDataset(empty.root.path, "train")
    for number, item in wanted.items():
        for role in ("before", "after"):
            assert torch.equal(found[number][role], item[role])


def test_a_file_that_is_gone_or_broken_is_named(tmp_path: Path) -> None:
    twins(tmp_path / "train", 3)
    found = ImageDataset(tmp_path, "train", (8, 8))
    (tmp_path / "train/0001_after.png").unlink()
    with pytest.raises(DefectError, match=r"0001_after\.png cannot be read \(No such file"):
        found[1]
    write(tmp_path / "train/0002_after.png", b"no image")
    with pytest.raises(DefectError, match=r"0002_before\.png and .*0002_after\.png: its content is no JPEG"):
        found[2]
    assert found[0]["key"] == "0000"


def test_a_root_that_may_only_be_read_will_do(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    with as_nobody(root):
        for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
            folder.chmod(0o555)
        try:
            assert len(list(DataLoader(ImageDataset(root, "train", (8, 8)), None))) == 20
        finally:
            for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
                folder.chmod(0o755)


def test_sizes_that_make_no_sense_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    wrong: list[Any] = [(0, 1), (1, 2, 3), "64", 64]
    for size in wrong:
        with pytest.raises(UsageError, match="two whole numbers above zero"):
            ImageDataset(tmp_path / "nowhere", "train", size)


@pytest.mark.parametrize(
    "wishes", [{"split": ""}, {"split": ".."}, {"split": "a/b"}, {"split": None}, {"roles": "image"}, {"roles": []}]
)
def test_names_that_are_none_are_refused(tmp_path: Path, wishes: dict[str, Any]) -> None:
    twins(tmp_path / "train", 1)
    with pytest.raises(UsageError, match=r"is no name of a split|is no list of roles"):
        ImageDataset(tmp_path, **{"split": "train", **wishes})
    for limit in ("1GB", -1, 1.5):
        with pytest.raises(UsageError, match="is no number of bytes"):
            ImageDataset(tmp_path, "train", (8, 8), cache=True, cache_limit=limit)  # type: ignore[arg-type]
    with pytest.raises(RefusedError, match="nowhere is no folder"):
        ImageDataset(tmp_path / "nowhere", "train")


def test_a_relative_root_stays_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twins(tmp_path / "train", 2)
    monkeypatch.chdir(tmp_path)
    found = ImageDataset(".", "train", (8, 8), cache=True)
    monkeypatch.chdir("/")
    assert len(list(map(found.__getitem__, range(2)))) == 2


def test_a_pipe_is_no_picture_and_nobody_waits_for_it(tmp_path: Path) -> None:
    twins(tmp_path / "train", 2)
    (tmp_path / "train/0001_after.png").unlink()
    os.mkfifo(tmp_path / "train/0001_after.png")
    for cache in (False, True):
        found = ImageDataset(tmp_path, "train", (8, 8), cache=cache)
        with pytest.raises(DefectError, match="no regular file"):
            found[1]
