"""Pixels in arrays: turned as EXIF asks, brought to another size as Pillow does it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from imgstage.images import COUNTER_CLOCKWISE, orient, resize, resize_upright, turned_left

from ..helpers import photo


def psnr(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Of luma, in dB (ITU-R BT.601 weights)."""
    weights = np.array([0.299, 0.587, 0.114])
    error = float(np.mean((one @ weights - other @ weights) ** 2))
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("shape", [(5, 7), (70, 33, 3), (40, 41, 4), (3, 2, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_orient_turns_as_pillow_does(orientation: int, shape: tuple[int, ...], dtype: type) -> None:
    pixels: NDArray[Any] = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    planes = pixels if pixels.ndim == 2 else pixels[..., 0]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(planes)
    image.info["exif"] = exif.tobytes()
    found = orient(pixels, orientation)
    assert np.array_equal(found if found.ndim == 2 else found[..., 0], np.asarray(ImageOps.exif_transpose(image)))
    assert found.dtype == pixels.dtype
    assert found.shape[2:] == pixels.shape[2:]


def test_a_quarter_turn_to_the_left_is_that_of_the_old_script() -> None:
    pixels = photo("astronaut")[:40, :60]
    wished = np.asarray(Image.fromarray(pixels).transpose(Image.Transpose.ROTATE_90))
    assert np.array_equal(orient(pixels, COUNTER_CLOCKWISE), wished)


@pytest.mark.parametrize("size", [(320, 200), (480, 320), (100, 100), (511, 512)])
def test_smaller_pictures_are_those_of_pillows_lanczos(size: tuple[int, int]) -> None:
    for pixels in (photo("astronaut"), photo("coffee")[:390]):
        wished = Image.fromarray(pixels).resize(size[::-1], Image.Resampling.LANCZOS)
        if size[0] <= pixels.shape[0]:
            assert psnr(resize(pixels, size, "lanczos"), np.asarray(wished)) >= 47


@pytest.mark.parametrize("size", [(512, 512), (200, 300), (64, 300), (300, 64)])
def test_a_picture_that_grows_does_not_shift(size: tuple[int, int]) -> None:
    pixels = np.asarray(Image.fromarray(photo("astronaut")).resize((128, 128), Image.Resampling.LANCZOS))
    wished = Image.fromarray(pixels)
    for side in ((min(size[1], 128), min(size[0], 128)), size[::-1]):  # as libvips does: smaller first
        small = Image.Resampling.LANCZOS if side != size[::-1] else Image.Resampling.BICUBIC
        wished = wished.resize(side, small)
    assert psnr(resize(pixels, size, "lanczos"), np.asarray(wished)) > 50


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_deep_pixels_keep_their_range(dtype: type) -> None:
    pixels: NDArray[Any] = (photo("camera").astype(np.float64) * 256).astype(dtype)
    found = resize(pixels, (128, 100), "lanczos")
    assert found.dtype == pixels.dtype
    assert abs(float(found.mean()) - float(pixels.mean())) < 300
    assert found.max() > 255


def test_what_is_invisible_does_not_bleed() -> None:
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, :32] = (200, 10, 10, 255)
    pixels[:, 32:] = (0, 255, 0, 0)  # green, if only it could be seen
    plain, weighed = resize(pixels, (16, 16), "lanczos"), resize(pixels, (16, 16), "lanczos", alpha=True)
    seen = weighed[..., 3] > 8
    assert plain[seen][:, 1].max() > 30
    assert weighed[seen][:, 1].max() <= 20


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_labels_are_never_mixed(height: int, width: int, new_height: int, new_width: int, seed: int) -> None:
    labels = np.random.default_rng(seed).choice([0, 7, 255, 13], (height, width)).astype(np.uint8)
    found = resize(labels, (new_height, new_width), "nearest")
    rows = [int(Fraction(2 * row + 1, 2) * height / new_height) for row in range(new_height)]
    columns = [int(Fraction(2 * column + 1, 2) * width / new_width) for column in range(new_width)]
    assert np.array_equal(found, labels[rows][:, columns])


def test_the_very_array_comes_back_where_nothing_is_to_do() -> None:
    pixels = photo("astronaut")
    assert resize(pixels, (512, 512), "lanczos") is pixels
    assert orient(pixels, 1) is pixels


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_quarter_turn_more(orientation: int) -> None:
    pixels = np.arange(6).reshape(2, 3)
    wished = orient(orient(pixels, orientation), COUNTER_CLOCKWISE)
    assert np.array_equal(orient(pixels, turned_left(orientation)), wished)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(90, 120), (500, 300), (200, 600)])
def test_upright_at_once_is_the_same_pixel_for_pixel(orientation: int, size: tuple[int, int]) -> None:
    pixels = photo("coffee")
    before = size[::-1] if orientation > 4 else size
    wished = orient(resize(pixels, before, "lanczos"), orientation)
    assert np.array_equal(resize_upright(pixels, size, "lanczos", orientation), wished)
    labels = pixels[..., 0]
    wished = orient(resize(labels, before, "nearest"), orientation)
    assert np.array_equal(resize_upright(labels, size, "nearest", orientation), wished)


@pytest.mark.parametrize("by", [3.0, 4.2, 6.25, 12.0])
def test_pictures_that_become_much_smaller_are_averaged_as_lanczos_does(by: float) -> None:
    """libvips takes a short cut where four pixels and more become one, unless it is told not to: stripes tell."""
    rows, columns = np.indices((500, 700))
    stripes = (127 + 90 * np.sin(columns / 1.9) * np.cos(rows / 3.1)).astype(np.uint8)
    pixels = np.stack([stripes, photo("coffee")[:, :, 0].repeat(2, 0).repeat(2, 1)[:500, :700], 255 - stripes], -1)
    size = (round(500 / by), round(700 / by))
    expected = np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.LANCZOS))
    assert min(psnr(resize(pixels, size, "lanczos")[..., [c] * 3], expected[..., [c] * 3]) for c in range(3)) > 46
