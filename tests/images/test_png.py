"""PNG, written quickly: every pixel, the profile and the text come back, by Pillow's reading as well."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from imgstage.errors import DefectError
from imgstage.images import decode, encode_png, png, png_comment
from imgstage.images.arrays import libvips

from ..helpers import photo


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4), st.integers(0, 2**32))
def test_all_pixels_come_back(height: int, width: int, channels: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    with Image.open(io.BytesIO(encode_png(pixels))) as image:
        assert image.mode == {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
        assert np.array_equal(np.asarray(image).reshape(pixels.shape), pixels)


@pytest.mark.parametrize("at_once", [1, 100, 1000, 1 << 20])
@pytest.mark.parametrize("shape", [(70, 90, 3), (1, 4000, 3), (4000, 1, 3)])
def test_in_however_many_parts_pictures_are_compressed_they_come_back(
    shape: tuple[int, int, int], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(png, "_AT_ONCE", at_once)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_png(pixels)))), pixels)


def test_grain_is_not_written_larger_than_it_is() -> None:
    """Neighbours alike but for a few grey levels: libvips' quickest way comes to nine tenths of the plain bytes."""
    pixels = np.clip(photo("astronaut") + np.random.default_rng(0).normal(0, 3, (512, 512, 3)), 0, 255).astype(np.uint8)
    assert len(encode_png(pixels)) < 0.75 * pixels.nbytes


@pytest.mark.parametrize("shape", [(3, 3, 5), (0, 3, 3), (9,), (3, 3, 3, 3)])
def test_what_png_cannot_hold_is_a_defect(shape: tuple[int, ...]) -> None:
    with pytest.raises(DefectError, match="cannot be written as PNG"):
        encode_png(np.zeros(shape, np.uint8))
    with pytest.raises(DefectError, match=r"float32 of shape \(3, 3\)"):
        encode_png(np.zeros((3, 3), np.float32))


def test_sixteen_bits_come_back() -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (37, 51), np.uint16)
    found = decode(encode_png(deep))
    assert found.traits.mode == "I;16"
    assert np.array_equal(found.pixels, deep)
    for channels in (2, 3, 4):
        colours = np.random.default_rng(0).integers(0, 65536, (37, 51, channels), np.uint16)
        read: Any = libvips().Image.new_from_buffer(encode_png(colours), "")
        assert np.array_equal(read.numpy(), colours)


def test_pixels_of_another_byte_order_or_that_are_repeated_come_back() -> None:
    deep = np.arange(1200, dtype=np.uint16).reshape(30, 40)
    assert encode_png(deep.astype(">u2")) == encode_png(deep)
    grey = photo("camera")[:20, :30]
    assert encode_png(np.broadcast_to(grey[..., None], (20, 30, 3))) == encode_png(np.dstack([grey] * 3))


def test_parts_of_a_picture_are_written_as_they_are_seen() -> None:
    part = photo("astronaut")[10:60:2, 90:20:-1]
    assert np.array_equal(decode(encode_png(part)).pixels, part)


def test_profile_and_text_are_kept() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    made = encode_png(photo("astronaut")[:9, :9], profile=profile, comment="made of 12ab")
    with Image.open(io.BytesIO(made)) as image:
        assert image.info["icc_profile"] == profile
        assert image.info["Comment"] == "made of 12ab"
    assert png_comment(made) == "made of 12ab"
    assert "icc_profile" not in Image.open(io.BytesIO(encode_png(photo("camera")[:9, :9]))).info


def test_texts_of_others_are_read_and_what_is_none_is_empty() -> None:
    for compressed in (False, True):
        info = PngImagePlugin.PngInfo()
        info.add_text("Title", "x")
        info.add_text("Comment", "y" * 99, zip=compressed)
        buffer = io.BytesIO()
        Image.new("L", (3, 3)).save(buffer, "PNG", pnginfo=info)
        assert png_comment(buffer.getvalue()) == "y" * 99
    whole = encode_png(photo("camera")[:9, :9], comment="z")
    assert [png_comment(of) for of in (b"", b"JFIF", whole[:20], encode_png(photo("camera")[:9, :9]))] == [""] * 4
    for length in range(len(whole)):
        assert png_comment(whole[:length]) in ("", "z")
