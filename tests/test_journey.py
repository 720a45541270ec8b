"""The journey of the old scripts' README: add, rename, resize, split, unsplit, and undo all, byte for byte."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgstage import Dataset

from .helpers import kit, names, photo, snapshot, write


def photographs(folder: Path) -> Path:
    """Twenty-five pairs with a camera's names: some wide, some high, some turned by EXIF only, one with a sidecar."""
    for number in range(25):
        cut = np.roll(photo("astronaut"), 13 * number, (0, 1))[:240, :360]
        wide = Image.fromarray(cut)
        for role, quality in (("before", 40), ("after", 92)):
            exif = Image.Exif()
            image = wide if number % 3 else wide.transpose(Image.Transpose.ROTATE_90)
            if number % 5 == 0:
                exif[0x0112] = 8
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=quality, exif=exif.tobytes())
            write(folder / f"DSC{number:05d}_{role}.JPG", buffer.getvalue(), 1_500_000_000 + number, 0o640)
    write(folder / "DSC00003.json", b'{"taken": "at night"}')
    return folder


@pytest.fixture(params=["photographs", "pairs/kodak24_seedstyle", "pairs/polyu_full"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    name: str = request.param
    return photographs(tmp_path / "camera") if name == "photographs" else kit(name)


def test_the_old_journey_ends_where_it_began(source: Path, tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "data")
    root = dataset.root.path
    nothing = snapshot(root)
    dataset.add(source)
    added = snapshot(root)
    pairs = len([sample for sample in dataset.samples if not sample.held])
    assert pairs > 5

    dataset.rename(prefix="github_")
    pattern = re.compile(rf"github_\d{{{max(2, len(str(pairs)))}}}_[a-zA-Z]+\.\w+|.*\.json")
    assert all(pattern.fullmatch(name) for name in names(root, "stage_data"))

    size = (320, 200) if source.name == "camera" else (480, 320)
    dataset.resize(size=size, orient="portrait", quality=100)
    images = [path for path in (root / "stage_data").iterdir() if path.suffix.lower() != ".json"]
    assert {Image.open(io.BytesIO(path.read_bytes())).size for path in images} == {size[::-1]}

    dataset.split(ratios="80/12/8")
    for split in ("train", "val", "test"):
        files = {name for name in names(root, split) if not name.endswith((".jsonl", ".json"))}
        halves = {re.sub(r"_[a-zA-Z]+\.\w+$", "", name) for name in files}
        assert len(files) == 2 * len(halves) > 0
    first = {sample.id: sample.split for sample in dataset.samples}

    dataset.unsplit()
    assert {sample.place for sample in dataset.samples} == {"stage_data"}
    dataset.split()
    assert {sample.id: sample.split for sample in dataset.samples} == first

    dataset.undo(2)
    assert snapshot(root) == added
    dataset.undo(1)
    assert snapshot(root) == nothing
