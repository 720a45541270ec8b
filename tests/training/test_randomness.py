"""Transforms draw by what is loaded alone."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from imgstage.training import Loader
from imgstage.training.randomness import drawn_alike


def draw() -> tuple[float, float, float]:
    return float(torch.rand(())), random.random(), float(np.random.rand())


def test_the_same_is_drawn_for_the_same_and_nothing_else_is_disturbed() -> None:
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    expected = [draw() for _ in range(4)]
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    seen = []
    found = [draw()]
    for what in ((1, 0, 7), (1, 0, 8), (1, 1, 7), (2, 0, 7), (1, 0, 7)):
        with drawn_alike(*what):
            seen.append(draw())
        if len(found) < 4:
            found.append(draw())
    assert found == expected
    assert seen[0] == seen[4]
    for generator in zip(*seen[:4], strict=True):
        assert len(set(generator)) == 4


class Draws(Dataset[Any]):
    """Items are what transforms might draw."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> tuple[int, tuple[float, float, float]]:
        return index, draw()


def epochs(loader: Loader, count: int) -> list[dict[int, tuple[float, ...]]]:
    found = []
    for _ in range(count):
        rows: dict[int, tuple[float, ...]] = {}
        for indices, drawn in loader:
            rows |= dict(zip(indices.tolist(), zip(*(of.tolist() for of in drawn), strict=True), strict=True))
        found.append(rows)
    return found


def test_neither_workers_nor_batches_nor_a_new_start_change_what_is_drawn() -> None:
    first, second = epochs(Loader(Draws(), 4, seed=1, num_workers=0), 2)
    assert len(first) == len(second) == 12
    assert all(first[index] != second[index] for index in first)
    assert len({values for of in (first, second) for values in of.values()}) == 24
    assert epochs(Loader(Draws(), 3, seed=1, num_workers=2), 2) == [first, second]
    assert epochs(Loader(Draws(), 4, seed=2, num_workers=0), 1)[0] != first
    later = Loader(Draws(), 5, num_workers=1)
    later.load_state_dict({"seed": 1, "epoch": 1, "cursor": 0, "samples": 12})
    assert epochs(later, 1) == [second]
