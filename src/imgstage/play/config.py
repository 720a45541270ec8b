"""What one must know to use a network: `model.toml` beside its weights, and what options say instead."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from ..errors import UsageError
from ..root import did_you_mean, show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Task = Literal["image-to-image", "segmentation", "classification"]
Channels = Literal["RGB", "BGR", "L"]
Outputs = Literal["logits", "probabilities"]
TASKS: tuple[Task, ...] = ("image-to-image", "segmentation", "classification")
CHANNELS: tuple[Channels, ...] = ("RGB", "BGR", "L")
FILE = "model.toml"
_FLOATS = ("range", "output_range", "mean", "std")


@dataclass(frozen=True)
class ModelConfig:
    """What a network takes, and what it gives.

    Attributes:
        task: what its answer means; None is told from its shape.
        channels: in which order it takes, and gives, the channels of a picture.
        range: what black and white are in the numbers that it takes.
        output_range: the same in those that it gives; None as in those that it takes.
        mean: of each channel, subtracted after that; empty for none.
        std: of each channel, divided by after that; empty for none.
        size_multiple: what height and width must be multiples of; None is found by asking it.
        size: the only (height, width) in pixels that goes in; pictures are resized to it to be classified, else padded
            or cut into tiles of it. None where several go.
        outputs: what a classifier or segmenter gives: "logits", which a softmax or sigmoid is to follow, or
            "probabilities".
        classes: their names, in the order in which it gives them; empty where nobody has said.
    """

    task: Task | None = None
    channels: Channels = "RGB"
    range: tuple[float, float] = (0.0, 1.0)
    output_range: tuple[float, float] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    size_multiple: int | None = None
    size: tuple[int, int] | None = None
    outputs: Outputs = "logits"
    classes: tuple[str, ...] = ()

    @property
    def channel_count(self) -> int:
        """Channels of an image."""
        return 1 if self.channels == "L" else 3

    def with_options(self, **given: Any) -> ModelConfig:
        """The same, but for what is given otherwise; None leaves it.

        Raises:
            UsageError: something given makes no sense.
        """
        wished = {name: value for name, value in given.items() if value is not None}
        return _consistent(replace(self, **_checked(wished, "The options")), "The options")


def read_config(path: Path | None) -> ModelConfig:
    """Read `model.toml`.

    Args:
        path: of it; where it is not there, or is None, all is as by default.

    Raises:
        UsageError: it cannot be read, or says what makes no sense.
    """
    if path is None or not path.exists():
        return ModelConfig()
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problem = f"{show(str(path))} cannot be read ({getattr(error, 'strerror', None) or error})"
        raise UsageError(problem, "Mend it, or move it away and give options") from error
    return _consistent(ModelConfig(**_checked(found, show(str(path)))), show(str(path)))


def _checked(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    known = tuple(of.name for of in fields(ModelConfig))
    made: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            problem = f"{where}: {name!r} is unknown"
            raise UsageError(problem, did_you_mean(name, known))
        check, told = _KINDS[name]
        plain = tuple(value) if isinstance(value, list) else value
        if not check(plain):
            problem = f"{where}: {name} = {value!r} makes no sense"
            raise UsageError(problem, f"It is {told}")
        made[name] = tuple(map(float, plain)) if name in _FLOATS else plain
    return made


def _consistent(config: ModelConfig, where: str) -> ModelConfig:
    if any(len(of) not in (0, config.channel_count) for of in (config.mean, config.std)):
        told = "1 channel" if config.channel_count == 1 else f"{config.channel_count} channels"
        problem = f"{where}: mean and std do not go with {told}"
        raise UsageError(problem, f"Give one number for each channel in {FILE}")
    return config


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_range(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_number, value)) and value[0] < value[1]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 4096


def _are_numbers(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(_is_number, value))


_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "task": (lambda value: value in TASKS, f"one of {', '.join(TASKS)}"),
    "channels": (lambda value: value in CHANNELS, f"one of {', '.join(CHANNELS)}"),
    "range": (_is_range, "two numbers, black and white, as 0 and 1"),
    "output_range": (_is_range, "two numbers, black and white, as 0 and 1"),
    "mean": (_are_numbers, "a list of numbers, one for each channel"),
    "std": (
        lambda value: _are_numbers(value) and all(of > 0 for of in value),
        "a list of numbers above 0, one for each channel",
    ),
    "size_multiple": (_is_count, "a whole number from 1 to 4096"),
    "size": (
        lambda value: isinstance(value, tuple) and len(value) == 2 and all(map(_is_count, value)),
        "height and width in pixels, from 1 to 4096",
    ),
    "outputs": (lambda value: value in ("logits", "probabilities"), "logits or probabilities"),
    "classes": (
        lambda value: (
            isinstance(value, tuple) and all(isinstance(of, str) for of in value) and len(set(value)) == len(value)
        ),
        "a list of names, each of which stands there once",
    ),
}
