"""Files become tensors of one size: alike for all roles, as seen, and as `imgstage resize` makes them where asked."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from imgstage import DefectError, UsageError
from imgstage.geometry import Fit, SizeWish
from imgstage.images import decode, quiet_codecs
from imgstage.resizing import shaped
from imgstage.training.pixels import Preprocessing

from ..helpers import kit, photo


def encoded(pixels: NDArray[Any] | Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(buffer, image_format, **options)
    return buffer.getvalue()


def load(data: bytes, size: tuple[int, int] | None = None, role: str = "image", **wishes: Any) -> torch.Tensor:
    way = Preprocessing(size, wishes.get("fit", "stretch"), wishes.get("mode", "RGB"), wishes.get("exact", False))
    way.check()
    with quiet_codecs():
        return way.load([role], [[data]])[0]


def psnr(one: torch.Tensor, other: torch.Tensor) -> float:
    error = float(((one.double() - other.double()) ** 2).mean())
    return 10 * math.log10(255**2 / error) if error else math.inf


@pytest.mark.parametrize("fit", ["stretch", "cover", "pad"])
@pytest.mark.parametrize("name", ["coffee", "astronaut", "camera"])
def test_exact_gives_the_pixels_that_resize_makes(name: str, fit: Fit) -> None:
    data = encoded(photo(name))
    size = (160, 224)
    with quiet_codecs():
        pixels, traits = decode(data)
        (frame,) = SizeWish(size=size, fit=fit, enlarge=True).frames([pixels.shape[:2]])
        made = shaped(pixels, traits, frame)
    found = load(data, size, fit=fit, exact=True).permute(1, 2, 0).numpy()
    assert np.array_equal(found, made if made.ndim == 3 else np.repeat(made[..., None], 3, axis=2))


@pytest.mark.parametrize("fit", ["stretch", "cover", "pad"])
@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.33, 0.45, 0.7, 1.3])
@pytest.mark.parametrize("name", ["coffee", "astronaut", "camera", "chelsea"])
def test_the_quick_way_is_within_43_decibels_of_it(name: str, share: float, fit: Fit) -> None:
    pixels = photo(name)[:-3, :-5]  # sides that 8 does not divide: a reduced decode has a part of a pixel more
    size = (round(pixels.shape[0] * share), round(pixels.shape[1] * share * 0.9))
    data = encoded(pixels, "JPEG", quality=92)
    assert psnr(load(data, size, fit=fit), load(data, size, fit=fit, exact=True)) >= 43


@pytest.mark.parametrize("size", [(224, 224), (96, 96), (66, 50), (33, 25)])
def test_real_photographs_are_within_43_decibels_of_it(size: tuple[int, int]) -> None:
    """Of the last two sizes, the decoder's scales of 1/2 and 1/4 leave hardly more than the least."""
    files = sorted(kit("classes/clothing_cc0").glob("*/*.jpg"))
    found = {path.name: path.read_bytes() for path in files[::8]}
    assert len(found) > 100
    assert min(psnr(load(data, size), load(data, size, exact=True)) for data in found.values()) >= 43


def test_a_jpeg_is_decoded_smaller_where_that_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def watch(source: bytes, at_least: tuple[int, int] | None = None, **rest: Any) -> Any:
        found = decode(source, at_least, **rest)
        asked.append(found.pixels.shape[:2])
        return found

    monkeypatch.setattr("imgstage.images.decode", watch)
    data = encoded(np.tile(photo("coffee"), (2, 2, 1)), "JPEG")  # 800 x 1200
    load(data, (100, 150))
    load(data, (100, 150), exact=True)
    load(data, (105, 155))
    assert asked == [(400, 600), (800, 1200), (800, 1200)]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [None, (130, 290)])
@pytest.mark.parametrize("fit", ["stretch", "cover", "pad"])
def test_images_are_as_seen(orientation: int, size: tuple[int, int] | None, fit: Fit) -> None:
    image = Image.fromarray(photo("chelsea")[:200])
    exif = image.getexif()
    exif[0x0112] = orientation
    turned = encoded(image, "JPEG", quality=98, exif=exif, subsampling=0)
    with Image.open(io.BytesIO(turned)) as stored:
        from PIL import ImageOps

        upright = encoded(ImageOps.exif_transpose(stored))
    found, expected = load(turned, size, fit=fit), load(upright, size, fit=fit)
    assert found.shape == expected.shape
    assert psnr(found, expected) > 50


