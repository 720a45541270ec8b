"""Weights from files: all of them or a refusal that says what is wrong; no code that a file holds is ever run."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from imgstage import UsageError
from imgstage.networks.weights import load_weights


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


class Evil:
    """Unpickled, it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_safetensors_and_state_dicts_give_the_same(tmp_path: Path) -> None:
    trained = small()
    save_file(trained.state_dict(), tmp_path / "a.safetensors")
    torch.save(trained.state_dict(), tmp_path / "a.pt")
    for name in ("a.safetensors", "a.pt"):
        network = small()
        load_weights(network, tmp_path / name)
        for key, of in trained.state_dict().items():
            assert torch.equal(network.state_dict()[key], of)


@pytest.mark.parametrize("holder", [None, "state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "model."])
def test_checkpoints_and_wrapped_networks_are_unwrapped(tmp_path: Path, holder: str | None, prefix: str) -> None:
    trained = small()
    state: Any = {prefix + key: of for key, of in trained.state_dict().items()}
    saved = {holder: state, "epoch": 3, "optimizer": {"state": {}}} if holder else state
    torch.save(saved, tmp_path / "a.pt")
    network = small()
    load_weights(network, tmp_path / "a.pt")
    assert torch.equal(network.state_dict()["0.weight"], trained.state_dict()["0.weight"])


def test_a_pickled_model_is_refused_and_its_code_never_run(tmp_path: Path) -> None:
    for number, thing in enumerate((small(), {"a": Evil(tmp_path / "mark")}, Evil(tmp_path / "mark"))):
        path = tmp_path / f"{number}.pt"
        torch.save(thing, path)
        with pytest.raises(UsageError, match=r"runs any code when it is opened.*save_file"):
            load_weights(small(), path)
    assert not (tmp_path / "mark").exists()
    torch.load(tmp_path / "2.pt", weights_only=False)
    assert (tmp_path / "mark").exists(), "else this test could not fail"


def test_a_scripted_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with pytest.warns(FutureWarning, match="deprecated"):
        torch.jit.script(small()).save(path)  # type: ignore[no-untyped-call]
    with pytest.raises(UsageError, match="scripted model"):
        load_weights(small(), path)


def test_weights_of_another_network_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"0.weight": torch.zeros(4, 3, 5, 5), "0.bias": torch.zeros(4), "more": torch.zeros(1)}, path)
    network = small()
    before = network.state_dict()["0.weight"].clone()
    with pytest.raises(UsageError, match=r"it lacks 1.bias, 1.num.* …; it also has more; of other shapes are 0.weight"):
        load_weights(network, path)
    assert torch.equal(network.state_dict()["0.weight"], before)


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.safetensors", b"x" * 100, "no whole safetensors file"),
        ("a.pt", b"x" * 100, "cannot be read as weights: it is damaged, or something else"),
        ("a.pt", b"", "cannot be read as weights: it is empty"),
        ("a.onnx", b"x", "whole ONNX model.*--model"),
        ("a.pt", None, "is no file"),
    ],
)
def test_what_is_no_file_of_weights_is_told(tmp_path: Path, name: str, data: bytes | None, told: str) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError, match=told):
        load_weights(small(), tmp_path / name)


@pytest.mark.parametrize(
    "made",
    [
        lambda of: of.to_sparse(),
        lambda of: of.to(torch.int64),
        lambda of: of.to(torch.complex64),
    ],
)
def test_numbers_that_would_not_be_copied_whole_are_told(tmp_path: Path, made: Callable[[Tensor], Tensor]) -> None:
    state = small().state_dict()
    torch.save({**state, "0.weight": made(state["0.weight"])}, tmp_path / "a.pt")
    with pytest.raises(UsageError, match=r"no such numbers are 0.weight|cannot be read as weights"):
        load_weights(small(), tmp_path / "a.pt")
    torch.save({**state, "0.weight": state["0.weight"].to(torch.float16)}, tmp_path / "a.pt")
    load_weights(small(), tmp_path / "a.pt")


def test_a_list_is_no_weights(tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "a.pt")
    with pytest.raises(UsageError, match="holds a list"):
        load_weights(small(), tmp_path / "a.pt")


def test_a_copy_that_broke_off_is_told(tmp_path: Path) -> None:
    torch.save(small().state_dict(), tmp_path / "a.pt")
    whole = (tmp_path / "a.pt").read_bytes()
    for end in (len(whole) - 30, len(whole) // 2, 10):
        (tmp_path / "a.pt").write_bytes(whole[:end])
        with pytest.raises(UsageError, match="its end is missing"):
            load_weights(small(), tmp_path / "a.pt")


def test_damaged_files_are_told_whatever_is_wrong_with_them(tmp_path: Path) -> None:
    torch.save(small().state_dict(), tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    chance = random.Random(0)
    path = tmp_path / "damaged.pt"
    told = 0
    for _ in range(300):
        damaged = bytearray(whole[: chance.randrange(len(whole))] if chance.random() < 0.3 else whole)
        for _ in range(chance.randrange(1, 8)):
            if damaged:
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            load_weights(small(), path)
        except UsageError:
            told += 1
    assert told > 50
