"""Engines of a few lines of numpy, whose answers are known exactly; roots to play, and what came of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

from imgstage.play import ModelConfig, Network, Played, Tiling

from ..helpers import photo

Numbers = NDArray[np.float32]
PHOTO = photo("astronaut")[:90, :120]


class Engine:
    """Applies a function to each batch; counts how often, and with what."""

    network: Any = None
    device = "cpu"

    def __init__(
        self,
        function: Callable[[Numbers], Numbers],
        *,
        multiple: int = 1,
        size: tuple[int, int] | None = None,
        batch: int | None = None,
        name: str = "double",
    ) -> None:
        self.function, self.multiple = function, multiple
        self.size, self.batch = size, batch
        self.name = self.identity = name
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, images: Numbers) -> Numbers:
        assert images.dtype == np.float32
        self.shapes.append(images.shape)
        if self.batch is not None and len(images) != self.batch:
            message = f"it takes {self.batch} images"
            raise ValueError(message)
        if self.size is not None and images.shape[1:3] != self.size:
            message = f"it takes {self.size}"
            raise ValueError(message)
        if images.shape[1] % self.multiple or images.shape[2] % self.multiple:
            message = "sizes must match except in dimension 1"
            raise RuntimeError(message)
        return np.ascontiguousarray(self.function(images), np.float32)


def blur(side: int) -> Callable[[Numbers], Numbers]:
    """A mean over so many pixels each way; beyond the edge is black, as convolutions have it."""
    return lambda images: uniform_filter(images, (0, side, side, 0), mode="constant")


def invert(images: Numbers) -> Numbers:
    return 1 - images


def network(engine: Engine, tiling: Tiling | None = None, batch: int = 1, **options: Any) -> Network:
    return Network(engine, ModelConfig().with_options(**options), tiling or Tiling(), batch)


def make_root(folder: Path, pictures: dict[str, bytes] | None = None) -> Path:
    """A root with pictures to play."""
    (folder / ".imgstage").mkdir(parents=True)
    for name, data in (pictures or {}).items():
        path = folder / "play_data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def pixels(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image)


def outputs(root: Path) -> dict[str, bytes]:
    folder = root / "play_data/output"
    return {
        of.relative_to(folder).as_posix(): of.read_bytes()
        for of in sorted(folder.rglob("*"))
        if of.is_file() and of.name != ".imgstage-lock"
    }


def accounted(played: Played) -> tuple[int, int, int, int]:
    of = played.report
    assert of.found == of.done + len(of.held) + len(of.ignored)
    return of.done, of.changed, len(of.held), len(of.ignored)


def classifier(images: Numbers) -> Numbers:
    made: Numbers = 20 * images.mean(axis=(1, 2))
    return made


def colours(names: str) -> dict[str, bytes]:
    return {f"{name}.png": encoded(Image.new("RGB", (8, 8), name.rstrip("1234"))) for name in names.split()}


def encoded(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()
