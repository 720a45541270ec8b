"""Recorded training steps (benchmarks/recorded): their allocations run through the simulation, and planned anew."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.record_cuda import ACTIONS, build
from imgstage.memory import MemoryPlan, Training
from imgstage.memory.allocator import Allocator, OutOfMemoryError
from imgstage.memory.gpus import find
from imgstage.memory.plan import make_plan

if TYPE_CHECKING:
    from imgstage.memory.events import Trace
    from imgstage.memory.gpus import Gpu

FILE = Path(__file__).parent / "recorded" / "h200-torch-2.11.json.gz"
_ALLOC, _FREED, _OPENED, _CLOSED, _MAPPED, _UNMAPPED = (
    ACTIONS.index(action)
    for action in ("alloc", "free_completed", "segment_alloc", "segment_free", "segment_map", "segment_unmap")
)


class Peaks(NamedTuple):
    """The most bytes reserved, as recorded and as simulated from the same allocations."""

    recorded: int
    simulated: int


def load() -> list[dict[str, Any]]:
    """All recorded steps but the empty one."""
    records: list[dict[str, Any]] = json.loads(gzip.decompress(FILE.read_bytes()))
    return [record for record in records if record["actions"]]


def name_of(record: dict[str, Any]) -> str:
    """How a case is called."""
    height, width = record["size"]
    words = (record["model"], f"{height}x{width}", f"b{record['batch']}", record["amp"], record["optimizer"])
    return " ".join((*words, *record["extras"]))


def simulate(record: dict[str, Any], limit: int | None = None) -> Peaks:
    """Run the recorded allocations through the simulated allocator."""
    allocator = Allocator(limit, expandable="expandable" in record["extras"])
    live: dict[int, int] = {}
    truth = most = number = 0
    emptied = False
    for action, address, size in zip(record["actions"], record["addresses"], record["sizes"], strict=True):
        truth += {_OPENED: size, _MAPPED: size, _CLOSED: -size, _UNMAPPED: -size}.get(action, 0)
        most = max(most, truth)
        if action == _CLOSED and not emptied:  # cuDNN's benchmark has the cache emptied
            allocator.release_cached()
        emptied = action == _CLOSED
        if action == _ALLOC and size:
            live[address] = number
            allocator.allocate(number, size)
            number += 1
        elif action == _FREED and address in live:
            allocator.free(live.pop(address))
    return Peaks(most, allocator.peak_reserved)


def runs(record: dict[str, Any], limit: int) -> bool:
    """Whether the recorded allocations go through the simulated allocator when it may reserve so many bytes."""
    try:
        simulate(record, limit)
    except OutOfMemoryError:
        return False
    return True


def plan(record: dict[str, Any], gpu: Gpu | None = None) -> MemoryPlan:
    """Plan a recorded step, without looking at what was recorded of it."""
    how = training_of(record)
    if name_of(record) not in _traced:
        from imgstage.memory.trace import trace_training

        model = build(record["model"], checkpoint="checkpoint" in record["extras"])
        _traced[name_of(record)] = trace_training(model, how)
    gpu = gpu or find("h200")
    return make_plan(record["model"], 0, _traced[name_of(record)], how, gpu, gpu)


_traced: dict[str, Trace] = {}


def training_of(record: dict[str, Any]) -> Training:
    """How a recorded model was trained."""
    return Training(
        (record["size"][0], record["size"][1]),
        record["batch"],
        amp=record["amp"],
        optimizer=record["optimizer"],
        loss="l1" if record["model"].startswith("unet") else "ce",
        channels_last="channels_last" in record["extras"],
        expandable="expandable" in record["extras"],
    )


def peaks_of(record: dict[str, Any]) -> tuple[int, int]:
    """The most bytes that were allocated and reserved."""
    allocated, reserved = (max(of) for of in zip(*record["step_peaks"], strict=True))
    return allocated, reserved
