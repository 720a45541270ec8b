"""Pictures in tiles that overlap, and how their results become one again. Pure.

Of two tiles that overlap, each is right where its own edge is far enough: a seam runs through the middle of the
overlap, and within 16 pixels around it the one goes over into the other, so that no edge shows. The shares of all tiles
sum to one at every pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

BLEND = 16
"""Pixels in which one tile goes over into the next."""


@dataclass(frozen=True)
class Axis:
    """Tiles along one side of a picture.

    Attributes:
        length: pixels of the side, a multiple of `step`.
        tile: pixels of a tile, a multiple of `step`; no more than the length.
        overlap: pixels that neighbours share at least.
        step: tiles begin at multiples of it, as a network halves its pixels in groups.
    """

    length: int
    tile: int
    overlap: int
    step: int

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Where each tile begins: evenly spaced, the last ends with the picture."""
        if self.tile >= self.length:
            return (0,)
        stride = (self.tile - self.overlap) // self.step * self.step
        last = self.length - self.tile
        gaps = -(-last // stride)
        return tuple(number * last // gaps // self.step * self.step for number in range(gaps + 1))

    def share(self, number: int, scale: int = 1) -> NDArray[np.float32]:
        """What a tile counts for at each of its pixels, 0 to 1.

        Args:
            number: of the tile.
            scale: pixels of the result for one of the picture.

        Returns:
            float32, shape (tile * scale,).
        """
        starts = self.starts
        places = (np.arange(self.tile * scale) + 0.5) / scale + starts[number]
        share = np.ones(len(places))
        if number:
            share *= self._risen(places, number)
        if number + 1 < len(starts):
            share *= 1 - self._risen(places, number + 1)
        return share.astype(np.float32)

    def _risen(self, places: NDArray[np.float64], number: int) -> NDArray[np.float64]:
        """How far a tile has taken over from the one before it."""
        begin, end = self.starts[number], self.starts[number - 1] + self.tile
        blend = max(1e-9, float(min(BLEND, end - begin)))  # where none is shared, a step
        risen: NDArray[np.float64] = np.clip((places - (begin + end) / 2) / blend + 0.5, 0, 1)
        return risen


def even_tile(size: tuple[int, int], most: int, overlap: int, step: int) -> tuple[int, int]:
    """The tile with which a picture is done in the fewest pixels.

    Args:
        size: (height, width) of the picture in pixels, multiples of `step`.
        most: pixels that a tile may have.
        overlap: pixels that neighbours share.
        step: sides of tiles are multiples of it.

    Returns:
        (height, width) in pixels; the size itself where that may be. Sides are twice the overlap at least, also
        where such tiles have more than the most.
    """
    least = max(2 * overlap, overlap + 2 * (BLEND + step))

    def sides(length: int) -> list[tuple[int, int]]:
        """(tile, tiles) along a side, for any number of tiles."""
        found = [(length, 1)]
        for count in range(2, length // max(1, least - overlap) + 2):
            tile = -(-(length + (count - 1) * overlap) // count)
            tile = -(-tile // step) * step
            if tile < least:
                break
            found.append((tile, count))
        return found

    def cost(of: tuple[tuple[int, int], tuple[int, int]]) -> tuple[int, int, int]:
        (height, down), (width, across) = of
        return max(0, height * width - most), height * width * down * across, down * across

    chosen = min(((a, b) for a in sides(size[0]) for b in sides(size[1])), key=cost)
    return chosen[0][0], chosen[1][0]


class Grid:
    """Tiles of a picture, row by row.

    Args:
        size: (height, width) of the picture in pixels, multiples of `step`.
        tile: (height, width) of a tile, multiples of it; as large as the picture where that is smaller.
        overlap: pixels that neighbours share at least.
        step: see `Axis`.

    Raises:
        UsageError: the overlap leaves nothing of a tile.
    """

    def __init__(self, size: tuple[int, int], tile: tuple[int, int], overlap: int, step: int) -> None:
        self.tile = (min(tile[0], size[0]), min(tile[1], size[1]))
        self.down, self.across = (Axis(length, of, overlap, step) for length, of in zip(size, self.tile, strict=True))
        for axis in (self.down, self.across):
            least = overlap + 2 * (BLEND + step)  # where a tile goes over into the next, no third one may count
            if axis.tile < min(axis.length, least):
                problem = f"Tiles of {axis.tile} pixels a side are too small to overlap by {overlap}"
                less = ", or a smaller --overlap" if overlap else ""
                raise UsageError(problem, f"Give --tile {least}x{least} or more{less}")

    def __len__(self) -> int:
        return len(self.down.starts) * len(self.across.starts)

    def rows(self) -> Iterator[list[tuple[int, int]]]:
        """(top, left) of each tile of a row, from left to right; rows from top to bottom."""
        for top in self.down.starts:
            yield [(top, left) for left in self.across.starts]


class Seams:
    """Puts the results of tiles together, and hands out what is finished, so that little is held at once.

    Args:
        grid: the tiles.
        channels: of the results.
        scale: pixels of a result for one of the picture.
    """

    def __init__(self, grid: Grid, channels: int, scale: int) -> None:
        self._grid, self._scale = grid, scale
        self._shape = (grid.tile[0] * scale, grid.across.length * scale, channels)
        self._sum = np.empty(self._shape, np.float32)
        starts = grid.down.starts
        self._finished = [(b - a) * scale for a, b in pairwise(starts)] + [self._shape[0]]

    def add(self, row: int, column: int, result: NDArray[np.float32]) -> None:
        """Add the result of a tile; tiles come row by row, each from left to right.

        Args:
            row: of the tile, counted from the top; the first that is not finished.
            column: of it, counted from the left.
            result: float32, shape (height, width, channels).
        """
        left = self._grid.across.starts[column] * self._scale
        place = self._sum[:, left : left + result.shape[1]]
        down, across = self._grid.down.share(row, self._scale), self._grid.across.share(column, self._scale)
        top, below = _begin_and_end(down)
        before, behind = _begin_and_end(across)
        rows, columns = slice(top.stop, below.stop), slice(before.stop, behind.stop)
        # Tiles above and on the left have been there where this one takes over from them, and nowhere else.
        place[rows, columns] = result[rows, columns]
        place[below, columns] *= down[below, None, None]
        place[rows, behind] *= across[behind, None]
        for shared in ((top, slice(before.start, behind.stop)), (rows, before)):
            place[shared] += result[shared] * (down[shared[0], None, None] * across[shared[1], None])

    def finish(self, row: int) -> NDArray[np.float32]:
        """What no later row adds to: float32, shape (height, width, channels)."""
        rows = self._finished[row]
        done, self._sum = self._sum, np.empty(self._shape, np.float32)  # who has it may still read it
        self._sum[: len(done) - rows] = done[rows:]
        return done[:rows]


def _begin_and_end(share: NDArray[np.float32]) -> tuple[slice, slice]:
    """Where a tile takes over from the one before, and where the next one takes over; between, it counts alone."""
    some, alone = np.flatnonzero(share), np.flatnonzero(share == 1)
    return slice(int(some[0]), int(alone[0])), slice(int(alone[-1]) + 1, int(some[-1]) + 1)
