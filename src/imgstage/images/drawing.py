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
    y = _EDGE + _ROW
    _legend(draw, (_EDGE + _NAME, y), parts)
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


def bars(title: str, parts: Sequence[str], rows: Sequence[tuple[str, int, int]]) -> NDArray[np.uint8]:
    """Draw a bar for each row, as long as its number says.

    Args:
        title: stands above.
        parts: what the colours mean.
        rows: the name of each, its number, and which of the colours it has.

    Returns:
        RGB, uint8, shape (height, width, 3), range 0 to 255.
    """
    font, ink = ImageFont.load_default(14), (30, 30, 30)
    size = 2 * _EDGE + _NAME + _BAR + 90, 2 * _EDGE + (len(rows) + 2) * _ROW
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    draw.text((_EDGE, _EDGE + _ROW // 2), title, fill=ink, font=ImageFont.load_default(16), anchor="lm")
    _legend(draw, (_EDGE + _NAME, _EDGE + _ROW), parts)
    most = max((number for _, number, _ in rows), default=1)
    for place, (name, number, colour) in enumerate(rows, 2):
        y, left = _EDGE + place * _ROW, _EDGE + _NAME
        draw.text((left - 8, y + 12), name, fill=ink, font=font, anchor="rm")
        right = left + max(1, round(_BAR * number / most))
        draw.rectangle((left, y + 3, right, y + _ROW - 5), fill=_COLOURS[colour % len(_COLOURS)])
        draw.text((right + 8, y + 12), f"{number:,}", fill=ink, font=font, anchor="lm")
    return np.asarray(picture, dtype=np.uint8)


def area(
    title: str, values: Sequence[float], phases: Sequence[tuple[str, int]], level: tuple[str, float] | None, unit: str
) -> NDArray[np.uint8]:
    """Draw values over what happens, as an area whose colours tell phases apart.

    Args:
        title: stands above.
        values: one after the other.
        phases: the name of each, and which value it begins at.
        level: a line across, with its name; None draws none.
        unit: of the values.

    Returns:
        RGB, uint8, shape (height, width, 3), range 0 to 255.
    """
    width, height, left = 800, 300, 90
    picture = Image.new("RGB", (left + width + 2 * _EDGE, height + 4 * _ROW), "white")
    draw = ImageDraw.Draw(picture)
    font, ink = ImageFont.load_default(14), (30, 30, 30)
    draw.text((_EDGE, _EDGE + _ROW // 2), title, fill=ink, font=ImageFont.load_default(16), anchor="lm")
    _legend(draw, (left, _EDGE + _ROW), [name for name, _ in phases])
    bottom = _EDGE + 2 * _ROW + 8 + height
    most = max([*values, level[1] if level else 0.0, 1e-9]) * 1.05
    starts = [begin for _, begin in phases]
    for x in range(width):
        first, last = x * len(values) // width, max(x * len(values) // width + 1, (x + 1) * len(values) // width)
        piece = values[first:last]  # the highest of those that share a column
        phase = sum(1 for begin in starts if begin <= first) - 1
        y = bottom - round(height * max(piece, default=0.0) / most)
        draw.line((left + x, y, left + x, bottom), fill=_COLOURS[max(0, phase) % len(_COLOURS)])
    for share in (0.0, 0.5, 1.0):
        value = max(values, default=0.0) * share
        y = bottom - round(height * value / most)
        draw.text((left - 8, y), f"{value:,.2f} {unit}", fill=ink, font=font, anchor="rm")
    if level:
        y = bottom - round(height * level[1] / most)
        draw.line((left, y, left + width, y), fill=ink, width=2)
        draw.text((left + width, y + 4), level[0], fill=ink, font=font, anchor="ra")
    return np.asarray(picture, dtype=np.uint8)


def _legend(draw: ImageDraw.ImageDraw, at: tuple[int, int], parts: Sequence[str]) -> None:
    """What the colours mean, in a row."""
    (left, y), font = at, ImageFont.load_default(14)
    for number, name in enumerate(parts):
        draw.rectangle((left, y + 6, left + 12, y + 18), fill=_COLOURS[number % len(_COLOURS)])
        draw.text((left + 18, y + 12), name, fill=(30, 30, 30), font=font, anchor="lm")
        left += 36 + round(draw.textlength(name, font=font))
