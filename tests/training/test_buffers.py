"""Memory comes back when nobody holds it, and not before."""

from __future__ import annotations

import gc
import pickle

import torch

from imgstage.training.buffers import Buffers


def test_what_is_held_is_never_handed_out_again() -> None:
    buffers = Buffers()
    held = [buffers.take((4, 3)).fill_(number) for number in range(5)]
    rows = [one[2] for one in held]
    arrays = [one.numpy() for one in held]
    del held
    gc.collect()
    later = [buffers.take((4, 3)).fill_(99) for _ in range(5)]
    assert [row.tolist() for row in rows] == [[number] * 3 for number in range(5)]
    assert [int(array[0, 0]) for array in arrays] == list(range(5))
    assert len({one.data_ptr() for one in (*rows, *later)}) == 10


def test_what_nobody_holds_is() -> None:
    buffers = Buffers()
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
