"""A calibration, from what was recorded: no GPU is at hand to record anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from benchmarks.recordings import load

from imgstage import RefusedError
from imgstage.memory.calibration import Record, calibrate
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
