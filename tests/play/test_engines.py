"""The same weights through PyTorch and through ONNX Runtime; and what is no model."""

from __future__ import annotations

import builtins
import ctypes
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from imgstage import UsageError
from imgstage.networks import UNet, build
from imgstage.play import Tiling, open_network, play
from imgstage.play.engines import _external, open_engine
from imgstage.play.engines import _identity as identity_of

from ..helpers import photo
from .doubles import encoded, make_root, pixels

EXAMPLE = f"{Path(__file__).parents[2] / 'examples' / 'denoise_unet.py'}:UNet"


def example(folder: Path) -> tuple[Path, Any]:
    """The example's network with random weights that change something, and `model.toml` as its training writes it."""
    torch.manual_seed(0)
    network: Any = build(EXAMPLE)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    path = folder / "unet.safetensors"
    save_file(network.state_dict(), path)
    (folder / "model.toml").write_text('channels = "RGB"\nrange = [0.0, 1.0]\nsize_multiple = 4\n')
    return path, network.eval()


def export(network: nn.Module, path: Path, *, size: tuple[int, int] | None = None, external_data: bool = False) -> None:
    """As the documentation of PyTorch has it; with a size, for that alone."""
    dynamic = torch.export.Dim.DYNAMIC
    sides = {2: 4 * torch.export.Dim("h", max=4096), 3: 4 * torch.export.Dim("w", max=4096)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, *(size or (64, 96))),),
            path,
            dynamo=True,
            external_data=external_data,
            verbose=False,
            dynamic_shapes=None if size else ({0: dynamic, **sides},),
        )


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    _, network = example(folder)
    export(network, folder / "unet.onnx")
    export(network, folder / "fixed.onnx", size=(128, 160))
    return folder


def test_torch_and_onnx_agree_within_a_grey_level(models: Path, tmp_path: Path) -> None:
    from PIL import Image

    sizes = ((61, 83), (128, 128), (300, 401))
    pictures = {f"{h}.png": encoded(Image.fromarray(photo("astronaut")[:h, :w])) for h, w in sizes}
    made = []
    for name, network in (
        ("torch", open_network(EXAMPLE, models / "unet.safetensors", device="cpu")),
        ("onnx", open_network(str(models / "unet.onnx"))),
        ("tiled", open_network(str(models / "unet.onnx"), tiling=Tiling((128, 128)))),
        ("fixed", open_network(str(models / "fixed.onnx"), tiling=Tiling(None, 40))),
    ):
        root = make_root(tmp_path / name, pictures)
        assert network.task == "image-to-image"
        assert not play(root, network).report.held
        made.append([pixels(root / f"play_data/output/{h}_after.png").astype(int) for h, _ in sizes])
    changed = [np.abs(of - photo("astronaut")[:h, :w]).max() for of, (h, w) in zip(made[0], sizes, strict=True)]
    assert min(changed) > 20, "the network does something"
    for other in made[1:3]:
        for mine, its in zip(made[0], other, strict=True):
            assert np.abs(mine - its).max() <= 1
    assert np.abs(made[0][2] - made[3][2]).max() <= 1, "smaller ones have other edges: they are mirrored to the size"


def test_deep_networks_in_tiles_are_within_a_grey_level_of_the_whole(tmp_path: Path) -> None:
    """imgstage's own U-Net sees 90 pixels far; its weights are random, its layers' means are those of a photograph."""
    torch.manual_seed(0)
    network: Any = build("unet:8")
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    picture = photo("astronaut")
    network.train()(torch.from_numpy(picture).permute(2, 0, 1)[None] / 255)
    save_file(network.state_dict(), tmp_path / "a.safetensors")
    tall = np.concatenate([picture, picture[::-1]])

    def made(tiling: Tiling) -> Any:
        asked = open_network("unet:8", tmp_path / "a.safetensors", tiling=tiling, device="cpu")
        return asked, np.concatenate(list(asked.stripes(tall)))

    _, whole = made(Tiling((0, 0)))
    asked, parts = made(Tiling((384, 384)))
    assert asked.reach is not None
    assert asked.reach > 16
    assert whole.std() > 0.05
    assert np.abs(parts - whole).max() <= 1 / 255
    _, without = made(Tiling((384, 384), 0))
    assert np.abs(without - whole).max() > 1 / 255, "else the test could not fail"


@pytest.mark.parametrize(
    ("model", "weights", "told"),
    [
        ("model.pt", None, "holds weights or a pickled model, and not the code.*--weights"),
        ("model.onnx", None, "is no file"),
        ("broken.onnx", None, "cannot be read as an ONNX model"),
        ("unet.onnx", "a.safetensors", "has its weights inside"),
        ("nothing", None, "names no network"),
        (EXAMPLE, "missing.safetensors", "is no file"),
    ],
)
def test_what_is_no_model_is_told(
    models: Path, monkeypatch: pytest.MonkeyPatch, model: str, weights: str | None, told: str
) -> None:
    monkeypatch.chdir(models)
    (models / "broken.onnx").write_bytes(b"x" * 99)
    with pytest.raises(UsageError, match=told):
        open_engine(model, Path(weights) if weights else None, "auto", 3)


def test_without_onnx_runtime_it_says_what_to_install(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match=r"pip install 'imgstage\[onnx\]'"):
        open_engine(str(models / "unet.onnx"), None, "auto", 3)


def test_onnx_needs_no_torch(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has ONNX Runtime alone can play."""
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        assert name.partition(".")[0] != "torch"
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    network = open_network(str(models / "unet.onnx"))
    assert (network.multiple, network.task) == (4, "image-to-image")


@pytest.mark.parametrize("name", ["a.onnx.data", "weights/w.bin"])
def test_a_model_is_known_by_the_weights_beside_it(models: Path, tmp_path: Path, name: str) -> None:
    known = set()
    for number in range(2):
        entry = b"\x0a\x08location\x12" + bytes([len(name)]) + name.encode()
        (tmp_path / "a.onnx").write_bytes((models / "unet.onnx").read_bytes() + entry)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes([number]) * 99)
        known.add(identity_of(tmp_path / "a.onnx"))
    assert len(known) == 2
    (tmp_path / "x").write_bytes(b"another file, whose name is somewhere in any model")
    assert identity_of(tmp_path / "a.onnx") in known


def test_the_weights_beside_a_model_are_found_by_what_it_says(tmp_path: Path) -> None:
    for name in ("a.onnx", "longer" * 25 + ".onnx"):
        export(UNet(8, 2), tmp_path / name, external_data=True)
        assert _external((tmp_path / name).read_bytes()) == {f"{name}.data"}
        assert (tmp_path / f"{name}.data").is_file()
    export(UNet(8, 2), tmp_path / "b.onnx")
    assert _external((tmp_path / "b.onnx").read_bytes()) == set()


def test_freed_memory_is_kept_where_that_can_be() -> None:
    code = (
        "import numpy as np, resource\nfrom imgstage.play.engines import keep_freed_memory\n"
        "keep_freed_memory()\nfor _ in range(4): np.ones(30_000_000)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\nfor _ in range(4): np.ones(30_000_000)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)"
    )
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("the C library is not GNU's")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000, "of 4 times 58,000 pages none is asked for again"
