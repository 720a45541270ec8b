"""From JPEGs to batches: `imgstage.training` beside torchvision's `ImageFolder`, which people are told to use.

    python -m benchmarks.loader [--repeats 3]

Photographs of scikit-image are written. All ways read the same files from a warm page cache, with two workers that
persist; each in a process of its own, interleaved, medians of the last of three epochs: CPU milliseconds an image
(workers included), images a second, and seconds to the first batch. ImageFolder is tuned: its workers persist, and one
row has it with a single one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image
from skimage import data

from benchmarks.common import in_a_new_process, print_table, versions
from imgstage.images import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_BATCH = 32
_EPOCHS = 3


class Job(NamedTuple):
    """What the images are, and what they shall become.

    Attributes:
        stored: (height, width) in pixels of the files that are written.
        files: how many of these.
        wished: (height, width) in pixels in a batch.
        crop: by a random crop of another scale each time, as classifiers do, and not by resizing.
    """

    stored: tuple[int, int]
    files: int
    wished: tuple[int, int]
    crop: bool = False


JOBS = {
    "1280x1920 -> 640x960": Job((1280, 1920), 64, (640, 960)),
    "375x500 -> RandomResizedCrop 224": Job((375, 500), 512, (224, 224), crop=True),
}


class Figures(NamedTuple):
    """What one way took."""

    cpu_ms: float
    a_second: float
    first_s: float


def write_photos(folder: Path, job: Job) -> None:
    """Photographs in class folders, with the grain of a sensor so that they compress like camera images."""
    sources = [getattr(data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")]
    rng = np.random.default_rng(0)
    height, width = job.stored
    for number in range(job.files):
        photo = Image.fromarray(sources[number % 4]).resize((width, height), Image.Resampling.LANCZOS)
        pixels = np.clip(np.asarray(photo) + rng.normal(0, 6, (height, width, 1)), 0, 255).astype(np.uint8)
        place = folder / "train" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:04d}.jpg").write_bytes(encode(pixels, "JPEG", quality=92))


def image_folder(root: Path, job: Job, workers: int, *, on_tensors: bool) -> Iterable[Any]:
    """torchvision's way: Pillow, and transforms on its images or on tensors."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    change = v2.RandomResizedCrop(job.wished, antialias=True) if job.crop else v2.Resize(job.wished, antialias=True)
    to_tensor = [v2.ToImage()]
    float_again = [v2.ToDtype(torch.float32, scale=True)]
    steps = [*to_tensor, change, *float_again] if on_tensors else [change, *to_tensor, *float_again]
    dataset = ImageFolder(str(root / "train"), v2.Compose(steps))
    loader = DataLoader(dataset, _BATCH, shuffle=True, num_workers=workers, persistent_workers=True)
    return (images for _ in range(_EPOCHS) for images, _ in loader)


def ours(root: Path, job: Job, workers: int, *, floats: bool) -> Iterable[Any]:
    """imgstage's way."""
    from torchvision.transforms import v2

    from imgstage.training import ImageDataset, Loader, to_device

    change = v2.RandomResizedCrop(job.wished, antialias=True) if job.crop else None
    dataset = ImageDataset(root, "train", None if job.crop else job.wished, transform=change)
    loader = Loader(dataset, _BATCH, workers=workers)
    batches = (images for _ in range(_EPOCHS) for images, _ in loader)
    return (to_device(images, "cpu") for images in batches) if floats else batches


WAYS: dict[str, tuple[Callable[..., Iterable[Any]], int, dict[str, bool]]] = {
    "ImageFolder, 1 worker": (image_folder, 1, {"on_tensors": False}),
    "ImageFolder, 2 workers": (image_folder, 2, {"on_tensors": False}),
    "ImageFolder, v2 on tensors": (image_folder, 2, {"on_tensors": True}),
    "imgstage, uint8": (ours, 2, {"floats": False}),
    "imgstage, float32": (ours, 2, {"floats": True}),
}


def family_cpu() -> float:
    """CPU seconds of this process and all its children, those at work too."""
    parents: dict[int, tuple[int, float]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry)] = int(fields[1]), sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    family = {os.getpid()}
    while more := {one for one, (parent, _) in parents.items() if parent in family} - family:
        family |= more
    return sum(parents[one][1] for one in family)


def measure(way: str, root: Path, job: Job) -> Figures:
    """The last of some epochs."""
    import torch

    torch.set_num_threads(1)
    make, workers, options = WAYS[way]
    begin = time.perf_counter()
    first, seen, start, cpu, seconds, spent = 0.0, 0, 0.0, 0.0, 1.0, 0.0
    for images in make(root, job, workers, **options):
        first = first or time.perf_counter() - begin
        seen += len(images)
        if seen == job.files * (_EPOCHS - 1):
            start, cpu = time.perf_counter(), family_cpu()
        if seen == job.files * _EPOCHS:  # what it takes to end the workers is not counted
            seconds, spent = time.perf_counter() - start, family_cpu() - cpu
    return Figures(1000 * spent / job.files, job.files / seconds, first)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    for name, job in JOBS.items():
        figures: dict[str, list[Figures]] = {way: [] for way in WAYS}
        with tempfile.TemporaryDirectory() as folder:
            write_photos(Path(folder), job)
            for _ in range(given.repeats):
                for way in WAYS:
                    figures[way].append(in_a_new_process(measure, way, Path(folder), job))
        medians = {way: Figures(*map(statistics.median, zip(*of, strict=True))) for way, of in figures.items()}
        best = min(of.cpu_ms for way, of in medians.items() if way.startswith("ImageFolder"))
        rows = [
            [way, f"{of.cpu_ms:.2f}", f"{best / of.cpu_ms:.2f}x", f"{of.a_second:.0f}", f"{of.first_s:.2f}"]
            for way, of in medians.items()
        ]
        print_table([name, "CPU ms an image", "best ImageFolder / it", "images/s", "first batch, s"], rows)
        sys.stdout.write("\n")
    sys.stdout.write(versions("torch", "torchvision", "pillow", "simplejpeg", "imgstage") + "\n")


if __name__ == "__main__":
    main()
