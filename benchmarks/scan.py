"""The first look at JPEGs, beside a strict full decode alone and beside what others do for a fingerprint.

    python -m benchmarks.scan [FOLDER ...] [--repeats 5]

FOLDER holds JPEGs; without one, photographs of scikit-image are written in three sizes. One thread each, interleaved
over the same files, medians of CPU seconds:

- scan: `imgstage.index.scan`, nothing remembered: read, blake3, size as seen, decoded to the last byte at 1/8 scale in
  grey, which is also all that a perceptual fingerprint needs;
- full decode: the files read and decoded whole in colour by simplejpeg, strict; nothing else;
- imagehash: Pillow, `imagehash.phash` and sha256, as people do it who look for duplicates.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import imagehash
import numpy as np
import simplejpeg
from PIL import Image
from skimage import data

from benchmarks.common import print_table, versions
from imgstage.images import encode
from imgstage.index import scan

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZES = {"small": (500, 375), "mid": (1920, 1280), "big": (6000, 4000)}
_COUNTS = {"small": 60, "mid": 12, "big": 3}
_SUFFIXES = {".jpg", ".jpeg"}


def write_photos(folder: Path) -> list[Path]:
    """Photographs in three sizes, with the grain of a sensor so that they compress like camera images."""
    sources = [getattr(data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")]
    rng = np.random.default_rng(0)
    folders = []
    for name, (height, width) in _SIZES.items():
        place = folder / name
        place.mkdir()
        for number in range(_COUNTS[name]):
            photo = Image.fromarray(sources[number % len(sources)]).resize((width, height), Image.Resampling.LANCZOS)
            grain = rng.normal(0, 6, (height, width, 1))
            pixels = np.clip(np.asarray(photo) + grain, 0, 255).astype(np.uint8)
            (place / f"{number}.jpg").write_bytes(encode(pixels, "JPEG", quality=92))
        folders.append(place)
    return folders


def first_scan(folder: Path, _: list[Path]) -> None:
    """What imgstage does with files it never met."""
    troubled = [record.path for record in scan(folder, threads=1).files if record.trouble]
    if troubled:
        sys.exit(
            f"{folder} holds files that are no whole JPEGs, such as {troubled[0]}: a decode cannot be timed on them"
        )


def full_decode(_: Path, files: list[Path]) -> None:
    """The decoder alone."""
    for path in files:
        simplejpeg.decode_jpeg(path.read_bytes(), colorspace="RGB", strict=True)


def perceptual_hash(_: Path, files: list[Path]) -> None:
    """What people do today for a fingerprint and a digest."""
    for path in files:
        content = path.read_bytes()
        hashlib.sha256(content).hexdigest()
        with Image.open(io.BytesIO(content)) as image:
            imagehash.phash(image)


_WAYS: dict[str, Callable[[Path, list[Path]], None]] = {
    "scan": first_scan,
    "full decode": full_decode,
    "imagehash": perceptual_hash,
}


def measure(folder: Path, repeats: int) -> list[str]:
    """One row: the milliseconds of CPU an image of each way, and the ratios."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not files:
        sys.exit(f"{folder} holds no JPEGs")
    seconds: dict[str, list[float]] = {name: [] for name in _WAYS}
    for _ in range(repeats):
        for name, way in _WAYS.items():
            start = time.process_time()
            way(folder, files)
            seconds[name].append(time.process_time() - start)
    cost = {name: statistics.median(values) / len(files) * 1000 for name, values in seconds.items()}
    return [
        f"{folder.name}, {len(files)} JPEGs",
        *(f"{cost[name]:.2f}" for name in _WAYS),
        f"{cost['scan'] / cost['full decode']:.2f}x",
        f"{cost['imagehash'] / cost['scan']:.2f}x",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folders = options.folders or write_photos(Path(folder))
        rows = [measure(place, options.repeats) for place in folders]
    header = ["CPU ms an image", *_WAYS, "scan / full decode", "imagehash / scan"]
    print_table(header, rows)
    sys.stdout.write(versions("imgstage", "simplejpeg", "pillow", "ImageHash") + "\n")


if __name__ == "__main__":
    main()
