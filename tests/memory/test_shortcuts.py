"""What is worked out at once is what PyTorch works out in its own way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import groupby
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from imgstage.memory import trace as tracing
from imgstage.memory.events import Trace
from imgstage.memory.plan import Training
from imgstage.memory.shortcuts import shortcut
from imgstage.memory.trace import trace_training
from imgstage.networks import build

NETWORKS = [
    "unet:8",
    "torchvision:densenet121",
    "timm:convnext_atto",
    "timm:efficientnet_b0",
    "timm:vit_tiny_patch16_224",
    "torchvision:deeplabv3_mobilenet_v3_large",  # pools to single pixels, and makes them large again
]
SMALL = Training((64, 64), 2, loss="ce")
HOW = {
    "plain": SMALL,
    "bf16": SMALL._replace(amp="bf16"),
    "channels last": SMALL._replace(channels_last=True, optimizer="sgd"),
}


def events(trace: Trace) -> list[Any]:
    """With what is given back at once in one order: autocast's copies are, as they come in a table of addresses."""
    runs = groupby(trace.order, lambda number: number < 0)
    order = [sorted(run) if gives_back else list(run) for gives_back, run in runs]
    return [order, trace.sizes, trace.kinds, trace.ops, trace.steps, trace.sums]


def but_for_normalisation(func: Any, args: Any, kwargs: Any) -> Any:
    """It is meant to be CUDA's, not PyTorch's own way; `test_trace.py` looks at what it gives."""
    return shortcut(func, args, kwargs) if func.overloadpacket.__name__.startswith("native_batch") else NotImplemented


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", NETWORKS)
def test_traces_are_the_same_without(monkeypatch: pytest.MonkeyPatch, name: str, how: str) -> None:
    training = HOW[how]._replace(size=(224, 224)) if "_224" in name else HOW[how]
    model = build(name, with_values=False)
    with_them = events(trace_training(model, training))
    monkeypatch.setattr(tracing, "shortcut", but_for_normalisation)
    assert with_them == events(trace_training(model, training))


def test_few_operations_go_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    ways: Counter[bool] = Counter()

    def count(func: Any, args: Any, kwargs: Any) -> Any:
        made = shortcut(func, args, kwargs)
        if func is not torch.ops.prim.device.default:
            ways[made is NotImplemented] += 1
        return made

    monkeypatch.setattr(tracing, "shortcut", count)
    trace_training(build("torchvision:densenet121", with_values=False), SMALL)
    assert ways[True] < 0.2 * ways.total(), "all of them would, did something of PyTorch's have another name"


LAYOUTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "line by line": lambda of: of,
    "pixel by pixel": lambda of: torch.empty_like(of, memory_format=torch.channels_last).copy_(of),
    "as a single pixel may": lambda of: of.as_strided(
        of.shape, (of.stride(0), *[7 if n == 1 else s for n, s in zip(of.shape[1:], of.stride()[1:], strict=True)])
    ),
    "a part": lambda of: torch.cat([of, of], 1)[:, : of.shape[1]],
    "turned": lambda of: of.transpose(1, 2).contiguous().transpose(1, 2),
    "every other": lambda of: torch.cat([of, of], 3)[..., ::2],
    "expanded": lambda of: of[:, :1].expand(of.shape),
}
OPERATIONS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "add": torch.add,
    "product": torch.mul,
    "with a number": lambda one, _: one * 0.5,
    "with a complex one": lambda one, _: one.float() * 1j,
    "of one pixel": lambda one, other: one[..., :1, :1] + other,
    "sigmoid": lambda one, _: torch.sigmoid(one),
    "relu": lambda one, _: torch.relu(one),
    "relu in place": lambda one, _: torch.relu_(one.clone()),
    "silu": lambda one, _: functional.silu(one.float()),
    "gelu": lambda one, _: functional.gelu(one.float()),
    "gradient of relu": lambda one, other: torch.ops.aten.threshold_backward(one, other, 0),
    "gradient of silu": lambda one, other: torch.ops.aten.silu_backward(one.float(), other.float()),
    "gradient of gelu": lambda one, other: torch.ops.aten.gelu_backward(one.float(), other.float()),
    "gradient of hardtanh": lambda one, other: torch.ops.aten.hardtanh_backward(one.float(), other.float(), 0, 6),
    "matrices": lambda one, other: torch.mm(one[0, 0], other[0, 0].t()),
    "batches of them": lambda one, other: torch.bmm(one[0], other[0].transpose(1, 2)),
    "detached": lambda one, _: one.detach(),
    "a list": lambda one, other: torch._foreach_mul([one, one], [other, other])[1],
    "a list's roots": lambda one, _: torch._foreach_sqrt([one])[0],
    "zeros": lambda one, _: torch.zeros_like(one),
    "zeros of another type": lambda one, _: torch.zeros_like(one, dtype=torch.float64),
    "in place": lambda one, other: one.clone().add_(other),
    "together": lambda one, other: torch.cat([one, other], 1),
    "a slice": lambda one, _: one[:, 1:],
}
TYPES = st.sampled_from([torch.float32, torch.bfloat16, torch.int64])


