"""What a network's answer means: a picture, a mask, or classes; and how near that is to the true one."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .. import images
from ..errors import DefectError
from .pixels import read
from .scores import Confusion, Score, score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .config import Outputs
    from .network import Network
    from .pixels import Source

_MOST_CLASSES = 256


@dataclass
class Outcome:
    """What came of one picture.

    Attributes:
        path: of the picture, as it is shown.
        result: the file that was made, relative to the folder of results; empty where there is none of its own.
        is_new: whether it was made just now.
        label: its true class; empty where nobody knows that.
        score: how near it is to the true one; None where nobody knows that.
        baseline: the same of what went in.
        confusion: of masks and classes, the same by counts.
        with_unknown: of masks of two classes without a 1, the same where what is neither 0 nor 1 is what nobody knows.
        classes: (name, probability) of each class, the likeliest first.
        why_unscored: why there is no score although there is a true one.
        shown: small pictures to look at, as JPEG, by what they are.
    """

    path: str
    result: str = ""
    is_new: bool = True
    label: str = ""
    score: Score | None = None
    baseline: Score | None = None
    confusion: Confusion | None = None
    with_unknown: Confusion | None = None
    classes: tuple[tuple[str, float], ...] = ()
    why_unscored: str = ""
    shown: dict[str, bytes] = field(default_factory=dict)

    @property
    def is_compared(self) -> bool:
        """Whether there was a true one to compare with."""
        return self.score is not None or self.confusion is not None

    @property
    def badness(self) -> float:
        """By what the worst are found: a low PSNR, a low mean IoU, a wrong class that seemed sure."""
        if self.score is not None:
            return -self.score.psnr
        if self.classes:
            name, share = self.classes[0]
            return share if name != self.label else -share
        of = self.confusion.mean_iou if self.confusion else None
        return 1 - of if of is not None else 0.0


class Task(Protocol):
    """What is made of a network's answers.

    Attributes:
        suffix: what the names of results end with, where nobody wishes otherwise.
        is_mask: whether results, and what they are compared with, are masks.
    """

    suffix: str
    is_mask: bool

    def part(self, part: NDArray[np.float32], source: Source) -> NDArray[Any]:
        """What a part of the network's answer means.

        Args:
            part: shape (rows, width, outputs); of a classifier, (classes,). Used up.
            source: the picture that it was asked for.

        Raises:
            DefectError: it cannot be written.
        """

    def join(self, parts: Sequence[NDArray[Any]], source: Source) -> NDArray[Any]:
        """The result, of its parts from top to bottom."""

    def encode(self, made: NDArray[Any], source: Source, comment: str) -> bytes:
        """A result as the bytes of a PNG, with a text in it."""

    def decode(self, data: bytes) -> NDArray[Any]:
        """The result that `encode` made bytes of. Call it inside `quiet_codecs`."""

    def compare(self, made: NDArray[Any], source: Source, truth: bytes, outcome: Outcome) -> NDArray[Any] | None:
        """Note how near a result is to the true one, and give that; None where it cannot be read."""


class Pictures:
    """Pictures that become pictures."""

    suffix, is_mask = "_after", False

    def __init__(self, network: Network) -> None:
        self._numbers = network.numbers

    def part(self, part: NDArray[np.float32], source: Source) -> NDArray[Any]:
        """Pixels of the depth of the source."""
        return self._numbers.back(part, source)

    def join(self, parts: Sequence[NDArray[Any]], source: Source) -> NDArray[Any]:
        """The picture, with the source's opacity: uint8 or uint16, shape (height, width), or (height, width, 2, 3 or
        4)."""
        made = _joined(parts)
        if source.alpha is None:
            return made
        return np.dstack([made, images.resize(source.alpha, (made.shape[0], made.shape[1]), "lanczos")])

    def encode(self, made: NDArray[Any], source: Source, comment: str) -> bytes:
        """With the source's colour profile."""
        is_grey = made.ndim == 2 or made.shape[2] == 2
        return images.encode_png(made, profile=source.profile if is_grey == source.is_grey else b"", comment=comment)

    def decode(self, data: bytes) -> NDArray[Any]:
        """See `Task`."""
        return images.decode(data).pixels

    def compare(self, made: NDArray[Any], source: Source, truth: bytes, outcome: Outcome) -> NDArray[Any] | None:
        """PSNR and SSIM of the colours, and those of what went in."""
        try:
            true = read(truth).pixels
        except DefectError as error:
            outcome.why_unscored = f"the true picture cannot be read: {error}"
            return None
        seen = made[..., :-1].squeeze(2) if made.ndim == 3 and made.shape[2] == 2 else made[..., :3]
        seen = made if made.ndim == 2 else seen
        if seen.shape[:2] != true.shape[:2]:
            outcome.why_unscored = f"the true picture is {_told(true)}, and the result {_told(seen)}"
            return true
        outcome.score = score(*_alike(seen, true))
        if source.size == true.shape[:2]:
            outcome.baseline = score(*_alike(source.pixels, true))
        return true


