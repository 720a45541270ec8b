"""One image made anew: bytes in, bytes of another size out, checked. What cannot be kept is refused, never damaged."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .errors import DefectError
from .images import MODES_OF, decode, defects, encode, inspect, quiet_codecs, resize_upright, turned_left
from .parallel import map_ordered

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .formats import ImageInfo
    from .geometry import Frame, Size
    from .images import Kernel, Traits


class Recipe(NamedTuple):
    """How one image is made anew.

    Attributes:
        frame: what size, and how it comes to it.
        format: of the result, Pillow's name.
        labels: its values mean something by themselves, as in a mask: the nearest one is taken, and all stay exact.
        quality: 1 to 100, where the format is lossy.
        told: whether the user has said which images are labels; else those that look like some are refused.
    """

    frame: Frame
    format: str
    labels: bool = False
    quality: int = 95
    told: bool = False

    def __str__(self) -> str:
        how = "nearest" if self.labels else f"lanczos, quality {self.quality}"
        return f"{self.frame}, {how}, {self.format}"


def make(recipe: Recipe, data: bytes) -> bytes:
    """Make an image anew.

    Args:
        recipe: how.
        data: the original's bytes. Call it inside `quiet_codecs`.

    Returns:
        The bytes of the new file. They depend on nothing but the arguments and the versions of the codecs. Its ICC
        profile is that of the original, and so is its EXIF, but for the orientation, the size and the preview.

    Raises:
        DefectError: the original does not decode whole, or holds what would not be kept.
    """
    pixels, traits = decode(data, labels=recipe.labels)
    _refuse_loss(traits, recipe)
    _refuse_labels(pixels, traits, recipe)
    with defects(f"it cannot be brought to {recipe.frame}"):
        made = shaped(pixels, traits, recipe.frame, labels=recipe.labels)
    lossless = recipe.labels or (traits.lossless and traits.format == recipe.format)
    encoded = encode(made, recipe.format, traits._replace(lossless=lossless), quality=recipe.quality)
    _verify(encoded, made, recipe, traits.mode)
    return encoded


class Estimate(NamedTuple):
    """What some work will take.

    Attributes:
        sizes: of each result, in bytes, rather too many than too few.
        seconds: all of it on this machine, by the clock.
    """

    sizes: tuple[int, ...] = ()
    seconds: float = 0.0


_PROBES = 8  # images that are made for an estimate
_ROOM = 1.15  # some images have more in them than those that were probed
_BYTES_A_PIXEL = 3.0  # where no probe tells better


def probe(work: Sequence[tuple[Recipe, Path]], sizes: Sequence[Size], threads: int | None = None) -> Estimate:
    """Find out what making many images will take, by making a few of them in memory.

    Args:
        work: how, and of which file, each is made.
        sizes: the (height, width) of each original in pixels.
        threads: how many to make at once.
    """
    areas = [height * width for height, width in sizes]
    order = sorted(range(len(work)), key=lambda number: (areas[number], number))
    tries = min(_PROBES, len(order))
    chosen = [order[number * (len(order) - 1) // max(1, tries - 1)] for number in range(tries)]

    def one(number: int) -> int | None:
        recipe, path = work[number]
        try:
            return len(make(recipe, path.read_bytes()))
        except (DefectError, OSError, MemoryError):  # it will be told when its turn comes
            return None

    begin = perf_counter()
    with quiet_codecs():
        found = dict(zip(chosen, map_ordered(one, chosen, threads), strict=True))
    seconds = perf_counter() - begin
    spent: dict[tuple[str, bool], tuple[int, int]] = {}
    for number, size in found.items():
        if size is not None:
            kind = _kind(work[number][0])
            pixels, total = spent.get(kind, (0, 0))
            spent[kind] = pixels + _area(work[number][0]), total + size
    rates = {kind: total / pixels for kind, (pixels, total) in spent.items()}
    expected = (rates.get(_kind(recipe), _BYTES_A_PIXEL) * _area(recipe) * _ROOM for recipe, _ in work)
    share = sum(areas) / max(1, sum(areas[number] for number in chosen))
    return Estimate(tuple(int(size) + 1 for size in expected), seconds * share)


def _kind(recipe: Recipe) -> tuple[str, bool]:
    return recipe.format, recipe.labels


def _area(recipe: Recipe) -> int:
    return recipe.frame.height * recipe.frame.width


def foreseen(info: ImageInfo, recipe: Recipe) -> str:
    """Why an image cannot be made so, as far as that is known without its pixels; empty when nothing is against it."""
    mode = info.mode if recipe.labels else {"1": "L", "P": "RGB", "PA": "RGBA"}.get(info.mode, info.mode)
    return _why_not(mode, recipe)


def _why_not(mode: str, recipe: Recipe) -> str:
    if recipe.labels and recipe.format in ("JPEG", "WEBP"):
        return f"{recipe.format} does not keep the values of a mask; --format png does"
    if mode in MODES_OF[recipe.format]:
        return ""
    way = "; --format png can" if mode in MODES_OF["PNG"] else ""
    return f"{recipe.format} cannot hold its pixels, which are of the layout {mode}{way}"


def _refuse_labels(pixels: NDArray[Any], traits: Traits, recipe: Recipe) -> None:
    """Refuse to blend values that mean something by themselves, where nobody has said what the image is.

    Raises:
        DefectError: it has the few values that masks have.
    """
    if recipe.labels or recipe.told or not traits.lossless:
        return
    step = int(max(1, (pixels.shape[0] * pixels.shape[1] // _LOOKED_AT) ** 0.5))
    if _values(pixels[::step, ::step]) > _FEW:
        return
    values = _values(pixels)  # small things hide between the pixels that were looked at
    if 1 < values <= _FEW:
        problem = f"its {values} values look like labels; say with --labels which roles are such, or --labels none"
        raise DefectError(problem)


_FEW = 32  # values of a mask at most, and of a picture hardly ever
_LOOKED_AT = 65_536  # pixels


def _refuse_loss(traits: Traits, recipe: Recipe) -> None:
    """Refuse to write less than the original holds.

    Raises:
        DefectError: saying what would be lost.
    """
    if traits.frames > 1:
        problem = f"it holds {traits.frames} pictures, and only the first would be kept"
        raise DefectError(problem)
    if traits.bits > 8 and traits.mode not in ("I;16", "I", "F"):
        problem = "it has 16 bits a colour, of which only 8 would be kept"
        raise DefectError(problem)
    problem = _why_not(traits.mode, recipe)
    if problem:
        raise DefectError(problem)
    if traits.transparency is not None and not recipe.labels:
        problem = "its layout has no channel for what is transparent in it, and that would be lost"
        raise DefectError(problem)


def shaped(pixels: NDArray[Any], traits: Traits, frame: Frame, *, labels: bool = False) -> NDArray[Any]:
    """Scale and turn, then cut and pad.

    Args:
        pixels: see `images.decode`.
        traits: of the same picture.
        frame: how it comes to its new size.
        labels: its values mean something by themselves, and are not blended.

    Returns:
        The same dtype and range, upright, of the frame's height and width.
    """
    kernel: Kernel = "nearest" if labels else "lanczos"
    orientation = turned_left(traits.orientation) if frame.turned else traits.orientation
    small = resize_upright(pixels, frame.scaled, kernel, orientation, alpha=traits.mode in ("LA", "RGBA"))
    return placed(small, traits.mode, frame)


def placed(small: NDArray[Any], mode: str, frame: Frame) -> NDArray[Any]:
    """Cut and pad what was scaled and turned.

    Args:
        small: upright pixels, shape (height, width) or (height, width, channels).
        mode: their layout, by Pillow's name.
        frame: where they go.
    """
    cut = small[max(0, -frame.top) :, max(0, -frame.left) :][: frame.height, : frame.width]
    if cut.shape[:2] == (frame.height, frame.width):
        return cut
    padded = np.zeros((frame.height, frame.width, *cut.shape[2:]), cut.dtype)
    if mode == "CMYK":
        padded[..., 3] = 255  # black, in inks
    top, left = max(0, frame.top), max(0, frame.left)
    padded[top : top + cut.shape[0], left : left + cut.shape[1]] = cut
    return padded


def _values(pixels: NDArray[Any]) -> int:
    """How many colours there are."""
    if pixels.ndim == 2 and pixels.dtype == np.uint8:
        return int(np.count_nonzero(np.bincount(pixels.ravel(), minlength=256)))
    return len(np.unique(pixels.reshape(-1, *pixels.shape[2:]), axis=0))


def _verify(encoded: bytes, made: NDArray[Any], recipe: Recipe, mode: str) -> None:
    """Read what was written, before anybody relies on it.

    Raises:
        DefectError: it is not what was meant.
    """
    info = inspect(encoded).info
    if (info.height, info.width) != made.shape[:2] or info.orientation != 1:
        problem = f"{recipe.format} was written with {info.height}x{info.width} instead"
        raise DefectError(problem)
    if recipe.labels:
        again = decode(encoded, labels=True)
        if again.traits.mode != mode or not np.array_equal(again.pixels, made):
            problem = f"{recipe.format} does not keep its values"
            raise DefectError(problem)
