"""From JPEGs to batches: `imgstage.training` beside torchvision's `ImageFolder`, which people are told to use, and
beside other loaders, as far as they are installed.

    python -m benchmarks.loader [--repeats 3] [--jobs NAME...]

Photographs of scikit-image are written. All ways read the same files from a warm page cache, with two workers (or
threads) that persist; each in a process of its own, interleaved, medians of the last of three epochs: CPU milliseconds
an image (workers included), images a second, and seconds to the first batch. ImageFolder is tuned: its workers persist,
and one row has it with a single one. Ways that only copy go through the files many times an epoch.

Peers (`pip install webdataset litdata datasets spdl nvidia-dali-cuda130`) that are not there are left out, and named.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image
from skimage import data

from benchmarks import loader_peers as peers
from benchmarks.common import cpu_s, family, in_a_new_process, print_table, versions
from imgstage.images import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_EPOCHS = 3
_PASSES = 20  # of what only copies, an epoch


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
    "1280x1920 -> 640x960": Job((1280, 1920), 128, (640, 960)),
    "375x500 -> RandomResizedCrop 224": Job((375, 500), 1024, (224, 224), crop=True),
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


def ours(root: Path, wish: peers.Wish, *, floats: bool = False, cache: bool = False) -> Iterator[Any]:
    """imgstage's way."""
    from torchvision.transforms import v2

    from imgstage.training import ImageDataset, Loader, to_device

    size, crop = wish
    change = v2.RandomResizedCrop(size, antialias=True) if crop else None
    dataset = ImageDataset(root, "train", None if crop else size, transform=change, cache=cache)
    loader = Loader(dataset, peers.BATCH, num_workers=None if cache else peers.WORKERS)
    while True:
        for images, _ in loader:
            yield to_device(images, "cpu") if floats else images


def memcpy(root: Path, wish: peers.Wish, *, fresh: bool) -> Iterator[Any]:
    """Nothing but the copy of batches that lie ready in memory."""
    count = len(list((root / "train").glob("*/*.jpg")))
    ready = np.random.default_rng(0).integers(0, 256, (count, 3, *wish[0]), np.uint8)
    batch = np.empty((peers.BATCH, *ready.shape[1:]), np.uint8)
    while True:
        for at in range(0, count, peers.BATCH):
            if fresh:
                batch = np.empty_like(batch)
            np.copyto(batch, ready[at : at + peers.BATCH])
            yield batch


WAYS: dict[str, Callable[[Path, peers.Wish], Iterator[Any]]] = {
    "ImageFolder, 1 worker": partial(peers.image_folder, workers=1),
    "ImageFolder, 2 workers": peers.image_folder,
    "ImageFolder, v2 on tensors": partial(peers.image_folder, on_tensors=True),
    "WebDataset": peers.webdataset,
    "LitData": peers.litdata,
    "HF datasets": peers.hugging_face,
    "SPDL": peers.spdl,
    "DALI, CPU": peers.dali,
    "imgstage, float32": partial(ours, floats=True),
    "imgstage, uint8": ours,
}
COPIES: dict[str, Callable[[Path, peers.Wish], Iterator[Any]]] = {
    "imgstage, cached, uint8": partial(ours, cache=True),
    "memcpy into fresh memory": partial(memcpy, fresh=True),
    "memcpy into the same memory": partial(memcpy, fresh=False),
}


def measure(way: str, root: Path, job: Job) -> Figures | str:
    """The last of some epochs; or why this way does not go here."""
    import torch

    torch.set_num_threads(1)
    import torchvision  # noqa: F401 - its import is nobody's first batch

    multiprocessing.set_start_method("fork", force=True)  # Linux's own, which this process would not have as a child
    images_an_epoch = job.files * (_PASSES if way in COPIES else 1)
    begin = time.perf_counter()
    first, seen, start, cpu = 0.0, 0, 0.0, 0.0
    try:
        for images in (WAYS | COPIES)[way](root, (job.wished, job.crop)):
            first = first or time.perf_counter() - begin
            seen += len(images)
            if not start and seen >= images_an_epoch * (_EPOCHS - 1):
                start, cpu, seen = time.perf_counter(), cpu_s(family()), 0
            elif start and seen >= images_an_epoch:  # what it takes to end the workers is not counted
                seconds, spent = time.perf_counter() - start, cpu_s(family()) - cpu
                return Figures(1000 * spent / seen, seen / seconds, first)
    except (ImportError, NotImplementedError) as error:
        return str(error)
    return "it ended early"


def compare(name: str, job: Job, repeats: int) -> None:
    """Print the table of a job."""
    ways = [*WAYS, *(() if job.crop else COPIES)]
    figures: dict[str, list[Figures]] = {way: [] for way in ways}
    left_out: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        write_photos(Path(folder), job)
        for _ in range(repeats):
            for way in ways:
                found = left_out.get(way) or in_a_new_process(measure, way, Path(folder), job)
                if isinstance(found, str):
                    left_out[way] = found
                else:
                    figures[way].append(found)
    medians = {way: Figures(*map(statistics.median, zip(*of, strict=True))) for way, of in figures.items() if of}
    tuned = min((of for way, of in medians.items() if way.startswith("ImageFolder")), key=lambda of: of.cpu_ms)
    fastest = max(of.a_second for way, of in medians.items() if way.startswith("ImageFolder"))
    rows = [
        [
            way,
            f"{of.cpu_ms:.2f}",
            f"{tuned.cpu_ms / of.cpu_ms:.2f}x",
            f"{of.a_second:,.0f}",
            f"{of.a_second / fastest:.1f}x",
            f"{of.first_s:.2f}",
        ]
        for way, of in medians.items()
    ]
    header = ["CPU ms an image", "best ImageFolder / it", "images/s", "it / best ImageFolder", "first batch, s"]
    print_table([name, *header], rows)
    sys.stdout.write("\n" + "".join(f"Left out: {way} ({why})\n" for way, why in left_out.items()))
    sys.stdout.flush()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=[*JOBS])
    given = parser.parse_args()
    for name in given.jobs:
        compare(name, JOBS[name], given.repeats)
    names = "torch torchvision pillow simplejpeg webdataset litdata datasets spdl nvidia-dali-cuda130 imgstage".split()
    sys.stdout.write(versions(*filter(is_installed, names)) + "\n")


def is_installed(name: str) -> bool:
    """Whether a package is there."""
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main()
