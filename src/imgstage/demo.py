"""Photographs for the demonstration: crops of scikit-image's pictures, and what a camera at high ISO makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from . import images
from .errors import RefusedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

PAIRS = 120
MORE_PAIRS = 12
CROP = 128
_PHOTOGRAPHS = (
    "astronaut",
    "coffee",
    "chelsea",
    "rocket",
    "camera",
    "immunohistochemistry",
    "hubble_deep_field",
    "stereo_motorcycle",
)
_WHITE_BALANCE = np.array(
    [1.9, 1.0, 1.6]
)  # gains of a typical daylight setting: red and blue are amplified, with their noise
_ELECTRONS_AT_WHITE = 450.0  # a small sensor at about ISO 6400
_READ_NOISE_ELECTRONS = 3.0


@dataclass(frozen=True)
class DemoPhotos:
    """The folders that were written.

    Attributes:
        first: 120 pairs, an orphan, a truncated file, a stray text.
        more: 12 more pairs.
    """

    first: Path
    more: Path


def write_photos(folder: Path, seed: int = 0) -> DemoPhotos:
    """Write the demonstration's photographs into a new folder.

    Args:
        folder: must not exist, or be empty.
        seed: seeds the noise.

    Returns:
        Where they are.

    Raises:
        RefusedError: the folder holds something.
        UsageError: scikit-image is not installed.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        problem = f"{folder} exists and is not an empty folder"
        raise RefusedError(problem, "Choose another place: imgstage demo FOLDER")
    crops = list(_crops())[: PAIRS + MORE_PAIRS]
    photos = DemoPhotos(folder / "photos", folder / "more_photos")
    noise = np.random.default_rng(seed)
    for number, (name, clean) in enumerate(crops):
        place = photos.first if number < PAIRS else photos.more
        place.mkdir(parents=True, exist_ok=True)
        after = images.encode(clean, "JPEG", quality=95)
        before = images.encode(add_camera_noise(clean, noise), "JPEG", quality=92)
        (place / f"{name}_after.jpg").write_bytes(after)
        (place / f"{name}_before.jpg").write_bytes(before)
        if number == 0:  # the three troubles of real folders
            (place / "orphan_before.jpg").write_bytes(before)
            (place / "truncated_after.jpg").write_bytes(after[: len(after) // 2])
            (place / "truncated_before.jpg").write_bytes(before)
            (place / "notes of the day.docx").write_bytes(b"not a picture at all")
    return photos


def add_camera_noise(clean: NDArray[np.uint8], noise: np.random.Generator) -> NDArray[np.uint8]:
    """What a camera at high ISO would have made of a clean picture.

    Photons arrive at random (Poisson) and reading the sensor adds Gaussian noise, both in linear light and before the
    white balance; see Foi et al., "Practical Poissonian-Gaussian noise modeling", IEEE TIP 17(10), 2008.

    Args:
        clean: RGB, uint8, shape (height, width, 3), range 0 to 255.
        noise: the source of chance.

    Returns:
        The noisy picture, of the same shape and type.
    """
    linear = _to_linear(clean / 255.0) / _WHITE_BALANCE
    electrons = noise.poisson(linear * _ELECTRONS_AT_WHITE) + noise.normal(0.0, _READ_NOISE_ELECTRONS, linear.shape)
    seen = np.clip(electrons / _ELECTRONS_AT_WHITE * _WHITE_BALANCE, 0.0, 1.0)
    return np.rint(_to_srgb(seen) * 255.0).astype(np.uint8)


def _to_linear(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB to linear light (IEC 61966-2-1)."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _to_srgb(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear light to sRGB (IEC 61966-2-1)."""
    return np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)


def _crops() -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Crops that do not overlap, one of each photograph in turn, so that both folders hold all of them."""
    try:
        from skimage import data
    except ImportError:
        problem = "The demonstration needs scikit-image's photographs"
        raise UsageError(problem, "Install them: pip install 'imgstage[demo]'") from None
    photographs = {name: getattr(data, name)() for name in _PHOTOGRAPHS}
    first_of = {name: found[0] if isinstance(found, tuple) else found for name, found in photographs.items()}
    for turn in zip_longest(*(_tiles(name, picture) for name, picture in first_of.items())):
        yield from (crop for crop in turn if crop is not None)


def _tiles(name: str, picture: NDArray[np.uint8]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    colour = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    rows, columns = colour.shape[0] // CROP, colour.shape[1] // CROP
    for number in range(rows * columns):
        top, left = divmod(number, columns)
        tile = colour[top * CROP : (top + 1) * CROP, left * CROP : (left + 1) * CROP, :3]
        yield f"{name}_{number + 1:02d}", np.ascontiguousarray(tile)
