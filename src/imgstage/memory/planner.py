"""What training a model takes, and the largest batch or size that fits: traces, and what they tell of others."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..errors import ImgstageError, UsageError
from .allocator import GIB
from .arithmetic import check_positive, safe_sizes
from .events import Growth, Trace
from .gpus import Gpu, find
from .plan import MemoryPlan, Training, make_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

CHOICES = {
    "amp": ("none", "bf16", "fp16"),
    "optimizer": ("sgd", "adam", "adamw"),
    "loss": ("l1", "mse", "ce"),
}
_ANYWHERE = Gpu("any GPU", 0)
_MOST = 1 << 16  # images of a batch
_LONGEST = 1 << 16  # pixels of a side
_PAIR = (2, 3)  # batches that are traced, for others to be told from


@dataclass(frozen=True)
class Advice:
    """What would help, and what it takes then.

    Attributes:
        change: in words.
        plan: with it.
        saved_bytes: of the process's peak.
    """

    change: str
    plan: MemoryPlan
    saved_bytes: int


@dataclass(frozen=True)
class Solution:
    """The largest that fits.

    Attributes:
        plan: of it; of the smallest, where nothing fits.
        fits: whether anything does.
        advice: what would help next, the most first.
    """

    plan: MemoryPlan
    fits: bool
    advice: tuple[Advice, ...]

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        advice = [
            {"change": of.change, "saved_bytes": of.saved_bytes, "verdict": of.plan.verdict} for of in self.advice
        ]
        return {**self.plan.as_json(), "solved": self.fits, "advice": advice}


class Planner:
    """A model, and how it is to be trained; what that takes with any batch.

    Args:
        model: a network, or a name that `imgstage.networks.build` knows.
        training: the wish.
        gpu: a name that `gpus.find` knows; None is anywhere.

    Raises:
        UsageError: a wish that makes no sense, or a model that cannot be built.
    """

    def __init__(self, model: nn.Module | str, training: Training, gpu: str | None = None) -> None:
        _check(training)
        self.gpu = find(gpu) if gpu is not None else None
        need_torch()
        from ..networks import build

        self.name = model if isinstance(model, str) else type(model).__name__
        self.model = build(model, channels=training.channels, with_values=False) if isinstance(model, str) else model
        self.training = training
        self._growth: dict[Training, Growth | None] = {}

    def plan(self, training: Training | None = None, trace: Trace | None = None) -> MemoryPlan:
        """What one training takes; the wish's, unless another is given.

        Raises:
            UsageError: the model cannot be trained so.
        """
        training = training or self.training
        trace = trace or self._trace(training)
        parameters = sum(of.numel() for of in self.model.parameters() if of.requires_grad)
        made = make_plan(self.name, parameters, trace, training, self.gpu, _ANYWHERE)
        return replace(made, assumptions=tuple(_assumptions(training, self.gpu)))

    def at(self, batch: int, training: Training | None = None) -> MemoryPlan:
        """What another batch takes; told from two traces, where that can be."""
        training = (training or self.training)._replace(batch=batch)
        growth = self._grown(training)
        return self.plan(training, growth.at(batch) if growth else None)

    def largest_batch(self, training: Training | None = None) -> MemoryPlan:
        """The most images a step that fit; one, where not even that does."""
        training = training or self.training
        at = self._largest(lambda batch: self.at(batch, training).verdict == "fits", _MOST)
        if at and self._fits(training._replace(batch=at)) is None:  # memory that does not grow evenly with the batch
            at = self._largest(lambda batch: self._fits(training._replace(batch=batch)) is not None, at)
        return self.plan(training._replace(batch=at or 1))

    def largest_size(self, divisor: int) -> MemoryPlan:
        """The largest size of the wish's aspect that fits, of multiples of a divisor; where none does, the smallest."""
        height, width = self.training.size
        most = max(1, _LONGEST // divisor)

        def size(steps: int) -> tuple[int, int]:
            """The multiples nearest to the aspect, with so many in the longer side."""
            long, short = max(height, width), min(height, width)
            other = max(1, round(steps * short / long))
            return (steps * divisor, other * divisor) if height >= width else (other * divisor, steps * divisor)

        plans: dict[int, MemoryPlan] = {}

        def fits(steps: int) -> bool:
            """Whether the largest that fits is no smaller."""
            try:
                plans[steps] = self.plan(self.training._replace(size=size(steps)))
            except ImgstageError:  # some networks take nothing so small, and some nothing so large
                return steps < min(plans, default=most)
            return plans[steps].verdict == "fits"

        def guess(low: int, high: int) -> int:
            """Between the two, where memory that grows with the area would reach the GPU's."""
            assert self.gpu is not None
            if low not in plans or high not in plans:
                return (low + high) // 2
            (a, b), (x, y) = (low**2, high**2), (plans[at].process_bytes.high for at in (low, high))
            area = a + (b - a) * (self.gpu.usable_bytes - x) / max(1, y - x)
            return min(max(low + 1, math.isqrt(max(0, int(area)))), high - 1)

        low, high = 0, max(1, max(height, width) // divisor)
        while high <= most and fits(high):
            low, high = high, 2 * high
        high = min(high, most + 1)
        guesses = True
        while high - low > 1:
            at = guess(low, high) if guesses else (low + high) // 2
            guesses = not guesses  # guesses come near from one side only
            low, high = (at, high) if fits(at) else (low, at)
        return plans.get(low) or (plans[min(plans)] if plans else self.plan())

    @staticmethod
    def _largest(fits: Callable[[int], bool], most: int) -> int:
        """The largest number up to `most` that fits, if smaller ones do; 0 where none does."""
        low, high = 0, 1
        while high <= most and fits(high):
            low, high = high, 2 * high
        high = min(high, most + 1)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        return low

    def advice(self, now: MemoryPlan, divisor: int | None) -> Iterator[Advice]:
        """What would help a plan, tried out; without a divisor, no other size."""
        for change, training in _changes(now.training, divisor):
            try:
                plan = self.plan(training)
            except ImgstageError:  # not every model can do all of it
                continue
            saved = now.process_bytes.mid - plan.process_bytes.mid
            if saved > 0:
                yield Advice(change, plan, saved)

    def _fits(self, training: Training) -> MemoryPlan | None:
        """The plan of a training, if it fits."""
        plan = self.plan(training)
        return plan if plan.verdict == "fits" else None

    def _grown(self, training: Training) -> Growth | None:
        key = training._replace(batch=0)
        if key not in self._growth:
            less, more = (self._trace(training._replace(batch=batch)) for batch in _PAIR)
            self._growth[key] = Growth.between(less, _PAIR[0], more, _PAIR[1])
        return self._growth[key]

    def _trace(self, training: Training) -> Trace:
        from .refusals import explain
        from .trace import trace_training

        try:
            return trace_training(self.model, training)
        except Exception as error:
            raise explain(error, self.name, self._sizes(training.size)) from error

    def _sizes(self, size: tuple[int, int]) -> str:
        """What the network would take instead of a size, if it takes anything."""
        from .probe import Probe

        try:
            near = safe_sizes(size, Probe(self.model, self.training.channels).divisor())
        except (ImgstageError, RuntimeError, TypeError):
            return ""
        if near.is_safe:
            return ""
        sizes = [of for of in (near.below, near.above) if of]
        return (
            f"Height and width must be multiples of {near.divisor}: the nearest are "
            f"{' and '.join(f'{height}x{width}' for height, width in sizes)} (height x width)"
        )


def need_torch() -> None:
    """Refuse where PyTorch is not installed.

    Raises:
        UsageError: it is not.
    """
    try:
        import_module("torch")
    except ImportError as error:
        problem = "Models are run with PyTorch, which is not installed"
        raise UsageError(problem, "Run: pip install 'imgstage[torch]'") from error


def _changes(how: Training, divisor: int | None) -> Iterator[tuple[str, Training]]:
    """What can be asked for otherwise, as options, and the training then."""
    if how.amp == "none":
        yield "--amp bf16", how._replace(amp="bf16")
    if not how.checkpoint:
        yield "--checkpoint", how._replace(checkpoint=True)
    if how.amp == "none" and not how.checkpoint:
        yield "--amp bf16 --checkpoint", how._replace(amp="bf16", checkpoint=True)
    half = (max(1, how.size[0] // 2), max(1, how.size[1] // 2))
    smaller = safe_sizes(half, divisor).below if divisor else None
    if smaller:
        yield f"--size {smaller[0]}x{smaller[1]}", how._replace(size=smaller)
    if not how.expandable:
        yield "--expandable", how._replace(expandable=True)
    if how.batch > 1:
        yield f"--batch {how.batch // 2}", how._replace(batch=how.batch // 2)


def _wish(size: tuple[int, int], batch: int, how: dict[str, Any]) -> Training:
    unknown = sorted(how.keys() - set(Training._fields))
    if unknown:
        problem = f"There is no {', '.join(unknown)} to say of a training"
        raise UsageError(problem, f"It has {', '.join(Training._fields)}")
    return Training(size, batch, **how)


def _check(training: Training) -> None:
    size: Any = training.size
    if not isinstance(size, tuple | list) or len(size) != 2:
        problem = f"size {training.size!r} is no (height, width)"
        raise UsageError(problem, "Give two numbers of pixels, as in (1920, 1280)")
    height, width = training.size
    check_positive(height=height, width=width, batch=training.batch, channels=training.channels)
    for name, choices in CHOICES.items():
        if getattr(training, name) not in choices:
            problem = f"{name}={getattr(training, name)!r} is unknown"
            raise UsageError(problem, f"Give one of {', '.join(choices)}")


def _assumptions(training: Training, gpu: Gpu | None) -> Iterator[str]:
    how = {"sgd": "SGD with momentum", "adam": "Adam", "adamw": "AdamW"}[training.optimizer]
    yield f"{how} in its usual form (foreach), gradients set to None before each step"
    yield "the batch lies on the GPU as float32; the one before is given back when the next has come"
    yield "cuDNN computes on copies laid out pixel by pixel (TF32 or 16 bits); cudnn.benchmark is off"
    if training.amp == "fp16":
        yield "scaling the loss (GradScaler) takes nothing to speak of"
    settings = "expandable_segments:True" if training.expandable else "its own settings"
    yield f"PyTorch's allocator with {settings}; one process, which has the GPU to itself"
    if training.checkpoint:
        yield "each top-level block forgets its activations (torch.utils.checkpoint) and computes them again"
    if gpu is None:
        both = f"{_gib(_ANYWHERE.context)} and {_gib(_ANYWHERE.libraries)} GiB"
        yield f"CUDA's context and libraries as on other GPUs: {both}"
    elif gpu.calibration:
        yield f"context, libraries and workspaces as measured: {gpu.calibration}"
    else:
        usable = f"{gpu.usable_bytes / GIB:.2f} GiB usable"
        yield f"{gpu.name} was never measured by imgstage: {usable}, and its context, are guessed"


def _gib(of: tuple[int, int, int]) -> str:
    return f"{of[0] / GIB:.2f} to {of[2] / GIB:.2f}"


class Sizes(NamedTuple):
    """Which sizes a model takes.

    Attributes:
        divisor: what height and width must be multiples of.
        takes: whether a very size, (height, width) in pixels, goes through: some want more than a divisor.
    """

    divisor: int
    takes: Callable[[tuple[int, int]], bool]


def sizes_of(model: nn.Module | str, channels: int = 3) -> Sizes:
    """Which sizes a model takes, found by asking it.

    Args:
        model: a network, or its name: see `imgstage.networks.build`.
        channels: of the images.

    Raises:
        UsageError: it cannot be built, or takes no size that was tried.
    """
    check_positive(channels=channels)
    need_torch()
    from ..networks import build
    from .probe import Probe

    network = build(model, channels=channels, with_values=False) if isinstance(model, str) else model
    probe = Probe(network, channels)
    return Sizes(probe.divisor(), probe.takes)


def estimate(
    model: nn.Module | str, size: tuple[int, int], batch: int, *, gpu: str | None = None, **how: Any
) -> MemoryPlan:
    """What training a model takes on a GPU, without one.

    Args:
        model: a network, or its name: see `imgstage.networks.build`. It stays as it is.
        size: (height, width) of the images in pixels.
        batch: images a step.
        gpu: such as "rtx4090" or "24GiB"; without, there is no verdict.
        **how: `channels`, `amp`, `optimizer`, `loss`, `channels_last`, `checkpoint`, `expandable`: see `Training`.

    Returns:
        Bytes, by what they are for; low, mid and high where they are not known exactly.

    Raises:
        UsageError: a wish that makes no sense; a model that cannot be built, or trained on such images.
    """
    return Planner(model, _wish(size, batch, how), gpu).plan()


def solve(
    model: nn.Module | str,
    size: tuple[int, int],
    batch: int = 1,
    *,
    what: Literal["batch", "size"] = "batch",
    gpu: str,
    **how: Any,
) -> Solution:
    """The largest batch, or size, that fits a GPU, and what would help next.

    Args:
        model: a network, or its name.
        size: (height, width) of the images in pixels; with `what="size"`, the aspect.
        batch: images a step, with `what="size"`.
        what: is to be as large as can be.
        gpu: such as "rtx4090" or "24GiB".
        **how: as for `estimate`.

    Raises:
        UsageError: as for `estimate`.
    """
    if what not in ("batch", "size"):
        problem = f"There is nothing called {what!r} to solve for"
        raise UsageError(problem, "Give batch or size")
    planner = Planner(model, _wish(size, batch, how), gpu)
    planner.plan()  # a wish that cannot be is told first
    from .probe import Probe

    divisor: int | None = None
    try:
        divisor = Probe(planner.model, planner.training.channels).divisor()
    except UsageError:  # it takes one size alone
        if what == "size":
            raise
    best = planner.largest_size(divisor) if what == "size" and divisor else planner.largest_batch()
    advice = sorted(planner.advice(best, divisor), key=lambda of: -of.saved_bytes)
    return Solution(best, best.verdict == "fits", tuple(advice))
