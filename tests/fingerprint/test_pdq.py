"""PDQ: the bits are those of the reference, whatever the machine, and small copies have nearly the same."""

from __future__ import annotations

import io
import time
import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from imgstage import images
from imgstage.fingerprint import BYTES, ORIENTATIONS, PACKED, Fingerprint, fingerprint, pack

from ..helpers import kit, photo

REFERENCE = {
    "astronaut": "24ed993faa1d64507b20bb738136982b2c15f64a4bc539e794a36a95cf58d6b4",
    "coffee": "0799413e6fe599e31f876c786f9e6584364f6411661cc59d326c6659ee790621",
    "chelsea": "bffccdbe8c44a26242912fc4bdb34823c2cba5946ed471916a85b80f84cad7fa",
    "rocket": "6ecf2724d841333eca4325bccf4338fc0703f8fc2703d8f5270ec9f1361e49e1",
    "camera": "e3878210804f84f99d3919b17c46664ef0efc3a767302f111f1e962edcb9393b",
}
"""What pdqhash 0.2.8, which wraps the reference implementation, says of scikit-image's photographs.

Of those with a side of less than 512 pixels, each pixel is repeated before, so that it has as many."""


def luma(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey as the reference weighs it."""
    if pixels.ndim == 2:
        return pixels.astype(np.float32)
    shares = np.array([0.299, 0.587, 0.114], np.float32)
    found: NDArray[np.float32] = (pixels[..., :3] * shares).sum(2, dtype=np.float32)
    return found


def bits(found: Fingerprint) -> NDArray[np.uint8]:
    """The eight hashes, a bit a value."""
    return np.unpackbits(np.frombuffer(found.hashes, np.uint8)).reshape(ORIENTATIONS, 8 * BYTES)


def distance(one: Fingerprint, other: Fingerprint) -> int:
    """Bits by which the hash of one as it is stored differs from the nearest of the other's eight."""
    return int((bits(one)[0] != bits(other)).sum(1).min())


def inspected(image: Image.Image, image_format: str, **options: Any) -> Fingerprint:
    """The fingerprint that a scan takes of an image in a file."""
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    with images.quiet_codecs():
        _, size, small, shrunk = images.inspect(buffer.getvalue())
    return fingerprint(small, size, shrunk)


@pytest.mark.parametrize("name", REFERENCE)
def test_the_bits_are_those_of_the_reference(name: str) -> None:
    found = fingerprint(luma(photo(name)))
    assert found.hashes[:BYTES].hex() == REFERENCE[name]
    assert found.quality == 100


@pytest.mark.parametrize(
    "folder",
    ["classes/clothing_cc0", "duplicates", "groups/xray_patients", "multilabel/bccd", "pairs/polyu_crops"],
)
def test_all_orientations_are_those_of_the_reference_on_real_pictures(folder: str) -> None:
    pdqhash = pytest.importorskip("pdqhash", reason="pdqhash, which is built from source, is not installed")
    paths = sorted(path for path in kit(folder).rglob("*") if path.suffix.lower() in {".jpg", ".png"})[::7]
    assert len(paths) >= 4
    for path in paths:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            pixels = np.asarray(image.convert("RGB"))
        found = fingerprint(luma(pixels))
        for side in (0, 1):  # short sides count so many times
            pixels = pixels.repeat(-(-512 // pixels.shape[side]), side)
        ways = [pixels, pixels[:, ::-1], pixels[::-1], pixels[::-1, ::-1]]
        ways += [way.swapaxes(0, 1) for way in ways]
        for way, ours in zip(ways, bits(found), strict=True):
            theirs, quality = pdqhash.compute(np.ascontiguousarray(way))
            assert (np.asarray(theirs).ravel()[::-1] == ours).all(), path
            assert quality == found.quality or way is not pixels


def test_turned_and_mirrored_pictures_have_the_hashes_of_each_other() -> None:
    whole = luma(photo("astronaut"))
    first = fingerprint(whole)
    ways = {
        tuple(np.rot90(np.arange(4).reshape(2, 2), quarter)[:, ::side].ravel().tolist()): np.rot90(whole, quarter)[
            :, ::side
        ]
        for quarter in range(4)
        for side in (1, -1)
    }
    assert len(ways) == ORIENTATIONS
    nearest = []
    for turned in ways.values():
        differing = (bits(fingerprint(np.ascontiguousarray(turned)))[0] != bits(first)).sum(1)
        assert differing.min() == 0
        assert np.sort(differing)[1] > 60
        nearest.append(int(differing.argmin()))
    assert sorted(nearest) == list(range(ORIENTATIONS))


@pytest.mark.parametrize("side", [32, 64, 96, 128, 160, 192, 224, 256, 320, 512])
def test_small_pictures_are_known_turned_and_at_half_their_size(side: int) -> None:
    for name in ("astronaut", "coffee", "chelsea", "rocket", "camera"):
        image = Image.fromarray(photo(name)).convert("L").resize((side, side), Image.Resampling.LANCZOS)
        whole = fingerprint(np.asarray(image))
        assert distance(fingerprint(np.asarray(image.transpose(Image.Transpose.ROTATE_180))), whole) == 0
        half = image.resize((side // 2, side // 2), Image.Resampling.LANCZOS)
        assert distance(fingerprint(np.asarray(half)), whole) <= (31 if side > 64 else 40)


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
@pytest.mark.parametrize("factor", [1, 3])
def test_what_a_scan_sees_is_nearly_the_whole_picture(name: str, factor: int) -> None:
    image = Image.fromarray(photo(name))
    image = image.resize((image.width * factor, image.height * factor), Image.Resampling.BICUBIC)
    whole = fingerprint(luma(np.asarray(image)))
    for image_format, options in (("JPEG", {"quality": 90}), ("PNG", {}), ("WEBP", {"quality": 85}), ("TIFF", {})):
        assert distance(inspected(image, image_format, **options), whole) <= 12


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "LA", "I;16", "F", "LAB"])
def test_layouts_of_pixels_make_no_difference(mode: str) -> None:
    image = Image.fromarray(photo("coffee"))
    grey = image.convert("L")
    wide = np.asarray(grey, np.float32)
    made = {
        "I;16": lambda: Image.fromarray((wide * 16).astype(np.uint16)),  # twelve bits, as microscopes have them
        "F": lambda: Image.fromarray(wide / 255 - 7),
        "LAB": lambda: Image.merge("LAB", [grey, grey.point(lambda _: 128), grey.point(lambda _: 128)]),
    }.get(mode, lambda: image.convert(mode))()
    image_format = "PNG" if mode in ("P", "RGBA", "LA", "I;16") else "TIFF"
    found = inspected(made, image_format)
    assert distance(found, inspected(image, "PNG")) <= 12
    assert found.quality > 90


@pytest.mark.parametrize(
    "values", [[np.nan, 0.0, 1.0], [np.inf, 0.0, 1.0], [-np.inf, np.inf, 3.0], [-3e38, 3e38, 0.0], [1e-45, 0.0, 0.0]]
)
def test_strange_numbers_in_a_tiff_are_no_defect(values: list[float]) -> None:
    pixels = np.tile(np.array(values, np.float32), (300, 100))
    assert 0 <= inspected(Image.fromarray(pixels), "TIFF").quality <= 100


FLATS = {
    "black": np.zeros((200, 300), np.uint8),
    "white": np.full((300, 200), 255, np.uint8),
    "a ramp": np.tile(np.arange(256, dtype=np.uint8), (256, 1)),
    "a ramp downwards": np.tile(np.arange(256, dtype=np.uint8)[:, None], (1, 300)),
    "two halves": np.repeat(np.array([[0, 255]], np.uint8), 128, 1).repeat(256, 0),
    "bars": np.tile(np.repeat(np.array([0, 255], np.uint8), 16), (256, 16)),
    "faint grain": np.random.default_rng(0).integers(120, 130, (256, 256), dtype=np.uint8),
    "one pixel": np.full((1, 1), 9, np.uint8),
}


@pytest.mark.parametrize("name", FLATS)
def test_flat_pictures_are_too_flat(name: str) -> None:
    assert fingerprint(FLATS[name]).is_flat


@pytest.mark.parametrize("name", REFERENCE)
def test_photographs_are_not_flat(name: str) -> None:
    assert not fingerprint(luma(photo(name))).is_flat


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (2, 3), (63, 65), (128, 129), (4001, 31)])
@pytest.mark.parametrize("shrunk", [1, 2, 8])
def test_a_picture_of_one_grey_stays_that_grey_whatever_its_size(size: tuple[int, int], shrunk: int) -> None:
    from imgstage.fingerprint import pdq

    pixels = np.full((-(-size[0] // shrunk), -(-size[1] // shrunk)), 100, np.uint8)
    rows, columns = (pdq._both_ways(length, shrunk) for length in size)
    small = pdq._sampled(pdq._sampled(pixels, rows).T, columns)
    np.testing.assert_allclose(small, 100, rtol=1e-5)


def test_packed_fingerprints_have_their_length() -> None:
    packed = pack(fingerprint(luma(photo("coffee"))))
    assert len(packed) == PACKED
    assert packed[-1] == 100


@pytest.mark.parametrize("size", [(2_000_000, 3), (3, 2_000_000)])
def test_a_side_of_any_length_takes_no_long(size: tuple[int, int]) -> None:
    begin = time.process_time()
    assert fingerprint(np.zeros((-(-size[0] // 8), -(-size[1] // 8)), np.uint8), size, 8).is_flat
    assert time.process_time() - begin < 5  # what grows with the square of the side takes half an hour
