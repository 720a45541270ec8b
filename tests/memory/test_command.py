"""`imgstage memory` and `sizes` of models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from ..cli.calls import call


def test_a_training(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "memory", "--model", "unet:8", "--size", "64x96", "--batch", "2", "--gpu", "rtx4090")
    assert code == 0
    assert "unet:8, 486,571 parameters learn; images 64x96 (height x width), batch 2, adam, l1, float32" in out
    assert "On rtx4090, which has 23.28 GiB for it, it fits (unverified: imgstage was never measured" in out
    assert "The most is allocated in the " in out
    assert "Taken for granted:" in out
    assert "What would fit" not in out


def test_measured_gpus_are_not_doubted(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "memory", "--model", "unet:8", "--size", "64x96", "--gpu", "h200")
    assert "unverified" not in out
    assert "as measured: NVIDIA H200, torch 2.11.0+cu130, cuDNN 91900" in out


def test_without_a_gpu_there_is_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "memory", "--model", "unet:8", "--size", "64x96", "--amp", "bf16", "--checkpoint")
    assert "Whether that fits, --gpu tells." in out
    assert "amp bf16, checkpointed" in out


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("memory", "--model", "unet:8", "--size", "64x96", "--gpu", "1GiB", "--json")
    _, out, _ = call(capsys, *words)
    told = json.loads(out)
    assert (told["verdict"], told["verified"]) == ("fits", False)
    assert told["size"] == [64, 96]
    assert told["process_bytes"]["low"] <= told["process_bytes"]["mid"] <= told["process_bytes"]["high"]
    assert sum(told["breakdown_bytes"].values()) > told["allocated_bytes"]["low"]


def test_what_does_not_fit_is_solved(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("memory", "--model", "unet:8", "--size", "256x256", "--batch", "64", "--gpu", "1.2GiB")
    _, out, _ = call(capsys, *words)
    assert "it does not fit" in out
    assert "What would fit: add --solve batch, or --solve size" in out
    _, out, _ = call(capsys, *words, "--solve", "batch")
    assert out.startswith("The largest batch that fits 1.2GiB: ")
    assert "What would help next" in out
    assert "--amp bf16" in out
    _, out, _ = call(capsys, *words, "--solve", "size", "--json")
    told = json.loads(out)
    assert told["solved"]
    assert told["size"][0] < 256
    assert told["size"][0] % 16 == 0


def test_a_step_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "step.png"
    words = ("memory", "--model", "unet:8", "--size", "64x64", "--plot", str(place))
    assert call(capsys, *words)[0] == 0
    assert place.read_bytes().startswith(b"\x89PNG")
    assert call(capsys, *words)[0] == 0
    place.write_bytes(b"mine")
    code, _, err = call(capsys, *words)
    assert (code, place.read_bytes()) == (2, b"mine")
    assert "is not what --plot wrote" in err
    code, _, err = call(capsys, *words[:-1], str(tmp_path / "nowhere" / "step.png"))
    assert code == 2
    assert "cannot be written" in err


def test_sizes_of_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "sizes", "--model", "unet:8", "--size", "100x100")
    assert code == 0
    assert out.startswith("unet:8 takes heights and widths that are multiples of 16.")


def test_a_size_that_is_refused_for_all_its_multiples_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wants_more.py"
    path.write_text(
        "from torch import nn\nclass Net(nn.Conv2d):\n    def __init__(self):\n        super().__init__(3, 3, 24, 24)\n"
        "    def forward(self, images):\n        assert min(images.shape[2:]) >= 72\n"
        "        assert images.shape[2] % 24 == images.shape[3] % 24 == 0\n        return super().forward(images)\n",
        encoding="utf-8",
    )
    for size, refused in (("24x48", "24x48"), ("30x300", "24x288 and 48x312"), ("100x100", "")):
        _, out, _ = call(capsys, "sizes", "--model", f"{path}:Net", "--size", size)
        assert "multiples of 24" in out
        assert (f"It refuses {refused} all the same" in out) == bool(refused)
    _, out, _ = call(capsys, "sizes", "--model", f"{path}:Net", "--size", "30x300", "--json")
    assert json.loads(out)["refused"] == [[24, 288], [48, 312]]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["memory", "--model", "unett", "--size", "64x64"], "names no network"),
        (["memory", "--model", "unet:8", "--size", "65x64"], "multiples of 16: the nearest are 64x64 and 80x64"),
        (["memory", "--model", "unet:8", "--size", "64x64", "--gpu", "rtx4099"], "rtx4090"),
        (["memory", "--model", "unet:8", "--size", "64x64", "--solve", "batch"], "none is named"),
        (["memory", "--model", "no/such.py:X", "--size", "64x64"], "is no file"),
        (
            ["sizes", "--model", "torchvision:vit_b_16", "--size", "64x64"],
            "of the sizes that were tried, 224x224 alone",
        ),
    ],
)
def test_wishes_that_cannot_be(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, *words)
    assert (code, out) == (2, "")
    assert sentence in err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_calibration_needs_a_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "memory", "--calibrate")
    assert code == 2
    assert "no CUDA GPU here" in err
