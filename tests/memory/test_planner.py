"""Estimates, the largest that fits, and what would help."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from imgstage import UsageError
from imgstage.memory import Training, estimate, solve
from imgstage.memory.allocator import GIB, MIB
from imgstage.memory.planner import Planner, sizes_of

HOW = Training((64, 96), 2)


def test_the_old_pages_question() -> None:
    """Will this U-Net at 1920x1280, batch 8, go onto a card of 24 GB?"""
    told = estimate("unet", (1920, 1280), 8, gpu="rtx4090")
    assert told.verdict == "no"
    assert told.parameters == 31_037_763
    assert told.allocated_bytes.low > 100 * GIB
    assert not told.gpu.calibration if told.gpu else False
    assert any("never measured" in line for line in told.assumptions)


def test_a_module_of_the_callers_will_do() -> None:
    named = estimate("unet:8", (64, 64), 2)
    given = estimate(Planner("unet:8", HOW).model, (64, 64), 2)
    assert replace(given, model="unet:8") == named
    assert given.model == "UNet"


def test_another_batch_is_told_from_two_traces_exactly() -> None:
    planner = Planner("unet:8", HOW, "24GiB")
    assert planner.at(9) == planner.plan(HOW._replace(batch=9))


def test_the_largest_batch_fits_and_one_more_does_not() -> None:
    planner = Planner("unet:8", HOW, "24GiB")
    planner.gpu = (
        replace(planner.gpu, usable_bytes=planner.plan().process_bytes.high + 40 * MIB) if planner.gpu else None
    )
    best = planner.largest_batch()
    assert best is not None
    assert best.verdict == "fits"
    assert planner.plan(best.training._replace(batch=best.training.batch + 1)).verdict != "fits"


class Compares(nn.Module):
    """Each image with each other: memory grows with the square of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values: torch.Tensor = self.layer(images)
        return (values[:, None] - values[None]).abs().mean(dim=1)


def test_what_two_batches_do_not_tell_is_traced() -> None:
    planner = Planner(Compares(), HOW._replace(size=(32, 32)), "2GiB")
    best = planner.largest_batch()
    assert best is not None
    batch = best.training.batch
    assert (
        planner.at(2 * batch).process_bytes.mid
        < planner.plan(best.training._replace(batch=2 * batch)).process_bytes.mid
    )
    assert planner.plan(best.training).verdict == "fits"
    assert planner.plan(best.training._replace(batch=batch + 1)).verdict != "fits"


def test_the_largest_size_may_be_far_from_the_wish() -> None:
    best = Planner("unet:2", Training((32, 32), 1), "1GiB").largest_size(16)
    assert best is not None
    assert best.training.size[0] > 8 * 32