class Short(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = shortcut(func, args, kwargs or {})
        return func(*args, **(kwargs or {})) if made is NotImplemented else made


def looks(tensor: torch.Tensor) -> tuple[Any, ...]:
    return tensor.shape, tensor.stride(), tensor.dtype, tensor.device, tensor.untyped_storage().nbytes()


@settings(max_examples=300)
@given(
    st.sampled_from(sorted(OPERATIONS)),
    st.tuples(*[st.integers(1, 3)] * 4),
    st.sampled_from(sorted(LAYOUTS)),
    st.sampled_from(sorted(LAYOUTS)),
    TYPES,
    TYPES,
)
@example("add", (2, 3, 3, 3), "a part", "line by line", torch.float32, torch.float32)
@example("add", (2, 3, 3, 3), "a part", "pixel by pixel", torch.float32, torch.float32)
@example("add", (1, 3, 1, 1), "pixel by pixel", "turned", torch.float32, torch.float32)
@example("of one pixel", (1, 2, 2, 2), "line by line", "line by line", torch.float32, torch.float32)
@example("with a number", (1, 1, 1, 1), "line by line", "line by line", torch.int64, torch.int64)
@example("product", (1, 1, 2, 1), "expanded", "a part", torch.float32, torch.bfloat16)
def test_each_gives_what_pytorch_would(
    operation: str, shape: tuple[int, ...], one: str, other: str, dtype: torch.dtype, second: torch.dtype
) -> None:
    if operation in ("in place", "matrices", "batches of them") or operation.startswith("gradient"):
        second = dtype
    with FakeTensorMode():
        tensors = [LAYOUTS[layout](torch.empty(shape, dtype=kind)) for layout, kind in ((one, dtype), (other, second))]
        long = OPERATIONS[operation](*tensors)
        with Short():  # type: ignore[no-untyped-call]
            short = OPERATIONS[operation](*tensors)
    assert looks(short) == looks(long)


def test_numbers_that_are_known_stay_so() -> None:
    with FakeTensorMode(), Short():  # type: ignore[no-untyped-call]
        steps = [torch.tensor(2.0), torch.tensor(5.0)]
        torch._foreach_add_(steps, 1)
        more = steps[0] + 1
        assert [of.item() for of in (*steps, more)] == [3, 6, 4]


def of_two_devices() -> list[torch.Tensor]:
    return [torch.empty(2, device=device) for device in ("cpu", "meta")]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: torch.add(*of_two_devices()),
        lambda: torch.cat(of_two_devices()),
        lambda: torch._foreach_add_([torch.empty(2)], [torch.empty(3)]),
        lambda: torch.mm(torch.empty(2, 3), torch.empty(2, 3)),
    ],
)
def test_what_pytorch_refuses_is_refused(wrong: Callable[[], Any]) -> None:
    with FakeTensorMode(), Short(), pytest.raises(RuntimeError):  # type: ignore[no-untyped-call]
        wrong()
