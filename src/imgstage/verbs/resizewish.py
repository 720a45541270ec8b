"""What is asked of a resize, and what is known about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict, get_args

from ..errors import UsageError
from ..geometry import SizeWish, check_word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from fractions import Fraction

    from ..catalog import Catalog
    from ..geometry import Fit, Orient, Size
    from ..index import FileRecord
    from ..resizing import Estimate, Recipe

Format = Literal["keep", "jpg", "png", "webp"]
FORMATS: tuple[Format, ...] = get_args(Format)


class ResizeOptions(TypedDict, total=False):
    """What `Dataset.plan_resize` takes; see there."""

    size: Size | str | None
    long_side: int | None
    scale: Fraction | str | None
    multiple_of: int | None
    fit: Fit
    orient: Orient
    format: Format
    quality: int
    labels: Sequence[str] | None
    enlarge: bool


class Original(NamedTuple):
    """What a file was made from by an earlier resize.

    Attributes:
        record: the original, its path in the vault relative to the root.
        recipe: how the file was made of it.
    """

    record: FileRecord
    recipe: str


@dataclass(frozen=True)
class ResizeWish:
    """What the user asks of a resize.

    Attributes:
        size: what size, and how images come to it.
        format: that pictures get; "keep" leaves each its own. Masks get it only when it is lossless.
        quality: 1 to 100, where the format is lossy.
        labels: the roles whose values mean something by themselves, folded, beside those whose names tell; None asks
            where an image looks like one.
        originals: what images were made from by an earlier resize, by their path now.
        uncertain: why images that an earlier resize made cannot be made from their originals, by their path.
        given: the pairing templates of `imgstage.toml`, by which new names will be read.
        grouping: what the rules of `imgstage.toml` read from names, by the ids of the samples of a catalog.
        expect: given recipes and the files they are for, what all of it will take.
    """

    size: SizeWish
    format: Format
    quality: int
    labels: frozenset[str] | None
    originals: Mapping[str, Original]
    uncertain: Mapping[str, str]
    given: Mapping[str, Mapping[str, str]]
    grouping: Callable[[Catalog], Mapping[str, str]]
    expect: Callable[[Sequence[tuple[Recipe, FileRecord]]], Estimate]


def check_wish(wish: SizeWish, image_format: str, quality: int) -> None:
    """Refuse what makes no sense, before anything is read.

    Raises:
        UsageError: naming it.
    """
    wish.check()
    check_word("format", image_format, FORMATS)
    if not 1 <= quality <= 100:
        problem = f"There is no quality {quality}"
        raise UsageError(problem, "Give one from 1 to 100; of 95 hardly anything is seen")
