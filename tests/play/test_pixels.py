"""From files to a network's numbers and back: nothing is lost on the way, whatever the file holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from imgstage import DefectError
from imgstage.images import quiet_codecs
from imgstage.play import ModelConfig
from imgstage.play.pixels import Numbers, Source, UnplayableError, read

from ..helpers import photo
from .doubles import encoded


def decoded(data: bytes) -> Source:
    with quiet_codecs():
        return read(data)


RGB = photo("astronaut")[100:140, 200:260]
GREY = photo("camera")[100:140, 200:260]


def test_colours_grey_and_opacity() -> None:
    source = decoded(encoded(Image.fromarray(RGB)))
    assert np.array_equal(source.pixels, RGB)
    assert (source.alpha, source.size, source.is_grey) == (None, (40, 60), False)
    grey = decoded(encoded(Image.fromarray(GREY)))
    assert np.array_equal(grey.pixels, GREY)
    assert (grey.is_grey, grey.channels.shape) == (True, (40, 60, 1))
    clear = decoded(encoded(Image.fromarray(np.dstack([RGB, GREY]))))
    assert np.array_equal(clear.pixels, RGB)
    assert clear.alpha is not None
    assert np.array_equal(clear.alpha, GREY)
    both = decoded(encoded(Image.fromarray(np.dstack([GREY, 255 - GREY]), "LA")))
    assert both.alpha is not None
    assert np.array_equal(both.pixels, GREY)
    assert np.array_equal(both.alpha, 255 - GREY)


def test_sixteen_bits_of_grey_stay_and_of_colour_are_refused() -> None:
    deep = (GREY.astype(np.uint16) << 8) + 7
    assert np.array_equal(decoded(encoded(Image.fromarray(deep))).pixels, deep)
    assert np.array_equal(decoded(encoded(Image.fromarray(deep), "TIFF")).pixels, deep)
    import imgstage.images as images

    with pytest.raises(UnplayableError, match="16 bits of each colour"):
        decoded(images.encode_png(np.dstack([deep, deep, deep])))
    with pytest.raises(UnplayableError, match="floating point"):
        decoded(encoded(Image.fromarray(GREY.astype(np.float32)), "TIFF"))


def test_palettes_and_cmyk_become_colours_and_exif_makes_upright() -> None:
    palette = Image.fromarray(RGB).quantize(32)
    assert np.array_equal(decoded(encoded(palette)).pixels, np.asarray(palette.convert("RGB")))
    inks = Image.fromarray(RGB).convert("CMYK")
    assert np.array_equal(decoded(encoded(inks, "TIFF")).pixels, np.asarray(inks.convert("RGB")))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decoded(encoded(Image.fromarray(RGB), "PNG", exif=exif))
    assert np.array_equal(turned.pixels, np.rot90(RGB, 3))
    assert turned.size == (60, 40)


def test_a_profile_stays_where_it_tells_of_the_pixels() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert decoded(encoded(Image.fromarray(RGB), icc_profile=profile)).profile == profile
    assert decoded(encoded(Image.fromarray(GREY), icc_profile=profile)).profile == b""


def test_what_does_not_decode_is_a_defect() -> None:
    with pytest.raises(DefectError):
        decoded(encoded(Image.fromarray(RGB))[:300])


CONFIGS = [
    ModelConfig(),
    ModelConfig(range=(-1.0, 1.0)),
    ModelConfig(range=(0.0, 255.0)),
    ModelConfig(channels="BGR"),
    ModelConfig(channels="BGR", range=(-1.0, 1.0)),
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_every_value_comes_back_as_it_went(config: ModelConfig, depth: type) -> None:
    every: Any = np.arange(np.iinfo(depth).max + 1, dtype=depth).reshape(-1, 16)
    pixels = np.dstack([every, every[::-1], every[:, ::-1]])
    numbers = Numbers(config)
    back = numbers.back(numbers.of(pixels), Source(pixels, None, b""))
    assert back.dtype == depth
    assert np.array_equal(back, pixels)


def test_numbers_are_what_the_config_says() -> None:
    pixel = np.array([[[255, 0, 51]]], np.uint8)
    assert Numbers(ModelConfig()).of(pixel) == pytest.approx(np.array([[[1, 0, 0.2]]]))
    assert Numbers(ModelConfig(channels="BGR", range=(-1.0, 1.0))).of(pixel) == pytest.approx(
        np.array([[[-0.6, -1, 1]]])
    )
    normed = ModelConfig(mean=(0.5, 0.25, 0.0), std=(0.5, 0.5, 2.0))
    assert Numbers(normed).of(pixel) == pytest.approx(np.array([[[1, -0.5, 0.1]]]))
    luma = 0.299 + 0.114 * 0.2
    assert Numbers(ModelConfig(channels="L")).of(pixel) == pytest.approx(np.array([[[luma]]]), abs=1e-6)
    grey = Numbers(ModelConfig()).of(np.array([[[102]]], np.uint8))
    assert grey == pytest.approx(np.full((1, 1, 3), 0.4))


@given(st.floats(-(2.0**99), 2.0**99, width=32), st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)]))
def test_what_is_beyond_black_and_white_is_black_or_white(value: float, values: tuple[float, float]) -> None:
    numbers = Numbers(ModelConfig(output_range=values))
    made = numbers.back(np.full((1, 1, 3), value, np.float32), Source(np.zeros((1, 1, 3), np.uint8), None, b""))
    share = (value - values[0]) / (values[1] - values[0])
    assert abs(float(made[0, 0, 0]) - min(max(share, 0), 1) * 255) <= 0.51


def test_a_grey_picture_comes_back_grey_but_for_a_network_that_makes_colours_of_grey() -> None:
    grey = Source(GREY, None, b"")
    numbers = Numbers(ModelConfig())
    assert np.array_equal(numbers.back(numbers.of(grey.channels), grey), GREY)
    colouring = Numbers(ModelConfig(channels="L"))
    made = colouring.back(np.random.default_rng(0).random((40, 60, 3), np.float32), grey)
    assert made.shape == (40, 60, 3)


def test_more_than_sixteen_bits_are_refused_and_not_cut() -> None:
    for values in ([0, 70000], [-5, 9]):
        deep = np.array([values], np.int32)
        with pytest.raises(UnplayableError, match="more than 16 bits"):
            decoded(encoded(Image.fromarray(deep), "TIFF"))
    fine = decoded(encoded(Image.fromarray(np.array([[0, 65535]], np.int32)), "TIFF"))
    assert fine.pixels.tolist() == [[0, 65535]]


def test_other_colours_become_rgb_or_are_refused() -> None:
    colours = Image.fromarray(RGB).convert("YCbCr")
    made = decoded(encoded(colours, "TIFF")).pixels
    assert np.abs(made.astype(int) - RGB).max() <= 4
    with pytest.raises(DefectError, match="CIELAB"):
        decoded(encoded(Image.new("LAB", (4, 4), (50, 10, 10)), "TIFF"))


def test_colours_that_are_made_of_grey_become_grey_by_their_luma() -> None:
    grey = Source(np.zeros((1, 4), np.uint8), None, b"")
    colours = np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0.5]]], np.float32)
    made = Numbers(ModelConfig()).back(colours.copy(), grey)
    assert made.tolist() == [[76, 150, 29, 128]]
    bgr = Numbers(ModelConfig(channels="BGR")).back(colours.copy(), grey)
    assert bgr.tolist() == [[29, 150, 76, 128]]
