"""The contact sheet."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from imgstage import Dataset
from imgstage.sheet import contact_sheet

from .helpers import write


def solid(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_each_split_has_its_column_with_its_pictures(empty: Dataset) -> None:
    colours = {"train": (200, 0, 0), "val": (0, 200, 0), "test": (0, 0, 200)}
    for split, colour in colours.items():
        for number in range(4):
            write(empty.root.path / split / f"{split}{number}.png", solid(colour))
    sheet = np.asarray(Image.open(io.BytesIO(contact_sheet(empty.root.path, empty.samples, tuple(colours)))))
    assert sheet.dtype == np.uint8
    columns = [np.nonzero((sheet == colour).all(axis=2))[1] for colour in colours.values()]
    assert [len(column) for column in columns] == [3 * 64 * 64] * 3, "three pictures each, not enlarged"
    assert columns[0].max() < columns[1].min() <= columns[1].max() < columns[2].min()


def test_a_split_without_samples_is_an_empty_column(empty: Dataset) -> None:
    sheet = contact_sheet(empty.root.path, empty.samples, ("train",))
    assert Image.open(io.BytesIO(sheet)).size[0] > 0
