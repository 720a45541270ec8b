"""Training steps on a CUDA GPU, each allocation recorded: one in this process, or several, each in its own.

No GPU was at hand when this was written: of all imgstage, it alone has never run. What it records has the form of
`benchmarks/recorded`, by which all that reads it is tested.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import torch

from ..errors import RefusedError
from ..networks import build
from .calibration import ACTIONS
from .loop import prepare, train
from .plan import Training

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = (
    ("unet:32", Training((320, 480), 2)),
    ("unet:32", Training((320, 480), 4, amp="bf16")),
    ("unet:64", Training((320, 480), 2, optimizer="adamw")),
    ("unet:64", Training((320, 480), 2, amp="bf16", channels_last=True)),
    ("torchvision:resnet18", Training((224, 224), 16, loss="ce")),
    ("torchvision:convnext_tiny", Training((224, 224), 8, amp="bf16", loss="ce")),
)
"""What a calibration trains: with products of matrices and without."""

_STEPS = 3


def record_all() -> Iterator[tuple[str, Training, dict[str, Any]]]:
    """Record each case in a process of its own, whose context and workspaces are fresh.

    Raises:
        RefusedError: there is no CUDA GPU here, or a case failed.
    """
    if not torch.cuda.is_available():
        problem = "There is no CUDA GPU here to calibrate on"
        raise RefusedError(problem, "Run it on the machine that has the GPU, and copy the file it names")
    for number, (name, training) in enumerate(CASES):
        command = [sys.executable, "-m", "imgstage.memory.recording", str(number)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            problem = f"{name} could not be trained here: {why.rstrip('.')}"
            raise RefusedError(problem, "See that no other process uses the GPU, then run it again")
        yield name, training, json.loads(done.stdout)


def record(name: str, training: Training) -> dict[str, Any]:
    """Train a few steps in this process, and tell what the allocator did."""
    before = _used()
    torch.empty(1, device="cuda")
    torch.cuda.synchronize()
    context = _used() - before
    torch.cuda.empty_cache()
    torch.cuda.memory._record_memory_history(context=None, max_entries=2_000_000)  # noqa: SLF001 - no other way
    peaks = _train(name, training)
    gc.collect()  # what is not given back now is what cuBLAS keeps
    events = [e for e in torch.cuda.memory._snapshot()["device_traces"][0] if e["action"] in ACTIONS]  # noqa: SLF001
    properties = torch.cuda.get_device_properties(0)
    return {
        "context_bytes": context,
        "driver_bytes": _used() - before,
        "step_peaks": peaks,
        "actions": [ACTIONS.index(e["action"]) for e in events],
        "addresses": [e["addr"] for e in events],
        "sizes": [e["size"] for e in events],
        "libraries": {
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        },
        "device": properties.name,
        "multiprocessors": properties.multi_processor_count,
        "total_bytes": properties.total_memory,
    }


def _train(name: str, training: Training) -> list[list[int]]:
    """The peaks, in bytes, of what is allocated and reserved in each step. The model ends with it."""
    model = build(name, channels=training.channels).train().to("cuda")
    prepare(model, training)
    peaks: list[list[int]] = []
    for _ in train(model, training, _STEPS, device="cuda"):
        torch.cuda.synchronize()
        peaks.append([torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()])
        torch.cuda.reset_peak_memory_stats()
    return peaks


def _used() -> int:
    """Bytes of the device's memory that are taken, by whomever."""
    gpu = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
    command = ["nvidia-smi", "-i", gpu, "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    told = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - no input of anybody's
    return int(told.stdout.split()[0]) << 20


if __name__ == "__main__":
    sys.stdout.write(json.dumps(record(*CASES[int(sys.argv[1])])))
