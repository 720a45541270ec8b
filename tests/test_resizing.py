"""One image made anew: right pixels, nothing silently lost."""

from __future__ import annotations

import io
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps, JpegImagePlugin

from imgstage import images, resizing
from imgstage.errors import DefectError
from imgstage.geometry import Fit, SizeWish
from imgstage.resizing import Recipe, make, probe

from .helpers import kit, photo, picture, write


def bytes_of(image: Image.Image, image_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def opened(encoded: bytes) -> Image.Image:
    return Image.open(io.BytesIO(encoded))


def psnr(one: Image.Image, other: Image.Image) -> float:
    error = np.mean((np.asarray(one.convert("L"), float) - np.asarray(other.convert("L"), float)) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def recipe(wish: SizeWish, size: tuple[int, int], image_format: str = "PNG", **more: object) -> Recipe:
    return Recipe(wish.frames([size])[0], image_format, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("turn", ["keep", "portrait"])
def test_pictures_are_those_of_the_old_script(orientation: int, turn: str) -> None:
    """Turned upright first, then resized by Pillow's Lanczos: what comes out here may not differ to the eye."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    photograph = Image.fromarray(photo("coffee"))
    encoded = bytes_of(photograph, "PNG", exif=exif.tobytes())
    upright = ImageOps.exif_transpose(opened(encoded))
    wish = SizeWish(size=(240, 160), orient=turn)  # type: ignore[arg-type]
    found = opened(make(recipe(wish, upright.size[::-1]), encoded))
    if turn == "portrait" and upright.width > upright.height:
        upright = upright.transpose(Image.Transpose.ROTATE_90)
    assert found.size == (160, 240)
    assert found.getexif().get(0x0112, 1) == 1
    assert psnr(found, upright.resize((160, 240), Image.Resampling.LANCZOS)) >= 47


@pytest.mark.parametrize("fit", ["stretch", "contain", "cover", "pad"])
def test_fits(fit: Fit) -> None:
    photograph = Image.fromarray(photo("coffee"))  # 400 x 600
    found = opened(make(recipe(SizeWish(size=(200, 200), fit=fit), (400, 600)), bytes_of(photograph, "PNG")))
    assert found.size == ((200, 133) if fit == "contain" else (200, 200))
    if fit == "cover":
        wished = photograph.resize((300, 200), Image.Resampling.LANCZOS).crop((50, 0, 250, 200))
        assert psnr(found, wished) >= 47
    if fit == "pad":
        assert np.asarray(found)[:33].max() == 0 == np.asarray(found)[-33:].max()
        assert psnr(found.crop((0, 33, 200, 166)), photograph.resize((200, 133), Image.Resampling.LANCZOS)) >= 47


def test_an_image_that_only_gets_edges_keeps_every_pixel() -> None:
    photograph = photo("coffee")[:100, :90]
    wish = SizeWish(multiple_of=32, fit="pad")
    found = np.asarray(opened(make(recipe(wish, (100, 90)), bytes_of(Image.fromarray(photograph), "PNG"))))
    assert np.array_equal(found[14:114, 3:93], photograph)


@pytest.mark.parametrize("mode", ["L", "P", "1", "I;16", "RGB"])
def test_labels_survive_exactly(mode: str) -> None:
    values = np.zeros((60, 90), np.uint8)
    values[10:40, 20:70], values[30:, 60:] = (1, 1) if mode == "1" else (7, 255)
    image = Image.fromarray(values * 255, "L").convert("1") if mode == "1" else Image.fromarray(values)
    if mode == "I;16":
        image = Image.fromarray(values.astype(np.uint16) * 257)
    if mode == "P":
        image.putpalette(list(range(256)) * 3)
    if mode == "RGB":
        image = Image.merge("RGB", (image, image, image))
    found = opened(make(recipe(SizeWish(scale=Fraction(1, 3)), (60, 90), labels=True), bytes_of(image, "PNG")))
    assert found.mode == image.mode
    assert np.array_equal(np.asarray(found), np.asarray(image.resize((30, 20), Image.Resampling.NEAREST)))
    if mode == "P":
        assert found.getpalette() == image.getpalette()


def frames() -> bytes:
    images = [Image.fromarray(np.full((8, 8), value, np.uint8)) for value in (1, 200)]
    return bytes_of(images[0], "WEBP", save_all=True, append_images=images[1:])


@pytest.mark.parametrize(
    ("encoded", "image_format", "labels", "problem"),
    [
        (frames(), "WEBP", False, "holds 2 pictures, and only the first"),
        (bytes_of(Image.new("RGBA", (8, 8)), "PNG"), "JPEG", False, "JPEG cannot hold its pixels.*--format png can"),
        (bytes_of(Image.new("CMYK", (8, 8)), "JPEG"), "PNG", False, "PNG cannot hold its pixels"),
        (picture(1, size=(8, 8)), "JPEG", True, "JPEG does not keep the values of a mask"),
        (picture(1, "GIF", size=(8, 8)), "GIF", False, "GIF cannot hold its pixels"),
        (bytes_of(Image.new("L", (8, 8)), "PNG"), "WEBP", True, "WEBP does not keep"),
        (picture(1, size=(8, 8))[:-40], "JPEG", False, "decode whole"),
        (b"", "JPEG", False, "empty"),
        (bytes_of(Image.new("I;16", (8, 8), 9), "PNG", transparency=9), "PNG", False, "no channel for what is transp"),
    ],
)
def test_what_would_be_lost_is_refused(encoded: bytes, image_format: str, labels: bool, problem: str) -> None:
    with pytest.raises(DefectError, match=problem):
        make(recipe(SizeWish(scale=Fraction(1, 2)), (8, 8), image_format, labels=labels), encoded)


def test_formats_change_where_nothing_is_lost() -> None:
    photograph = Image.fromarray(photo("coffee"))
    for source, target in (("PNG", "JPEG"), ("JPEG", "PNG"), ("PNG", "WEBP"), ("TIFF", "PNG"), ("BMP", "JPEG")):
        found = opened(make(recipe(SizeWish(scale=Fraction(1, 2)), (400, 600), target), bytes_of(photograph, source)))
        assert found.format == target
        assert psnr(found, photograph.resize((300, 200), Image.Resampling.LANCZOS)) > 30
    lossy = make(recipe(SizeWish(scale=Fraction(1, 2)), (400, 600), "WEBP"), bytes_of(photograph, "PNG"))
    exact = make(
        recipe(SizeWish(scale=Fraction(1, 2)), (400, 600), "WEBP"), bytes_of(photograph, "WEBP", lossless=True)
    )
    assert len(lossy) < len(exact)


def test_quality_is_what_was_asked() -> None:
    encoded = bytes_of(Image.fromarray(photo("coffee")), "JPEG", quality=95)
    sizes = [
        len(make(recipe(SizeWish(scale=Fraction(1, 2)), (400, 600), "JPEG", quality=quality), encoded))
        for quality in (50, 90, 100)
    ]
    assert sizes[0] * 2 < sizes[1] < sizes[2] / 1.5


def test_a_probe_tells_about_what_it_will_take(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{n}.jpg", bytes_of(Image.fromarray(photo("coffee")), "JPEG")) for n in range(30)]
    paths.append(write(tmp_path / "broken.jpg", b"no image"))
    how = recipe(SizeWish(scale=Fraction(1, 2)), (400, 600), "JPEG")
    found = probe([(how, path) for path in paths], [(400, 600)] * len(paths), threads=2)
    true = len(make(how, paths[0].read_bytes()))
    assert len(found.sizes) == len(paths)
    assert all(true <= size <= 1.3 * true for size in found.sizes)
    assert 0 < found.seconds < 60
    assert probe([], []).sizes == ()


def test_real_camera_files_have_the_quality_of_pillows_lanczos() -> None:
    for path in sorted(kit("pairs/polyu_full").glob("*.JPG"))[:4]:
        image = Image.open(path)
        wish = SizeWish(size=(1920, 1280), orient="portrait")
        found = opened(make(recipe(wish, image.size[::-1], "PNG"), path.read_bytes()))
        turned = image.transpose(Image.Transpose.ROTATE_90) if image.width > image.height else image
        assert psnr(found, turned.resize((1280, 1920), Image.Resampling.LANCZOS)) >= 47


def deep_colour() -> bytes:
    """A PNG of 8 x 8 pixels with 16 bits a colour."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    head = chunk(b"IHDR", b"\0\0\0\x08\0\0\0\x08\x10\x02\0\0\0")
    rows = b"".join(b"\0" + np.random.default_rng(row).bytes(48) for row in range(8))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_sixteen_bits_of_colour_are_not_halved() -> None:
    with pytest.raises(DefectError, match="16 bits a colour"):
        make(recipe(SizeWish(scale=Fraction(1, 2)), (8, 8)), deep_colour())


def test_deep_grey_of_either_byte_order_is_made() -> None:
    values = np.linspace(300, 60_000, 64 * 64, dtype=np.uint16).reshape(64, 64)
    made = []
    for order in ("<u2", ">u2"):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, values.astype(order), byteorder="<" if order == "<u2" else ">")
        with images.quiet_codecs():
            info = images.inspect(buffer.getvalue()).info
        half = recipe(SizeWish(scale=Fraction(1, 2)), (64, 64), "TIFF")
        assert resizing.foreseen(info, half) == ""
        made.append(np.asarray(opened(make(half, buffer.getvalue()))))
    assert np.array_equal(made[0], made[1])
    assert made[0].dtype == np.uint16


def test_edges_of_inks_are_black() -> None:
    encoded = bytes_of(Image.fromarray(photo("coffee")[:60, :90]).convert("CMYK"), "TIFF")
    found = opened(make(recipe(SizeWish(multiple_of=32, fit="pad"), (60, 90), "TIFF"), encoded))
    assert found.getpixel((0, 0)) == (0, 0, 0, 255)
    assert found.convert("RGB").getpixel((0, 0)) == (0, 0, 0)


@pytest.mark.parametrize(("given", "kept"), [(0, 0), (1, 1), (2, 2)])
def test_the_sampling_of_a_jpegs_colours_is_kept(given: int, kept: int) -> None:
    encoded = bytes_of(Image.fromarray(photo("coffee")), "JPEG", quality=95, subsampling=given)
    found = opened(make(recipe(SizeWish(scale=Fraction(1, 2)), (400, 600), "JPEG"), encoded))
    assert JpegImagePlugin.get_sampling(found) == kept


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "raw"])
def test_the_compression_of_a_tiff_is_kept(compression: str) -> None:
    encoded = bytes_of(Image.fromarray(photo("coffee")), "TIFF", compression=compression)
    found = opened(make(recipe(SizeWish(scale=Fraction(1, 2)), (400, 600), "TIFF"), encoded))
    assert found.info["compression"] == compression


