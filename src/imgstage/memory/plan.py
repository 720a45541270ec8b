"""Pure: from a trace of training steps to what a GPU must have for them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .allocator import Allocator, OutOfMemoryError, replay
from .events import Kind, repeated
from .gpus import CUBLASLT, Range
from .reduction import buffer_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .events import Trace
    from .gpus import Gpu

Verdict = Literal["fits", "risky", "no"]

STEPS = 3
"""As many steps are simulated: what is reserved grows for some."""

MARGIN = 0.10
"""What is reserved may be so much more than simulated: of 32 recorded steps, the worst was 9 % more (of what is
allocated, 3 %, so half of it will do there)."""

_DOUBT = 1.02
"""Tensors alone were at most 1 % more than recorded: a batch's target is kept here until the next one comes."""

_TRIED = (1.0, 1.0 + MARGIN / 2, 1.0 + MARGIN)
"""A limit is tried divided by each of these: near it, luck decides which blocks fit together."""


class Training(NamedTuple):
    """How a model is trained.

    Attributes:
        size: (height, width) of the images in pixels.
        batch: images a step.
        channels: of an image.
        amp: "none", "bf16" or "fp16".
        optimizer: "sgd" (with momentum), "adam" or "adamw".
        loss: "l1", "mse" or "ce".
        channels_last: whether pixels lie together.
        checkpoint: whether activations inside blocks are computed again instead of kept.
        expandable: whether segments grow, as with `PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True`.
    """

    size: tuple[int, int]
    batch: int
    channels: int = 3
    amp: str = "none"
    optimizer: str = "adam"
    loss: str = "l1"
    channels_last: bool = False
    checkpoint: bool = False
    expandable: bool = False


