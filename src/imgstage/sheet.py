"""Contact sheet: a few samples of each split in one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import images

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .catalog import Sample

_GAP = 6
_LINE = 22
_HEADER = 30


def contact_sheet(
    folder: Path, samples: Iterable[Sample], splits: Sequence[str], each: int = 3, cell: tuple[int, int] = (128, 128)
) -> bytes:
    """Draw a column for each split, with its first samples below each other, their roles side by side.

    Args:
        folder: the root's folder, which the samples' paths are relative to.
        samples: those to choose from; the ones that lie in a split are shown, evenly spaced over its keys.
        splits: which splits, from left to right.
        each: how many samples of each split.
        cell: the (height, width) in pixels that an image has.

    Returns:
        A PNG.

    Raises:
        DefectError: an image cannot be decoded.
    """
    columns = []
    for split in splits:
        lying = [sample for sample in samples if sample.place == split and not sample.held]
        step = max(1, len(lying) // each)
        blocks = [_sample(folder, sample, cell) for sample in lying[::step][:each]]
        width = max((block.shape[1] for block in blocks), default=cell[1])
        title = images.caption(f"{split}/   {len(lying)} samples", (_HEADER, width), 20)
        columns.append(stack([title, *blocks], axis=0))
    return images.encode(stack(columns, axis=1, gap=4 * _GAP), "PNG", optimize=True)


def _sample(folder: Path, sample: Sample, cell: tuple[int, int]) -> NDArray[np.uint8]:
    shown = [(role, records[0]) for role, records in sample.images.items() if records]
    cells = []
    for role, record in shown:
        picture = fit(images.thumbnail(folder / record.path, cell), cell)
        cells.append(stack([picture, images.caption(role, (_LINE, cell[1]), 13)], axis=0, gap=0))
    row = stack(cells, axis=1)
    name = images.caption(sample.key, (_LINE, row.shape[1]), 13)
    return stack([row, name], axis=0, gap=0)


def fit(picture: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture in the middle of a white field.

    Args:
        picture: RGB, uint8, no larger than the field.
        shape: (height, width) of the field in pixels.
    """
    field = np.full((*shape, 3), 255, dtype=np.uint8)
    top, left = ((outer - inner) // 2 for outer, inner in zip(shape, picture.shape[:2], strict=True))
    field[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return field


def stack(parts: Sequence[NDArray[np.uint8]], axis: int, gap: int = _GAP) -> NDArray[np.uint8]:
    """Parts below or beside each other, on white.

    Args:
        parts: RGB, uint8, shape (height, width, 3).
        axis: 0 for below, 1 for beside each other.
        gap: pixels after each.
    """
    other = 1 - axis
    size = max(part.shape[other] for part in parts)
    filled: list[NDArray[np.uint8]] = []
    for part in parts:
        pads = [(0, 0), (0, 0), (0, 0)]
        pads[other] = (0, size - part.shape[other])
        pads[axis] = (0, gap)
        filled.append(np.pad(part, pads, constant_values=255))
    return np.concatenate(filled, axis=axis)
