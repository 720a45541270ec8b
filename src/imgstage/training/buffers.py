"""Memory of batches that nobody holds any more, used again: fresh memory costs more than the copy into it."""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHAPES = 8  # the images of a batch have one for each role
_KEPT = 4  # a batch that is used, and those that are made ahead


class BufferPool:
    """Hands out tensors of this process's memory. What was handed out comes back by itself when the last tensor or
    array that shares it is gone, never before; little is kept."""

    def __init__(self) -> None:
        self._free: dict[tuple[int, ...], deque[NDArray[np.uint8]]] = {}

    def take(self, shape: tuple[int, ...]) -> torch.Tensor:
        """A uint8 tensor with any values."""
        if shape not in self._free and len(self._free) >= _SHAPES:
            del self._free[next(iter(self._free))]
        free = self._free.setdefault(shape, deque(maxlen=_KEPT))
        try:
            memory = free.pop()
        except IndexError:
            memory = np.empty(shape, np.uint8)  # numpy asks for huge pages, PyTorch does not
        lent = memory[:]
        weakref.finalize(lent, free.append, memory).atexit = False  # PyTorch holds `lent` as long as a tensor needs it
        return torch.from_numpy(lent)

    def __getstate__(self) -> dict[str, Any]:
        """Another process has memory of its own."""
        return {"_free": {}}
