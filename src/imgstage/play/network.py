"""A network and how it is asked: pictures of any size go in, whole or in tiles, and come out at theirs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import images
from ..errors import DefectError, UsageError, line_of
from ..memory.arithmetic import safe_sizes
from .pixels import Numbers
from .probe import Probe, up
from .tiles import BLEND, Grid, Seams, even_tile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from .config import ModelConfig
    from .engines import Engine
    from .pixels import Source

_SMALL = 512  # pixels of a tile's side where nobody can tell what a tile takes
_BUDGET = 512 << 20  # bytes that tensors may take on the CPU; what its convolutions take inside comes on top
_SHARE = 0.6  # of a GPU's free memory
_LEAST = 128  # pixels of a tile's side, however little memory there is
_FAR = 64  # pixels of overlap for a network that sees all of a tile


def _nothing() -> None:
    """What is done between tiles, where nobody wishes anything."""


class Tiling(NamedTuple):
    """What was wished of tiles.

    Attributes:
        tile: (height, width) in pixels; None lets the memory decide, (0, 0) never cuts a picture.
        overlap: pixels; None asks the network how far it sees.
    """

    tile: tuple[int, int] | None = None
    overlap: int | None = None


class Network:
    """An engine, and all that must be known to ask it for pictures.

    Args:
        engine: runs the network.
        config: what it takes.
        tiling: what is wished of tiles.
        batch: images that go in at once, where they have one size.

    Attributes:
        config: the same.
        only: the only (height, width) in pixels that go in; None where several do.
        task: what its answer means.
        multiple: what height and width must be multiples of.
        scale: pixels of its answer, along a side, for one of the picture.
        outputs: channels of its answer, or classes.
        tiles_agree: whether what came of tiles so far is what would have come of whole pictures.

    Raises:
        UsageError: no size goes, or what comes out is no picture; or a wish that it does not fit.
    """

    def __init__(self, engine: Engine, config: ModelConfig, tiling: Tiling, batch: int = 1) -> None:
        self.engine, self.config, self._tiling = engine, config, tiling
        self.batch = engine.batch or batch
        self.only = engine.size or config.size
        self.numbers = Numbers(config)
        self._probe = Probe(engine, config, self.numbers, self.batch)
        self.multiple = self._probe.multiple()
        self.task, self.scale, self.outputs = self._probe.answer(self.multiple)
        self.tiles_agree = True
        self._most: int | None = None
        self._check_tile()

    def _check_tile(self) -> None:
        wish, only = self._tiling.tile, self.only
        if wish is not None and only is not None and wish != only:
            told = "none" if wish == (0, 0) else f"{wish[0]}x{wish[1]}"
            problem = f"--tile {told} cannot be: {self.engine.name} takes {only[0]}x{only[1]} (height x width) alone"
            raise UsageError(problem, "Leave --tile out")
        if not wish or wish == (0, 0):
            return
        near = safe_sizes(wish, self.multiple)
        if not near.is_safe:
            sizes = " and ".join(f"{of[0]}x{of[1]}" for of in (near.below, near.above) if of)
            problem = f"--tile {wish[0]}x{wish[1]} is no multiple of {self.multiple}, as {self.engine.name} needs it"
            raise UsageError(problem, f"The nearest are {sizes}")
        Grid((wish[0] + self.multiple, wish[1] + self.multiple), wish, self._tiling.overlap or 0, self.multiple)

    def tile_for(self, size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) in pixels of what goes in at once for a picture of a size, already padded: the picture
        itself where that may, else of the tiles that may, those with the least to do."""
        if self.only is not None:
            return self.only
        if self._tiling.tile is not None:
            return size if self._tiling.tile == (0, 0) else self._tiling.tile
        if size[0] * size[1] <= _SMALL**2:
            return size
        if self._most is None:
            self._most = max(self._pixels_that_fit() // self.batch, _LEAST**2)
        return even_tile(size, self._most, self._asked_overlap, self.multiple)

    def _pixels_that_fit(self) -> int:
        if self.engine.network is None:
            return _SMALL**2
        from ..memory.inference import ForwardMemory

        try:
            taken = ForwardMemory(self.engine.network, self.config.channel_count, self.multiple)
        except Exception:  # noqa: BLE001 - what a network does on tensors without values is its own affair
            return _SMALL**2
        return taken.pixels_within(_free_bytes(self.engine.device))

    def overlap_for(self, tile: tuple[int, int], size: tuple[int, int]) -> int:
        """Pixels that tiles of a picture of a size share, as far as they have so many along the sides that are cut."""
        cut = [side for side, length in zip(tile, size, strict=True) if side < length]
        if not cut:
            return 0
        if self._tiling.overlap is not None:
            return self._tiling.overlap
        most = min(cut) - 2 * (BLEND + self.multiple)
        return max(0, min(self._asked_overlap, most // self.multiple * self.multiple))

    @property
    def _less_memory(self) -> str:
        classifies = self.task == "classification"
        return "size = [height, width] in model.toml helps" if classifies else "a smaller --tile helps"

    @property
    def has_parameters(self) -> bool:
        """Whether there is anything in it that a training has to find; an ONNX file holds what was found."""
        return self.engine.network is not None and any(True for _ in self.engine.network.parameters())

    @cached_property
    def reach(self) -> int | None:
        """How many pixels away a pixel of the answer depends on; None where that is all, or farther than 256."""
        return self._probe.reach(self.multiple)

    @property
    def _asked_overlap(self) -> int:
        """As far as the network sees, both ways, and what is blended."""
        if self._tiling.overlap is not None:
            return self._tiling.overlap
        return up(2 * self.reach + BLEND if self.reach is not None else _FAR, self.multiple)

    @property
    def signature(self) -> str:
        """By what the results of one network, asked in one way, are known."""
        return f"{self.engine.identity} {self.config} {self.task} {self._tiling}"

    def goes_in_whole(self, size: tuple[int, int]) -> bool:
        """Whether pictures of a size do, so that several may at once."""
        if self.task == "classification":
            return True
        at_least = self.only or (1, 1)
        height, width = (up(max(of, least), self.multiple) for of, least in zip(size, at_least, strict=True))
        tile = self.tile_for((height, width))
        return tile[0] >= height and tile[1] >= width

    def ask(self, source: Source, between: Callable[[], None] = _nothing) -> Iterator[NDArray[np.float32]]:
        """What the network makes of a picture: of a classifier one array of shape (classes,), else `stripes`.

        Args:
            source: the picture.
            between: is called after each tile.

        Raises:
            DefectError: the network refuses the picture.
        """
        if self.task == "classification":
            yield self.run([self._prepared(source)])[0]
        else:
            yield from self.stripes(source.channels, between)

    def ask_together(self, sources: Sequence[Source]) -> list[NDArray[np.float32]]:
        """The same of several pictures of one size that goes in whole, no more than `batch`, each in one part."""
        answers = self.run([self._prepared(source) for source in sources])
        if self.task == "classification":
            return list(answers)
        height, width = (side * self.scale for side in sources[0].size)
        return list(answers[:, :height, :width])

    def _prepared(self, source: Source) -> NDArray[Any]:
        """The pixels that go in: padded to a size that does; to be classified, resized where a size is known."""
        if self.task == "classification" and self.only is not None:
            eight = (source.pixels >> 8).astype(np.uint8) if source.pixels.dtype == np.uint16 else source.pixels
            made = images.resize(np.ascontiguousarray(eight), self.only, "lanczos")
            return made[..., None] if made.ndim == 2 else made
        return self._padded(source.channels)

    def _padded(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """A picture that has grown, mirrored at its lower and right edge, to a size that goes in."""
        height, width = pixels.shape[:2]
        least_h, least_w = self.only or (1, 1)
        more = [up(max(side, least), self.multiple) - side for side, least in ((height, least_h), (width, least_w))]
        if not any(more):
            return pixels
        return np.pad(pixels, ((0, more[0]), (0, more[1]), (0, 0)), mode="symmetric")

    def stripes(self, pixels: NDArray[Any], between: Callable[[], None] = _nothing) -> Iterator[NDArray[np.float32]]:
        """What the network makes of a picture, in stripes from top to bottom, so that little is held at once.

        Args:
            pixels: uint8 or uint16, shape (height, width, 1 or 3).
            between: is called after each tile.

        Yields:
            float32, shape (rows, width * scale, outputs); of all, height * scale rows.

        Raises:
            DefectError: the network refuses the picture.
        """
        height, width = (side * self.scale for side in pixels.shape[:2])
        whole = self._padded(pixels)
        size = whole.shape[0], whole.shape[1]
        tile = self.tile_for(size)
        overlap = self.overlap_for(tile, size)
        try:
            grid = Grid(size, tile, overlap, self.multiple)
        except UsageError as error:  # of a network that takes one small size alone
            problem = f"it is larger than the network takes, and {error.problem[0].lower()}{error.problem[1:]}"
            raise DefectError(problem) from error
        if len(grid) == 1:
            yield self.run([whole])[0][:height, :width]
            return
        if self.reach is None or overlap < 2 * self.reach + BLEND:
            self.tiles_agree = False
        seams = Seams(grid, self.outputs, self.scale)
        begin = 0
        for row, places in enumerate(grid.rows()):
            column = 0
            for first in range(0, len(places), self.batch):
                together = places[first : first + self.batch]
                tiles = [whole[top : top + grid.tile[0], left : left + grid.tile[1]] for top, left in together]
                for result in self.run(tiles):
                    seams.add(row, column, result)
                    column += 1
                between()
            done = seams.finish(row)
            yield done[: max(0, height - begin), :width]
            begin += len(done)

    def run(self, pictures: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Run the network on pictures of one size.

        Args:
            pictures: uint8 or uint16, shape (height, width, 1 or 3); no more than `batch`.

        Returns:
            float32, shape (pictures, height, width, outputs), or (pictures, classes).

        Raises:
            DefectError: the network refuses them, or gives what are no numbers.
        """
        given = [self.numbers.of(of) for of in pictures]
        given += given[-1:] * ((self.engine.batch or 0) - len(given))
        try:
            made = self.engine(given[0][None] if len(given) == 1 else np.stack(given))
        except MemoryError as error:
            problem = f"there is not enough memory to run the network on it; {self._less_memory}"
            raise DefectError(problem) from error
        except (Exception, SystemExit) as error:
            helps = f"; {self._less_memory}" if "memory" in str(error).lower() else ""
            problem = f"the network refuses it ({line_of(error)}{helps})"
            raise DefectError(problem) from error
        size = (*(side * self.scale for side in pictures[0].shape[:2]), self.outputs)
        if made.shape != (len(given), *((self.outputs,) if self.task == "classification" else size)):
            told, given_size = ("x".join(map(str, of)) for of in (made.shape, (len(given), *pictures[0].shape[:2])))
            problem = f"the network gives {told} for {given_size}; --multiple may help"
            raise DefectError(problem)
        if not (np.isfinite(made.min()) and np.isfinite(made.max())):
            problem = "the network gives values that are no finite numbers"
            raise DefectError(problem)
        return made[: len(pictures)]


def _free_bytes(device: str) -> float:
    """What tensors may take."""
    if not device.startswith("cuda"):
        return _BUDGET
    import torch

    return _SHARE * float(torch.cuda.mem_get_info(device)[0])
