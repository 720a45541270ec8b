"""imgstage's own U-Net."""

from __future__ import annotations

import pytest
import torch

from imgstage.networks import UNet


@pytest.mark.parametrize(("depth", "size"), [(1, (6, 10)), (2, (12, 20)), (4, (32, 48))])
def test_images_come_out_as_large_as_they_go_in(depth: int, size: tuple[int, int]) -> None:
    network = UNet(4, depth, channels=2, outputs=5)
    assert network(torch.zeros(3, 2, *size)).shape == (3, 5, *size)


def test_it_is_the_classic_one() -> None:
    widths = [layer.out_channels for layer in UNet().modules() if isinstance(layer, torch.nn.Conv2d)]
    assert widths[:10] == [64, 64, 128, 128, 256, 256, 512, 512, 1024, 1024]
    assert sum(of.numel() for of in UNet().parameters()) == 31_037_763


def test_all_of_it_learns() -> None:
    network = UNet(4, 2)
    network(torch.rand(2, 3, 16, 16)).square().mean().backward()
    assert all(of.grad is not None and bool(of.grad.abs().sum() > 0) for of in network.parameters())


def test_what_comes_down_goes_across() -> None:
    """A change of one pixel is seen beside it at once, not only after the way down and up."""
    network = UNet(4, 3).eval()
    images = torch.rand(1, 3, 32, 32)
    moved = images.clone()
    moved[..., 16, 16] += 1
    with torch.no_grad():
        difference = (network(moved) - network(images)).abs().sum(dim=(0, 1))
    assert difference[16, 16] > 4 * difference.mean()
