"""Small pictures to look at: thumbnails, and lines of text beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from . import codecs
from .arrays import orient, resize
from .pictures import decode, to_pillow

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def thumbnail(path: Path, box: tuple[int, int]) -> NDArray[np.uint8]:
    """Decode an image small, upright, in colour.

    Args:
        path: the file.
        box: the (height, width) to fit into, keeping the aspect ratio; small images are not enlarged.

    Returns:
        RGB pixels as seen, uint8, shape (height, width, 3), range 0 to 255.

    Raises:
        DefectError: the file cannot be read or decoded.
    """
    with codecs.quiet_codecs():
        pixels, traits = decode(path, at_least=(2 * max(box), 2 * max(box)))
    with codecs.defects():
        if traits.mode.startswith("I"):  # more than eight bits of grey: keep those that can be seen
            pixels = (pixels.astype(np.uint32) >> 8).astype(np.uint8)
        seen = np.asarray(to_pillow(pixels, "" if traits.mode.startswith("I") else traits.mode).convert("RGB"))
        upright = orient(seen, traits.orientation)
        height, width = upright.shape[:2]
        share = min(1.0, box[0] / height, box[1] / width)
        return resize(upright, (max(1, round(height * share)), max(1, round(width * share))), "lanczos")


def caption(text: str, shape: tuple[int, int], size: int = 16) -> NDArray[np.uint8]:
    """Draw one line of dark text on white.

    Args:
        text: what to write; it is cut off where the picture ends.
        shape: (height, width) in pixels.
        size: height of the letters in pixels.

    Returns:
        RGB, uint8, shape (height, width, 3), range 0 to 255.
    """
    picture = Image.new("RGB", (shape[1], shape[0]), "white")
    middle = (4, shape[0] // 2)
    ImageDraw.Draw(picture).text(middle, text, fill=(30, 30, 30), font=ImageFont.load_default(size), anchor="lm")
    return np.asarray(picture, dtype=np.uint8)
