"""A training loop: the same on tensors without values, on real ones, and on a GPU."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from ..networks.answers import output_of
from .events import Kind, Step, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .plan import Training


class Watch(Protocol):
    """Is told what each part of a step is for."""

    trace: Trace
    kind: Kind

    def mark(self, tensors: Iterable[Any], kind: Kind) -> None:
        """Say what known tensors are for."""


class Unwatched:
    """The `Watch` of a training that nobody records."""

    def __init__(self) -> None:
        self.trace, self.kind = Trace(), Kind.ACTIVATIONS

    def mark(self, tensors: Iterable[Any], kind: Kind) -> None:
        """Say nothing."""


AMP = {"none": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def prepare(model: nn.Module, how: Training) -> None:
    """Lay a model's weights out, and let it forget activations, as the training wishes."""
    if how.channels_last:
        _lay_pixels_together(model)
    if how.checkpoint:
        _compute_again(model)


def train(
    model: nn.Module, how: Training, steps: int, *, device: str = "cpu", watch: Watch | None = None
) -> Iterator[None]:
    """Train a model; what a step leaves is there until the next one has what takes its place, as in most loops.

    Args:
        model: on its device.
        how: it is trained.
        steps: of the training.
        device: where images are made.
        watch: is told what each part is for.
    """
    watch = watch or Unwatched()
    dtype = AMP[how.amp]
    memory = torch.channels_last if how.channels_last else torch.contiguous_format
    optimizer = _optimizer(how.optimizer, model)
    for _ in range(steps):
        begin = len(watch.trace.order)
        optimizer.zero_grad()
        watch.kind = Kind.INPUT
        images = torch.empty((how.batch, how.channels, *how.size), memory_format=memory, device=device)
        watch.kind = Kind.ACTIVATIONS
        with torch.autocast(device, dtype=dtype) if dtype is not None else contextlib.nullcontext():
            output = output_of(model(images))
            watch.kind = Kind.INPUT
            target = _target(how.loss, output)
            watch.kind = Kind.ACTIVATIONS
            loss = _LOSSES[how.loss](output, target)
        watch.kind = Kind.BACKWARD
        backward = len(watch.trace.order)
        loss.backward()  # type: ignore[no-untyped-call]
        watch.mark((of.grad for of in model.parameters()), Kind.GRADIENTS)
        watch.kind = Kind.OPTIMIZER
        watch.trace.steps.append(Step(begin, backward, len(watch.trace.order)))
        optimizer.step()
        yield


def _optimizer(name: str, model: nn.Module) -> torch.optim.Optimizer:
    parameters = [of for of in model.parameters() if of.requires_grad]
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=1e-3, momentum=0.9, foreach=True)
    kind = torch.optim.Adam if name == "adam" else torch.optim.AdamW
    return kind(parameters, lr=1e-3, foreach=True)


def _target(loss: str, output: torch.Tensor) -> torch.Tensor:
    if loss == "ce":
        return torch.zeros((output.shape[0], *output.shape[2:]), dtype=torch.int64, device=output.device)
    return torch.empty_like(output, dtype=torch.float32)


_LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "l1": functional.l1_loss,
    "mse": functional.mse_loss,
    "ce": functional.cross_entropy,
}


def _lay_pixels_together(model: nn.Module) -> None:
    for module in model.modules():
        for name, of in module._parameters.items():  # noqa: SLF001 - Module.to cannot swap what has no values
            if of is not None and of.dim() == 4:
                turned = of.detach().contiguous(memory_format=torch.channels_last)
                module._parameters[name] = nn.Parameter(turned, of.requires_grad)  # noqa: SLF001


def _blocks(model: nn.Module) -> Iterator[nn.Module]:
    for child in model.children():
        if isinstance(child, nn.ModuleList):
            yield from _blocks(child)
        else:
            yield child


def _compute_again(model: nn.Module) -> None:
    """Let each block of a model forget what is inside it, and compute that again for its gradients."""
    for block in _blocks(model):
        if any(True for _ in block.parameters()):
            block.forward = _forgetful(block.forward)


def _forgetful(forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        return checkpoint(
            forward, *args, use_reentrant=False, preserve_rng_state=False, determinism_check="none", **kwargs
        )

    return run
