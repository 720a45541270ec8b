"""A step on tensors without values takes what it takes on real ones, and what a GPU was seen to take."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from imgstage.memory.events import Kind, Trace, living
from imgstage.memory.plan import Training
from imgstage.memory.trace import Recorder, record, trace_training, without_values
from imgstage.networks import build

SMALL = Training((64, 64), 2)
NETWORKS = [
    ("unet:8", "l1"),
    ("torchvision:resnet18", "ce"),
    ("torchvision:mobilenet_v3_small", "ce"),
    ("torchvision:shufflenet_v2_x0_5", "ce"),
    ("torchvision:squeezenet1_1", "ce"),
    ("timm:convnext_atto", "ce"),
    ("timm:vit_tiny_patch16_224", "ce"),
    ("timm:mixer_s32_224", "ce"),
]


def peak(trace: Trace) -> int:
    return max(now for _, now in living(trace))


@pytest.mark.parametrize(("name", "loss"), NETWORKS)
def test_it_is_what_real_tensors_take(name: str, loss: str) -> None:
    """Not a byte more or less, at any allocation, over two steps of Adam; `python -m benchmarks.memory` has more."""
    fixed = "_224" in name
    how = Training((224, 224) if fixed else (64, 64), 2, loss=loss)
    fake = trace_training(build(name, with_values=False), how, workspaces=False)
    real = record(build(name).train(), how, 2, Recorder(workspaces=False))
    assert (fake.order, fake.sizes, fake.kinds) == (real.order, real.sizes, real.kinds)
    assert peak(fake) == peak(real) > 0


@pytest.mark.parametrize("name", ["torchvision:efficientnet_b0", "timm:swin_tiny_patch4_window7_224"])
def test_where_shapes_alone_are_laid_otherwise_the_peak_is_the_same(name: str) -> None:
    """Of products with what was expanded, PyTorch lays those without values otherwise, so a copy is made or is not."""
    how = Training((224, 224), 2, loss="ce")
    fake = trace_training(build(name, with_values=False), how, workspaces=False)
    assert peak(fake) == peak(record(build(name).train(), how, 2, Recorder(workspaces=False)))


def test_the_model_stays_as_it_is() -> None:
    model = build("unet:8").eval()
    before = {name: of.clone() for name, of in model.state_dict().items()}
    trace_training(model, SMALL._replace(checkpoint=True, channels_last=True))
    assert not model.training
    assert all(torch.equal(of, before[name]) for name, of in model.state_dict().items())
    assert all(of.is_contiguous() for of in model.parameters())
    assert "forward" not in vars(model.first)
    assert all(of.grad is None for of in model.parameters())


def test_what_each_allocation_is_for() -> None:
    trace = trace_training(build("unet:8", with_values=False), SMALL)
    model = build("unet:8", with_values=False)
    weights = sum(of.numel() * of.element_size() for of in (*model.parameters(), *model.buffers()))
    learned = sum(of.numel() * of.element_size() for of in model.parameters())

    def nbytes(kind: Kind) -> int:
        first = trace.order[: trace.steps[1].begin]
        return sum(trace.sizes[event] for event in first if event >= 0 and trace.kinds[event] is kind)

    assert nbytes(Kind.WEIGHTS) == weights
    assert nbytes(Kind.GRADIENTS) == learned
    assert nbytes(Kind.INPUT) == 2 * 2 * 3 * 64 * 64 * 4  # images, and the truth
    assert nbytes(Kind.OPTIMIZER) >= 2 * learned  # two moments, and what comes and goes


@pytest.mark.parametrize(("optimizer", "moments"), [("sgd", 1), ("adam", 2), ("adamw", 2)])
def test_optimizers_keep_their_moments(optimizer: str, moments: int) -> None:
    trace = trace_training(build("unet:8", with_values=False), SMALL._replace(optimizer=optimizer))
    learned = sum(of.numel() * 4 for of in build("unet:8", with_values=False).parameters())
    given = {~event for event in trace.order if event < 0}
    left = [n for n in range(len(trace.sizes)) if n not in given and trace.kinds[n] is Kind.OPTIMIZER]
    assert sum(trace.sizes[number] for number in left) == moments * learned


def test_memory_grows_with_pixels_and_batch_not_with_files() -> None:
    wishes = (((128, 128), 2), ((128, 128), 4), ((256, 256), 2))
    peaks = [peak(trace_training(build("unet:8"), Training(*how))) for how in wishes]
    assert 1.5 < peaks[1] / peaks[0] < 2.1
    assert 2.5 < peaks[2] / peaks[0] < 4.1


@pytest.mark.parametrize(
    "saving",
    [{"amp": "bf16"}, {"amp": "fp16"}, {"checkpoint": True}, {"optimizer": "sgd"}, {"channels_last": True}],
    ids=str,
)
def test_what_saves_memory_saves_some(saving: dict[str, Any]) -> None:
    model = build("unet:16", with_values=False)
    plain = Training((128, 128), 4)
    assert peak(trace_training(model, plain._replace(**saving))) < peak(trace_training(model, plain))


class Branches(nn.Module):
    """Its gradients are added up: at the input of both branches."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.left, self.right = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = self.first(images)
        joined: torch.Tensor = self.left(values) + self.right(values)
        return joined


def test_gradients_are_added_up_in_place() -> None:
    """As recorded on a GPU: of what the branches pass back, the sum takes the place of one."""
    trace = trace_training(Branches(), Training((64, 64), 2), workspaces=False)
    forward, backward = (
        [trace.ops[event] for event in trace.order[begin:stop] if event >= 0].count("add")
        for begin, stop in (trace.steps[0][:2], trace.steps[0][1:])
    )
    assert (forward, backward) == (1, 0)
    assert "add" in {trace.ops[number] for number in range(len(trace.ops)) if trace.kinds[number] is Kind.BACKWARD}
    given = [~event for event in trace.order if event < 0]
    assert len(given) == len(set(given))


def test_tensors_that_are_shared_are_one() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Conv2d(3, 3, 1)
            self.two = self.one

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = self.two(self.one(images))
            return output

    fake = without_values(Tied(), FakeTensorMode())
    assert fake.one is fake.two
    assert len(list(fake.parameters())) == 2
    trace = trace_training(Tied(), SMALL)
    assert sum(size for size, kind in zip(trace.sizes, trace.kinds, strict=True) if kind is Kind.WEIGHTS) == 12 * 4


def test_a_dictionary_or_tuple_will_do() -> None:
    class Several(nn.Module):
        def __init__(self, answer: Any) -> None:
            super().__init__()
            self.layer, self.answer = nn.Conv2d(3, 3, 1), answer

        def forward(self, images: torch.Tensor) -> Any:
            return self.answer(self.layer(images))

    def wrap(of: torch.Tensor) -> Any:
        return {"aux": of[:1], "out": of}

    def pair(of: torch.Tensor) -> Any:
        return of, of

    sizes = {peak(trace_training(Several(answer), SMALL)) for answer in (wrap, pair, lambda of: of)}
    assert len(sizes) == 1
