"""From a file to the numbers that a network takes, and from those that it gives to a picture's pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import images
from ..errors import DefectError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .config import ModelConfig

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601, as Pillow's own conversion to grey."""
_BLOCK = 32  # rows: what is computed of them stays in the processor's cache
_SIXTEEN = ("I", "I;16")


class UnplayableError(DefectError):
    """A picture that is whole, and whose pixels no network takes without losing what they mean."""


@dataclass(frozen=True)
class Source:
    """A picture, upright.

    Attributes:
        pixels: uint8 or uint16 over the dtype's whole range, shape (height, width, 3), RGB, or (height, width), grey.
        alpha: opacity of each pixel, uint8, shape (height, width); None where all is opaque.
        profile: its ICC profile; empty when it has none that tells of such pixels.
    """

    pixels: NDArray[Any]
    alpha: NDArray[np.uint8] | None
    profile: bytes

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.pixels.shape[:2]

    @property
    def is_grey(self) -> bool:
        """Whether it has no colours."""
        return self.pixels.ndim == 2

    @property
    def channels(self) -> NDArray[Any]:
        """The pixels as shape (height, width, channels), for who asks for tiles of them."""
        return self.pixels[..., None] if self.is_grey else self.pixels


def read(data: bytes) -> Source:
    """Decode a picture. Call it inside `quiet_codecs`.

    16 bits of grey stay; CMYK becomes RGB as in training; of a palette the colours count.

    Args:
        data: the bytes of the file.

    Raises:
        DefectError: it does not decode whole.
        UnplayableError: its pixels would lose what they mean.
    """
    pixels, traits = images.decode(data)
    if traits.mode == "F":
        problem = "its pixels are floating point numbers, of which nobody knows what is black and white"
        raise UnplayableError(problem)
    if traits.bits > 8 and traits.mode not in _SIXTEEN:
        problem = "it has 16 bits of each colour, of which only 8 would be read"
        raise UnplayableError(problem)
    upright = images.orient(pixels, traits.orientation)
    alpha = None
    if traits.mode in ("LA", "RGBA"):
        alpha = np.ascontiguousarray(upright[..., -1])
        upright = upright[..., 0] if traits.mode == "LA" else upright[..., :3]
    elif traits.mode in _SIXTEEN:
        if not 0 <= int(upright.min()) <= int(upright.max()) <= 65535:
            problem = "its pixels have more than 16 bits, of which nobody knows what is black and white"
            raise UnplayableError(problem)
        upright = upright.astype(np.uint16)
    elif traits.mode not in ("L", "RGB"):
        upright = images.in_mode(upright, traits.mode, "RGB")
    wanted = b"GRAY" if upright.ndim == 2 else b"RGB "  # ICC.1:2022, 7.2: where a profile says of what it tells
    return Source(upright, alpha, traits.profile if traits.profile[16:20] == wanted else b"")


class Numbers:
    """How pixels become the numbers that a network takes, and how those that it gives become pixels.

    Args:
        config: what the network takes.
    """

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        low, high = config.range
        count = config.channel_count
        std = np.array(config.std or [1.0] * count, np.float32)
        self._factor = (high - low) / std
        self._plus = (low - np.array(config.mean or [0.0] * count, np.float32)) / std
        self._is_plain = len(set(self._factor)) == 1 and not self._plus.any()

    def of(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Pixels as numbers.

        Args:
            pixels: uint8 or uint16, shape (height, width, 1 or 3), grey or RGB.

        Returns:
            float32, shape (height, width, channels of the network).
        """
        top = np.float32(np.iinfo(pixels.dtype).max)
        channels = self._config.channels
        made: NDArray[np.float32]
        if channels == "L" and pixels.shape[2] == 3:
            made = (pixels.astype(np.float32) @ _LUMA)[..., None] / top
        elif self._is_plain and channels != "BGR" and not (channels == "RGB" and pixels.shape[2] == 1):
            made = np.multiply(pixels, np.float32(self._factor[0]) / top, dtype=np.float32)
            return made
        else:
            made = pixels.astype(np.float32) / top
        if channels != "L" and made.shape[2] == 1:
            made = np.repeat(made, 3, axis=2)
        if channels == "BGR":
            made = made[..., ::-1]
        return np.ascontiguousarray(made * self._factor + self._plus, dtype=np.float32)

    def back(self, numbers: NDArray[np.float32], source: Source) -> NDArray[Any]:
        """What a network gives as pixels of the depth that the source has; grey where the source is.

        Args:
            numbers: shape (height, width, 1 or 3); used up.
            source: what it was made of.

        Returns:
            uint8 or uint16 over the whole range, shape (height, width, 3), RGB, or (height, width), grey.
        """
        low, high = self._config.output_range or self._config.range
        if numbers.shape[2] == 3 and self._config.channels == "BGR":
            numbers = numbers[..., ::-1]
        if numbers.shape[2] == 3 and source.is_grey and self._config.channels != "L":
            numbers = numbers @ _LUMA
        elif numbers.shape[2] == 1:
            numbers = numbers[..., 0]
        top = np.float32(np.iinfo(source.pixels.dtype).max)
        factor = top / np.float32(high - low)
        plus = np.float32(0.5) - np.float32(low) * factor
        made = np.empty(numbers.shape, source.pixels.dtype)
        for rows in (slice(begin, begin + _BLOCK) for begin in range(0, len(numbers), _BLOCK)):
            scaled = np.multiply(numbers[rows], factor)
            scaled += plus
            made[rows] = np.clip(scaled, 0, top, out=scaled)
        return made
