"""Pairs cut from one photograph, and how large the images of a root are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from imgstage import Dataset

from ..helpers import photo, write


def sizes(dataset: Dataset) -> dict[str, tuple[int, int]]:
    """(height, width) of each image file, by its path in the root."""
    root = dataset.root.path
    paths = [path for path in root.rglob("*.*") if ".imgstage" not in path.parts and path.suffix in (".jpg", ".png")]
    return {str(path.relative_to(root)): opened(path).size[::-1] for path in paths}


def opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


def write_photos(folder: Path, count: int, size: tuple[int, int] = (120, 80)) -> None:
    """Pairs cut from one photograph, each with its own bytes, mtime and mode."""
    coffee = photo("coffee")
    for number in range(1, count + 1):
        cut = Image.fromarray(np.roll(coffee, 17 * number, (0, 1))[: size[0], : size[1]])
        for role, quality in (("before", 60), ("after", 95)):
            buffer = io.BytesIO()
            cut.save(buffer, "JPEG", quality=quality)
            write(folder / f"p_{number:02d}_{role}.jpg", buffer.getvalue(), 1_500_000_000 + number, 0o640)
