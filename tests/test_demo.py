"""The demonstration's photographs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgstage.demo import MORE_PAIRS, PAIRS, add_camera_noise, write_photos
from imgstage.errors import RefusedError


def test_the_folders_hold_what_they_should(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "new")
    assert len(list(photos.first.glob("*_after.jpg"))) == PAIRS + 1
    assert len(list(photos.more.glob("*_after.jpg"))) == MORE_PAIRS
    contents = {path.read_bytes() for folder in (photos.first, photos.more) for path in folder.glob("*_after.jpg")}
    assert len(contents) == PAIRS + MORE_PAIRS + 1, "no crop appears twice"


def test_the_noise_is_that_of_a_sensor() -> None:
    """More light, more noise in linear light, but less of it relative to the signal; no change on the average."""
    noise = np.random.default_rng(0)
    spread = []
    for level in (30, 120, 200):
        noisy = add_camera_noise(np.full((200, 200, 3), level, np.uint8), noise).astype(float)
        assert abs(noisy[..., 1].mean() - level) < 3
        spread.append(noisy[..., 1].std() / level)
    assert spread[0] > spread[1] > spread[2] > 0.01


def test_the_photographs_are_the_same_every_time(tmp_path: Path) -> None:
    first, second = write_photos(tmp_path / "a"), write_photos(tmp_path / "b")
    assert [path.read_bytes() for path in sorted(first.first.iterdir())] == [
        path.read_bytes() for path in sorted(second.first.iterdir())
    ]


def test_before_is_after_with_noise(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "new")
    for after in sorted(photos.first.glob("coffee_*_after.jpg"))[:3]:
        before = after.with_name(after.name.replace("after", "before"))
        one, two = (np.asarray(Image.open(io.BytesIO(path.read_bytes()))).astype(float) for path in (before, after))
        assert 2 < np.abs(one - two).mean() < 40


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(RefusedError, match="not an empty folder"):
        write_photos(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
