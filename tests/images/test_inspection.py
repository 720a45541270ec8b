"""One image: what it is, whether it decodes whole, thumbnails."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from imgstage import images
from imgstage.formats import ImageInfo
from imgstage.images import codecs

from ..helpers import kit, photo, picture, write

FORMATS = ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"]


def inspect(data: bytes) -> ImageInfo:
    with images.quiet_codecs():
        return images.inspect(data).info


def encoded(mode: str, image_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (20, 10)).save(buffer, image_format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("image_format", FORMATS)
def test_format_and_size_are_read(image_format: str) -> None:
    info = inspect(picture(1, image_format))
    assert (info.format, info.height, info.width, info.orientation) == (image_format, 24, 32, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_the_size_as_seen(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    info = inspect(encoded("RGB", "JPEG", exif=exif.tobytes()))
    assert (info.height, info.width) == ((20, 10) if orientation > 4 else (10, 20))
    assert info.orientation == orientation


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiffs_are_seen_as_pillow_shows_them(orientation: int) -> None:
    """Pillow turns their pixels when it loads them, and tells the size as seen before."""
    picture = Image.fromarray(photo("coffee"))
    buffer = io.BytesIO()
    picture.save(buffer, "TIFF", tiffinfo={0x0112: orientation})
    with Image.open(io.BytesIO(buffer.getvalue())) as opened:
        seen = np.asarray(opened)
    info = inspect(buffer.getvalue())
    assert (info.height, info.width, info.orientation) == (*seen.shape[:2], 1)
    with images.quiet_codecs():
        pixels, traits = images.decode(buffer.getvalue())
    assert np.array_equal(images.orient(pixels, traits.orientation), seen)


@pytest.mark.parametrize(
    ("mode", "image_format"),
    [("L", "PNG"), ("I;16", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("CMYK", "JPEG"), ("1", "TIFF")],
)
def test_layouts_are_named(mode: str, image_format: str) -> None:
    assert inspect(encoded(mode, image_format)).mode == mode


@pytest.mark.parametrize(
    ("image_format", "options"),
    [
        ("JPEG", {"quality": 90}),
        ("JPEG", {"quality": 90, "progressive": True}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"quality": 80}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("GIF", {}),
        ("BMP", {}),
    ],
)
def test_no_truncated_file_is_accepted(image_format: str, options: dict[str, object]) -> None:
    """Cut at every percent, and by a few bytes at the end, where a lenient decoder sees nothing."""
    buffer = io.BytesIO()
    Image.fromarray(photo("coffee")[:150, :200]).save(buffer, image_format, **options)
    data = buffer.getvalue()
    inspect(data)
    lengths = [len(data) * percent // 100 for percent in range(100)]
    lengths += [len(data) - missing for missing in ((16, 64) if image_format == "TIFF" else (3, 16, 64))]
    accepted = []
    for length in lengths:
        with contextlib.suppress(images.DefectError):
            inspect(data[:length])
            accepted.append(length)
    assert accepted == []


@pytest.mark.parametrize("data", [b"", b"just text", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"<svg/>" * 99])
def test_what_is_no_image_is_a_defect(data: bytes) -> None:
    with pytest.raises(images.DefectError):
        inspect(data)


def test_a_header_over_the_cap_is_refused_before_memory_is_allocated() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    with pytest.raises(images.DefectError, match="more pixels than the cap"):
        inspect(bomb + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b""))


def test_pillows_own_settings_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 12345)
    inspect(picture(1))
    assert Image.MAX_IMAGE_PIXELS == 12345


def test_an_mpo_counts_as_the_jpeg_it_starts_with() -> None:
    buffer = io.BytesIO()
    first, second = Image.new("RGB", (20, 10), "red"), Image.new("RGB", (8, 8), "blue")
    first.save(buffer, "MPO", save_all=True, append_images=[second])
    assert inspect(buffer.getvalue()) == ImageInfo("JPEG", 10, 20, "RGB", 1)


def test_a_thumbnail_is_upright_small_and_of_the_right_colour(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (400, 200), (200, 30, 30)).save(buffer, "JPEG", exif=exif.tobytes(), quality=95)
    small = images.thumbnail(write(tmp_path / "x.jpg", buffer.getvalue()), (100, 100))
    assert small.shape == (100, 50, 3)
    assert np.abs(small.astype(int) - (200, 30, 30)).max() < 6


@pytest.mark.parametrize("mode", ["I;16", "RGBA", "P", "CMYK", "L"])
def test_a_thumbnail_of_any_layout_is_rgb(tmp_path: Path, mode: str) -> None:
    path = write(tmp_path / "x", encoded(mode, "TIFF" if mode == "CMYK" else "PNG"))
    assert images.thumbnail(path, (8, 8)).shape == (4, 8, 3)


def test_encode_is_lossless_where_the_format_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    assert (np.asarray(Image.open(io.BytesIO(images.encode(pixels, "PNG")))) == pixels).all()


def test_a_caption_has_the_wished_shape_and_some_ink() -> None:
    drawn = images.caption("train/", (30, 120))
    assert drawn.shape == (30, 120, 3)
    assert drawn.min() < 100 < drawn.max() == 255


@pytest.mark.parametrize("folder", ["image-rs", "pillow", "pngsuite", "libvips", "exif_orientation", "sharp"])
def test_every_nasty_file_is_an_image_or_a_defect(folder: str) -> None:
    """Real files that broke decoders elsewhere: no other exception, nothing that ends a run."""
    files = [path for path in kit("nasty").joinpath(folder).rglob("*") if path.is_file()]
    assert files
    for path in files:
        with contextlib.suppress(images.DefectError):
            info = inspect(path.read_bytes())
            assert 0 < info.height * info.width <= images.MAX_PIXELS


def test_of_a_long_animation_the_first_frames_are_proof_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [Image.fromarray(np.full((20, 20), value, np.uint8)) for value in range(0, 200, 10)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    seen: list[int] = []
    real = GifImageFile.seek

    def watch(self: GifImageFile, frame: int) -> None:
        seen.append(frame)
        real(self, frame)

    monkeypatch.setattr(GifImageFile, "seek", watch)
    monkeypatch.setattr(codecs, "MAX_PIXELS", 5 * 400)
    inspect(buffer.getvalue())
    assert max(seen) == 4
    monkeypatch.setattr(codecs, "MAX_PIXELS", 100 * 400)
    inspect(buffer.getvalue())
    assert max(seen) == 19


def test_a_jpeg_of_four_colours_is_whole_or_a_defect() -> None:
    data = encoded("CMYK", "JPEG")
    assert inspect(data).mode == "CMYK"
    with pytest.raises(images.DefectError):
        inspect(data[:-40] + data[-2:])


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize(("side", "shrunk"), [(100, 1), (255, 1), (256, 2), (600, 4), (1023, 4), (1024, 8), (4000, 8)])
def test_the_small_copy_has_as_many_pixels_as_it_needs(image_format: str, side: int, shrunk: int) -> None:
    ramp = np.linspace(0, 255, side + 7, dtype=np.float32)[None].repeat(side, 0)
    buffer = io.BytesIO()
    Image.fromarray(ramp.astype(np.uint8)).convert("RGB").save(buffer, image_format)
    with images.quiet_codecs():
        found = images.inspect(buffer.getvalue())
    assert (found.size, found.shrunk) == ((side, side + 7), shrunk)
    assert found.small.shape == (-(-side // shrunk), -(-(side + 7) // shrunk))
    starts = np.arange(0, side + 7, shrunk)
    means = np.add.reduceat(ramp[0], starts) / np.diff([*starts, side + 7])
    assert np.abs(found.small[0] - means).max() < 4


def test_the_small_copy_of_a_deep_picture_is_stretched_to_what_there_is() -> None:
    deep = np.linspace(500, 700, 512, dtype=np.uint16)[None].repeat(300, 0)
    buffer = io.BytesIO()
    Image.fromarray(deep).save(buffer, "PNG")
    with images.quiet_codecs():
        small = images.inspect(buffer.getvalue()).small
    assert small.shape == (150, 256)
    np.testing.assert_allclose(small[0], np.linspace(0, 255, 512).reshape(-1, 2).mean(1), atol=1.5)
