"""A calibration, from what was recorded: no GPU is at hand to record anew."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from benchmarks.recordings import load
from torch import nn

from imgstage import RefusedError
from imgstage.memory import recording
from imgstage.memory.calibration import Record, calibrate, summarise
from imgstage.memory.gpus import find
from imgstage.memory.plan import Training
from imgstage.memory.recording import record_all
from imgstage.parallel import Silent


def records() -> list[Record]:
    found: list[Record] = []
    for record in load():
        if record["model"] == "resnet18":
            how = Training((224, 224), record["batch"], amp=record["amp"], optimizer=record["optimizer"], loss="ce")
            found.append(("torchvision:resnet18", how, {**record, "multiprocessors": 132}))
    return found


def test_it_is_kept_compared_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    result = calibrate(Silent(), records())
    assert json.loads(result.path.read_text(encoding="utf-8")) == result.told
    assert result.path.is_relative_to(tmp_path)
    assert len(result.compared) == 6
    assert all(abs(predicted / measured - 1) < 0.1 for _, predicted, measured in result.compared)
    assert result.as_json()["compared"][0]["measured"] > 0
    assert find("h200").calibration == "NVIDIA H200, torch 2.11.0+cu130, cuDNN 91900"
    assert find("h200").matmul_libraries.mid == result.told["matmul_libraries_bytes"]


def test_where_it_cannot_be_kept_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    with pytest.raises(RefusedError, match="XDG_DATA_HOME"):
        calibrate(Silent(), records()[:1])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    with pytest.raises(RefusedError, match="no CUDA GPU"):
        next(record_all())


def test_the_model_is_given_back_before_it_is_looked_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its largest weight would be taken for what cuBLAS keeps."""
    models: list[weakref.ref[nn.Module]] = []
    empty = torch.empty

    def train(model: nn.Module, *_: Any, **__: Any) -> Iterator[None]:
        model.itself = model  # as where activations are computed again
        models.append(weakref.ref(model))
        yield from (None, None, None)

    def snapshot() -> dict[str, Any]:
        alive = [of for of in models if of() is not None]
        events = [{"action": "alloc", "addr": number, "size": 512} for number, _ in enumerate(alive)]
        return {"device_traces": [[*events, {"action": "alloc", "addr": 99, "size": 1024}]]}

    monkeypatch.setattr(recording, "train", train)
    monkeypatch.setattr(recording, "_used", lambda: 7)
    monkeypatch.setattr(torch, "empty", lambda *sizes, **how: empty(*sizes, **{**how, "device": "cpu"}))
    monkeypatch.setattr(nn.Module, "to", lambda self, *_: self)
    for name in (
        "synchronize",
        "empty_cache",
        "reset_peak_memory_stats",
        "max_memory_allocated",
        "max_memory_reserved",
    ):
        monkeypatch.setattr(torch.cuda, name, lambda: 5)
    properties = SimpleNamespace(name="NVIDIA H200", multi_processor_count=132, total_memory=1 << 37)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    monkeypatch.setattr(torch.cuda.memory, "_record_memory_history", lambda **_: None)
    monkeypatch.setattr(torch.cuda.memory, "_snapshot", snapshot)
    record = recording.record("unet:2", Training((32, 32), 1))
    assert record["step_peaks"] == [[5, 5]] * 3
    assert len(models) == 1
    assert summarise("h200", 132, [record])["cublas_bytes"] == 1024
    assert record["addresses"] == [99]
