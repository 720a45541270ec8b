"""Resizing, beside what people use for it today, and `check` beside a strict decode.

    python -m benchmarks.resize [FOLDER ...] [--repeats 3]

FOLDER holds JPEGs of a camera; without one, photographs of scikit-image are written in two sizes. To 1280x1920 upright,
as the old scripts did: wide pictures are turned a quarter to the left. One thread each, interleaved over the same
files, from bytes to bytes, quality 95, medians of CPU milliseconds an image:

- imgstage: `imgstage.resizing.make`, with its check of what it has written;
- Pillow: the old script, turn, then LANCZOS;
- pyvips: its `thumbnail`, and the turn;
- vipsthumbnail, mogrify: the programs, where they are installed (CPU of the process, its start included);
- floor: the same decode and encode without anything between.

The quality is the PSNR of luma, before encoding, against Pillow's LANCZOS of the full decode, the worst of all files.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyvips
import simplejpeg
from PIL import Image
from skimage import data

from benchmarks.common import imgstage, in_a_new_process, print_table, run, versions
from imgstage import Dataset
from imgstage.geometry import SizeWish
from imgstage.images import COUNTER_CLOCKWISE, decode, encode, quiet_codecs, resize, resize_upright
from imgstage.resizing import Recipe, make

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_UPRIGHT = (1920, 1280)
_HALF = (960, 640)
_SUFFIXES = {".jpg", ".jpeg"}
_QUALITY = 95


def write_photos(folder: Path) -> list[Path]:
    """Wide photographs of 24 megapixels, and of the size they are brought to."""
    rng = np.random.default_rng(0)
    folders = []
    for name, (height, width), count in (("24 MP", (4000, 6000), 4), ("1920x1280", (1920, 1280), 60)):
        place = folder / name
        place.mkdir()
        for number in range(count):
            source = Image.fromarray(getattr(data, ("astronaut", "chelsea", "coffee", "rocket")[number % 4])())
            pixels = np.asarray(source.resize((width, height), Image.Resampling.LANCZOS))
            grain = rng.normal(0, 6, (height, width, 1))
            noisy = np.clip(pixels + grain, 0, 255).astype(np.uint8)
            (place / f"{number}.jpg").write_bytes(encode(noisy, "JPEG", quality=92))
        folders.append(place)
    return folders


def ours(encoded: bytes, size: tuple[int, int]) -> bytes:
    """What `imgstage resize` does with one image."""
    with Image.open(io.BytesIO(encoded)) as image:
        seen = (image.height, image.width)
    frame = SizeWish(size=size, orient="portrait").frames([seen])[0]
    return make(Recipe(frame, "JPEG", quality=_QUALITY), encoded)


def our_pixels(encoded: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The same before it is encoded."""
    pixels = decode(encoded).pixels
    turn = COUNTER_CLOCKWISE if pixels.shape[1] > pixels.shape[0] else 1
    return resize_upright(pixels, size, "lanczos", turn)


def pillow_image(encoded: bytes, size: tuple[int, int]) -> Image.Image:
    """The old script."""
    image = Image.open(io.BytesIO(encoded))
    turned = image.transpose(Image.Transpose.ROTATE_90) if image.width > image.height else image
    return turned.resize(size[::-1], Image.Resampling.LANCZOS)


def pillow(encoded: bytes, size: tuple[int, int]) -> bytes:
    """The old script, from bytes to bytes."""
    buffer = io.BytesIO()
    pillow_image(encoded, size).save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def vips_image(encoded: bytes, size: tuple[int, int]) -> pyvips.Image:
    """pyvips' thumbnail."""
    header = pyvips.Image.new_from_buffer(encoded, "")
    wide = header.width > header.height
    height, width = size[::-1] if wide else size
    small = pyvips.Image.thumbnail_buffer(encoded, width, height=height, size="force", no_rotate=True)
    return small.copy_memory().rot270() if wide else small


def vips(encoded: bytes, size: tuple[int, int]) -> bytes:
    """pyvips' thumbnail, from bytes to bytes."""
    result: bytes = vips_image(encoded, size).jpegsave_buffer(Q=_QUALITY, subsample_mode="on", keep="none")
    return result


