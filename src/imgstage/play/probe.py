"""What a network takes and gives, found by asking it: multiples, task, scale, and how far it sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import UsageError, line_of
from ..memory.arithmetic import ONLY_SIDES, smallest_divisor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .config import ModelConfig, Task
    from .engines import Engine
    from .pixels import Numbers

_REACHES = (128, 256)  # pixels within which the reach is looked for
_TOLERANCE = 1 / 1024  # of the range: a quarter of a grey level
_LONGEST_PERIOD = 64  # pixels


class _ShapeError(Exception):
    """What comes out is as large as nothing that went in."""


class Probe:
    """An engine that is asked.

    Args:
        engine: runs the network.
        config: what is known of it.
        numbers: how pixels become what it takes.
        batch: images that go in at once.
    """

    def __init__(self, engine: Engine, config: ModelConfig, numbers: Numbers, batch: int) -> None:
        self._engine, self._config, self._numbers, self._batch = engine, config, numbers, batch
        self._only = engine.size or config.size
        self._trouble: BaseException | None = None

    def multiple(self) -> int:
        """What height and width must be multiples of.

        Raises:
            UsageError: no size goes that was tried.
        """
        name, config = self._engine.name, self._config
        if config.size_multiple is not None:
            return config.size_multiple
        if self._only is not None:
            return 1
        found = smallest_divisor(self._takes)
        if found is not None:
            return self._period(found)
        if only := [side for side in ONLY_SIDES if self._takes((side, side))]:
            problem = (
                f"{name} takes, of the sizes that were tried, {', '.join(f'{side}x{side}' for side in only)} alone"
            )
            raise UsageError(problem, f"Write size = [{only[0]}, {only[0]}] into model.toml beside its weights")
        problem = f"{name} cannot be run on {config.channels} images, of whatever size: {line_of(self._trouble)}"
        if isinstance(self._trouble, _ShapeError):
            raise UsageError(problem, "It must give back what is as large as its images, or so many times larger")
        raise UsageError(problem, "Mend that, or give --channels, --multiple or model.toml as it was trained with")

    def _takes(self, size: tuple[int, int]) -> bool:
        """Whether a size goes, and comes out as it went in, or so many times larger."""
        try:
            answer = self._engine(self._grey(size))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a network refuses as it likes
            self._trouble = error
            return False
        sides = zip(answer.shape[1:3], size, strict=False)
        if answer.ndim == 2 or (answer.ndim == 4 and all(of % side == 0 and of > 0 for of, side in sides)):
            return True
        self._trouble = _ShapeError(f"its answer has the shape {answer.shape} (channels last) for {size[0]}x{size[1]}")
        return False

    def _period(self, multiple: int) -> int:
        """The least multiple by which an image may be moved, so that the answer moves with it: some networks take any
        size, and fill it up by themselves to where their pixels halve. Where none does, the multiple itself.
        """
        chance = np.random.default_rng(0)
        step, size = multiple, (up(96, multiple), up(96, multiple) + 4 * up(_LONGEST_PERIOD, multiple))
        image = self._numbers.of(chance.integers(0, 256, (*size, 3), np.uint8)[..., : self._config.channel_count])
        low, high = self._config.output_range or self._config.range
        while step <= _LONGEST_PERIOD:
            try:
                whole, moved = (self._engine(np.repeat(of[None], self._batch, 0))[0] for of in (image, image[:, step:]))
            except (Exception, SystemExit):  # noqa: BLE001 - see above
                return multiple
            if whole.ndim != 3 or whole.shape[1] % size[1]:
                return multiple
            scale = whole.shape[1] // size[1]
            apart = _apart(whole[:, step * scale :], moved)
            third = apart.shape[1] // 3
            if apart[:, third : 2 * third].max() <= _TOLERANCE * (high - low):
                return step
            step *= 2
        return multiple

    def _grey(self, size: tuple[int, int]) -> NDArray[np.float32]:
        return np.full((self._batch, *size, self._config.channel_count), 0.5, np.float32)

    def answer(self, multiple: int) -> tuple[Task, int, int]:
        """The task, how many pixels a side of the answer has for one of the image, and the channels of the answer.

        Raises:
            UsageError: the network refuses, or its answer is none for the task.
        """
        name = self._engine.name
        size = self._only or (up(96, multiple), up(128, multiple))
        try:
            answer = self._engine(self._grey(size))
        except (Exception, SystemExit) as error:
            problem = f"{name} refuses images of {size[0]}x{size[1]} (height x width): {line_of(error)}"
            raise UsageError(problem, "Give --multiple and --channels as it was trained with, or mend it") from error
        task = self._config.task or self._told_by(answer)
        wanted = 2 if task == "classification" else 4
        if answer.ndim != wanted or (task == "image-to-image" and answer.shape[-1] not in (1, 3)):
            problem = f"{name} gives an answer of shape {answer.shape} (channels last), which is none for {task}"
            raise UsageError(problem, "Give the --task that it was made for")
        if task == "classification":
            return task, 1, answer.shape[-1]
        scales = {of / side for of, side in zip(answer.shape[1:3], size, strict=True)}
        scale = scales.pop()
        if scales or scale != int(scale):
            problem = f"{name} gives {answer.shape[1]}x{answer.shape[2]} for {size[0]}x{size[1]}"
            raise UsageError(problem, "Give --multiple, so that what comes out is as large as what goes in")
        return task, int(scale), answer.shape[-1]

    def _told_by(self, answer: NDArray[np.float32]) -> Task:
        """What an answer means, by its shape."""
        if answer.ndim == 2:
            return "classification"
        given, made = self._config.channel_count, answer.shape[-1]
        if answer.ndim == 4 and (made == given or (given, made) == (1, 3)):
            return "image-to-image"
        if answer.ndim == 4 and made == 1:
            problem = f"{self._engine.name} makes one channel of {given}: a grey picture, or a mask"
            raise UsageError(problem, "Give --task image-to-image or --task segmentation")
        return "segmentation"

    def reach(self, multiple: int) -> int | None:
        """How many pixels away what a pixel becomes depends on; None where it is farther than 256, or all there is, or
        where the network refuses to tell.

        One half of an image is changed, from noise to other noise, and from black to white: how far into the other that
        shows. Each half, and both directions: what halves its pixels does not see equally far to all sides.
        """
        for within in _REACHES:
            if self._only is not None and min(self._only) < 2 * within:
                return None
            shape = up(96, multiple), up(2 * within, multiple)
            sizes = [self._only] * 2 if self._only else [shape[::-1], shape]
            try:
                found = [
                    self._reach_along(axis, size, multiple, first_half=half)
                    for axis, size in enumerate(sizes)
                    for half in (False, True)
                ]
            except (Exception, SystemExit):  # noqa: BLE001 - a network refuses as it likes
                return None
            if max(found) < within - multiple:
                return max(found)
        return None

    def _reach_along(self, axis: int, size: tuple[int, int], multiple: int, *, first_half: bool) -> int:
        chance = np.random.default_rng(0)
        fixed, *changes = (chance.integers(0, 256, (*size, 3), np.uint8) for _ in range(3))
        changes += [np.zeros_like(fixed), np.full_like(fixed, 255)]  # what all changes alike shows farther
        edge = size[axis] // 2 // multiple * multiple
        kept = slice(edge, None) if first_half else slice(0, edge)
        made = []
        for of in changes:
            (of if axis == 0 else of.swapaxes(0, 1))[kept] = (fixed if axis == 0 else fixed.swapaxes(0, 1))[kept]
            given = self._numbers.of(of[..., : self._config.channel_count])[None]
            made.append(self._engine(np.repeat(given, self._batch, axis=0))[0])
        low, high = self._config.output_range or self._config.range
        apart = np.maximum(_apart(made[0], made[1]), _apart(made[2], made[3])).max(axis=(1 - axis, 2))
        scale = len(apart) // size[axis]
        seen = np.flatnonzero(apart > _TOLERANCE * (high - low)) // scale
        inside = seen[seen >= edge] if first_half else seen[seen < edge]
        if not len(inside):
            return 0
        return int(inside[-1]) - edge + 1 if first_half else edge - int(inside[0])


def _apart(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far answers are from each other; where one is no number, as far as can be."""
    with np.errstate(invalid="ignore"):
        apart: NDArray[np.float32] = np.nan_to_num(np.abs(one - other), nan=np.inf, posinf=np.inf)
    return apart


def up(number: int, multiple: int) -> int:
    """The next multiple."""
    return -(-number // multiple) * multiple
