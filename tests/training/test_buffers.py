"""Memory comes back when nobody holds it, and not before."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from imgstage.training.buffers import BufferPool

HOLD: dict[str, Callable[[torch.Tensor], Any]] = {
    "itself": lambda batch: batch,
    "a row": lambda batch: batch[2],
    "an array": lambda batch: batch.numpy(),
    "detached": lambda batch: batch.detach(),
    "another shape": lambda batch: batch.view(-1),
}


@pytest.mark.parametrize("hold", HOLD)
def test_what_is_held_is_never_handed_out_again(hold: str) -> None:
    buffers = BufferPool()
    held = [HOLD[hold](buffers.take((4, 3)).fill_(number)) for number in range(5)]
    gc.collect()
    later = [buffers.take((4, 3)).fill_(99) for _ in range(5)]
    assert [set(np.asarray(one).ravel().tolist()) for one in held] == [{number} for number in range(5)]
    assert len({one.data_ptr() for one in later}) == 5


def test_little_is_kept() -> None:
    buffers = BufferPool()
    for side in range(1, 100):
        buffers.take((side, side))
    assert len(buffers._free) <= 8
    held = [buffers.take((2, 2)) for _ in range(50)]
    del held
    gc.collect()
    assert len(buffers._free[2, 2]) <= 4


def test_what_nobody_holds_is() -> None:
    buffers = BufferPool()
    places = set()
    for _ in range(20):
        batch = buffers.take((8, 3, 10, 10))
        places.add(batch.data_ptr())
    assert len(places) == 2, "while the new one is taken, the old one is still there"
    other = buffers.take((8, 3, 10, 11))
    assert other.shape == (8, 3, 10, 11)
    assert other.dtype == torch.uint8
    again = pickle.loads(pickle.dumps(buffers))
    assert again.take((8, 3, 10, 10)).data_ptr() not in places
