"""Models that cannot be traced are told in a sentence that names the user's line."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgstage import UsageError
from imgstage.memory import estimate

MODELS = """
import torch
from torch import nn

class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)

class Item(Base):
    def forward(self, images):
        values = self.layer(images)
        return values * values.mean().item()  # ITEM

class Numpy(Base):
    def forward(self, images):
        return torch.from_numpy(self.layer(images).detach().numpy())  # NUMPY

class Own_device(Base):
    def forward(self, images):
        return self.layer(images) + torch.zeros(1, device="cuda")  # OWN_DEVICE

class Half(Base):
    def __init__(self):
        super().__init__()
        self.half()

    def forward(self, images):
        return self.layer(images)

class Grey(Base):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 3, 1)

    def forward(self, images):
        return self.layer(images)

class If(Base):
    def forward(self, images):
        values = self.layer(images)
        if values.mean() > 0:  # IF
            values = values * 2
        return values

class Mask(Base):
    def forward(self, images):
        values = self.layer(images)
        return values[values > 0].mean()[None, None, None, None]  # MASK

class Two(Base):
    def forward(self, images, time):
        return self.layer(images)

@torch.library.custom_op("imgstage_tests::own", mutates_args=())
def own(values: torch.Tensor) -> torch.Tensor:
    return values.clone()

class OwnOp(Base):
    def forward(self, images):
        return own(self.layer(images))  # OWNOP

class Nothing(nn.Module):
    def forward(self, images):
        return images

class Words(Base):
    def forward(self, images):
        return "no tensor"
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "models_to_refuse.py"
    path.write_text(MODELS, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Item", "asks for values"),
        ("Numpy", "asks for values"),
        ("Own_device", "device=images.device"),
        ("If", "asks for values"),
        ("Mask", "asks for values"),
        ("OwnOp", "register_fake"),
    ],
)
def test_the_line_is_named(file: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as told:
        estimate(f"{file}:{name}", (32, 32), 2)
    line = next(number for number, text in enumerate(MODELS.splitlines(), 1) if f"# {name.upper()}" in text)
    assert f"{file}, line {line}" in str(told.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Two", "'time'"),
        ("Nothing", "no parameters that learn"),
        ("Words", "gives no tensor"),
        ("Half", "--amp"),
        ("Grey", "--channels"),
    ],
)
def test_others_are_told_too(file: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        estimate(f"{file}:{name}", (32, 32), 2)
