"""Training steps on a CUDA device, each allocation recorded: what the memory planner is tested against.

    python3 benchmarks/record_cuda.py FILE.json.gz [--only WORD]

Needs torch and torchvision with CUDA, nothing of imgstage. Each case runs in a process of its own: so its allocator,
its context and its workspaces are fresh. Recorded are all events of the caching allocator in order (allocation, free,
segment), the peaks that it reports, and what the driver says the process holds.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS = 3
ACTIONS = (
    "alloc",
    "free_requested",
    "free_completed",
    "segment_alloc",
    "segment_free",
    "segment_map",
    "segment_unmap",
    "oom",
)
"""What the allocator says; events are stored by their place here."""


class Case(NamedTuple):
    """One training step.

    Attributes:
        model: a name that `build` knows.
        size: (height, width) in pixels.
        batch: images a step.
        amp: "none", "bf16" or "fp16".
        optimizer: "sgd", "adam" or "adamw".
        extras: any of "channels_last", "checkpoint", "benchmark", "expandable".
    """

    model: str
    size: tuple[int, int]
    batch: int
    amp: str = "none"
    optimizer: str = "adam"
    extras: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How it is called."""
        size = f"{self.size[0]}x{self.size[1]}"
        return " ".join((self.model, size, f"b{self.batch}", self.amp, self.optimizer, *self.extras))


def cases() -> Iterator[Case]:
    """Networks of several families, in three precisions, with three optimizers."""
    square = (224, 224)
    yield Case("empty", square, 1)
    for amp in ("none", "bf16", "fp16"):
        yield Case("unet64", (320, 480), 4, amp)
        yield Case("unet32", (640, 960), 2, amp, "adamw")
    for optimizer in ("sgd", "adam", "adamw"):
        yield Case("resnet50", square, 16, "none", optimizer)
    for model in (
        "resnet18",
        "convnext_tiny",
        "efficientnet_b0",
        "vit_b_16",
        "swin_t",
        "densenet121",
        "mobilenet_v3_large",
    ):
        yield Case(model, square, 16)
        yield Case(model, square, 24, "bf16", "adamw")
    yield Case("fcn_resnet50", (320, 480), 4)
    yield Case("fcn_resnet50", (320, 480), 4, "bf16", "sgd")
    yield Case("unet64", (320, 480), 4, "bf16", "adam", ("channels_last",))
    yield Case("unet64", (320, 480), 4, "none", "adam", ("checkpoint",))
    yield Case("unet64", (320, 480), 4, "none", "adam", ("benchmark",))
    yield Case("unet64", (320, 480), 4, "none", "adam", ("expandable",))
    yield Case("resnet50", square, 16, "bf16", "adam", ("channels_last",))
    yield Case("convnext_tiny", square, 16, "none", "adam", ("expandable",))
    yield Case("unet64", (960, 640), 8, "bf16")
    yield Case("unet64", (1920, 1280), 1)


