"""Pure: from what was recorded on a GPU to what is known of such GPUs."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from .allocator import rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

_ALLOC, _FREED = 0, 2  # actions, as `recording.ACTIONS` numbers them


def summarise(name: str, processors: int, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is constant: the context, the libraries beside it, the workspaces of products of matrices.

    Args:
        name: of the GPU, as `gpus.find` knows it.
        processors: streaming multiprocessors.
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
        "processors": processors,
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
