"""Fingerprints and the search for near-duplicates: how long they take, and what they find.

    python -m benchmarks.match [FOLDER ...] [--hashes 100000] [--million]

- fingerprint: what the eight hashes of a photograph of 500 x 375 pixels add to a scan;
- search: all pairs within 31 of 256 bits among random hashes with planted pairs, in all eight orientations, in numpy
  and compiled (`imgstage[match]`), beside an exhaustive search by faiss (`IndexBinaryFlat`, if it is installed) of a
  tenth of the hashes among all, in one orientation; CPU seconds, one thread each, scaled to one orientation of all;
- recall: photographs of FOLDERs (without one, of scikit-image) in several transforms among distractors, as in the
  UKBench-transformed protocol, by fingerprint and by `imagehash.phash` at distance 10, a common default.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import imagehash
import numpy as np
from PIL import Image, ImageFilter
from skimage import data

from benchmarks.common import print_table, versions
from imgstage.fingerprint import ORIENTATIONS, TOO_FLAT, Fingerprint, Prints, components, fingerprint, search
from imgstage.images import inspect, quiet_codecs
from imgstage.likeness import RADIUS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

_PHASH_RADIUS = 10


def cpu_of(work: Callable[[], object]) -> float:
    """CPU seconds."""
    start = time.process_time()
    work()
    return time.process_time() - start


def planted(count: int, pairs: int) -> tuple[Prints, NDArray[np.intp]]:
    """Random fingerprints, some of which lie within the radius of others in some orientation."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, (count, ORIENTATIONS, 4), dtype=np.uint64)
    chosen = rng.permutation(count)[: 2 * pairs].reshape(2, pairs)
    for number, (one, other) in enumerate(chosen.T):
        flips = np.zeros(256, np.uint8)
        flips[rng.choice(256, rng.integers(0, RADIUS + 1), replace=False)] = 1
        hashes[other, number % ORIENTATIONS] = hashes[one, 0] ^ np.packbits(flips).view(np.uint64)
    return Prints(hashes, np.zeros(count, np.int32), np.arange(count, dtype=np.int32)), chosen


