"""How right the memory planner is, and how fast: beside real tensors, PyTorch's profiler, and an H200's recordings.

    python -m benchmarks.memory

1. The same training step (Adam, two steps) traced on tensors without values and on real ones: allocations, and bytes at
   the peak. Beside them the peak by torch.profiler's memory events, which also sees what the CPU's kernels take inside.
2. The allocations that an H200 made, run through the simulated allocator: reserved bytes at the peak.
3. The same steps planned without looking: allocated and reserved bytes at the peak. torchinfo's estimate beside them,
   where it is installed (its input, parameters, and forward and backward).
4. Seconds: a first estimate in a new process, and one of another batch.
"""

from __future__ import annotations

import statistics
import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.common import print_table, run, versions
from benchmarks.record_cuda import build as build_recorded
from benchmarks.recordings import load, name_of, peaks_of, plan, simulate
from imgstage.memory import Training
from imgstage.memory.events import living
from imgstage.memory.planner import Planner
from imgstage.memory.trace import Recorder, record, trace_training
from imgstage.networks import build

if TYPE_CHECKING:
    from torch import nn

    from imgstage.memory.events import Trace

_MIB = 1 << 20

NETWORKS = (
    *("unet:8", "torchvision:resnet18", "torchvision:densenet121", "torchvision:mobilenet_v3_small"),
    *("torchvision:swin_t", "torchvision:vgg11_bn", "timm:convnext_atto", "timm:efficientnet_b0"),
    *("timm:vit_tiny_patch16_224", "timm:swin_tiny_patch4_window7_224", "timm:regnety_002", "timm:mixer_s32_224"),
)


def real(model: nn.Module, how: Training) -> tuple[Trace, int]:
    """The step on real tensors: the trace, and the peak that PyTorch's profiler saw, in bytes."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        trace = record(model.train(), how, 2, Recorder(workspaces=False))
    now = peak = 0
    for event in sorted(seen.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    return trace, peak


def beside_real() -> list[tuple[str, ...]]:
    """Rows: tensors without values beside real ones, and beside the profiler."""
    rows: list[tuple[str, ...]] = []
    for name in NETWORKS:
        how = Training((224, 224), 2, loss="l1" if name.startswith("unet") else "ce")
        fake = trace_training(build(name, with_values=False), how, workspaces=False)
        trace, profiled = real(build(name), how)
        peaks = [max(now for _, now in living(of)) for of in (fake, trace)]
        weights = sum(
            fake.sizes[number] for number in fake.order[: fake.steps[0].begin]
        )  # were there before the profiler
        off = peaks[0] - peaks[1]
        same = "yes" if fake.order == trace.order and fake.sizes == trace.sizes else "no"
        ratio = peaks[0] / (profiled + weights) - 1
        rows.append((name, f"{len(fake.sizes):,}", same, f"{peaks[0] / _MIB:.1f}", f"{off:,}", f"{ratio:+.2%}"))
    return rows


def torchinfo_bytes(case: dict[str, Any]) -> int | None:
    """What torchinfo says of a case."""
    if find_spec("torchinfo") is None:
        return None
    from torchinfo import summary

    model = build_recorded(case["model"], checkpoint=False)
    told = summary(model, (case["batch"], 3, *case["size"]), verbose=0, device="cpu")
    return int(told.total_input + told.total_output_bytes + told.total_param_bytes)


def beside_recordings() -> tuple[list[tuple[str, ...]], str]:
    """Rows: recorded and planned; and the means."""
    rows: list[tuple[str, ...]] = []
    errors: dict[str, list[tuple[float, ...]]] = {"U-Nets": [], "other networks": []}
    peers: list[float] = []
    exact = 0
    records = load()
    for case in records:
        peaks = simulate(case)
        exact += peaks.recorded == peaks.simulated
        most, reserved = peaks_of(case)
        if "benchmark" in case["extras"]:
            continue  # what it tries beforehand, nothing foretells
        told = plan(case)
        off = (told.allocated_bytes.mid / most - 1, told.reserved_bytes.mid / reserved - 1)
        kind = "U-Nets" if case["model"].startswith("unet") else "other networks"
        errors[kind].append((*off, told.allocated_bytes.low / most - 1, told.reserved_bytes.low / reserved - 1))
        row = [name_of(case), f"{most / _MIB:,.0f}", f"{off[0]:+.1%}", f"{reserved / _MIB:,.0f}", f"{off[1]:+.1%}"]
        row += [f"{case['driver_bytes'] / _MIB:,.0f}", f"{told.process_bytes.mid / case['driver_bytes'] - 1:+.1%}"]
        if case["amp"] == "none" and (peer := torchinfo_bytes(case)):
            peers.append(abs(peer / most - 1))
        rows.append(tuple(row))
    said = [f"Simulated from the recorded allocations, the peak is exact in {exact} of {len(records)} cases."]
    for kind, of in {**errors, "all": [*errors["U-Nets"], *errors["other networks"]]}.items():
        allocated, kept, low, bare = (statistics.mean(map(abs, column)) for column in zip(*of, strict=True))
        said.append(
            f"Mean absolute error, {len(of)} cases, {kind}: allocated {allocated:.2%}, reserved {kept:.2%}; of"
            f" tensors alone {low:.1%} and {bare:.1%}."
        )
    if peers:
        said.append(f"torchinfo, of what is allocated, {len(peers)} cases of float32: {statistics.mean(peers):.0%}.")
    return rows, "\n".join(said)


def seconds() -> str:
    """How long estimates take."""
    estimate = "from imgstage.memory import estimate; estimate({!r}, {}, {}, gpu='rtx4090')"
    told = []
    for name, size, batch in (("unet", (1920, 1280), 8), ("torchvision:densenet121", (224, 224), 16)):
        command = [sys.executable, "-c", estimate.format(name, size, batch)]
        told.append(f"{name} {statistics.median(run(command).wall_s for _ in range(3)):.1f} s")
    planner = Planner("torchvision:densenet121", Training((224, 224), 16, loss="ce"), "rtx4090")
    planner.at(4)
    times = []
    for batch in range(5, 12):
        start = time.perf_counter()
        planner.at(batch)
        times.append(time.perf_counter() - start)
    return f"A first estimate: {', '.join(told)}; of another batch (densenet121): {statistics.median(times):.3f} s."


def main() -> None:
    """Print all of it."""
    torch.set_num_threads(2)
    head = ("2 steps of Adam, 224x224, batch 2", "allocations", "all the same", "peak, MiB", "off, bytes", "profiler")
    print_table(head, beside_real())
    rows, said = beside_recordings()
    header = ("recorded on an H200", "allocated, MiB", "planned", "reserved, MiB", "planned", "process, MiB", "planned")
    sys.stdout.write("\n")
    print_table(header, rows)
    peers = ("torchinfo",) if find_spec("torchinfo") else ()
    sys.stdout.write(f"\n{said}\n{seconds()}\n{versions('torch', 'torchvision', 'timm', *peers)}.\n")


if __name__ == "__main__":
    main()
