"""GPUs by name, by memory, and as they were measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imgstage import UsageError
from imgstage.memory.allocator import GIB, MIB
from imgstage.memory.gpus import Gpu, find, folder, from_calibration


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


@pytest.mark.parametrize("name", ["rtx4090", "RTX 4090", "NVIDIA GeForce RTX 4090", "4090"])
def test_names_are_read_as_people_write_them(name: str) -> None:
    gpu = find(name)
    assert gpu.name == "rtx4090"
    assert 22 * GIB < gpu.usable_bytes < 24 * GIB
    assert gpu.processors == 128


def test_what_others_measured_is_taken() -> None:
    assert find("rtx3060").usable_bytes == 12037 * MIB


@pytest.mark.parametrize(("name", "nominal"), [("24GiB", 24 * GIB), ("24 gb", 24 * 10**9), ("24576MiB", 24 * GIB)])
def test_memory_alone_will_do(name: str, nominal: int) -> None:
    gpu = find(name)
    assert 0.96 * nominal < gpu.usable_bytes < nominal
    assert not gpu.calibration


@pytest.mark.parametrize(
    ("name", "advice"), [("rtx4099", "rtx4090"), ("banana", "24GiB"), ("0GiB", "24GiB"), ("99999GiB", "24GiB")]
)
def test_what_is_none_is_refused(name: str, advice: str) -> None:
    with pytest.raises(UsageError, match=advice):
        find(name)


def test_the_h200_is_as_it_was_measured() -> None:
    gpu = find("h200")
    assert "NVIDIA H200" in gpu.calibration
    assert gpu.context.mid == 529 * MIB
    assert gpu.cublas_bytes == 32 * MIB


def test_a_calibration_of_this_machine_goes_before() -> None:
    told = {"name": "rtx4090", "gpu": "NVIDIA GeForce RTX 4090", "torch": "2.99", "cudnn": 1, "total_bytes": 25 * 10**9}
    sizes = {"context_bytes": 300 * MIB, "libraries_bytes": 50 * MIB, "matmul_libraries_bytes": 0, "cublas_bytes": 512}
    folder().mkdir(parents=True)
    (folder() / "broken.json").write_text("{", encoding="utf-8")
    (folder() / "list.json").write_text("[]", encoding="utf-8")
    (folder() / "mine.json").write_text(json.dumps({**told, **sizes}), encoding="utf-8")
    gpu = find("rtx4090")
    assert (gpu.usable_bytes, gpu.context.mid, gpu.cublas_bytes) == (25 * 10**9, 300 * MIB, 512)
    assert "torch 2.99" in gpu.calibration


def test_what_is_no_calibration_changes_nothing() -> None:
    gpu = Gpu("x", 5)
    assert from_calibration(gpu, {"name": "x", "total_bytes": "many"}) is gpu
