"""From what was recorded on a GPU to what is known of such GPUs, kept for later, and compared with what is told."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from ..errors import RefusedError
from ..root import show
from .allocator import rounded
from .gpus import Gpu, folder, from_calibration, known_as
from .plan import make_plan
from .planner import need_torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ..parallel import Progress
    from .plan import Training

ACTIONS = (
    *("alloc", "free_requested", "free_completed", "segment_alloc", "segment_free", "segment_map", "segment_unmap"),
    "oom",
)
"""What PyTorch's allocator says it does; recorded events are stored by their place here."""

_ALLOC, _FREED = ACTIONS.index("alloc"), ACTIONS.index("free_completed")


def summarise(name: str, multiprocessors: int, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is constant: the context, the libraries beside it, the workspaces of products of matrices.

    Args:
        name: of the GPU, as `gpus.find` knows it.
        multiprocessors: streaming multiprocessors.
        records: of training steps, as `imgstage.memory.recording` writes them; some with products of matrices.

    Returns:
        What `gpus.from_calibration` reads.
    """
    outside: dict[bool, list[int]] = {False: [], True: []}
    workspaces: list[int] = []
    for record in records:
        if not record["step_peaks"]:
            continue
        left = _left(record)
        workspaces += left
        reserved = max(peak for _, peak in record["step_peaks"])
        outside[bool(left)].append(record["driver_bytes"] - record["context_bytes"] - reserved)
    libraries = int(median(outside[False] or outside[True]))
    told = records[0]["libraries"]
    return {
        "name": name,
        "gpu": records[0]["device"],
        "multiprocessors": multiprocessors,
        "total_bytes": records[0]["total_bytes"],
        "torch": told["torch"],
        "cuda": told["cuda"],
        "cudnn": told["cudnn"],
        "context_bytes": int(median(record["context_bytes"] for record in records)),
        "libraries_bytes": libraries,
        "matmul_libraries_bytes": int(median(outside[True])) - libraries if outside[True] else 0,
        "cublas_bytes": max(workspaces, default=0),
        "cases": len(records),
    }


def _left(record: dict[str, Any]) -> list[int]:
    """Bytes of what is never given back: the workspaces that cuBLAS keeps."""
    live: dict[int, int] = {}
    for action, address, size in zip(record["actions"], record["addresses"], record["sizes"], strict=True):
        if action == _ALLOC:
            live[address] = rounded(size)
        elif action == _FREED:
            live.pop(address, None)
    return list(live.values())


Record = tuple[str, "Training", dict[str, Any]]


@dataclass(frozen=True)
class Calibration:
    """What was measured.

    Attributes:
        told: the constants, as they are kept.
        compared: what, and its bytes as predicted with them and as measured.
        path: where it is kept.
    """

    told: dict[str, Any]
    compared: tuple[tuple[str, int, int], ...]
    path: Path

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints; bytes."""
        rows = [{"what": what, "predicted": predicted, "measured": of} for what, predicted, of in self.compared]
        return {**asdict(self), "compared": rows, "path": str(self.path)}


def calibrate(progress: Progress, records: Iterable[Record] | None = None) -> Calibration:
    """Measure this machine's GPU, and keep what was found.

    Args:
        progress: is told of each case.
        records: what was recorded; None records now.

    Raises:
        RefusedError: there is no CUDA GPU here, or the result cannot be kept.
    """
    need_torch()
    from .recording import record_all

    found: list[Record] = []
    progress.start("training on the GPU", 0)
    try:
        for record in record_all() if records is None else records:
            found.append(record)
            progress.advance()
    finally:
        progress.finish()
    raw = [record for _, _, record in found]
    told = summarise(known_as(raw[0]["device"]), raw[0]["multiprocessors"], raw)
    path = folder() / (re.sub(r"[^A-Za-z0-9.]+", "-", f"{told['name']}-torch-{told['torch']}") + ".json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        problem = f"{show(str(path))} cannot be written ({error.strerror})"
        raise RefusedError(problem, "Set XDG_DATA_HOME to a folder that can be") from error
    return Calibration(told, tuple(_compare(found, told)), path)


def _compare(found: Iterable[Record], told: dict[str, Any]) -> Iterator[tuple[str, int, int]]:
    from ..networks import build
    from .trace import trace_training

    gpu = from_calibration(Gpu(told["name"], told["total_bytes"], told["multiprocessors"]), told)
    for name, training, record in found:
        trace = trace_training(build(name, channels=training.channels, with_values=False), training)
        plan = make_plan(name, 0, trace, training, gpu, gpu)
        title = f"{name} {training.size[0]}x{training.size[1]} batch {training.batch} {training.amp}"
        yield f"{title}: allocated", plan.allocated_bytes.mid, max(peak for peak, _ in record["step_peaks"])
        yield f"{title}: reserved", plan.reserved_bytes.mid, max(peak for _, peak in record["step_peaks"])
        yield f"{title}: process", plan.process_bytes.mid, record["driver_bytes"]
