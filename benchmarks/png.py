"""Writing PNG: imgstage's way beside libvips and Pillow, at their quickest and as they come.

    python -m benchmarks.png [FOLDER] [--repeats 5]

Photographs of scikit-image, 1280x1920, with the grain of a sensor, that were JPEGs; or the images of a folder, at most
24, spread over it. All in memory, one thread, interleaved; medians over the repeats of the sum over all images.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from benchmarks.common import print_table, versions
from benchmarks.loader import Job, write_photos
from imgstage.images import encode_png
from imgstage.images.arrays import libvips

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_PHOTOS = Job((1280, 1920), 8, (640, 960))
_MOST = 24


def _read(folder: Path) -> list[NDArray[np.uint8]]:
    """Images of a folder, RGB."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".bmp"))
    if not files:
        sys.exit(f"No images in {folder}")
    return [np.asarray(Image.open(path).convert("RGB")) for path in files[:: -(-len(files) // _MOST)]]


def _by_libvips(pixels: NDArray[np.uint8], **options: Any) -> bytes:
    image = libvips().Image.new_from_array(pixels).copy(interpretation="srgb")
    made: bytes = image.pngsave_buffer(**options)
    return made


def _by_pillow(pixels: NDArray[np.uint8], level: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=level)
    return buffer.getvalue()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        write_photos(Path(name), _PHOTOS)
        photos = _read(given.folder or Path(name))
    ways: dict[str, Callable[[NDArray[np.uint8]], bytes]] = {
        "imgstage": encode_png,
        "libvips, level 1, filter sub": lambda pixels: _by_libvips(pixels, compression=1, filter="sub"),
        "libvips": _by_libvips,
        "Pillow, level 1": lambda pixels: _by_pillow(pixels, 1),
        "Pillow": lambda pixels: _by_pillow(pixels, 6),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    sizes: dict[str, int] = {}
    for _ in range(given.repeats):
        for name, way in ways.items():
            start = time.process_time()
            sizes[name] = sum(len(way(pixels)) for pixels in photos)
            seconds[name].append(time.process_time() - start)
    megapixels = sum(pixels.size / 3e6 for pixels in photos)
    taken = {name: statistics.median(of) for name, of in seconds.items()}
    rows = [
        [
            name,
            f"{taken[name] / megapixels * 1000:.1f}",
            f"{taken[name] / taken['imgstage']:.1f}x",
            f"{sizes[name] / megapixels / 1e6:.2f}",
            f"{sizes[name] / sizes['imgstage']:.2f}x",
        ]
        for name in ways
    ]
    header = (f"{len(photos)} images", "CPU ms a megapixel", "of imgstage's", "MB a megapixel", "of imgstage's")
    print_table(header, rows)
    sys.stdout.write(versions("imgstage", "isal", "pyvips-binary", "pillow") + "\n")


if __name__ == "__main__":
    main()
