"""Pictures to look at: thumbnails, lines of text beside them, bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from . import codecs
from .arrays import orient, resize
from .pictures import decode, to_pillow

if TYPE_CHECKING:
    from collections.abc import Sequence
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


_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442", "#999999")
"""Told apart by everybody (Okabe, Ito, "Color Universal Design", 2008)."""

_ROW, _NAME, _BAR, _EDGE = 26, 200, 480, 12


def stacked_bars(
    title: str, parts: Sequence[str], rows: Sequence[tuple[str, Sequence[int]]], marks: Sequence[float]
) -> NDArray[np.uint8]:
    """Draw a bar for each row, cut into parts by their counts, all of one length.

    Args:
        title: stands above.
        parts: what each part is called, in the order of the counts.
        rows: the name of each, and how many it has in each part.
        marks: shares of the length, 0 to 1, at which a line is drawn through all bars.

    Returns:
        RGB, uint8, shape (height, width, 3), range 0 to 255.
    """
    colours = [_COLOURS[number % len(_COLOURS)] for number in range(len(parts))]
    font, ink = ImageFont.load_default(14), (30, 30, 30)
    numbers = [" / ".join(f"{count:,}" for count in counts) for _, counts in rows]
    legend = sum(36 + font.getlength(name) for name in parts)
    right = max(_BAR + 8 + max((font.getlength(text) for text in numbers), default=0), legend)
    size = 2 * _EDGE + _NAME + round(right) + 8, 2 * _EDGE + (len(rows) + 2) * _ROW
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    draw.text((_EDGE, _EDGE + _ROW // 2), title, fill=ink, font=ImageFont.load_default(16), anchor="lm")
    left, y = _EDGE + _NAME, _EDGE + _ROW
    for name, colour in zip(parts, colours, strict=True):
        draw.rectangle((left, y + 6, left + 12, y + 18), fill=colour)
        draw.text((left + 18, y + 12), name, fill=ink, font=font, anchor="lm")
        left += 36 + round(draw.textlength(name, font=font))
    for (name, counts), told in zip(rows, numbers, strict=True):
        y += _ROW
        text = name
        while draw.textlength(text, font=font) > _NAME - 12:
            text = f"{text[:-2]}…" if text[-1] == "…" else f"{text[:-1]}…"
        draw.text((_EDGE + _NAME - 8, y + 12), text, fill=ink, font=font, anchor="rm")
        done, total = 0, max(1, sum(counts))
        for count, colour in zip(counts, colours, strict=True):
            edges = [_EDGE + _NAME + round(_BAR * part / total) for part in (done, done + count)]
            if edges[1] > edges[0]:
                draw.rectangle((edges[0], y + 3, edges[1] - 1, y + _ROW - 5), fill=colour)
            done += count
        draw.text((_EDGE + _NAME + _BAR + 8, y + 12), told, fill=ink, font=font, anchor="lm")
    for mark in marks:
        x = _EDGE + _NAME + round(_BAR * mark)
        draw.line((x, _EDGE + 2 * _ROW, x, size[1] - _EDGE), fill=ink)
    return np.asarray(picture, dtype=np.uint8)
