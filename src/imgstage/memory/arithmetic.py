"""Pure: bytes of images as tensors, and which sizes a network that halves can take. Knows no torch.

An image of C channels, H pixels high and W wide takes C x H x W x (bytes of a value) as a tensor; a batch, that many
times more. How large its file is makes no difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_DIVISORS = (1, 2, 3, 4, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 192, 224, 256)
_LEAST = 96  # pixels that a probe has at least: some networks take nothing small
DTYPE_BYTES = {"uint8": 1, "float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}


def input_bytes(size: tuple[int, int], batch: int = 1, *, channels: int = 3, dtype: str = "float32") -> int:
    """Bytes of a batch of images.

    Args:
        size: (height, width) in pixels.
        batch: images.
        channels: of each.
        dtype: of a value: uint8, float16, bfloat16, float32 or float64.

    Raises:
        UsageError: a number is not positive, or the dtype is unknown.
    """
    if dtype not in DTYPE_BYTES:
        problem = f"{dtype!r} is no dtype of images"
        raise UsageError(problem, f"Give one of {', '.join(DTYPE_BYTES)}")
    check_positive(height=size[0], width=size[1], batch=batch, channels=channels)
    return channels * size[0] * size[1] * batch * DTYPE_BYTES[dtype]


def check_positive(**numbers: int) -> None:
    """Refuse what is no number of pixels or images.

    Raises:
        UsageError: naming the first that is not positive.
    """
    for name, number in numbers.items():
        if not isinstance(number, int) or number < 1:
            problem = f"{name} {number!r} makes no sense"
            raise UsageError(problem, "Give a whole number, 1 or more")


@dataclass(frozen=True)
class SafeSizes:
    """Sizes near one that a network can take.

    Attributes:
        size: (height, width) asked about, in pixels.
        divisor: what height and width must be multiples of.
        halvings: how often this size can be halved without a rest.
        below, above: the nearest safe sizes, not larger and not smaller; below is None where that would be nothing.
    """

    size: tuple[int, int]
    divisor: int
    halvings: int
    below: tuple[int, int] | None
    above: tuple[int, int]

    @property
    def is_safe(self) -> bool:
        """Whether the size itself will do."""
        return self.above == self.size

    @property
    def pixels_cropped(self) -> int:
        """Pixels that cutting to the size below takes away; all of them, where there is none."""
        return _area(self.size) - (_area(self.below) if self.below else 0)

    @property
    def pixels_padded(self) -> int:
        """Pixels that padding to the size above adds."""
        return _area(self.above) - _area(self.size)

    def as_json(self) -> dict[str, object]:
        """What `--json` prints; sizes are [height, width], areas are pixels."""
        return {
            "size": list(self.size),
            "divisor": self.divisor,
            "halvings": self.halvings,
            "is_safe": self.is_safe,
            "below": list(self.below) if self.below else None,
            "above": list(self.above),
            "pixels_cropped": self.pixels_cropped,
            "pixels_padded": self.pixels_padded,
        }


def safe_sizes(size: tuple[int, int], divisor: int) -> SafeSizes:
    """The sizes nearest to one whose height and width are multiples of a divisor.

    Args:
        size: (height, width) in pixels.
        divisor: 2 to the power of its halvings, for a U-Net.

    Raises:
        UsageError: a number is not positive.
    """
    check_positive(height=size[0], width=size[1], divisor=divisor)
    below = (size[0] // divisor * divisor, size[1] // divisor * divisor)
    above = (-(-size[0] // divisor) * divisor, -(-size[1] // divisor) * divisor)
    return SafeSizes(size, divisor, halvings(size), below if all(below) else None, above)


def halvings(size: tuple[int, int]) -> int:
    """How often a size can be halved without a rest: the power of 2 in the greatest common divisor of its sides."""
    common = math.gcd(*size)
    return (common & -common).bit_length() - 1


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


ONLY_SIDES = (224, 256, 299, 384, 512)
"""Pixels a side, of networks that take one size alone."""


def keeps_shape(given: tuple[int, ...], made: tuple[int, ...]) -> bool:
    """Whether what comes out is as large as what went in, or so many times larger or smaller along each side.

    Args:
        given: (height, width) in pixels.
        made: the same of what came out; empty where that has no sides, as classes have not.
    """
    return all(of > 0 and (of % side == 0 or side % of == 0) for of, side in zip(made, given, strict=False))


def smallest_divisor(takes: Callable[[tuple[int, int]], bool]) -> int | None:
    """What height and width must be multiples of, at least; None where nothing that was tried goes.

    Args:
        takes: whether a size, (height, width) in pixels, goes.
    """
    fitting = (of for of in _DIVISORS if all(takes((of * a, of * b)) for a, b in _odd_pairs(of)))
    return next(fitting, None)


def _odd_pairs(divisor: int) -> list[tuple[int, int]]:
    """Multiples that are of nothing larger: two sizes, neither square."""
    odd = -(-_LEAST // divisor) | 1
    return [(odd, odd + 2), (odd + 4, odd)]
