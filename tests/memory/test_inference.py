"""What running a network takes: its tensors, as real ones are counted."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from imgstage.memory.events import living
from imgstage.memory.inference import ForwardMemory
from imgstage.memory.trace import Recorder
from imgstage.networks import build


def really(network: nn.Module, size: tuple[int, int]) -> int:
    """Bytes of real tensors at the peak."""
    recorder = Recorder(workspaces=False)
    images = torch.zeros(1, 3, *size)
    with torch.no_grad(), recorder:
        recorder.note([images], "input")
        network(images)
    return max(nbytes for _, nbytes in living(recorder.finish()))


@pytest.mark.parametrize("name", ["unet:8", "torchvision:mobilenet_v3_small"])
def test_it_is_what_real_tensors_take_and_other_sizes_follow(name: str) -> None:
    network = build(name).eval()
    taken = ForwardMemory(network, 3, 16)
    for size in ((128, 192), (256, 256)):
        assert taken.measure(size) == really(network, size)
    wanted = really(network, (640, 480))
    pixels = taken.pixels_within(wanted)
    assert pixels == pytest.approx(640 * 480, rel=0.02)
    assert taken.pixels_within(0) == 0


def test_weights_do_not_count() -> None:
    wide = nn.Sequential(nn.Conv2d(3, 1, 1), nn.Conv2d(1, 3, 1), nn.Flatten(), nn.Identity())
    assert ForwardMemory(wide, 3, 1).measure((64, 64)) <= 64 * 64 * 4 * (3 + 1 + 3)