def test_a_bilevel_scan_becomes_grey_under_another_compression() -> None:
    text = Image.fromarray(photo("camera")).convert("1")
    encoded = bytes_of(text, "TIFF", compression="group4")
    found = opened(make(recipe(SizeWish(scale=Fraction(1, 2)), (512, 512), "TIFF", told=True), encoded))
    assert (found.mode, found.size) == ("L", (256, 256))


def test_a_lossless_webp_stays_one_behind_a_profile() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    encoded = bytes_of(Image.fromarray(photo("coffee")), "WEBP", lossless=True, icc_profile=profile)
    made = make(recipe(SizeWish(scale=Fraction(1, 2)), (400, 600), "WEBP"), encoded)
    assert b"VP8L" in made
    assert opened(made).info["icc_profile"] == profile


def test_what_was_written_wrongly_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = bytes_of(Image.fromarray(photo("coffee")), "PNG")
    how = recipe(SizeWish(scale=Fraction(1, 2)), (400, 600))
    monkeypatch.setattr(resizing, "encode", lambda *_, **__: picture(1, "PNG"))
    with pytest.raises(DefectError, match="was written with 24x32 instead"):
        make(how, encoded)
    monkeypatch.setattr(resizing, "encode", lambda *_, **__: picture(1, "PNG", (200, 300)))
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways = bytes_of(opened(picture(1, "PNG", (300, 200))), "PNG", exif=exif.tobytes())
    monkeypatch.setattr(resizing, "encode", lambda *_, **__: sideways)
    with pytest.raises(DefectError, match="was written with 200x300 instead"):
        make(how, encoded)
    monkeypatch.setattr(resizing, "encode", lambda *_, **__: picture(1, "PNG", (200, 300)))
    labels = how._replace(labels=True)
    with pytest.raises(DefectError, match="does not keep its values"):
        make(labels, encoded)


def test_a_probe_tries_small_and_large_ones(tmp_path: Path) -> None:
    small, large = photo("coffee")[:40, :60], photo("coffee")
    paths = [
        write(tmp_path / f"{n}.png", bytes_of(Image.fromarray(small if n < 10 else large), "PNG")) for n in range(14)
    ]
    sizes = [(40, 60)] * 10 + [(400, 600)] * 4
    work = [(recipe(SizeWish(scale=Fraction(1, 2)), size), path) for size, path in zip(sizes, paths, strict=True)]
    true = sum(len(make(how, path.read_bytes())) for how, path in work)
    assert true <= sum(probe(work, sizes, threads=1).sizes) <= 2 * true