def floor(encoded: bytes, size: tuple[int, int], small: NDArray[np.uint8]) -> bytes:
    """Decode and encode alone."""
    simplejpeg.decode_jpeg(encoded, "RGB", strict=True)
    assert small.shape[:2] == size
    buffer = io.BytesIO()
    Image.fromarray(small).save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def programs(folder: Path, files: Sequence[Path], size: tuple[int, int]) -> dict[str, float]:
    """CPU milliseconds an image of the programs that are installed."""
    box = f"{size[0]}x{size[1]}!"  # wide pictures are not turned: a geometry of their own would be another job
    commands = {
        "vipsthumbnail": ["vipsthumbnail", "--size", box, "--output", f"{folder}/%s.jpg[Q={_QUALITY}]"],
        "mogrify": ["mogrify", "-path", str(folder), "-filter", "Lanczos", "-resize", box, "-quality", str(_QUALITY)],
    }
    found = {}
    for name, command in commands.items():
        if shutil.which(name):
            os.environ |= {"VIPS_CONCURRENCY": "1", "MAGICK_THREAD_LIMIT": "1"}
            found[name] = run([*command, *map(str, files)]).cpu_s / len(files) * 1000
    return found


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Of luma (ITU-R BT.601), in dB."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    luma, its = (pixels[..., :3].astype(np.float32) @ weights for pixels in (one, other))
    error = float(np.mean((luma - its) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


def measure(folder: Path, size: tuple[int, int], repeats: int) -> list[str]:
    """One row: CPU milliseconds an image of each way, ratios, and the worst quality."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not files:
        sys.exit(f"{folder} holds no JPEGs")
    contents = [path.read_bytes() for path in files]
    with quiet_codecs():
        smalls = [our_pixels(encoded, size) for encoded in contents]
        worst = [
            min(psnr(np.asarray(pillow_image(e, size)), pixels) for e, pixels in zip(contents, of, strict=True))
            for of in (smalls, [vips_image(e, size).numpy() for e in contents])
        ]
        spent: dict[str, list[float]] = {}
        for _ in range(repeats):
            ways: dict[str, Callable[[int], object]] = {
                "imgstage": lambda number: ours(contents[number], size),
                "Pillow": lambda number: pillow(contents[number], size),
                "pyvips": lambda number: vips(contents[number], size),
                "floor": lambda number: floor(contents[number], size, smalls[number]),
            }
            for name, way in ways.items():
                start = time.process_time()
                for number in range(len(files)):
                    way(number)
                spent.setdefault(name, []).append((time.process_time() - start) / len(files) * 1000)
            with tempfile.TemporaryDirectory() as place:
                for name, milliseconds in programs(Path(place), files, size).items():
                    spent.setdefault(name, []).append(milliseconds)
    cost = {name: statistics.median(values) for name, values in spent.items()}
    others = [f"{cost[name]:.0f}" if name in cost else "-" for name in ("vipsthumbnail", "mogrify")]
    return [
        f"{folder.name}, {len(files)} -> {size[0]}x{size[1]}",
        *(f"{cost[name]:.1f}" for name in ("imgstage", "Pillow", "pyvips")),
        *others,
        f"{cost['floor']:.1f}",
        f"{cost['Pillow'] / cost['imgstage']:.2f}x",
        f"{cost['imgstage'] / cost['floor']:.2f}x",
        f"{worst[0]:.1f} / {worst[1]:.1f}",
    ]


def kernels(folder: Path, size: tuple[int, int], repeats: int) -> list[list[str]]:
    """What one could resize an array with: CPU milliseconds an image, and the worst quality beside Pillow's LANCZOS."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)[:6]
    with quiet_codecs():
        arrays = [decode(path).pixels for path in files]
    boxes = [size[::-1] if array.shape[1] > array.shape[0] else size for array in arrays]

    def by_vips(kernel: str) -> Callable[[NDArray[np.uint8], tuple[int, int]], NDArray[np.uint8]]:
        def way(array: NDArray[np.uint8], box: tuple[int, int]) -> NDArray[np.uint8]:
            image = pyvips.Image.new_from_array(array)
            small = image.resize(box[1] / image.width, vscale=box[0] / image.height, kernel=kernel)
            return np.asarray(small.numpy(), np.uint8)

        return way

    def by_pillow(filter_: Image.Resampling) -> Callable[[NDArray[np.uint8], tuple[int, int]], NDArray[np.uint8]]:
        return lambda array, box: np.asarray(Image.fromarray(array).resize(box[::-1], filter_), np.uint8)

    ways = {
        "libvips lanczos3 (imgstage)": lambda array, box: resize(array, box, "lanczos"),
        "libvips lanczos2": by_vips("lanczos2"),
        "libvips linear": by_vips("linear"),
        "Pillow LANCZOS": by_pillow(Image.Resampling.LANCZOS),
        "Pillow BOX": by_pillow(Image.Resampling.BOX),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    results: dict[str, list[NDArray[np.uint8]]] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.process_time()
            results[name] = [way(array, box) for array, box in zip(arrays, boxes, strict=True)]
            spent[name].append((time.process_time() - start) / len(arrays) * 1000)
    truth = results["Pillow LANCZOS"]
    worst = {name: min(map(psnr, of, truth)) for name, of in results.items()}
    return [[name, f"{statistics.median(spent[name]):.1f}", f"{worst[name]:.1f}"] for name in ways]


def whole_jobs(sources: Sequence[Path], count: int) -> list[str]:
    """A root of many images, resized by the command line: wall seconds on one thread and two, and memory."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "data"
        Dataset.create(root)
        for number in range(count):
            shutil.copy(sources[number % len(sources)], root / f"stage_data/{number:04d}.jpg")
        imgstage(root, "status")
        runs = []
        for threads in ("1", "2"):
            runs.append(imgstage(root, "resize", "--size", "1280x1920", "--orient", "landscape", "--threads", threads))
            subprocess.run([sys.executable, "-m", "imgstage", "-C", str(root), "undo"], check=True, capture_output=True)
    one, two = runs
    return [
        f"{count:,}",
        f"{one.wall_s:.1f} s",
        f"{two.wall_s:.1f} s",
        f"{one.wall_s / two.wall_s:.2f}x",
        f"{max(one.peak_mb, two.peak_mb):.0f} MB",
    ]


def checking(files: Sequence[Path], repeats: int) -> list[str]:
    """CPU milliseconds an image of `check`, the command line's start taken off, and of a strict full decode."""
    with tempfile.TemporaryDirectory() as place:
        ours_s, theirs_s = [], []
        for number in range(repeats):
            root = Path(place) / f"data{number}"
            Dataset.create(root)
            empty = imgstage(root, "status").cpu_s
            for count, path in enumerate(files):
                shutil.copy(path, root / f"stage_data/{count:04d}.jpg")
            try:
                ours_s.append(imgstage(root, "check", "--threads", "1").cpu_s - empty)
            except subprocess.CalledProcessError:
                sys.exit("check found errors in the photographs of the benchmark")
            theirs_s.append(in_a_new_process(decode_all, files))
    per_image = [statistics.median(values) / len(files) * 1000 for values in (ours_s, theirs_s)]
    return [f"{len(files)}", *(f"{value:.1f}" for value in per_image), f"{per_image[0] / per_image[1]:.2f}x"]


def decode_all(files: Sequence[Path]) -> float:
    """CPU seconds of a strict full decode of some files."""
    start = time.process_time()
    for path in files:
        simplejpeg.decode_jpeg(path.read_bytes(), "RGB", strict=True)
    return time.process_time() - start


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--images", type=int, default=1000, help="of the whole job")
    options = parser.parse_args()
    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)
    with tempfile.TemporaryDirectory() as folder:
        written = in_a_new_process(write_photos, Path(folder))  # whose memory would count for all that it starts
        jobs = [(place, _UPRIGHT) for place in (*options.folders, written[0])] + [(written[1], _HALF)]
        rows = [in_a_new_process(measure, place, size, options.repeats) for place, size in jobs]
        header = ["CPU ms an image", "imgstage", "Pillow", "pyvips thumbnail", "vipsthumbnail", "mogrify"]
        print_table([*header, "decode + encode", "Pillow / imgstage", "imgstage / floor", "dB imgstage / pyvips"], rows)
        header = [f"kernel, arrays of {jobs[0][0].name}", "CPU ms an image", "dB"]
        print_table(header, in_a_new_process(kernels, *jobs[0], options.repeats))
        sources = sorted(path for place in options.folders or written[1:] for path in place.rglob("*"))
        sources = [path for path in sources if path.suffix.lower() in _SUFFIXES]
        print_table(
            ["images resized", "1 thread", "2 threads", "speedup", "memory"], [whole_jobs(sources, options.images)]
        )
        print_table(
            ["JPEGs", "check, CPU ms an image", "strict full decode", "ratio"], [checking(sources, options.repeats)]
        )
    sys.stdout.write(versions("imgstage", "pillow", "pyvips", "pyvips-binary", "simplejpeg") + "\n")


if __name__ == "__main__":
    main()
