"""A U-Net (Ronneberger et al. 2015), with padding and batch normalisation."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d


class UNet(nn.Module):
    """Levels down, each half as large and twice as wide, and up again, beside what came down.

    Images have shape (batch, channels, height, width); height and width are multiples of 2 to the power of `depth`.

    Args:
        width: channels of the first level.
        depth: how often it halves.
        channels: of the images that go in.
        outputs: channels of those that come out.
    """

    def __init__(self, width: int = 64, depth: int = 4, channels: int = 3, outputs: int = 3) -> None:
        super().__init__()
        levels = list(pairwise(width << level for level in range(depth + 1)))
        self.first = _block(channels, width)
        self.down = nn.ModuleList(_block(few, many) for few, many in levels)
        self.up = nn.ModuleList(nn.ConvTranspose2d(many, few, 2, 2) for few, many in reversed(levels))
        self.join = nn.ModuleList(_block(many, few) for few, many in reversed(levels))
        self.last = nn.Conv2d(width, outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Images of the same height and width."""
        passed = [self.first(images)]
        for down in self.down:
            passed.append(down(max_pool2d(passed[-1], 2)))
        values = passed.pop()
        for up, join in zip(self.up, self.join, strict=True):
            values = join(torch.cat([passed.pop(), up(values)], dim=1))
        output: Tensor = self.last(values)
        return output


def _block(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
