"""From bytes to pixels, and back with what the file said beside them."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from imgstage.errors import DefectError
from imgstage.images import Traits, decode, encode, quiet_codecs

from ..helpers import kit, photo


def bytes_of(image: Image.Image, image_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def test_a_jpeg_has_the_pixels_that_pillow_gives() -> None:
    for image in (Image.fromarray(photo("coffee")), Image.fromarray(photo("camera"))):
        for options in ({"quality": 90}, {"quality": 75, "progressive": True}, {"quality": 95, "subsampling": 0}):
            encoded = bytes_of(image, "JPEG", **options)
            assert np.array_equal(decode(encoded).pixels, np.asarray(Image.open(io.BytesIO(encoded))))


@pytest.mark.parametrize(
    ("mode", "image_format"),
    [("L", "PNG"), ("LA", "PNG"), ("RGB", "WEBP"), ("RGBA", "PNG"), ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("F", "TIFF")],
)
def test_layouts_are_kept(mode: str, image_format: str) -> None:
    image = Image.fromarray(photo("astronaut")[:50, :70]).convert("L" if mode == "F" else "RGB").convert(mode)
    encoded = bytes_of(image, image_format, **({"lossless": True} if image_format == "WEBP" else {}))
    found = decode(encoded)
    assert found.traits.mode == mode
    again = Image.open(io.BytesIO(encode(found.pixels, image_format, found.traits, quality=100)))
    assert again.mode == mode
    error = np.abs(np.asarray(again, np.float64) - np.asarray(image, np.float64)).mean()
    assert error < (4 if image_format == "JPEG" else 1e-9)


def test_sixteen_bits_of_grey_are_kept() -> None:
    pixels = (photo("camera").astype(np.uint16) << 8) | 0x5A
    for image_format in ("PNG", "TIFF"):
        encoded = bytes_of(Image.fromarray(pixels), image_format)
        found = decode(encoded)
        assert found.traits.mode == "I;16"
        assert found.pixels.dtype == np.uint16
        assert np.array_equal(decode(encode(found.pixels, image_format, found.traits)).pixels, pixels)


def test_sixteen_bits_of_colour_are_told() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    head = chunk(b"IHDR", b"\0\0\0\1\0\0\0\1\x10\x02\0\0\0")
    encoded = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" + b"\x12\x34" * 3)) + chunk(b"IEND", b"")
    assert decode(encoded).traits.bits == 16
    assert decode(bytes_of(Image.new("RGB", (1, 1)), "PNG")).traits.bits == 8


def test_a_palette_is_colours_for_a_picture_and_numbers_for_labels() -> None:
    image = Image.new("P", (8, 4))
    image.putpalette([0, 0, 0, 200, 10, 10, 10, 200, 10])
    image.paste(2, (4, 0, 8, 4))
    encoded = bytes_of(image, "PNG")
    assert decode(encoded).pixels[0, 7].tolist() == [10, 200, 10]
    found = decode(encoded, labels=True)
    assert found.pixels[0].tolist() == [0, 0, 0, 0, 2, 2, 2, 2]
    again = Image.open(io.BytesIO(encode(found.pixels, "PNG", found.traits)))
    assert again.mode == "P"
    assert again.convert("RGB").getpixel((7, 0)) == (10, 200, 10)
    assert np.array_equal(np.asarray(again), found.pixels)


def test_what_is_transparent_gets_a_channel() -> None:
    image = Image.new("P", (8, 4))
    image.putpalette([0, 0, 0, 200, 10, 10])
    found = decode(bytes_of(image, "PNG", transparency=0))
    assert found.traits.mode == "RGBA"
    assert found.pixels[0, 0, 3] == 0


def test_black_and_white_labels_stay_so() -> None:
    pixels = np.zeros((9, 13), np.uint8)
    pixels[2:5, 3:9] = 1
    encoded = encode(pixels, "PNG", Traits(mode="1"))
    found = decode(encoded, labels=True)
    assert found.traits.mode == "1"
    assert np.array_equal(found.pixels, pixels)
    assert decode(encoded).pixels.max() == 255


def test_profile_and_exif_are_kept_but_for_what_is_true_no_more() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A camera"
    exif.get_ifd(0x8769)[0xA002] = 4000
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    encoded = bytes_of(
        Image.fromarray(photo("coffee")), "JPEG", exif=exif.tobytes(), icc_profile=profile, subsampling=1
    )
    found = decode(encoded)
    assert found.traits.orientation == 6
    assert found.traits.sampling == 1
    for image_format in ("JPEG", "PNG", "WEBP"):
        again = Image.open(io.BytesIO(encode(found.pixels[:60, :90], image_format, found.traits)))
        assert again.info["icc_profile"] == profile
        assert again.getexif()[0x010F] == "A camera"
        assert again.getexif()[0x0112] == 1
        assert again.getexif().get_ifd(0x8769)[0xA002] == 90


def test_exif_that_nobody_can_read_is_left_out() -> None:
    pixels = photo("coffee")[:20, :20]
    encoded = encode(pixels, "JPEG", Traits("JPEG", "RGB", exif=b"Exif\0\0II*\0\xff\xff\xff\xffnonsense"))
    assert Image.open(io.BytesIO(encoded)).size == (20, 20)


@pytest.mark.parametrize(
    ("at_least", "shape"),
    [(None, (400, 600)), ((200, 300), (200, 300)), ((201, 100), (400, 600)), ((50, 75), (50, 75)), ((1, 1), (50, 75))],
)
def test_a_jpeg_is_decoded_at_the_smallest_scale_that_suffices(
    at_least: tuple[int, int] | None, shape: tuple[int, int]
) -> None:
    encoded = bytes_of(Image.fromarray(photo("coffee")), "JPEG", quality=95)
    assert decode(encoded, at_least).pixels.shape[:2] == shape


def test_a_format_refuses_what_it_cannot_hold() -> None:
    with pytest.raises(DefectError, match="JPEG cannot hold pixels of the layout RGBA"):
        encode(np.zeros((4, 4, 4), np.uint8), "JPEG")
    with pytest.raises(DefectError, match=r"WEBP has at most 16,383 pixels a side"):
        encode(np.zeros((1, 16_384, 3), np.uint8), "WEBP")


def test_several_pictures_in_one_file_are_counted() -> None:
    frames = [Image.fromarray(np.full((8, 8), value, np.uint8)) for value in (10, 200, 90)]
    for image_format in ("GIF", "TIFF", "WEBP", "PNG"):
        encoded = bytes_of(frames[0], image_format, save_all=True, append_images=frames[1:])
        with quiet_codecs():
            assert decode(encoded).traits.frames == 3


def test_real_masks_come_back_as_they_are() -> None:
    masks = sorted(kit("groups/nuclei_dsb2018_cc0").rglob("masks/*.png"))[:20]
    assert masks
    for path in masks:
        found = decode(Path(path), labels=True)
        again = decode(encode(found.pixels, "PNG", found.traits), labels=True)
        assert np.array_equal(again.pixels, found.pixels)
        assert again.traits.mode == found.traits.mode
