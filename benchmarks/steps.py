"""What a loader costs the training that it feeds: steps, memory, and the time until they begin.

    python -m benchmarks.steps [--repeats 5]

Photographs of scikit-image are written. A small convolutional network is trained on the CPU, a fixed number of steps,
each way in a process of its own, interleaved, medians: beside a mock loader that hands over one batch for ever, and
beside threads of the trainer's process that decode, instead of processes. "One core each" pins the trainer to one core
and whatever decodes to the other.

Memory is proportional set size (shared pages are counted once), of the trainer and its workers together, between
batches, less what the same process has when it has imported torch, torchvision and imgstage; of batches of 32 at
640x960, over 20 epochs. The first batch is of 100,000 names.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common import family, in_a_new_process, print_table, versions
from benchmarks.loader import Job, write_photos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_STEPS = 32
_BATCH = 32
_SMALL = Job((375, 500), 512, (224, 224))
_LARGE = Job((1280, 1920), 128, (640, 960))
_NAMES = 100_000


def _dataset(root: Path, job: Job, *, cache: bool = False) -> Any:
    from imgstage.training import ImageDataset

    return ImageDataset(root, "train", job.wished, cache=cache)


def mock(root: Path, _workers: int) -> Iterator[Any]:
    """One batch for ever."""
    import torch

    return repeat(torch.stack([_dataset(root, _SMALL)[number][0] for number in range(_BATCH)]))


def processes(root: Path, workers: int, *, cache: bool = False) -> Iterator[Any]:
    """imgstage's `Loader`."""
    from imgstage.training import Loader

    loader = Loader(_dataset(root, _SMALL, cache=cache), _BATCH, drop_last=True, num_workers=None if cache else workers)
    while True:
        for images, _ in loader:
            yield images


def cached(root: Path, workers: int) -> Iterator[Any]:
    """The same, of images that are ready made."""
    return processes(root, workers, cache=True)


def threads(root: Path, workers: int) -> Iterator[Any]:
    """The same dataset, decoded by threads of this process."""
    import torch

    dataset = _dataset(root, _SMALL)
    core = {max(os.sched_getaffinity(0))} if workers == 1 else os.sched_getaffinity(0)
    with ThreadPoolExecutor(workers, initializer=lambda: os.sched_setaffinity(0, core)) as pool:
        waiting: deque[Any] = deque()
        at = 0
        while True:
            while len(waiting) < 3 * _BATCH:
                waiting.append(pool.submit(dataset.load, at % len(dataset)))
                at += 1
            yield torch.stack([waiting.popleft().result()[0] for _ in range(_BATCH)])


FEEDS: dict[str, Callable[[Path, int], Iterator[Any]]] = {
    "mock, one batch": mock,
    "imgstage": processes,
    "imgstage, cached": cached,
    "threads of the trainer": threads,
}