class Masks:
    """Pictures that become masks: the class of each pixel, as numbers of a palette."""

    suffix, is_mask = "_mask", True

    def __init__(self, network: Network) -> None:
        self._classes = max(2, network.outputs)
        self._above = 0.5 if network.config.outputs == "probabilities" else 0.0

    def part(self, part: NDArray[np.float32], source: Source) -> NDArray[Any]:  # noqa: ARG002
        """The class with the largest value; of one channel, 1 where that is above zero, or above a half where it is a
        probability: uint8, shape (rows, width)."""
        if self._classes > _MOST_CLASSES:
            problem = f"the network tells {self._classes:,} classes apart, and a palette has {_MOST_CLASSES}"
            raise DefectError(problem)
        return (part[..., 0] > self._above if part.shape[2] == 1 else part.argmax(axis=2)).astype(np.uint8)

    def join(self, parts: Sequence[NDArray[Any]], source: Source) -> NDArray[Any]:  # noqa: ARG002
        """The mask."""
        return _joined(parts)

    def encode(self, made: NDArray[Any], source: Source, comment: str) -> bytes:  # noqa: ARG002
        """With a palette."""
        return images.encode(made, "PNG", images.Traits(mode="P", palette=PALETTE), comment=comment)

    def decode(self, data: bytes) -> NDArray[Any]:
        """See `Task`."""
        return images.decode(data, labels=True).pixels

    def compare(self, made: NDArray[Any], source: Source, truth: bytes, outcome: Outcome) -> NDArray[Any] | None:  # noqa: ARG002
        """Count pixels by true and given class; of two classes, what is not zero is the second, where none is 1 (but
        see `settle`)."""
        try:
            pixels, traits = images.decode(truth, labels=True)
        except DefectError as error:
            outcome.why_unscored = f"the true mask cannot be read: {error}"
            return None
        true = images.orient(pixels, traits.orientation)
        if true.ndim != 2 or true.shape != made.shape:
            told = "in colours" if true.ndim != 2 else _told(true)
            outcome.why_unscored = f"the true mask is {told}, and the result {_told(made)}"
            return None
        if self._classes == 2 and not (true == 1).any():  # such as 0 and 255; beside ones, 255 is what nobody knows
            outcome.with_unknown = Confusion.between(made, true, self._classes)
            true = (true != 0).astype(np.uint8)
        outcome.confusion = Confusion.between(made, true, self._classes)
        return true


def settle(outcomes: Sequence[Outcome]) -> None:
    """Read masks of two classes alike: where one of them has a 1, 255 is what nobody knows in the others too."""
    if any(of.confusion is not None and of.with_unknown is None for of in outcomes):
        for of in outcomes:
            of.confusion = of.with_unknown or of.confusion


class Classes:
    """Pictures of which the class is told.

    Args:
        names: of the classes, in the network's order.
        outputs: see `ModelConfig`.
    """

    is_mask = False

    def __init__(self, names: Sequence[str], outputs: Outputs = "logits") -> None:
        self.names, self._outputs = tuple(names), outputs

    def part(self, part: NDArray[np.float32], source: Source) -> NDArray[Any]:  # noqa: ARG002
        """The probability of each class: float64, shape (classes,)."""
        return probabilities(part, self._outputs)

    def join(self, parts: Sequence[NDArray[Any]], source: Source) -> NDArray[Any]:  # noqa: ARG002
        """There is one part."""
        return parts[0]

    def rank(self, shares: NDArray[Any], outcome: Outcome) -> None:
        """Note the classes, and whether the likeliest is the true one."""
        pairs = zip(self.names, shares.tolist(), strict=True)
        outcome.classes = tuple(sorted(pairs, key=lambda of: -of[1]))
        if outcome.label in self.names:
            given, true = (np.array([self.names.index(of)]) for of in (outcome.classes[0][0], outcome.label))
            outcome.confusion = Confusion.between(given, true, len(self.names))
        elif outcome.label:
            outcome.why_unscored = f"the model has no class {outcome.label!r}"


def probabilities(values: NDArray[np.float32], outputs: Outputs = "logits") -> NDArray[np.float64]:
    """Softmax; of one value, by the sigmoid, what it says of the second of two classes.

    Args:
        values: shape (classes,).
        outputs: "probabilities" leaves them as they are, but for a factor.

    Returns:
        float64, shape (classes,), or (2,); they sum to one.
    """
    deep = values.astype(np.float64)
    if outputs == "probabilities":
        deep = np.clip(np.array([1 - deep[0], deep[0]]) if len(deep) == 1 else deep, 0, None)
        deep /= max(deep.sum(), 1e-12)
        return deep
    if len(deep) == 1:
        deep = np.array([0.0, deep[0]])
    risen = np.exp(deep - deep.max())
    shares: NDArray[np.float64] = risen / risen.sum()
    return shares


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _alike(made: NDArray[Any], true: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both with the same channels and depth. Grey beside colours counts as colours, 8 bits beside 16 as 16."""
    if made.dtype != true.dtype:
        made, true = (of.astype(np.uint16) * np.uint16(257) if of.dtype == np.uint8 else of for of in (made, true))
    if made.ndim != true.ndim:
        made, true = (np.repeat(of[..., None], 3, axis=2) if of.ndim == 2 else of for of in (made, true))
    return made, true


def _told(pixels: NDArray[Any]) -> str:
    return f"{pixels.shape[0]}x{pixels.shape[1]} (height x width)"


def _palette() -> bytes:
    """Colours by which classes are told apart: black for 0, then hues by steps of the golden ratio of a circle, which
    never come near each other."""
    golden = 0.618033988749895
    rows = [(0.0, 0.0, 0.0)]
    rows += [
        colorsys.hsv_to_rgb(number * golden % 1, (0.85, 0.55)[number // 16 % 2], 1 - number // 32 * 0.08)
        for number in range(1, _MOST_CLASSES)
    ]
    return bytes(round(255 * of) for row in rows for of in row)


PALETTE = _palette()
"""RGB, three bytes for each of 256 classes."""
