"""GPUs by name, by memory, and as they were measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imgstage import UsageError
from imgstage.memory.allocator import GIB, MIB
from imgstage.memory.gpus import Gpu, find, folder, from_calibration, known_as


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


@pytest.mark.parametrize("name", ["rtx4090", "RTX 4090", "NVIDIA GeForce RTX 4090", "4090"])
def test_names_are_read_as_people_write_them(name: str) -> None:
    gpu = find(name)
    assert gpu.name == "rtx4090"
    assert 22 * GIB < gpu.usable_bytes < 24 * GIB
    assert gpu.multiprocessors == 128


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H100 PCIe", "h100"),
        ("NVIDIA A100-SXM4-80GB", "a100-80"),
        ("NVIDIA A100-PCIE-40GB", "a100"),
        ("a100-40gb", "a100"),
        ("Tesla V100-SXM2-16GB", "v100"),
        ("Tesla V100-SXM2-32GB", "v100-32"),
        ("Tesla T4", "t4"),
        ("NVIDIA A10G", "a10"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA RTX 6000 Ada Generation", "rtx6000ada"),
        ("NVIDIA RTX A6000", "rtxa6000"),
        ("NVIDIA H200", "h200"),
        ("rtx-4090", "rtx4090"),
    ],
)
def test_names_are_those_that_cuda_gives(device: str, name: str) -> None:
    assert find(device).name == name == known_as(device)


def test_workspaces_are_larger_where_they_were_seen_to_be() -> None:
    assert find("h100").cublas_bytes == 32 * MIB
    assert find("a100").cublas_bytes == 8_519_680


def test_what_was_measured_once_may_be_a_little_more() -> None:
    context = find("h200").context
    assert (context.low, context.high) == (context.mid, context.mid + 16 * MIB)


def test_what_others_measured_is_taken() -> None:
    assert find("rtx3060").usable_bytes == 12037 * MIB


@pytest.mark.parametrize(("name", "nominal"), [("24GiB", 24 * GIB), ("24 gb", 24 * GIB), ("24576MiB", 24 * GIB)])
def test_memory_alone_will_do(name: str, nominal: int) -> None:
    gpu = find(name)
    assert gpu.usable_bytes == int(0.97 * nominal)
    assert not gpu.calibration


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("rtx4099", "rtx4090"),
        ("banana", "24GiB"),
        ("24", "24GiB"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "its memory"),
        ("0GiB", "24GiB"),
        ("99999GiB", "24GiB"),
        (f"{'9' * 400}GiB", "24GiB"),
    ],
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
    told["multiprocessors"] = 77
    sizes = {"context_bytes": 300 * MIB, "libraries_bytes": 50 * MIB, "matmul_libraries_bytes": 0, "cublas_bytes": 512}
    folder().mkdir(parents=True)
    (folder() / "broken.json").write_text("{", encoding="utf-8")
    (folder() / "list.json").write_text("[]", encoding="utf-8")
    (folder() / "mine.json").write_text(json.dumps({**told, **sizes}), encoding="utf-8")
    gpu = find("rtx4090")
    assert (gpu.usable_bytes, gpu.context.mid, gpu.cublas_bytes) == (25 * 10**9, 300 * MIB, 512)
    assert "torch 2.99" in gpu.calibration
    assert gpu.multiprocessors == 77


def test_a_gpu_that_no_table_has_can_be_calibrated() -> None:
    told = {"name": "rtx9090", "gpu": "NVIDIA GeForce RTX 9090", "torch": "3", "cudnn": 1, "total_bytes": 64 * GIB}
    sizes = dict.fromkeys(("context_bytes", "libraries_bytes", "matmul_libraries_bytes", "cublas_bytes"), 512)
    folder().mkdir(parents=True)
    (folder() / "mine.json").write_text(json.dumps({**told, **sizes, "multiprocessors": 200}), encoding="utf-8")
    assert find("NVIDIA GeForce RTX 9090").usable_bytes == 64 * GIB


def test_what_is_no_calibration_changes_nothing() -> None:
    gpu = Gpu("x", 5)
    assert from_calibration(gpu, {"name": "x", "total_bytes": "many"}) is gpu
