"""Which sizes a network takes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from imgstage import UsageError
from imgstage.memory.probe import Probe
from imgstage.networks import UNet, build


@pytest.mark.parametrize("depth", [0, 1, 2, 3, 4, 5])
def test_a_unet_takes_multiples_of_its_halvings(depth: int) -> None:
    probe = Probe(UNet(2, depth))
    assert probe.divisor() == 2**depth
    assert probe.output_size((64, 96)) == (64, 96)
    assert probe.takes((64, 96))
    assert probe.takes((80, 80)) == (depth < 5)


def test_a_network_of_one_size_says_which() -> None:
    with pytest.raises(UsageError, match="of the sizes that were tried, 224x224 alone"):
        Probe(build("torchvision:vit_b_16", with_values=False)).divisor()


def test_a_network_that_takes_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="Linear cannot be trained on such a batch"):
        Probe(nn.Linear(3, 3)).divisor()


def halved_and_doubled(times: int) -> nn.Module:
    """It takes any size, and gives back the next multiple."""
    down = [nn.Conv2d(3, 3, 3, 2, 1) for _ in range(times)]
    return nn.Sequential(*down, *(nn.ConvTranspose2d(3, 3, 2, 2) for _ in range(times)))


def test_sizes_that_come_out_at_another_are_not_taken_for_safe() -> None:
    probe = Probe(halved_and_doubled(3))
    assert probe.takes((97, 101))
    assert not probe.keeps((97, 101))
    assert probe.divisor() == 8


@pytest.mark.parametrize(
    ("network", "divisor"),
    [
        (nn.Conv2d(3, 3, 5), 1),  # a size of its own, whatever goes in
        (nn.Conv2d(3, 3, 4, 4), 4),  # a quarter
        (nn.ConvTranspose2d(3, 3, 2, 2), 1),  # twice
    ],
)
def test_networks_may_make_images_larger_or_smaller(network: nn.Module, divisor: int) -> None:
    assert Probe(network).divisor() == divisor


def test_an_odd_divisor_is_found_too() -> None:
    class Patches(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            batch, channels, height, width = images.shape
            patches = images.view(batch, channels, height // 14, 14, width // 14, 14)
            return patches.sum((3, 5))

    assert Probe(Patches()).divisor() == 14
