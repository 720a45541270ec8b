"""Memory of batches that nobody holds any more, used again: fresh memory costs more than the copy into it."""

from __future__ import annotations

import weakref
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Buffers:
    """Hands out tensors of this process's memory. What was handed out comes back by itself when the last tensor or
    array that shares it is gone, never before."""

    def __init__(self) -> None:
        self._free: dict[tuple[int, ...], list[NDArray[np.uint8]]] = defaultdict(list)

    def take(self, shape: tuple[int, ...]) -> torch.Tensor:
        """A uint8 tensor with any values."""
        free = self._free[shape]
        memory = free.pop() if free else np.empty(shape, np.uint8)  # numpy asks for huge pages, PyTorch does not
        lent = memory[:]
        weakref.finalize(lent, free.append, memory).atexit = False  # PyTorch holds `lent` as long as a tensor needs it
        return torch.from_numpy(lent)

    def __getstate__(self) -> dict[str, Any]:
        """Another process has memory of its own."""
        return {"_free": defaultdict(list)}
