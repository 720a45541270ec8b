"""Which sizes a network takes, found by asking it, with tensors that have no values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ..errors import UsageError
from ..networks.answers import output_of
from .arithmetic import ONLY_SIDES, keeps_shape, smallest_divisor
from .refusals import explain
from .trace import quietly, without_values

if TYPE_CHECKING:
    from torch import nn


class Probe:
    """A network that is asked which sizes it takes.

    Args:
        model: stays as it is.
        channels: of the images.
        batch: images of a question.

    Attributes:
        trouble: what the network raised last.
    """

    def __init__(self, model: nn.Module, channels: int = 3, batch: int = 2) -> None:
        self._mode = FakeTensorMode(allow_non_fake_inputs=True)
        self._model = without_values(model, self._mode).eval()
        self._shape = (batch, channels)
        self.trouble: Exception | None = None

    def takes(self, size: tuple[int, int]) -> bool:
        """Whether images of a size, (height, width) in pixels, go through."""
        return self._made_of(size) is not None

    def keeps(self, size: tuple[int, int]) -> bool:
        """Whether they go through, and keep their shape: some networks round sizes without a word."""
        made = self._made_of(size)
        return made is not None and keeps_shape(size, made)

    def _made_of(self, size: tuple[int, int]) -> tuple[int, ...] | None:
        try:
            return self.output_size(size)
        except Exception as error:  # noqa: BLE001 - a network refuses as it likes
            self.trouble = error
            return None

    def output_size(self, size: tuple[int, int]) -> tuple[int, ...]:
        """The shape of what comes out, beyond batch and channels."""
        with self._mode, torch.no_grad(), quietly():
            return tuple(output_of(self._model(torch.empty(*self._shape, *size))).shape[2:])

    def divisor(self) -> int:
        """What height and width must be multiples of, at least; of a network that keeps no shape, to go through.

        Raises:
            UsageError: of all sizes that were tried, none goes; why, for the last.
        """
        divisor = smallest_divisor(self.keeps) or smallest_divisor(self.takes)
        if divisor is not None:
            return divisor
        only = [size for size in ONLY_SIDES if self.takes((size, size))]
        if only:
            problem = f"The network takes, of the sizes that were tried, {', '.join(f'{of}x{of}' for of in only)} alone"
            raise UsageError(problem, "Resize to that: imgstage resize")
        assert self.trouble is not None
        raise explain(self.trouble, type(self._model).__name__)
