"""What a network gives: the tensor that is meant."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._pytree import tree_iter


def output_of(answer: Any) -> torch.Tensor:
    """The tensor that is meant: the answer itself, its "out" (as torchvision's segmenters have it), or its first.

    Raises:
        TypeError: it holds none.
    """
    if isinstance(answer, dict) and "out" in answer:
        answer = answer["out"]
    for part in tree_iter(answer):
        if isinstance(part, torch.Tensor):
            return part
    message = "the model gives no tensor"
    raise TypeError(message)