def build(name: str, *, checkpoint: bool) -> Any:
    """The network, and what its loss is taken of."""
    import torchvision
    from torch import cat, nn
    from torch.utils.checkpoint import checkpoint as again

    def block(before: int, after: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for number in (before, after):
            layers += [nn.Conv2d(number, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers)

    class UNet(nn.Module):  # type: ignore[misc]
        def __init__(self, base: int, depth: int = 4) -> None:
            super().__init__()
            width = [base * 2**level for level in range(depth + 1)]
            pairs = list(pairwise(width))
            self.first = block(3, base)
            self.down = nn.ModuleList(block(few, many) for few, many in pairs)
            self.up = nn.ModuleList(nn.ConvTranspose2d(many, few, 2, 2) for few, many in reversed(pairs))
            self.join = nn.ModuleList(block(many, few) for few, many in reversed(pairs))
            self.last = nn.Conv2d(base, 3, 1)

        def forward(self, x: Any) -> Any:
            def run(part: Any, given: Any) -> Any:
                return again(part, given, use_reentrant=False) if checkpoint else part(given)

            kept = [run(self.first, x)]
            for down in self.down:
                kept.append(run(down, nn.functional.max_pool2d(kept[-1], 2)))
            y = kept.pop()
            for up, join in zip(self.up, self.join, strict=True):
                y = run(join, cat([kept.pop(), up(y)], 1))
            return self.last(y)

    if name.startswith("unet"):
        return UNet(int(name[4:]))
    if name.startswith("fcn"):
        return torchvision.models.segmentation.fcn_resnet50(weights=None, weights_backbone=None, num_classes=21)
    return getattr(torchvision.models, name)(weights=None)


def train(case: Case) -> dict[str, Any]:
    """Run a case in this process, and tell what the allocator did."""
    import torch

    before = used_by_driver()
    torch.cuda.init()
    torch.empty(1, device="cuda")
    torch.cuda.synchronize()
    context = used_by_driver() - before
    torch.cuda.memory.reset_peak_memory_stats()
    torch.cuda.empty_cache()
    torch.backends.cudnn.benchmark = "benchmark" in case.extras
    torch.cuda.memory._record_memory_history(context=None, max_entries=2_000_000)  # noqa: SLF001 - no other way
    peaks: list[list[int]] = []
    if case.model != "empty":
        peaks = list(steps(case))
    torch.cuda.synchronize()
    snapshot = torch.cuda.memory._snapshot()  # noqa: SLF001
    events = [
        (ACTIONS.index(e["action"]), e["addr"], e["size"], e["stream"])
        for e in snapshot["device_traces"][0]
        if e["action"] in ACTIONS
    ]
    places = {address: number for number, address in enumerate(dict.fromkeys(e[1] for e in events))}
    streams = list(dict.fromkeys(e[3] for e in events))
    return {
        **case._asdict(),
        "context_bytes": context,
        "driver_bytes": used_by_driver() - before,
        "step_peaks": peaks,
        "peak_allocated_bytes": torch.cuda.max_memory_allocated(),
        "peak_reserved_bytes": torch.cuda.max_memory_reserved(),
        "actions": [e[0] for e in events],
        "addresses": [e[1] for e in events] if "expandable" in case.extras else [places[e[1]] for e in events],
        "sizes": [e[2] for e in events],
        "streams": [streams.index(e[3]) for e in events] if len(streams) > 1 else [],
        "libraries": {"torch": torch.__version__, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()},
        "device": torch.cuda.get_device_name(),
        "total_bytes": torch.cuda.get_device_properties(0).total_memory,
    }


def steps(case: Case) -> Iterator[list[int]]:
    """Train, and yield the peaks of each step: bytes allocated and reserved."""
    import torch
    from torch.nn import functional

    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(case.amp)
    layout = torch.channels_last if "channels_last" in case.extras else torch.contiguous_format
    torch.manual_seed(0)
    model = build(case.model, checkpoint="checkpoint" in case.extras).train().to("cuda").to(memory_format=layout)
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    options = {"momentum": 0.9} if case.optimizer == "sgd" else {}
    optimizer = kinds[case.optimizer](model.parameters(), lr=1e-4, **options)
    scaler = torch.amp.GradScaler("cuda", enabled=case.amp == "fp16")
    for _ in range(STEPS):
        torch.cuda.reset_peak_memory_stats()
        optimizer.zero_grad()
        images = torch.empty((case.batch, 3, *case.size), device="cuda", memory_format=layout)
        with torch.autocast("cuda", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            answer = model(images)
            answer = answer["out"] if isinstance(answer, dict) else answer
            if answer.shape[1] == 3:
                loss = functional.l1_loss(answer, torch.empty_like(answer, dtype=torch.float32))
            else:
                shape = (case.batch, *answer.shape[2:])
                loss = functional.cross_entropy(answer, torch.zeros(shape, dtype=torch.int64, device="cuda"))
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        torch.cuda.synchronize()
        yield [torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()]


def used_by_driver() -> int:
    """Bytes of the device's memory that are taken, by whomever."""
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0]) << 20


def main() -> None:
    """Record all cases, or one in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--case", type=int, help="Run this one in this process.")
    given = parser.parse_args()
    everything = list(cases())
    if given.case is not None:
        given.file.write_text(json.dumps(train(everything[given.case])))
        return
    records: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        record(everything, given, Path(folder), records)
    size = given.file.stat().st_size if records else 0
    sys.stdout.write(f"{len(records)} of {len(everything)} cases, {size >> 10} KiB\n")


def record(everything: list[Case], given: argparse.Namespace, folder: Path, records: list[dict[str, Any]]) -> None:
    """Run the cases that are wanted, and write the file anew after each."""
    for number, case in enumerate(everything):
        if given.only in case.name:
            start = time.perf_counter()
            part = folder / "part.json"
            settings = {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"} if "expandable" in case.extras else {}
            command = [sys.executable, __file__, str(part), "--case", str(number)]
            done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
            told = f"{case.name}: {time.perf_counter() - start:.1f} s"
            if done.returncode:
                sys.stdout.write(f"{told}, failed: {done.stderr[-500:]}\n")
                continue
            records.append(json.loads(part.read_text()))
            part.unlink()
            last = records[-1]
            peaks = [last["peak_allocated_bytes"] >> 20, last["peak_reserved_bytes"] >> 20, last["driver_bytes"] >> 20]
            sys.stdout.write(f"{told}, {len(last['actions'])} events, MiB allocated, reserved, driver: {peaks}\n")
            sys.stdout.flush()
            given.file.write_bytes(gzip.compress(json.dumps(records, separators=(",", ":")).encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