def steps_a_second(feed: str, root: Path, *, apart: bool) -> float:
    """Train; apart: one core for the trainer, one for what decodes."""
    multiprocessing.set_start_method("fork", force=True)
    import torch
    from torch import nn

    from imgstage.training import to_device

    cores = sorted(os.sched_getaffinity(0))
    torch.set_num_threads(1 if apart else len(cores))
    layers = [nn.Conv2d(3, 32, 5, 3), nn.ReLU(), nn.Conv2d(32, 64, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    if apart:
        os.sched_setaffinity(0, cores[-1:])  # workers, which are started by the first batch, inherit it
    batches = FEEDS[feed](root, 1 if apart else len(cores))
    next(batches)
    if apart:
        os.sched_setaffinity(0, cores[:1])
    start = 0.0
    for number, images in enumerate(batches):
        if number == _STEPS // 4:
            start = time.perf_counter()
        if number == _STEPS + _STEPS // 4:
            break
        loss = network(to_device(images, "cpu")).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return _STEPS / (time.perf_counter() - start)


def resident(processes: set[int]) -> int:
    """Proportional set size, bytes."""
    total = 0
    for process in processes:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def memory(root: Path, epochs: int) -> list[float]:
    """The peak of each epoch, in units of 1,000,000 bytes."""
    multiprocessing.set_start_method("fork", force=True)
    import torch
    import torchvision  # noqa: F401

    from imgstage.training import Loader

    torch.set_num_threads(1)
    before = resident(family())
    loader = Loader(_dataset(root, _LARGE), _BATCH, num_workers=2)
    return [max((resident(family()) - before) / 1e6 for _ in loader) for _ in range(epochs)]


def first_batch(root: Path, folder_of_classes: bool) -> tuple[float, float]:
    """Seconds from nothing but imports to the first batch of many names: imgstage, ImageFolder."""
    multiprocessing.set_start_method("fork", force=True)
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    from imgstage.training import ImageDataset, Loader

    start = time.perf_counter()
    next(iter(Loader(ImageDataset(root, "train", (48, 64)), _BATCH, num_workers=2)))
    ours = time.perf_counter() - start
    if not folder_of_classes:
        return ours, 0.0
    start = time.perf_counter()
    change = v2.Compose([v2.Resize((48, 64)), v2.ToImage()])
    next(iter(DataLoader(ImageFolder(str(root / "train"), change), _BATCH, shuffle=True, num_workers=2)))
    return ours, time.perf_counter() - start


def write_names(folder: Path, *, pairs: bool) -> None:
    """Many small files, links to one."""
    write_photos(folder / "one", Job((48, 64), 1, (48, 64)))
    source = next((folder / "one").rglob("*.jpg"))
    for number in range(_NAMES):
        name = f"{number // 2}_{('before', 'after')[number % 2]}" if pairs else f"class{number % 10}/{number}"
        place = folder / "train" / f"{name}.jpg"
        if number < 10:
            place.parent.mkdir(parents=True, exist_ok=True)
        if number % 50_000 == 0:
            linked = folder / "one" / f"{number}.jpg"  # a file has 65,000 names at most
            linked.write_bytes(source.read_bytes())
        os.link(linked, place)


def resume_ms() -> float:
    """Milliseconds from a state to the first samples of the next batch, in the middle of a million."""
    from imgstage.training import Loader

    loader = Loader(range(1_000_000), _BATCH, num_workers=0)  # type: ignore[arg-type]
    start = time.perf_counter()
    loader.load_state_dict({"seed": 5, "epoch": 3, "cursor": 499_968, "samples": 1_000_000})
    next(iter(loader))
    return 1000 * (time.perf_counter() - start)


def print_steps(root: Path, repeats: int) -> None:
    """The table of training steps."""
    rows = []
    for apart in (True, False):
        found: dict[str, list[float]] = {feed: [] for feed in FEEDS}
        for _ in range(repeats):
            for feed in FEEDS:
                found[feed].append(in_a_new_process(steps_a_second, feed, root, apart=apart))
        for feed, rates in found.items():
            against = statistics.median(rates) / statistics.median(found["mock, one batch"])
            where = "one core each" if apart else "both on both cores"
            rows.append([where, feed, f"{statistics.median(rates):.2f}", f"{100 * against:.1f} %"])
    print_table(["where", "fed by", "steps/s", "of the mock's"], rows)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_photos(Path(folder), _SMALL)
        print_steps(Path(folder), given.repeats)
    with tempfile.TemporaryDirectory() as folder:
        write_photos(Path(folder), _LARGE)
        peaks = in_a_new_process(memory, Path(folder), 20)
    sys.stdout.write(
        f"\nMemory of the loader: {max(peaks):.0f} MB at most between batches;"
        f" {statistics.median(peaks[1:6]):.0f} MB in"
        f" epochs 2 to 6, {statistics.median(peaks[15:]):.0f} MB in epochs 16 to 20.\n"
        f"Going on in the middle of a million samples: {in_a_new_process(resume_ms):.1f} ms.\n"
    )
    for pairs in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            write_names(Path(folder), pairs=pairs)
            time.sleep(2.5)  # a folder that was changed just now is not remembered
            first, *later = [in_a_new_process(first_batch, Path(folder), not pairs) for _ in range(1 + given.repeats)]
        again, theirs = map(statistics.median, zip(*later, strict=True))
        beside = "" if pairs else f" (ImageFolder {theirs:.2f} s)"
        what = "50,000 pairs" if pairs else "100,000 images in class folders"
        sys.stdout.write(f"First batch of {what}: {first[0]:.2f} s, later {again:.2f} s{beside}.\n")
    sys.stdout.write(versions("torch", "torchvision", "imgstage") + "\n")


if __name__ == "__main__":
    main()
