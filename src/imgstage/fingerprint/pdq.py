"""PDQ, a perceptual hash of 256 bits: one for each way to turn and mirror the picture.

Source: "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", Facebook, 2019. Of a whole grey
picture, and of each way to turn it, the bits are those of its reference implementation. Its filter is coarse where a
side has few pixels: it moves the picture by up to half of what a value stands for, to another side when the picture is
turned. So sides of less than 512 pixels count as so many times as long, as if each pixel were repeated. Everything is
summed in a fixed order, the transform in whole numbers, so that every machine finds the same bits.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BYTES = 32
"""Of one hash."""
ORIENTATIONS = 8
"""The picture as stored, mirrored, flipped, both, and each of these transposed."""
PACKED = ORIENTATIONS * BYTES + 1
"""Bytes of a fingerprint that is kept: the hashes, and the quality."""
TOO_FLAT = 49
"""Up to this quality a hash says little of its picture, and alike hashes say nothing."""

_SIDE = 64  # of the small picture that is transformed
_KEPT = 16  # frequencies each way, from the second on
_WINDOWS = 128  # a side counts so many windows of the filter
_LEAST = 512  # pixels that a side counts at least
_NOISE = 1.0  # grey values: where waves differ by less, rounding alone decides on the bits
_VALUE_BITS, _COSINE_BITS, _HALF_BITS = 16, 22, 14  # after the point, in the transform, and between its two steps
_Taps = tuple["NDArray[np.intp]", "NDArray[np.float32]"]
_UNIT = 2.0 ** (_HALF_BITS + _COSINE_BITS)  # one grey value there


class Fingerprint(NamedTuple):
    """By what a picture is recognised when it was resized, encoded anew, turned or mirrored.

    Attributes:
        hashes: 256 bits for each of the eight orientations, the picture as stored first.
        quality: 0 to 100: how much there is to see, as PDQ counts it; 0 where all there is are a few waves, as in a
            plain ramp, so that noise decides on most bits.
    """

    hashes: bytes
    quality: int

    @property
    def is_flat(self) -> bool:
        """Whether there is too little to see to recognise it by."""
        return self.quality <= TOO_FLAT


def pack(fingerprint: Fingerprint) -> bytes:
    """A fingerprint as `PACKED` bytes, to be kept."""
    return fingerprint.hashes + bytes((fingerprint.quality,))


def fingerprint(pixels: NDArray[Any], size: tuple[int, int] | None = None, shrunk: int = 1) -> Fingerprint:
    """The PDQ hashes of a picture.

    Args:
        pixels: grey, shape (height, width), uint8 or floats, range 0 to 255.
        size: the (height, width) of the picture, in pixels, when `pixels` is a smaller copy; None when it is whole.
        shrunk: how many pixels of the picture each way are one of the copy.
    """
    height, width = size or (pixels.shape[0], pixels.shape[1])
    lines = _sampled(pixels, _both_ways(height, shrunk))
    both = _sampled(lines.T, _both_ways(width, shrunk)).T  # mirrored or not to the right, flipped or not below
    smalls = both.reshape(2, _SIDE, 2, _SIDE).swapaxes(1, 2).reshape(4, _SIDE, _SIDE)
    waves = _low_frequencies(smalls)
    ordered = np.sort(waves.reshape(len(waves), -1))
    quarter, middle, last_quarter = (ordered[:, _KEPT * _KEPT * share // 4 - 1] for share in (1, 2, 3))
    bits = waves > middle[:, None, None]
    hashes = np.packbits(np.concatenate([bits, bits.swapaxes(1, 2)])).tobytes()
    tells = float((last_quarter - quarter).max()) > _NOISE * _UNIT
    return Fingerprint(hashes, _quality(smalls[0]) if tells else 0)


def _sampled(pixels: NDArray[Any], taps: _Taps) -> NDArray[np.float32]:
    """Rows of a picture that is blurred downwards by two box filters."""
    rows, weights = taps
    lines: NDArray[np.float32] = (pixels[rows] * weights[..., None]).sum(0, dtype=np.float32)
    return lines


@lru_cache(maxsize=256)
def _both_ways(side: int, shrunk: int) -> _Taps:
    """`_taps` of a side, and of the same side seen in a mirror: places and weights of shape (n, 128)."""
    places, weights = _taps(side, shrunk)
    back = -(-side // shrunk) - 1 - places
    return np.concatenate([places, back], 1), np.concatenate([weights, weights], 1)


def _taps(side: int, shrunk: int) -> _Taps:
    """From where, along one side, each of the 64 values comes.

    Args:
        side: of the whole picture.
        shrunk: how many of its pixels are one of those that are there, the mean of them.

    Returns:
        Places and their weights, each of shape (n, 64).
    """
    times = -(-_LEAST // side)
    side, shrunk = side * times, shrunk * times
    window = -(-side // _WINDOWS)
    after = (window + 2) // 2 - 1
    before = window - 1 - after

    def box(places: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        return np.maximum(places - before, 0), np.minimum(places + after, side - 1)

    middles = ((np.arange(_SIDE) + 0.5) * side / _SIDE).astype(np.intp)
    first, last = box(middles)
    start, _ = box(first)
    _, end = box(last)
    rises = np.zeros((_SIDE, int((end - start).max()) + 2))  # each window of the second filter begins and ends
    row = np.arange(_SIDE)
    for step in range(window):
        inner = np.minimum(first + step, last)
        low, high = box(inner)
        share = np.where(first + step <= last, 1 / ((last - first + 1) * (high - low + 1)), 0)
        rises[row, low - start] += share
        rises[row, high + 1 - start] -= share
    weights = rises.cumsum(1)[:, :-1]
    return _merged(start, weights, shrunk, -(-side // shrunk))


def _merged(start: NDArray[np.intp], weights: NDArray[np.float64], shrunk: int, side: int) -> _Taps:
    """Weights of single pixels as those of the means of several."""
    first = start // shrunk
    places = (start[:, None] + np.arange(weights.shape[1])) // shrunk - first[:, None]
    merged = np.zeros((_SIDE, int(places.max()) + 1))
    np.add.at(merged, (np.arange(_SIDE)[:, None], places), weights)
    found = np.minimum(first[:, None] + np.arange(merged.shape[1]), side - 1)
    return np.ascontiguousarray(found.T), np.ascontiguousarray(merged.T, np.float32)


def _cosines() -> NDArray[np.float64]:
    waves, places = np.arange(1, _KEPT + 1)[:, None], np.arange(_SIDE)
    exact = np.sqrt(2 / _SIDE) * np.cos(np.pi / (2 * _SIDE) * waves * (2 * places + 1))
    cosines: NDArray[np.float64] = np.rint(exact * 2**_COSINE_BITS)
    return cosines


_COSINES = _cosines()


def _low_frequencies(smalls: NDArray[np.float32]) -> NDArray[np.float64]:
    """The cosine transform (DCT-II) of small pictures, frequencies 1 to 16 each way, in parts of `_UNIT`.

    All numbers are whole, and no sum reaches 2^53: so it is exact, in whatever order it is summed.
    """
    whole = np.rint(smalls.astype(np.float64) * 2**_VALUE_BITS)
    half = np.rint(_COSINES @ whole / 2 ** (_COSINE_BITS + _VALUE_BITS - _HALF_BITS))
    waves: NDArray[np.float64] = half @ _COSINES.T
    return waves


def _quality(small: NDArray[np.float32]) -> int:
    """How much neighbours differ, as PDQ counts it."""
    steps = (small[1:] - small[:-1], small[:, 1:] - small[:, :-1])
    total = sum(int(np.abs(np.trunc(step * np.float32(100) / np.float32(255))).sum()) for step in steps)
    return min(total // 90, 100)
