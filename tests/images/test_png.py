"""PNG by libvips: every pixel, the profile and the text come back, by Pillow's reading as well."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from imgstage.images import decode, encode_png, png_comment

from ..helpers import photo


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_all_pixels_come_back(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (37, 51, channels), np.uint8)
    made = encode_png(pixels)
    with Image.open(io.BytesIO(made)) as image:
        assert image.mode == {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
        assert np.array_equal(np.asarray(image).reshape(pixels.shape), pixels)


def test_sixteen_bits_come_back() -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (37, 51), np.uint16)
    found = decode(encode_png(deep))
    assert found.traits.mode == "I;16"
    assert np.array_equal(found.pixels, deep)
    colours: Any = decode(encode_png(np.dstack([deep, deep, deep])))
    assert colours.traits.bits == 16


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