def search_times(count: int, *, million: bool) -> Iterator[list[str]]:
    """One row a way and size: CPU seconds an orientation, and the share of planted pairs that were found."""
    prints, chosen = planted(count, count // 50)
    for name, worth in (("numpy", 10**9), ("compiled", 0)):
        if name == "compiled" and not find_spec("numba"):
            continue
        search._WORTH_COMPILING = worth  # noqa: SLF001 - either way, whatever the size
        few = Prints(prints.hashes[:2000], prints.kinds[:2000], prints.owners[:2000])
        components(few, 2000, RADIUS)  # loaded and compiled
        yield searched(prints, chosen, name)
    if find_spec("faiss"):
        yield faiss_time(prints, count)
    if million and find_spec("numba"):
        yield searched(*planted(10**6, 5000), "compiled")


def searched(prints: Prints, chosen: NDArray[np.intp], name: str) -> list[str]:
    """One search: its row."""
    count = len(prints.owners)
    start = time.process_time()
    found = components(prints, count, RADIUS)
    seconds = time.process_time() - start
    recall = float((found[chosen[0]] == found[chosen[1]]).mean())
    return [f"{count:,}", name, f"{seconds / ORIENTATIONS:.2f}", f"{recall:.4f}"]


def faiss_time(prints: Prints, count: int) -> list[str]:
    """Brute force by faiss: a tenth of the hashes looked for among all, times ten."""
    import faiss

    faiss.omp_set_num_threads(1)
    rows = np.ascontiguousarray(prints.hashes[:, 0]).view(np.uint8)
    index = faiss.IndexBinaryFlat(256)
    index.add(rows)
    seconds = cpu_of(lambda: index.range_search(rows[: count // 10], RADIUS + 1))
    return [f"{count:,}", "faiss IndexBinaryFlat", f"{10 * seconds:.2f}", "1.0000"]


def fingerprint_time() -> float:
    """Milliseconds that the eight hashes add for a photograph of 500 x 375, the median of many."""
    names = ("astronaut",)
    photo = Image.fromarray(getattr(data, names[0])()).resize((375, 500))
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=90)
    with quiet_codecs():
        _, size, small, shrunk = inspect(buffer.getvalue())
    return 1000 * statistics.median(cpu_of(lambda: fingerprint(small, size, shrunk)) for _ in range(200))


TRANSFORMS: dict[str, Callable[[Image.Image], tuple[Image.Image, str, int]]] = {
    "half the size": lambda i: (i.resize((i.width // 2, i.height // 2), Image.Resampling.LANCZOS), "PNG", 0),
    "JPEG at quality 40": lambda i: (i, "JPEG", 40),
    "blurred": lambda i: (i.filter(ImageFilter.GaussianBlur(i.width / 400)), "PNG", 0),
    "noise": lambda i: (noisy(i), "PNG", 0),
    "mirrored": lambda i: (i.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "JPEG", 90),
    "a quarter turn": lambda i: (i.transpose(Image.Transpose.ROTATE_90), "JPEG", 90),
    "cropped by 10 %": lambda i: (cropped(i), "JPEG", 90),
    "turned by 5 degrees": lambda i: (i.rotate(5), "JPEG", 90),
}


def cropped(image: Image.Image) -> Image.Image:
    """Without a twentieth on each side."""
    width, height = image.size
    return image.crop((width // 20, height // 20, width * 19 // 20, height * 19 // 20))


def noisy(image: Image.Image) -> Image.Image:
    """With the grain of a sensor."""
    pixels = np.asarray(image, np.float32)
    grain = np.random.default_rng(0).normal(0, 12, pixels.shape)
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))


def photographs(folders: list[Path], most: int) -> list[Image.Image]:
    """Photographs, spread over all folders."""
    paths = sorted(p for folder in folders for p in folder.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
    if not paths:
        names = ("astronaut", "chelsea", "coffee", "rocket", "camera")
        return [Image.fromarray(getattr(data, name)()).convert("RGB") for name in names]
    step = max(1, len(paths) // most)
    found = []
    for path in paths[::step][:most]:
        with Image.open(path) as image:
            found.append(image.convert("RGB"))
    return found


def seen(image: Image.Image, image_format: str, quality: int) -> tuple[Fingerprint, imagehash.ImageHash]:
    """What a scan sees of an image in a file, and the perceptual hash that others use."""
    buffer = io.BytesIO()
    image.save(buffer, image_format, **({"quality": quality} if quality else {}))
    with quiet_codecs():
        _, size, small, shrunk = inspect(buffer.getvalue())
    return fingerprint(small, size, shrunk), imagehash.phash(Image.open(buffer))


def recall_rows(folders: list[Path], most: int) -> list[list[str]]:
    """For each transform, the share of photographs of which it was recognised, and false pairs among all originals."""
    images = photographs(folders, most)
    originals = [seen(image, "PNG", 0) for image in images]
    kept = [n for n, (mine, _) in enumerate(originals) if mine.quality > TOO_FLAT]
    bits = np.stack([unpacked(originals[n][0]) for n in kept])
    others = np.stack([originals[n][1].hash.ravel() for n in kept])
    rows = []
    for name, way in TRANSFORMS.items():
        mine = theirs = 0
        for place, number in enumerate(kept):
            found, phash = seen(*way(images[number]))
            differing = (unpacked(found)[0] != bits[place]).sum(1), (bits[place][0] != unpacked(found)).sum(1)
            mine += min(int(of.min()) for of in differing) <= RADIUS and found.quality > TOO_FLAT
            theirs += int((phash.hash.ravel() != others[place]).sum()) <= _PHASH_RADIUS
        rows.append([name, f"{100 * mine / len(kept):.1f}", f"{100 * theirs / len(kept):.1f}"])
    false = [0, 0]
    for place in range(len(kept)):
        near = (bits[place][0] != bits[place + 1 :]).sum(2).min(1) <= RADIUS if place + 1 < len(kept) else np.zeros(0)
        false[0] += int(near.sum())
        false[1] += int(((others[place] != others[place + 1 :]).sum(1) <= _PHASH_RADIUS).sum())
    pairs = len(kept) * (len(kept) - 1) // 2
    rows.append([f"pairs of {len(kept)} originals that are taken for one ({pairs:,})", str(false[0]), str(false[1])])
    rows.append(["too flat to be compared", str(len(images) - len(kept)), "-"])
    return rows


def unpacked(found: Fingerprint) -> NDArray[np.uint8]:
    """The eight hashes, a bit a value."""
    return np.unpackbits(np.frombuffer(found.hashes, np.uint8)).reshape(ORIENTATIONS, -1)


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--hashes", type=int, default=100_000)
    parser.add_argument("--million", action="store_true", help="Also a million hashes, compiled.")
    parser.add_argument("--photographs", type=int, default=400, help="How many at most.")
    given = parser.parse_args()
    print_table(["what", "CPU ms"], [["the eight hashes of a photograph of 500 x 375", f"{fingerprint_time():.2f}"]])
    sys.stdout.write("\n")
    rows = list(search_times(given.hashes, million=given.million))
    print_table(["hashes", "way", "CPU s an orientation", "recall"], rows)
    sys.stdout.write("\n")
    found = recall_rows(given.folders, given.photographs)
    print_table(["transform", "fingerprint, %", "phash at most 10, %"], found)
    there = [package for package, module in (("numba", "numba"), ("faiss-cpu", "faiss")) if find_spec(module)]
    sys.stdout.write("\n" + versions("numpy", "pillow", "ImageHash", "scikit-image", *there) + "\n")


if __name__ == "__main__":
    main()
