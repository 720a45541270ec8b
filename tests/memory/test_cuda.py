"""What CUDA does otherwise than the CPU."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from imgstage.memory.cuda import Convolution, LikeCuda, summed_rows
from imgstage.memory.events import Kind, RowSum
from imgstage.memory.plan import Training
from imgstage.memory.trace import trace_training


def workspaces(layer: nn.Module, *, channels_last: bool = False) -> list[int]:
    """Bytes of the workspaces of a layer's first step, in order."""
    trace = trace_training(layer, Training((32, 48), 4, channels=64, channels_last=channels_last))
    first = trace.order[: trace.steps[0].optimizer]
    return [trace.sizes[event] for event in first if event >= 0 and trace.kinds[event] is Kind.WORKSPACE]


def test_copies_hold_input_output_and_weights() -> None:
    """As recorded: forward, the input's gradient (asked for here by a layer before), the weights' gradient."""
    pixels = 4 * 64 * 32 * 48 * 4
    weights = 64 * 64 * 9 * 4
    layers = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.Conv2d(64, 64, 3, padding=1, bias=False))
    copies = 2 * pixels + weights + 147
    parts = 2 << 20  # more than 14 times the weights
    assert workspaces(layers) == [copies, copies, copies, copies + parts, copies + parts]


def test_one_channel_at_a_time_needs_no_copies() -> None:
    assert workspaces(nn.Conv2d(64, 64, 7, padding=3, groups=64, bias=False)) == []


def test_what_lies_pixel_by_pixel_needs_no_copies() -> None:
    gradient = 4 * 64 * 32 * 48 * 4  # which the loss lays otherwise
    assert sum(workspaces(nn.Conv2d(64, 64, 3, padding=1, bias=False), channels_last=True)) <= gradient


def test_single_pixels_need_them_for_weights_alone() -> None:
    (nbytes,) = workspaces(nn.Conv2d(64, 64, 1, bias=False))
    assert 0 < nbytes < 4 * 64 * 32 * 48 * 4


def test_few_channels_are_filled_up() -> None:
    """The last layer of a network that makes images: its three channels are copied as four."""
    of = Convolution.of(
        (torch.empty(2, 32, 64, 64), torch.empty(3, 32, 1, 1), None, (1, 1), (0, 0), (1, 1), False, (0, 0), 1),
        torch.empty(2, 3, 64, 64),
        backward=False,
    )
    assert of.copies == 4 * (2 * 32 * 64 * 64 + 3 * 32 + 2 * 4 * 64 * 64)
    assert of.output_workspace == 0
    assert of.weights_workspace > of.copies


def test_transposed_and_grouped_ones_are_no_first_layers() -> None:
    """Their weights begin otherwise: what counts is the channels of the images."""
    assert workspaces(nn.ConvTranspose2d(64, 3, 2, 2, bias=False))[0] > 0
    assert len(workspaces(nn.Conv2d(64, 64, 3, padding=1, groups=16, bias=False))) == 2


def test_a_part_of_a_gradient_is_copied_first() -> None:
    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(64, 64, 1, bias=False)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.layer(images), images], dim=1)

    assert workspaces(Joined())[0] == 4 * 64 * 32 * 48 * 4


def test_autocast_does_losses_and_norms_in_float32() -> None:
    values = torch.ones(2, 4, dtype=torch.bfloat16)
    with LikeCuda(autocast=True):
        assert functional.layer_norm(values, (4,)).dtype is torch.float32
        assert functional.mse_loss(values, values).dtype is torch.float32
        assert torch.softmax(values, 1).dtype is values.softmax(1).dtype is torch.float32
        assert values.pow(2).dtype is (values**2).dtype is values.exp().dtype is values.norm().dtype is torch.float32
        assert values.sum().dtype is torch.sum(values, dim=1).dtype is torch.float32
        assert values.sum(dtype=torch.bfloat16).dtype is torch.bfloat16
        assert functional.relu(values).dtype is torch.bfloat16
    with LikeCuda(autocast=False):
        assert torch.softmax(values, 1).dtype is torch.bfloat16


def test_dropout_keeps_a_mask_of_bytes() -> None:
    trace = trace_training(nn.Sequential(nn.Conv2d(3, 3, 1), nn.Dropout(0.5)), Training((32, 32), 2))
    drops = [size for size, op in zip(trace.sizes, trace.ops, strict=True) if op == "native_dropout"][:2]
    assert drops == [2 * 3 * 32 * 32 * 4, 2 * 3 * 32 * 32]


class Attends(nn.Module):
    """As `nn.MultiheadAttention` does it: what comes out is brought into the order of what went in."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 32, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        rows = self.layer(images).flatten(2).permute(2, 0, 1).contiguous()  # (pixels, batch, channels)
        heads = rows.view(*rows.shape[:2], 4, 8).permute(1, 2, 0, 3)
        output = functional.scaled_dot_product_attention(heads, heads, heads)
        return output.permute(2, 0, 1, 3).contiguous().flatten(2)


@pytest.mark.parametrize(("amp", "copies"), [("none", 1), ("bf16", 0)])
def test_attention_in_float32_is_laid_otherwise(amp: str, copies: int) -> None:
    """The memory-efficient kernel's output is copied then; that of the flash kernel lies as the queries do."""
    how = Training((10, 10), 2, amp=amp)
    there, here = (trace_training(Attends(), how, workspaces=workspaces) for workspaces in (True, False))
    copied = []
    for of in (there, here):
        forward = of.order[of.steps[0].begin : of.steps[0].backward]
        copied.append(sum(event >= 0 and of.ops[event] == "clone" for event in forward))
    assert copied[0] - copied[1] == copies
    sums = 2 * 4 * 128 * 4  # 100 rows are four warps
    names = [size for size, op in zip(there.sizes, there.ops, strict=True) if "scaled_dot_product" in op]
    assert (sums in names) == (amp == "none")


def test_products_of_matrices_have_a_workspace_in_each_thread() -> None:
    layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 8), nn.Linear(8, 8))
    trace = trace_training(layers, Training((32, 32), 2, loss="ce"))
    assert trace.ops.count("cublas") == 2
    assert trace.ops.count("cublaslt") == 1


@pytest.mark.parametrize(
    ("shape", "dims", "expected"),
    [
        ((5, 7, 3), [0, 1], RowSum(35, 3)),
        ((5, 7, 3), [-3], RowSum(5, 21)),
        ((5, 7, 3), [2], None),
        ((5, 7), [0, 1], None),
    ],
)
def test_sums_over_rows_are_known(shape: tuple[int, ...], dims: list[int], expected: RowSum | None) -> None:
    assert summed_rows(torch.empty(shape), dims) == expected