class TakesNothingSmall(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 32, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if min(images.shape[2:]) < 200:
            message = "it wants 200 pixels"
            raise ValueError(message)
        made: torch.Tensor = self.layer(images)
        return made


@pytest.mark.parametrize("wish", [(256, 256), (700, 700), (2000, 2000), (201, 201)])
def test_a_network_that_takes_nothing_small_is_told_the_largest_all_the_same(wish: tuple[int, int]) -> None:
    best = Planner(TakesNothingSmall(), Training(wish, 8), "2GiB").largest_size(8)
    assert best.verdict == "fits"
    height, width = best.training.size
    assert height > 200
    larger = Planner(TakesNothingSmall(), Training((height + 8, width + 8), 8), "2GiB").plan()
    assert larger.verdict != "fits"


def test_where_no_size_fits_the_smallest_that_was_tried_is_told() -> None:
    best = Planner(TakesNothingSmall(), Training((700, 700), 64), "1GiB").largest_size(8)
    assert best.verdict != "fits"
    assert best.training.size == (200, 200)


def test_the_largest_size_has_the_aspect_and_is_safe() -> None:
    planner = Planner("unet:8", HOW, "24GiB")
    planner.gpu = (
        replace(planner.gpu, usable_bytes=planner.plan().process_bytes.high + 40 * MIB) if planner.gpu else None
    )
    best = planner.largest_size(16)
    assert best is not None
    height, width = best.training.size
    assert (height % 16, width % 16) == (0, 0)
    assert abs(height / width - 64 / 96) < 0.12
    assert width > 96
    assert planner.plan(HOW._replace(size=(height + 16, width + 16))).verdict != "fits"


def test_where_nothing_fits_it_says_so_and_what_helps() -> None:
    found = solve("unet:32", (512, 512), gpu="0.9GiB")
    assert not found.fits
    assert found.plan.training.batch == 1
    assert found.plan.verdict != "fits"
    changes = [advice.change for advice in found.advice]
    assert {"--amp bf16", "--checkpoint", "--size 256x256"} <= set(changes)
    assert [advice.saved_bytes for advice in found.advice] == sorted(
        (a.saved_bytes for a in found.advice), reverse=True
    )
    assert found.as_json()["solved"] is False


def test_a_network_of_one_size_has_a_largest_batch() -> None:
    found = solve("timm:vit_tiny_patch16_224", (224, 224), gpu="1.5GiB", loss="ce")
    assert found.fits
    assert found.plan.training.batch > 1
    assert not any("--size" in of.change for of in found.advice)
    with pytest.raises(UsageError, match="of the sizes that were tried, 224x224 alone"):
        solve("timm:vit_tiny_patch16_224", (224, 224), what="size", gpu="1.5GiB", loss="ce")


def test_a_solution_is_confirmed() -> None:
    found = solve("unet:8", (64, 64), gpu="1GiB")
    assert found.fits
    assert found.plan == replace(estimate("unet:8", (64, 64), found.plan.training.batch, gpu="1GiB"))


@pytest.mark.parametrize(("name", "divisor"), [("unet:8", 16), ("torchvision:resnet18", 1), ("timm:convnext_atto", 1)])
def test_the_divisor_is_found_by_asking(name: str, divisor: int) -> None:
    assert sizes_of(name).divisor == divisor


def test_lazy_layers_are_told() -> None:
    with pytest.raises(UsageError, match="lazy layers"):
        estimate(nn.LazyConv2d(3, 1), (32, 32), 2)
    with pytest.raises(UsageError, match="lazy layers"):
        sizes_of(nn.LazyConv2d(3, 1))


def test_frozen_parameters_have_no_gradients() -> None:
    model = Planner("unet:8", HOW).model.requires_grad_(requires_grad=False)
    with pytest.raises(UsageError, match="no parameters that learn"):
        estimate(model, (64, 64), 2)
    next(model.parameters()).requires_grad_()
    told = estimate(model, (64, 64), 2)
    assert told.parameters == 8 * 3 * 9


@pytest.mark.parametrize("size", [256, (256,), ("a", 2), (2.5, 3), None])
def test_sizes_that_are_none_are_refused(size: object) -> None:
    with pytest.raises(UsageError, match=r"size|height"):
        estimate("unet:8", size, 2)  # type: ignore[arg-type]


def test_unknown_wishes_are_refused() -> None:
    with pytest.raises(UsageError, match="no precision to say of a training"):
        estimate("unet:8", (64, 64), 2, precision="half")


@pytest.mark.parametrize(
    "wrong",
    [{"amp": "bf17"}, {"optimizer": "adman"}, {"loss": "l3"}, {"batch": 0}, {"size": (0, 64)}, {"channels": -1}],
    ids=str,
)
def test_wishes_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Planner("unet:8", HOW._replace(**wrong))  # type: ignore[arg-type]


def test_a_size_that_is_refused_comes_with_those_that_are_not() -> None:
    with pytest.raises(UsageError, match="multiples of 16: the nearest are 96x96 and 112x112"):
        estimate("unet:8", (100, 100), 2)


def test_other_channels() -> None:
    told = estimate("unet:8", (64, 64), 2, channels=1)
    assert told.breakdown_bytes["input"] <= 2 * 2 * 64 * 64 * 4


def test_importing_it_loads_no_torch() -> None:
    code = "import sys, imgstage.memory, imgstage.cli.memory, imgstage.cli.sizes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_model_that_counts_its_calls_may() -> None:
    """Tensors of the model's own that are neither parameters nor buffers are copied with it."""

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.mean = nn.Conv2d(3, 3, 1), torch.full((1, 3, 1, 1), 0.5)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = self.layer(images - self.mean)
            return output

    assert estimate(Own(), (32, 32), 2).parameters == 12
