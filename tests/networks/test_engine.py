"""PyTorch's networks as engines: what they give, by what they are known, and which wishes are refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from imgstage import UsageError
from imgstage.networks import build
from imgstage.networks.engine import TorchEngine, open_torch


class Half(nn.Module):
    """Adds what it has learnt in training mode alone, so that evaluation is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor([0.5]))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"aux": images * 0, "out": images * self.by + float(self.training)}


def test_arrays_go_in_and_come_out_and_nothing_learns() -> None:
    engine = TorchEngine(Half(), "half")
    given = np.random.default_rng(0).random((2, 5, 7, 3), np.float32)
    assert np.array_equal(engine(given), given / 2)
    assert engine.network is not None
    assert not any(of.grad_fn for of in engine.network.parameters())


def test_classes_stay_rows() -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    made = TorchEngine(network, "mean")(np.full((2, 5, 7, 3), 0.25, np.float32))
    assert made.tolist() == [[0.25] * 3] * 2


def test_it_is_known_by_its_weights() -> None:
    first, second = TorchEngine(build("unet:4"), "a"), TorchEngine(build("unet:4"), "a")
    assert first.identity != second.identity
    assert first.network is not None
    copy = build("unet:4")
    copy.load_state_dict(first.network.state_dict())
    assert TorchEngine(copy, "b").identity == first.identity


def test_weights_are_asked_for_where_there_would_be_chance(tmp_path: Path) -> None:
    for name in ("unet:4", "torchvision:resnet18"):
        with pytest.raises(UsageError, match=r"random weights.*--weights"):
            open_torch(name, None, "cpu", 3)
    path = tmp_path / "a.safetensors"
    trained = build("unet:4")
    save_file(trained.state_dict(), path)
    engine = open_torch("unet:4", path, "cpu", 3)
    given = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        wanted = trained.eval()(given)
    made = torch.from_numpy(engine(given.permute(0, 2, 3, 1).numpy())).permute(0, 3, 1, 2)
    assert torch.allclose(made, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("device", "told"), [("nonsense", "is no device"), ("cuda", "finds no cuda"), ("mps", "no mps")]
)
def test_devices_that_are_not_there_are_told(tmp_path: Path, device: str, told: str) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is CUDA here")
    path = tmp_path / "a.safetensors"
    save_file(build("unet:4").state_dict(), path)
    with pytest.raises(UsageError, match=told):
        open_torch("unet:4", path, device, 3)
    assert open_torch("unet:4", path, "auto", 3).device in ("cpu", "cuda", "mps")


def test_it_is_known_by_its_code_and_settings_too(tmp_path: Path) -> None:
    path = tmp_path / "own_model_code.py"
    text = "from torch import nn\n\ndef build():\n    return nn.Sequential(nn.Identity(), nn.{})\n"
    known = set()
    for layer in ("ReLU()", "Tanh()", "LeakyReLU(0.1)", "LeakyReLU(0.2)"):
        path.write_text(text.format(layer))
        known.add(open_torch(f"{path}:build", None, "cpu", 3).identity)
    assert len(known) == 4
    first, second = Half(), Half()
    first.tried = second.tried = (min, max, (1, print))  # type: ignore[assignment]
    assert TorchEngine(first, "a").identity == TorchEngine(second, "a").identity
    second.gain = 2.0  # type: ignore[assignment]
    assert TorchEngine(first, "a").identity != TorchEngine(second, "a").identity


@pytest.mark.parametrize(
    "way",
    [
        "try:\n    from .parts import lost\nexcept ImportError:\n    import parts.own_layers as of",
        "import parts.own_layers as of",
        "from parts.own_layers import GAIN",
        "from parts import own_layers",
    ],
)
def test_it_is_known_by_the_code_that_its_own_imports(tmp_path: Path, way: str) -> None:
    """Each time in a process of its own: a module is imported once."""
    path = tmp_path / "imports_some.py"
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/__init__.py").write_text("", encoding="utf-8")
    path.write_text(f"{way}\nfrom torch import nn\nclass Net(nn.Identity):\n    pass\n", encoding="utf-8")
    known = set()
    for number in (1, 2, 2):
        (tmp_path / "parts/own_layers.py").write_text(f"GAIN = {number}\n", encoding="utf-8")
        command = [sys.executable, "-c", ASK, f"{path}:Net"]
        known.add(subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout)
    assert len(known) == 2


ASK = """
import sys
from imgstage.networks.engine import open_torch
print(open_torch(sys.argv[1], None, "cpu", 3).identity)
"""


def test_a_network_that_cannot_be_shown_is_told(tmp_path: Path) -> None:
    path = tmp_path / "shy.py"
    path.write_text(
        "from torch import nn\nclass Net(nn.Identity):\n    def extra_repr(self):\n        return self.nothing\n",
        encoding="utf-8",
    )
    with pytest.raises(UsageError, match=r"cannot be brought to cpu .AttributeError"):
        open_torch(f"{path}:Net", None, "cpu", 3)
