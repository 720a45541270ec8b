"""Pure: what size an image shall have -> how it is turned, scaled, cut and padded. Sizes are (height, width)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from .errors import UsageError
from .formats import MAX_PIXELS
from .root import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

Size = tuple[int, int]
Fit = Literal["stretch", "contain", "cover", "pad"]
Orient = Literal["keep", "portrait", "landscape"]
FITS: tuple[Fit, ...] = get_args(Fit)
ORIENTS: tuple[Orient, ...] = get_args(Orient)

_SCALE = re.compile(r"\d{0,6}(\.\d{0,9})?(/\d{1,6})?")  # no exponents: 1e-99999999 would take all memory
_ONE_SHAPE = 50  # the aspects of two images that are to get one geometry may differ by one part in so many


class MisfitError(Exception):
    """Some images cannot get the wished size; the message says why."""


class Frame(NamedTuple):
    """How an image comes to its new size: a quarter turn to the left or none, scaling, then cutting or padding.

    Attributes:
        height: of the result, in pixels.
        width: of the result, in pixels.
        turned: whether it is turned a quarter to the left first.
        scaled: the (height, width) that the whole image is brought to, after the turn.
        top: the row of the result in which the scaled image begins; what is above row 0 is cut off.
        left: the column of the result in which the scaled image begins; what is left of column 0 is cut off.
    """

    height: int
    width: int
    turned: bool
    scaled: Size
    top: int = 0
    left: int = 0

    def __str__(self) -> str:
        turn = " turned" if self.turned else ""
        place = (
            f" of {_text(self.scaled)} at {self.top},{self.left}" if self.scaled != (self.height, self.width) else ""
        )
        return f"{self.height}x{self.width}{place}{turn}"

    def keeps(self, size: Size) -> bool:
        """Whether an image of that (height, width) stays as it is."""
        return not self.turned and self.scaled == size == (self.height, self.width)

    def times(self, by: int) -> Frame:
        """The same for an image that is so many times as high and as wide."""
        height, width, turned, scaled, top, left = self
        return Frame(height * by, width * by, turned, (scaled[0] * by, scaled[1] * by), top * by, left * by)

    def distortion(self, size: Size) -> float:
        """By which factor the aspect of an image of that (height, width) changes; 1.0 is not at all."""
        height, width = _turned(size, self.turned)
        change = self.scaled[0] * width / (self.scaled[1] * height)
        return max(change, 1 / change)


@dataclass(frozen=True)
class SizeWish:
    """What size images shall have: a size, or a long side, or a scale; or only sides that a number divides.

    Attributes:
        size: (height, width) in pixels.
        long_side: pixels of the longer side at most.
        scale: of both sides.
        multiple_of: what divides both sides: "stretch" scales to the next smaller ones, "cover" cuts, "pad" pads.
        fit: how an image of another aspect comes to a size: "stretch" changes the aspect, "contain" stays within,
            "cover" fills it and cuts off what is over in the middle, "pad" stays within and adds black.
        orient: "portrait" or "landscape" turn images a quarter to the left that are otherwise.
        enlarge: whether images may become larger than they are.
    """

    size: Size | None = None
    long_side: int | None = None
    scale: Fraction | None = None
    multiple_of: int | None = None
    fit: Fit = "stretch"
    orient: Orient = "keep"
    enlarge: bool = False

    def check(self) -> None:
        """Refuse what makes no sense, before anything is read.

        Raises:
            UsageError: naming it.
        """
        given = [wish for wish in (self.size, self.long_side, self.scale) if wish is not None]
        if len(given) > 1 or (self.size and self.multiple_of):
            problem = "More than one new size was asked for"
            raise UsageError(
                problem, "Give one of --size, --long-side and --scale; --multiple-of goes with the latter two"
            )
        if not given and self.multiple_of is None and self.orient == "keep":
            problem = "No new size was asked for"
            remedy = "Give one, as in: imgstage resize --size 1920x1280 (height x width); --scale 1 keeps sizes"
            raise UsageError(problem, remedy)
        _check_side("--long-side", self.long_side)
        _check_side("--multiple-of", self.multiple_of)
        _check_side("--scale", self.scale)
        if self.size and min(self.size) < 1:
            problem = f"--size {_text(self.size)} leaves no pixels"
            raise UsageError(problem, "Give a height and a width of 1 or more, as in --size 1920x1280")
        if self.size and self.size[0] * self.size[1] > MAX_PIXELS:
            problem = f"{_text(self.size)} is more than the {MAX_PIXELS:,} pixels that an image may have"
            raise UsageError(problem, "Choose a smaller size")
        if self.multiple_of is not None and self.fit == "contain":
            problem = "--fit contain leaves a side free, and --multiple-of does not"
            raise UsageError(problem, "Choose --fit cover, which cuts, or pad, or stretch")
        check_word("fit", self.fit, FITS)
        check_word("orient", self.orient, ORIENTS)
        if self.scale is not None and self.scale > 1 and not self.enlarge:
            problem = f"--scale {float(self.scale):g} would enlarge the images"
            raise UsageError(problem, "Add --enlarge if that is meant")

    def frames(self, sizes: Sequence[Size]) -> list[Frame]:
        """How the images of one sample come to the new size, all in the same way.

        Args:
            sizes: the (height, width) as seen of each image. Whether they are turned is decided by the first, and of
                nearly equal sizes all else, too. Of others, as in super-resolution, the smallest decides where they are
                its multiples; else each is treated by its own, if the wish keeps their ratio.

        Returns:
            A frame for each.

        Raises:
            MisfitError: they are of different shapes, or of sizes that would become one; or would be enlarged, get too
                many pixels, or none.
        """
        for size in sizes:
            if not _of_one_shape(size, sizes[0]):
                problem = f"its images have different shapes ({_text(sizes[0])} and {_text(size)}, height x width)"
                raise MisfitError(problem)
        near = all(_is_near(size, sizes[0]) for size in sizes)
        found = self._alike(sizes, near=near)
        for size, frame in zip(sizes, found, strict=True):
            there = _turned(size, frame.turned)
            if frame.height * frame.width > MAX_PIXELS or frame.scaled[0] * frame.scaled[1] > MAX_PIXELS:
                problem = (
                    f"{_text(size)} (height x width) would get more than the {MAX_PIXELS:,} pixels an image may have"
                )
                raise MisfitError(problem)
            larger = frame.scaled[0] > there[0] or frame.scaled[1] > there[1]
            if not self.enlarge and larger and not (near and _is_near(frame.scaled, there) and size != sizes[0]):
                problem = (
                    f"{_text(size)} (height x width) would be enlarged to {_text(frame.scaled)}; --enlarge allows it"
                )
                raise MisfitError(problem)
        return found

    def _alike(self, sizes: Sequence[Size], *, near: bool) -> list[Frame]:
        """The frames of images that are nearly of one size, or else in a ratio that must stay."""
        height, width = sizes[0]
        turned = (self.orient == "portrait" and width > height) or (self.orient == "landscape" and height > width)
        own = [self._frame(size, turned=turned) for size in sizes]
        unscaled = (frame.scaled == frame[:2] == _turned(size, turned) for size, frame in zip(sizes, own, strict=True))
        if all(unscaled):
            return own
        if near:
            return [own[0]] * len(sizes)
        least = min(sizes)
        if all(size[0] * least[1] == size[1] * least[0] and size[0] % least[0] == 0 for size in sizes):
            base = own[sizes.index(least)]
            own = [base.times(size[0] // least[0]) for size in sizes]
        elif self.multiple_of is not None:
            problem = f"its images have different sizes ({' and '.join(map(_text, sizes))}), of which none divides all"
            raise MisfitError(problem)
        if self.size is not None or self.long_side is not None:
            problem = f"its images have different sizes ({' and '.join(map(_text, sizes))}); --scale keeps them so"
            raise MisfitError(problem)
        return own

    def _frame(self, size: Size, *, turned: bool) -> Frame:
        """The frame of one image, which may still enlarge it where its fit leaves no choice."""
        height, width = _turned(size, turned)
        if self.size is not None:
            return self._into(self.size, (height, width), turned=turned)
        share = self.scale or Fraction(1)
        if self.long_side is not None:
            share = Fraction(self.long_side, max(height, width))
            share = share if self.enlarge else min(share, Fraction(1))
        scaled = _times((height, width), share)
        if self.multiple_of is None:
            return Frame(*scaled, turned, scaled)
        step = self.multiple_of
        if self.fit == "pad":
            box = (-(-scaled[0] // step) * step, -(-scaled[1] // step) * step)
        else:
            box = (scaled[0] // step * step, scaled[1] // step * step)
        if min(box) < 1:
            problem = f"{_text(size)} (height x width) is smaller than {step}"
            raise MisfitError(problem)
        return _placed(scaled if self.fit in ("pad", "cover") else box, box, turned=turned)

    def _into(self, box: Size, there: Size, *, turned: bool) -> Frame:
        if self.fit == "stretch":
            return Frame(*box, turned, box)
        shares = [Fraction(wished, side) for wished, side in zip(box, there, strict=True)]
        share = max(shares) if self.fit == "cover" else min(shares)
        if self.fit != "cover" and not self.enlarge:
            share = min(share, Fraction(1))
        scaled = _times(there, share)
        return Frame(*scaled, turned, scaled) if self.fit == "contain" else _placed(scaled, box, turned=turned)


def _check_side(what: str, side: int | Fraction | None) -> None:
    if side is not None and side <= 0:
        problem = f"{what} {side} leaves no pixels"
        raise UsageError(problem, "Give more than 0")
    if side is not None and side > MAX_PIXELS:
        problem = f"{what} {side} is more than a side may have"
        raise UsageError(problem, "Choose a smaller number")


def check_word(what: str, word: str, known: tuple[str, ...]) -> None:
    """Refuse a word that means nothing.

    Raises:
        UsageError: with the one that may be meant.
    """
    if word not in known:
        problem = f"There is no {what} {word!r}"
        raise UsageError(problem, did_you_mean(word, known))


def read_size(text: str) -> Size:
    """The (height, width) that a text such as "1920x1280" says.

    Raises:
        UsageError: it says none.
    """
    found = re.fullmatch(r"\s*(-?\d{1,9})\s*[xX×]\s*(-?\d{1,9})\s*", text)
    if found is None:
        problem = f"{text!r} is no size"
        raise UsageError(problem, "Write height x width, as in 1920x1280")
    return int(found[1]), int(found[2])


def read_scale(text: str) -> Fraction:
    """The share that a text such as "0.5", "1/3" or "50%" says.

    Raises:
        UsageError: it says none.
    """
    number = text.strip().removesuffix("%")
    try:
        share = Fraction(number) if _SCALE.fullmatch(number) else None
    except (ValueError, ZeroDivisionError):
        share = None
    if share is None:
        problem = f"{text!r} is no scale"
        raise UsageError(problem, "Write it as 0.5, 1/2 or 50%")
    return share / 100 if text.strip().endswith("%") else share


def _turned(size: Size, turned: bool) -> Size:
    return size[::-1] if turned else size


def _times(size: Size, share: Fraction) -> Size:
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def _placed(scaled: Size, box: Size, *, turned: bool) -> Frame:
    """In the middle of a box."""
    return Frame(*box, turned, scaled, (box[0] - scaled[0]) // 2, (box[1] - scaled[1]) // 2)


def _of_one_shape(size: Size, other: Size) -> bool:
    """Whether two images have nearly the same aspect; a pixel of the smaller one more or less is nothing."""
    across, down = size[0] * other[1], size[1] * other[0]
    return abs(across - down) <= max(max(across, down) // _ONE_SHAPE, *max(size, other))


def _is_near(size: Size, other: Size) -> bool:
    """Whether two images have nearly the same size, as when one lacks a row; else one is a small copy of the other."""
    return all(abs(one - two) <= max(1, two // _ONE_SHAPE) for one, two in zip(size, other, strict=True))


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
