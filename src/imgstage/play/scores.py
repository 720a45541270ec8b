"""How near a picture is to the true one: PSNR and SSIM, as scikit-image has them; masks and classes by counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_WINDOW = 7  # pixels a side
_K1, _K2 = 0.01, 0.03
_STRIPE = 32  # rows at once: they stay in the processor's cache


class Score(NamedTuple):
    """How near a picture is to the true one.

    Attributes:
        psnr: peak signal-to-noise ratio in dB; infinite for the very same pixels.
        ssim: structural similarity, at most 1; None for what is smaller than 7x7 pixels.
    """

    psnr: float
    ssim: float | None

    def as_json(self) -> dict[str, float | None]:
        """Infinity, which JSON has not, as null."""
        return {"psnr_db": self.psnr if math.isfinite(self.psnr) else None, "ssim": self.ssim}


def score(picture: NDArray[Any], truth: NDArray[Any]) -> Score:
    """Compare a picture with the true one.

    PSNR over all pixels and channels; SSIM after Wang et al., "Image quality assessment: from error visibility to
    structural similarity", IEEE TIP 13(4), 2004, with a uniform window of 7x7 pixels and sample covariance, the mean
    over channels: what scikit-image's `peak_signal_noise_ratio` and `structural_similarity` give.

    Args:
        picture: uint8 or uint16, shape (height, width) or (height, width, channels), over the dtype's whole range.
        truth: of the same shape and dtype.
    """
    x, y = (of if of.ndim == 3 else of[..., None] for of in (picture, truth))
    height, width, channels = x.shape
    is_large = min(height, width) >= _WINDOW
    squares, similar = 0, 0.0
    for begin in range(0, height, _STRIPE):
        rows = slice(begin, begin + _STRIPE)
        squares += int(np.square(x[rows].astype(np.int64) - y[rows]).sum())
        with_window = slice(begin, begin + _STRIPE + _WINDOW - 1)
        if is_large and begin <= height - _WINDOW:
            similar += _similarity(x[with_window], y[with_window])
    top = float(np.iinfo(picture.dtype).max)
    psnr = 10 * math.log10(top**2 / squares * x.size) if squares else math.inf
    windows = (height - _WINDOW + 1) * (width - _WINDOW + 1) * channels
    return Score(psnr, similar / windows if is_large else None)


def _similarity(x: NDArray[Any], y: NDArray[Any]) -> float:
    """The sum of SSIM over all windows that lie within, and all channels.

    All means are multiplied by the number of pixels in a window, all covariances by that and by one less: so they are
    whole numbers, and exact; of eight bits, all of them fit into 32.
    """
    top = float(np.iinfo(x.dtype).max)
    exact, real = (np.int32, np.float32) if x.dtype == np.uint8 else (np.int64, np.float64)
    count = _WINDOW**2
    c1, c2 = (_K1 * top * count) ** 2, (_K2 * top) ** 2 * count * (count - 1)
    x, y = x.astype(exact), y.astype(exact)
    sx, sy, squared, sxy = (_window_sums(of) for of in (x, y, x * x + y * y, x * y))
    both = sx * sy
    squares = sx * sx + sy * sy
    means = (2 * both.astype(real) + c1) / (squares.astype(real) + c1)
    covariance, variances = count * sxy - both, (count * squared - squares).astype(real)
    means *= (2 * covariance.astype(real) + c2) / (variances + c2)
    return float(means.sum(dtype=np.float64))


def _window_sums(of: NDArray[Any]) -> NDArray[Any]:
    """The sums of all windows that lie within: whole numbers, so exact."""
    down = _sums_of_seven(of)
    return _sums_of_seven(down.swapaxes(0, 1)).swapaxes(0, 1)


def _sums_of_seven(of: NDArray[Any]) -> NDArray[Any]:
    """The sums of each seven rows that follow one another, as four, two and one."""
    two = of[:-1] + of[1:]
    sums: NDArray[Any] = two[:-5] + two[2:-3]
    sums += two[4:-1]
    sums += of[6:]
    return sums


def mean_score(scores: Sequence[Score]) -> Score | None:
    """The mean over pictures; None of none. Of PSNR, over those that are not the very same: else it is infinite."""
    if not scores:
        return None
    finite = [of.psnr for of in scores if math.isfinite(of.psnr)]
    known = [of.ssim for of in scores if of.ssim is not None]
    return Score(sum(finite) / len(finite) if finite else math.inf, sum(known) / len(known) if known else None)


@dataclass
class Confusion:
    """How often each true class was taken for each other one.

    Attributes:
        counts: int64, shape (classes, classes): rows are true, columns given.
    """

    counts: NDArray[np.int64]

    @classmethod
    def between(cls, given: NDArray[Any], truth: NDArray[Any], classes: int) -> Confusion:
        """Count over pixels. Those whose truth is no class, such as 255 for what nobody labelled, do not count.

        Args:
            given: whole numbers below `classes`, any shape.
            truth: of the same shape.
            classes: how many there are.
        """
        known = (truth >= 0) & (truth < classes)
        pairs = truth[known].astype(np.int64) * classes + given[known]
        return cls(np.bincount(pairs, minlength=classes**2).reshape(classes, classes))

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(self.counts + other.counts)

    @property
    def accuracy(self) -> float | None:
        """The share that is right; None where nothing was counted."""
        total = int(self.counts.sum())
        return int(np.trace(self.counts)) / total if total else None

    @property
    def ious(self) -> list[float | None]:
        """Intersection over union of each class; None for one that is neither given nor true."""
        right = np.diag(self.counts)
        either = self.counts.sum(0) + self.counts.sum(1) - right
        return [int(a) / int(b) if b else None for a, b in zip(right, either, strict=True)]

    @property
    def mean_iou(self) -> float | None:
        """The mean over classes that are given or true."""
        known = [of for of in self.ious if of is not None]
        return sum(known) / len(known) if known else None
