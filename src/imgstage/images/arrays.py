"""Pixels in arrays: turn them, bring them to another size."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

Kernel = Literal["lanczos", "nearest"]

_STRIPE = 32  # rows: what numpy gathers from columns stays in the processor's cache

# Of each EXIF orientation: whether rows and columns are exchanged, then whether rows, then columns, are reversed.
_WAYS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
COUNTER_CLOCKWISE = 8
"""The EXIF orientation of pixels that want a quarter turn to the left."""
_AND_TO_THE_LEFT = {1: 8, 2: 5, 3: 6, 4: 7, 5: 4, 6: 1, 7: 2, 8: 3}


def orient(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn and mirror pixels as an EXIF orientation asks, which makes them upright.

    Args:
        pixels: shape (height, width) or (height, width, channels), any dtype.
        orientation: 1 to 8, see the EXIF specification (CIPA DC-008), tag 0x0112.

    Returns:
        The same dtype and range; height and width are exchanged by 5 to 8. The very array for 1.
    """
    if orientation == 1:
        return pixels
    exchanged, flipped, mirrored = _WAYS[orientation]
    seen = pixels.swapaxes(0, 1) if exchanged else pixels
    seen = seen[:: -1 if flipped else 1, :: -1 if mirrored else 1]
    if seen.flags.c_contiguous:
        return seen
    upright = np.empty(seen.shape, seen.dtype)
    planes = [(upright, seen)] if seen.ndim == 2 else [(upright[..., c], seen[..., c]) for c in range(seen.shape[2])]
    for top in range(0, len(seen), _STRIPE):  # plane by plane, for numpy is slow where three bytes lie together
        for to, of in planes:
            to[top : top + _STRIPE] = of[top : top + _STRIPE]
    return upright


def resize(pixels: NDArray[Any], size: tuple[int, int], kernel: Kernel, *, alpha: bool = False) -> NDArray[Any]:
    """Bring pixels to another size.

    Args:
        pixels: uint8, uint16, int32 or float32, shape (height, width) or (height, width, channels), 1 to 4 of these.
        size: the (height, width) in pixels to have.
        kernel: "lanczos" for pictures: libvips' lanczos3, which averages over all pixels when it makes smaller, and is
            bicubic when it makes larger; "nearest" for labels: every value of the result is one of the original.
        alpha: the last channel is opacity; by it the others are weighed, so that what is invisible does not bleed.

    Returns:
        The same dtype and range, of the wished size. The very array when it has that size.
    """
    if pixels.shape[:2] == size:
        return pixels
    if kernel == "nearest":
        rows, columns = (_nearest(there, wished) for there, wished in zip(pixels.shape, size, strict=False))
        return pixels[rows[:, None], columns]
    deep = np.ascontiguousarray(pixels if pixels.ndim == 3 else pixels[..., None])
    image = libvips().Image.new_from_array(deep)
    if alpha:
        largest = float(np.iinfo(pixels.dtype).max)
        weighed = _scaled(image.premultiply(max_alpha=largest), size)
        image = weighed.unpremultiply(max_alpha=largest).rint().cast(image.format)
    else:
        image = _scaled(image, size)
    found = np.frombuffer(image.write_to_memory(), pixels.dtype)
    return found.reshape((*size, *pixels.shape[2:]))


def turned_left(orientation: int) -> int:
    """The EXIF orientation that asks for the same, and then for a quarter turn to the left."""
    return _AND_TO_THE_LEFT[orientation]


def resize_upright(
    pixels: NDArray[Any], size: tuple[int, int], kernel: Kernel, orientation: int, *, alpha: bool = False
) -> NDArray[Any]:
    """`orient(resize(...))`, in less time where rows become columns: libvips shrinks quicker downwards than across.

    Args:
        pixels: see `resize`.
        size: the (height, width) in pixels to have, upright.
        kernel: see `resize`.
        orientation: see `orient`.
        alpha: see `resize`.
    """
    sideways = _WAYS[orientation][0]
    before = size[::-1] if sideways else size
    shrinks = before[0] <= pixels.shape[0] and before[1] <= pixels.shape[1]
    if not (sideways and shrinks and kernel == "lanczos") or alpha:
        return orient(resize(pixels, before, kernel, alpha=alpha), orientation)
    lower = resize(pixels, (before[0], pixels.shape[1]), kernel)
    return resize(orient(lower, orientation), size, kernel)


def _scaled(image: Any, size: tuple[int, int]) -> Any:
    """A libvips image of another size."""
    across, down = size[1] / image.width, size[0] / image.height
    if across < 1 or down < 1:
        # With its own gap of 2, libvips averages boxes first where four pixels and more become one: some pictures were
        # 37 dB from Lanczos then. With 4, they are above 50, in hardly more time.
        image = image.resize(min(across, 1.0), vscale=min(down, 1.0), kernel="lanczos3", gap=4.0)
    if across <= 1 and down <= 1:
        return image
    # Of libvips' own ways to enlarge, this is the one that can be told to keep middles where they are: else the picture
    # would shift by half a pixel against its mask.
    across, down = max(across, 1.0), max(down, 1.0)
    return image.affine(
        (across, 0, 0, down),
        interpolate=libvips().Interpolate.new("bicubic"),
        idx=0.5 - 0.5 / across,
        idy=0.5 - 0.5 / down,
        oarea=(0, 0, size[1], size[0]),
        extend="copy",
    )


def _nearest(there: int, wished: int) -> NDArray[np.intp]:
    """The place of the pixel whose middle is nearest to the middle of each new one, along one side."""
    return ((np.arange(wished, dtype=np.int64) * 2 + 1) * there // (2 * wished)).astype(np.intp)


def inherits_libvips() -> bool:
    """Whether this process was forked from one that has used libvips: there it may wait for ever for threads that only
    the other one has."""
    return any(process != os.getpid() for process in _LOADED_IN)


_LOADED_IN: list[int] = []


@cache
def libvips() -> ModuleType:
    """libvips, loaded when it is first needed."""
    import pyvips

    pyvips.cache_set_max(0)  # nothing comes twice
    pyvips.concurrency_set(1)  # the images are what is done side by side, not their parts
    _LOADED_IN.append(os.getpid())
    module: ModuleType = pyvips
    return module