@pytest.mark.parametrize(
    ("mode", "image_format"),
    [
        ("L", "PNG"),
        ("LA", "PNG"),
        ("RGBA", "PNG"),
        ("P", "PNG"),
        ("1", "PNG"),
        ("CMYK", "JPEG"),
        ("CMYK", "TIFF"),
        ("P", "GIF"),
    ],
)
@pytest.mark.parametrize("exact", [True, False])
def test_every_layout_becomes_three_channels_or_one(mode: str, image_format: str, exact: bool) -> None:
    image = Image.fromarray(photo("coffee")[:120, :160]).convert(mode)
    data = encoded(image, image_format)
    expected = torch.from_numpy(np.asarray(image.convert("RGB")).copy()).permute(2, 0, 1)
    if image_format != "JPEG":
        assert psnr(load(data), expected) > 50
    for size in (None, (60, 80)):
        colour, grey = load(data, size, exact=exact), load(data, size, exact=exact, mode="L")
        assert (colour.dtype, colour.shape[0]) == (torch.uint8, 3)
        assert (grey.dtype, grey.shape[0]) == (torch.uint8, 1)
        assert colour.shape[1:] == grey.shape[1:] == (size or (120, 160))


@pytest.mark.parametrize("exact", [True, False])
def test_of_sixteen_bits_eight_are_shown(exact: bool) -> None:
    deep = (photo("camera")[:100, :100].astype(np.uint16) << 8) + 200
    shown = torch.from_numpy(photo("camera")[:100, :100].copy())
    assert torch.equal(load(encoded(deep), mode="L")[0], shown)
    assert (
        psnr(
            load(encoded(deep), (50, 50), mode="L", exact=exact)[0], load(encoded(shown.numpy()), (50, 50), mode="L")[0]
        )
        > 43
    )


def test_a_mask_keeps_its_values() -> None:
    labels = (np.indices((90, 120)).sum(0) // 30).astype(np.uint8)
    for size in ((45, 60), (200, 300), None):
        found = load(encoded(labels), size, role="mask")
        assert found.shape == (size or (90, 120))
        assert found.dtype == torch.uint8
        assert set(np.unique(found.numpy()).tolist()) == set(range(7))
    palette = Image.fromarray(labels).convert("P")
    palette.putpalette(bytes(range(256)) * 3)
    assert torch.equal(load(encoded(palette), role="mask"), torch.from_numpy(labels))
    deep = labels.astype(np.uint16) * 1000
    assert load(encoded(deep), role="mask").dtype == torch.int32
    assert torch.equal(load(encoded(deep), role="mask"), torch.from_numpy(deep.astype(np.int32)))


def test_a_mask_in_colours_is_refused_and_a_grey_one_is_not() -> None:
    with pytest.raises(DefectError, match="mask in colours"):
        load(encoded(photo("coffee")), role="mask")
    grey = photo("camera")[:50, :50]
    assert torch.equal(load(encoded(np.stack([grey] * 3, -1)), role="mask"), torch.from_numpy(grey.copy()))


def test_several_masks_become_one_by_their_numbers() -> None:
    first, second = np.zeros((20, 30), np.uint8), np.zeros((20, 30), np.uint8)
    first[:10], second[5:, 20:] = 255, 1
    with quiet_codecs():
        (found,) = Preprocessing(None, "stretch", "RGB", False).load(["masks"], [[encoded(first), encoded(second)]])
    expected = np.where(second > 0, 2, np.where(first > 0, 1, 0))
    assert torch.equal(found, torch.from_numpy(expected.astype(np.uint8)))


def test_all_roles_get_one_geometry() -> None:
    image = photo("coffee")
    short = image[:-2]  # a row or two that a camera cut off
    with quiet_codecs():
        one, other = Preprocessing((100, 150), "cover", "RGB", False).load(
            ["before", "after"], [[encoded(image)], [encoded(short)]]
        )
        assert one.shape == other.shape == (3, 100, 150)
        with pytest.raises(DefectError, match="different shapes"):
            Preprocessing((100, 150), "cover", "RGB", False).load(
                ["before", "after"], [[encoded(image)], [encoded(image[:200])]]
            )


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"size": (0, 10)}, "two whole numbers above zero"),
        ({"size": (10,)}, "two whole numbers above zero"),
        ({"size": (10.5, 3)}, "two whole numbers above zero"),
        ({"size": (True, 3)}, "two whole numbers above zero"),
        ({"size": (10**6, 10**6)}, "pixels that an image may have"),
        ({"size": (10, 10), "fit": "crop"}, "no fit 'crop'"),
        ({"mode": "BGR"}, "no mode 'BGR'"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(wishes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(encoded(photo("coffee")), **wishes)


@pytest.mark.parametrize(
    "data", [b"", b"text", encoded(photo("coffee"), "JPEG")[:3000], encoded(np.ones((3, 3), np.float32), "TIFF")]
)
def test_what_cannot_be_decoded_is_a_defect(data: bytes) -> None:
    with pytest.raises(DefectError):
        load(data, (10, 10))