@dataclass(frozen=True)
class MemoryPlan:
    """What training a model takes on a GPU. All sizes are bytes.

    Attributes:
        model: its name.
        training: how it is trained.
        gpu: on which; None where none was named.
        parameters: numbers that the model learns.
        allocated_bytes: at the peak, in tensors and workspaces (`torch.cuda.max_memory_allocated`).
        reserved_bytes: at the peak, by PyTorch's allocator (`torch.cuda.max_memory_reserved`).
        process_bytes: at the peak, as nvidia-smi shows the process.
        verdict: whether it fits; None without a GPU.
        releases_cache: whether it fits only because PyTorch gives back what it has cached when memory runs out.
        breakdown_bytes: by what it is for, at the peak of what is allocated, mid; with CUDA's context.
        peak_operation: what runs then.
        peak_phase: "forward", "backward" or "optimizer".
        timeline_bytes: what is allocated after each allocation of the last step, mid.
        phases: where in it the backward and the optimizer begin.
        assumptions: what was taken for granted.
    """

    model: str
    training: Training
    gpu: Gpu | None
    parameters: int
    allocated_bytes: Range
    reserved_bytes: Range
    process_bytes: Range
    verdict: Verdict | None
    releases_cache: bool
    breakdown_bytes: dict[str, int]
    peak_operation: str
    peak_phase: str
    timeline_bytes: Sequence[int]
    phases: tuple[int, int]
    assumptions: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints; sizes are bytes, image sizes [height, width]."""
        told = {"model": self.model, **self.training._asdict(), "parameters": self.parameters}
        for name in ("allocated_bytes", "reserved_bytes", "process_bytes"):
            told[name] = getattr(self, name)._asdict()
        return told | {
            "verdict": self.verdict,
            "releases_cache": self.releases_cache,
            "verified": bool(self.gpu and self.gpu.calibration),
            "gpu": asdict(self.gpu) if self.gpu else None,
            "breakdown_bytes": self.breakdown_bytes,
            "peak": {"operation": self.peak_operation, "phase": self.peak_phase},
            "assumptions": list(self.assumptions),
        }


def on_gpu(trace: Trace, gpu: Gpu) -> Trace:
    """A trace with the sizes that only the GPU decides."""
    sizes = list(trace.sizes)
    for number, of in trace.sums.items():
        sizes[number] = buffer_bytes(round(of.rows), round(of.columns), gpu.multiprocessors, gpu.threads)
    for number, op in enumerate(trace.ops):
        if op == "cublas":
            sizes[number] = gpu.cublas_bytes
        elif op == "cublaslt":
            sizes[number] = CUBLASLT
    return replace(trace, sizes=sizes)


def make_plan(
    model: str, parameters: int, trace: Trace, training: Training, gpu: Gpu | None, default: Gpu
) -> MemoryPlan:
    """What a traced training takes.

    Args:
        model: its name.
        parameters: numbers that it learns.
        trace: of its steps.
        training: how it was traced.
        gpu: where it is to fit; None is anywhere.
        default: stands for anywhere.
    """
    on = gpu or default
    whole = repeated(on_gpu(trace, on), STEPS)
    bare = whole.without_workspaces()
    expandable = training.expandable
    full, tensors = (replay(of.order, of.sizes, Allocator(None, expandable)) for of in (whole, bare))
    reserved = Range(tensors.peak_reserved, full.peak_reserved, int(full.peak_reserved * (1 + MARGIN)))
    outside = on.context + on.libraries
    if any(op == "cublas" for op in trace.ops):
        outside += on.matmul_libraries
    peak, last = _Peak.of(whole), whole.steps[-1]
    verdict = _verdict(whole, bare, reserved, outside, gpu, expandable=expandable) if gpu else None
    return MemoryPlan(
        model=model,
        training=training,
        gpu=gpu,
        parameters=parameters,
        allocated_bytes=Range(tensors.peak_allocated, full.peak_allocated, int(full.peak_allocated * (1 + MARGIN / 2))),
        reserved_bytes=reserved,
        process_bytes=reserved + outside,
        verdict=verdict,
        releases_cache=verdict == "fits" and gpu is not None and reserved.mid + outside.mid > gpu.usable_bytes,
        breakdown_bytes={**peak.kinds, "context": outside.mid},
        peak_operation=peak.operation,
        peak_phase=peak.phase,
        timeline_bytes=peak.timeline,
        phases=(last.backward - last.begin, last.optimizer - last.begin),
    )


def _verdict(whole: Trace, bare: Trace, reserved: Range, outside: Range, gpu: Gpu, *, expandable: bool) -> Verdict:
    """Whether it fits: what is cached is given back when memory runs out, so what is reserved may come near the limit.

    What libraries want beside tensors they can do with less of; so only tensors that do not fit mean no.
    """
    usable = gpu.usable_bytes
    if reserved.high + outside.high <= usable:
        return "fits"
    if not _goes(bare, int((usable - outside.low) * _DOUBT), expandable=expandable):
        return "no"
    limits = [int((usable - outside.high) / part) for part in _TRIED]
    return "fits" if all(_goes(whole, limit, expandable=expandable) for limit in limits) else "risky"


def _goes(trace: Trace, limit: int, *, expandable: bool) -> bool:
    try:
        replay(trace.order, trace.sizes, Allocator(max(0, limit), expandable))
    except OutOfMemoryError:
        return False
    return True


class _Peak(NamedTuple):
    kinds: dict[str, int]
    operation: str
    phase: str
    timeline: list[int]

    @classmethod
    def of(cls, trace: Trace) -> _Peak:
        """The moment at which most is allocated, and the last step."""
        now = [0] * len(Kind)
        best, most, at = list(now), 0, 0
        timeline: list[int] = []
        for place, event in enumerate(trace.order):
            number = max(event, ~event)
            now[trace.kinds[number]] += trace.sizes[number] if event >= 0 else -trace.sizes[number]
            total = sum(now)
            if total > most:
                best, most, at = list(now), total, place
            if place >= trace.steps[-1].begin:
                timeline.append(total)
        kinds = {kind.label: best[kind] for kind in Kind}
        step = max((step for step in trace.steps if step.begin <= at), default=trace.steps[0])
        phase = "forward" if at < step.backward else "backward" if at < step.optimizer else "optimizer"
        return cls(kinds, trace.ops[max(trace.order[at], ~trace.order[at])], phase, timeline)
