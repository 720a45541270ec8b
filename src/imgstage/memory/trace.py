"""A training step, run on tensors that have shapes and no values: what it takes and gives back, in order."""

from __future__ import annotations

import contextlib
import copy
import gc
import logging
import warnings
import weakref
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from ..errors import UsageError
from .cuda import Convolution, LikeCuda, attended, layout, summed_rows
from .events import Kind, Trace
from .loop import prepare, train
from .shortcuts import shortcut

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .plan import Training

_MATMULS = {"mm", "addmm", "bmm", "baddbmm"}


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes each storage that comes and goes.

    Args:
        workspaces: whether to add what CUDA's libraries take for themselves.
    """

    def __init__(self, *, workspaces: bool = True) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.trace = Trace()
        self.kind = Kind.ACTIVATIONS
        self._workspaces = workspaces
        self._live: dict[int, int] = {}
        self._joined: dict[int, int] = {}
        self._sums: set[int] = set()
        self._multiplied: set[bool] = set()
        self._is_finished = False

    def note(self, tensors: Iterable[Any], op: str, kind: Kind | None = None) -> None:
        """Note storages that were not known."""
        for storage in _storages(tensors):
            key = storage._cdata  # noqa: SLF001 - the only name that a storage has
            if key not in self._live and storage.nbytes():
                number = self._live[key] = self.trace.add(storage.nbytes(), op, self.kind if kind is None else kind)
                weakref.finalize(storage, self._gone, key, number)

    def mark(self, tensors: Iterable[Any], kind: Kind) -> None:
        """Say what known storages are for."""
        for storage in _storages(tensors):
            number = self._live.get(storage._cdata)  # noqa: SLF001
            if number is not None:
                self.trace.kinds[self._joined.get(number, number)] = kind

    def _gone(self, key: int, number: int) -> None:
        if self._live.get(key) == number:
            del self._live[key]
        if self._is_finished:
            return
        order = self.trace.order
        if order and order[-1] in self._sums and self.trace.sizes[order[-1]] == self.trace.sizes[number]:
            # Autograd adds gradients up in the first one's memory; what has no values is added up in new memory.
            self._joined[order.pop()] = number
            return
        order.append(~number)

    def finish(self) -> Trace:
        """What was noted; gradients that were added up in place are one."""
        self._is_finished = True
        place: dict[int, int] = {}
        for new, old in self._joined.items():
            place[new] = place.get(old, old)
        if place:
            self.trace.order = [~place.get(~e, ~e) if e < 0 else e for e in self.trace.order]
        return self.trace

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation, and note what it takes."""
        name = func.overloadpacket.__name__
        result: Any = attended(name, args) if self._workspaces else None
        if result is None:
            result = shortcut(func, args, kwargs or {})
        if result is NotImplemented:
            result = func(*args, **(kwargs or {}))
        if name == "lift_fresh":  # a number of Python, which stays with the CPU
            return result
        if self._workspaces and name == "convolution":
            self.note([result], name)
            self.trace.add_transient(Convolution.of(args, result, backward=False).output_workspace, name)
            return result
        if self._workspaces and name == "convolution_backward":
            self._convolve_back(name, args, result)
            return result
        before = len(self.trace.sizes)
        self.note(tree_iter(result), name)
        if self._workspaces:
            self._add_workspaces(name, args)
        if name == "add" and self.kind is Kind.BACKWARD and not torch.is_grad_enabled():
            self._sums.update(range(before, len(self.trace.sizes)))
        return result

    def _add_workspaces(self, name: str, args: Sequence[Any]) -> None:
        if name in _MATMULS:
            self._multiply()
        elif name == "sum" and len(args) > 1 and (of := summed_rows(args[0], args[1])):
            self.trace.sums[len(self.trace.sizes)] = of
            self.trace.add_transient(1, name)
        elif name.startswith("native_layer_norm"):
            for tensor in args[: 1 + name.endswith("backward")]:
                if not tensor.is_contiguous():
                    self.trace.add_transient(tensor.numel() * tensor.element_size(), name)

    def _multiply(self) -> None:
        """The first product of the forward's thread, and that of the backward's, have a workspace made that stays."""
        thread = self.kind is Kind.BACKWARD
        if thread not in self._multiplied:
            self._multiplied.add(thread)
            for op in ("cublas",) if thread else ("cublas", "cublaslt"):
                self.trace.add(0, op, Kind.WORKSPACE)

    def _convolve_back(self, name: str, args: Sequence[Any], result: Sequence[torch.Tensor | None]) -> None:
        gradient = args[0]
        copied = None
        if not gradient.is_contiguous(memory_format=layout(args[1:3])):  # part of another
            copied = self.trace.add(gradient.numel() * gradient.element_size(), name, Kind.WORKSPACE)
        of = Convolution.of(args, gradient, backward=True)
        for made, workspace in zip(result, (of.output_workspace, of.weights_workspace, 0), strict=True):
            if made is not None:
                self.note([made], name)
                self.trace.add_transient(workspace, name)
        if copied is not None:
            self.trace.order.append(~copied)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without what PyTorch logs and warns of on the way, and without looking for cycles among so much that is new."""
    log, collects = logging.getLogger("torch._subclasses.fake_tensor"), gc.isenabled()
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    gc.disable()  # it would take two thirds of the time
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
        if collects:
            gc.enable()


def _storages(tensors: Iterable[Any]) -> Iterator[torch.UntypedStorage]:
    return (of.untyped_storage() for of in tensors if isinstance(of, torch.Tensor))


def without_values(model: nn.Module, mode: FakeTensorMode) -> nn.Module:
    """A copy of a model whose parameters and buffers have no values; the model stays as it is.

    Raises:
        UsageError: it has lazy layers.
    """
    if any(torch.nn.parameter.is_lazy(of) for of in (*model.parameters(), *model.buffers())):
        problem = f"{type(model).__name__} has lazy layers, whose sizes are not known before a first batch"
        raise UsageError(problem, "Run it on one batch where it is built, or give its layers their sizes")
    memo: dict[int, Any] = {}
    for tensor in (*model.parameters(), *model.buffers()):
        if id(tensor) not in memo:
            fake = mode.from_tensor(tensor.detach())
            memo[id(tensor)] = nn.Parameter(fake, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else fake
    return copy.deepcopy(model, memo)


def trace_training(model: nn.Module, how: Training, *, steps: int = 2, workspaces: bool = True) -> Trace:
    """Trace the first steps of a training.

    Args:
        model: stays as it is.
        how: it is trained.
        steps: to trace.
        workspaces: whether to add what CUDA's libraries take for themselves.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    fake = without_values(model, mode).train()
    with mode, quietly():
        prepare(fake, how)
        return record(fake, how, steps, Recorder(workspaces=workspaces))


def record(model: nn.Module, how: Training, steps: int, recorder: Recorder) -> Trace:
    """Train a model, with values or without, and note what that takes."""
    with recorder, LikeCuda(autocast=how.amp != "none"):
        recorder.note(_as_moved(model), "weights", Kind.WEIGHTS)
        training = train(model, how, steps, watch=recorder)
        for _ in range(steps):  # not to its end, at which all would be given back
            next(training)
        return recorder.finish()


def _as_moved(module: nn.Module) -> Iterator[torch.Tensor]:
    """Parameters and buffers in the order in which `Module.to` moves them."""
    for child in module.children():
        yield from _as_moved(child)
    yield from (of for of in (*module._parameters.values(), *module._buffers.values()) if of is not None)  # noqa: SLF001
