"""Networks by name."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from imgstage import UsageError
from imgstage.networks import UNet, build

CODE = """
from dataclasses import dataclass
import beside
from torch import nn

class Net(nn.Conv2d):
    def __init__(self):
        super().__init__(3, beside.WIDTH, 1)

class Needs(nn.Module):
    def __init__(self, width):
        super().__init__()

def make():
    return Net()

def number():
    return 5

def fails():
    raise ValueError("out of paint")

def leaves():
    raise SystemExit(3)

ready = Net()
five = 5

class Space:
    Inner = Net
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("WIDTH = 7\n", encoding="utf-8")
    path = tmp_path / "my nets 🙂.py"
    path.write_text(CODE, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["Net", "make", "ready", "Space.Inner"])
def test_of_a_file(file: Path, name: str) -> None:
    network = build(f"{file}:{name}")
    assert isinstance(network, nn.Conv2d)
    assert network.out_channels == 7
    assert str(file.parent) not in sys.path


def test_each_file_is_a_module_of_its_own(tmp_path: Path) -> None:
    """Whatever its name: what asks a class for its module or source gets its own."""
    code = "import json\nfrom torch import nn\n\nclass Net(nn.Identity):\n    made_of = {}\n"
    files = [tmp_path / "one" / "net_file.py", tmp_path / "two" / "net_file.py", tmp_path / "json.py"]
    for number, path in enumerate(files):
        path.parent.mkdir(exist_ok=True)
        path.write_text(code.format(number), encoding="utf-8")
    networks = [build(f"{path}:Net") for path in files]
    assert type(networks[0]).__module__ == "net_file"
    for number, (path, network) in enumerate(zip(files, networks, strict=True)):
        module = sys.modules[type(network).__module__]
        assert module.__file__ == str(path)
        assert vars(type(network))["made_of"] == number
        assert inspect.getsourcefile(type(network)) == str(path)
    assert sys.modules["json"] is json
    assert type(build(f"{files[1]}:Net")).__module__ == type(networks[1]).__module__


def test_what_is_imported_when_it_is_called_is_found_too(tmp_path: Path) -> None:
    """Also where the file itself adds to the path, as research code does."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/imported_late.py").write_text("WIDTH = 4\n", encoding="utf-8")
    (tmp_path / "beside_it.py").write_text("WIDTH = 3\n", encoding="utf-8")
    path = tmp_path / "late.py"
    path.write_text(
        "import os, sys\nfrom torch import nn\nsys.path.append(os.path.join(os.path.dirname(__file__), 'lib'))\n"
        "def build():\n    import beside_it, imported_late\n"
        "    return nn.Conv2d(beside_it.WIDTH, imported_late.WIDTH, 1)\n",
        encoding="utf-8",
    )
    before = list(sys.path)
    network = build(f"{path}:build")
    assert isinstance(network, nn.Conv2d)
    assert (network.in_channels, network.out_channels) == (3, 4)
    assert [of for of in sys.path if of not in before] == [str(tmp_path / "lib")], "what it added itself"
    sys.path.remove(str(tmp_path / "lib"))
    build(f"{path}:build")
    sys.path[:] = before


def test_of_a_module_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "nets_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "one.py").write_text("from torch import nn\nbuild = nn.Identity\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert isinstance(build("nets_of_mine.one:build"), nn.Identity)
    assert "" not in sys.path or sys.path[0] != ""


def test_our_own() -> None:
    network = build("unet:8", channels=1)
    assert isinstance(network, UNet)
    assert network(torch.zeros(1, 1, 32, 32)).shape == (1, 1, 32, 32)


def test_of_torchvision_and_timm() -> None:
    assert type(build("torchvision:resnet18")).__name__ == "ResNet"
    assert type(build("torchvision:fcn_resnet50", with_values=False)).__name__ == "FCN"
    pytest.importorskip("timm")
    network = build("timm:resnet18", channels=5)
    assert network(torch.zeros(1, 5, 64, 64)).shape == (1, 1000)


def test_values_need_not_be_drawn() -> None:
    """Without values nothing is drawn, and drawing is as before afterwards."""
    torch.manual_seed(3)
    drawn = torch.rand(4)
    torch.manual_seed(3)
    build("unet:8", with_values=False)
    assert torch.equal(torch.rand(4), drawn)
    assert float(next(build("unet:8").parameters()).detach().std()) > 0.01


def test_initialisers_that_look_at_what_they_drew_come_to_an_end() -> None:
    """Truncated normal values are drawn again until all are within their bounds."""
    assert type(build("torchvision:swin_t", with_values=False)).__name__ == "SwinTransformer"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Needs", "missing a required argument: 'width'"),
        ("number", "gives a int"),
        ("five", "is a int"),
        ("fails", "out of paint"),
        ("leaves", "SystemExit: 3"),
        ("nowhere", "It has .*Net"),
    ],
)
def test_what_is_no_network_is_told(file: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build(f"{file}:{name}")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("unett", "Give one of: unet"),
        ("", "Give one of: unet"),
        ("unet:wide", "no number of channels"),
        ("unet:0", "no number of channels"),
        ("no.such.module:X", "cannot be imported"),
        ("no/such/file.py:X", "is no file"),
        ("torchvision:resnt18", "nearest are resnet18"),
    ],
)
def test_wrong_names_are_told(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build(name)


def test_a_file_that_cannot_be_read_as_python_is_told(tmp_path: Path) -> None:
    path = tmp_path / "broken_net.py"
    path.write_text("class Net(:\n", encoding="utf-8")
    with pytest.raises(UsageError, match="SyntaxError"):
        build(f"{path}:Net")
    assert "broken_net" not in sys.modules
