"""Memory and sizes as pictures."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from imgstage.memory.plot import MARK, of_sizes, of_step

from .test_plan import plan, trace


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        assert image.info["Comment"] == MARK
        return np.asarray(image.convert("RGB"))


def counted(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((picture == np.array(colour)).all(axis=2).sum())


BLUE, ORANGE = (0, 0x72, 0xB2), (0xE6, 0x9F, 0)


def test_a_step_has_its_phases_and_the_gpu_s_memory() -> None:
    picture = pixels(of_step(plan(trace())))
    assert counted(picture, BLUE) > 1000
    assert counted(picture, ORANGE) > 1000
    assert counted(picture, (30, 30, 30)) > 800  # the line across, and letters
    assert picture.shape[1] > 800


def test_sizes_that_go_and_sizes_that_do_not_have_two_colours() -> None:
    picture = pixels(of_sizes("set", {(64, 64): 30, (65, 64): 10}, 16))
    assert 2.5 < (counted(picture, BLUE) - 150) / (counted(picture, ORANGE) - 150) < 3.5


def test_many_sizes_are_added_up() -> None:
    few = pixels(of_sizes("set", {(64, width): 1 for width in range(1, 41)}, 16))
    many = pixels(of_sizes("set", {(64, width): 1 for width in range(1, 500)}, 16))
    assert many.shape[0] - few.shape[0] < 40
