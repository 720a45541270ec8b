"""What running a network takes, without training it: its tensors at the peak of a forward pass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from .events import living
from .trace import Recorder, quietly, without_values

if TYPE_CHECKING:
    from torch import nn

_SIDES = (16, 32)  # multiples of the divisor, and of 32 pixels: what small images take may be of other layers


class ForwardMemory:
    """What running a network takes for images of any size, told from two.

    Args:
        network: stays as it is.
        channels: of the images.
        divisor: what height and width must be multiples of.

    Raises:
        Exception: whatever the network raises when it is run on tensors without values.
    """

    def __init__(self, network: nn.Module, channels: int, divisor: int) -> None:
        self._mode = FakeTensorMode(allow_non_fake_inputs=True)
        self._network = without_values(network, self._mode).eval()
        self._channels = channels
        unit = math.lcm(divisor, 32)
        less, more = (self.measure((side * unit, side * unit)) for side in _SIDES)
        pixels = [(side * unit) ** 2 for side in _SIDES]
        self._bytes_a_pixel = max(1.0, (more - less) / (pixels[1] - pixels[0]))
        self._fixed = max(0.0, less - self._bytes_a_pixel * pixels[0])

    def measure(self, size: tuple[int, int]) -> int:
        """Bytes of tensors at the peak, its own weights not counted, for one image of (height, width) in pixels."""
        first = next(iter(self._network.parameters()), None)
        recorder = Recorder(workspaces=False)
        with self._mode, quietly(), torch.no_grad():
            images = torch.empty((1, self._channels, *size), device=first.device if first is not None else "cpu")
            with recorder:
                recorder.note([images], "input")
                self._network(images)
        return max(nbytes for _, nbytes in living(recorder.finish()))

    def pixels_within(self, nbytes: float) -> int:
        """How many pixels go in at once, all images of a batch together, for so many bytes."""
        return max(0, int((nbytes - self._fixed) / self._bytes_a_pixel))
