"""What transforms draw depends on what is loaded, not on who loads it and what was loaded before."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from blake3 import blake3
from torch.utils.data import get_worker_info

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def drawn_alike(*what: object) -> Iterator[None]:
    """Within, the generators of PyTorch (on the CPU), Python and NumPy give what depends on `what` alone; after it,
    those of the training process go on as if nothing had been drawn. Those of a worker are nobody else's.
    """
    told = blake3(" ".join(map(str, what)).encode()).digest(16)
    is_worker = get_worker_info() is not None
    before = None if is_worker else (torch.get_rng_state(), random.getstate(), np.random.get_state())
    torch.default_generator.manual_seed(int.from_bytes(told[:8], "little"))
    random.seed(told)
    np.random.seed(int.from_bytes(told[8:12], "little"))
    try:
        yield
    finally:
        if before is not None:
            torch.set_rng_state(before[0])
            random.setstate(before[1])
            np.random.set_state(before[2])
