"""What trying a model costs beside the network itself: time, memory, and how tiles differ from whole pictures.

    python -m benchmarks.play [--repeats 3] [--photo FILE]

The U-Net of the example, with random weights, on the CPU, over photographs of scikit-image, 1280x1920, written as JPEG.
Interleaved, medians, in a process that has run all of it before; once as PyTorch comes, and once keeping the memory
that it frees, as the command does:

1. The network alone, on the very tensors that `play` gives it, which lie ready in memory.
2. `play`: decoded, run, encoded as PNG, synced to the disk.
3. The same with true pictures beside, so that PSNR and SSIM are computed.
4. The script that is found everywhere: Pillow, torchvision's to_tensor, the network, torchvision's to_pil_image, save.

Memory: a process plays one photograph of 4000x6000 (or --photo); its peak less what it has after importing torch and
torchvision. Tiles of 512x512: the largest difference from the whole picture, in grey levels of 255.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.common import in_a_new_process, print_table, versions
from benchmarks.loader import Job, write_photos

if TYPE_CHECKING:
    from collections.abc import Callable

_MODEL = str(Path(__file__).parents[1] / "examples" / "denoise_unet.py") + ":UNet"
_PHOTOS = Job((1280, 1920), 8, (640, 960))
_LARGE = (4000, 6000)
_TILE = 512
_WEIGHTS = "weights.safetensors"


def write_weights(folder: Path) -> None:
    """Random weights of the example, as loud as trained ones: its last layer would begin by changing nothing."""
    import torch
    from safetensors.torch import save_file

    from imgstage.networks import build

    torch.manual_seed(0)
    network: Any = build(_MODEL)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    save_file(network.state_dict(), folder / _WEIGHTS)


def _root(folder: Path, photos: list[Path], *, with_truth: bool = False) -> Path:
    (folder / "play_data").mkdir(parents=True)
    (folder / ".imgstage").mkdir()
    for number, photo in enumerate(photos):
        shutil.copy(photo, folder / "play_data" / f"{number}_before.jpg")
        if with_truth:
            shutil.copy(photo, folder / "play_data" / f"{number}_after.jpg")
    return folder


def compare(folder: Path, repeats: int, *, keep: bool) -> dict[str, list[float]]:
    """Seconds of each way, interleaved; with `keep`, in a process that keeps the memory that it frees."""
    from PIL import Image
    from torch import inference_mode
    from torchvision.transforms.functional import to_pil_image, to_tensor

    from imgstage.images import quiet_codecs
    from imgstage.play import open_network, play
    from imgstage.play.engines import keep_freed_memory
    from imgstage.play.pixels import read

    if keep:
        keep_freed_memory()
    photos = sorted((folder / "photos").rglob("*.jpg"))
    folder = folder / f"keep {keep}"
    plain = _root(folder / "plain", photos)
    scored = _root(folder / "scored", photos, with_truth=True)
    network = open_network(_MODEL, folder.parent / _WEIGHTS, device="cpu")
    with quiet_codecs():
        inputs = [network.numbers.of(read(photo.read_bytes()).channels)[None] for photo in photos]
    module = network.engine.network
    assert module is not None
    scripted = folder / "scripted"
    scripted.mkdir()

    def alone() -> None:
        for images in inputs:
            network.engine(images)

    def script() -> None:
        for photo in photos:
            with inference_mode():
                made = module(to_tensor(Image.open(photo).convert("RGB"))[None])[0].clamp(0, 1)
            to_pil_image(made).save(scripted / f"{photo.stem}.png")

    ways: dict[str, Callable[[], Any]] = {
        "the network alone": alone,
        "imgstage play": lambda: play(plain, network, overwrite=True),
        "imgstage play, with scores": lambda: play(scored, network, overwrite=True),
        "a plain script": script,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - start)
    return seconds


def large(folder: Path, photo: str | None) -> tuple[float, float, float]:
    """Of one large photograph: MB beyond torch's own at the peak, seconds, and megapixels."""
    import torch  # noqa: F401
    import torchvision  # noqa: F401

    pages = int(Path("/proc/self/statm").read_text().split()[1])
    before = pages * resource.getpagesize()
    from imgstage.play import open_network, play
    from imgstage.play.engines import keep_freed_memory

    keep_freed_memory()
    source = Path(photo) if photo else _large_photo(folder)
    network = open_network(_MODEL, folder / _WEIGHTS, device="cpu")
    root = _root(folder / "large", [source])
    played = play(root, network)
    from imgstage.images import read_header

    height, width = read_header(source.read_bytes()).size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return (peak - before) / 1e6, played.seconds, height * width / 1e6


def photo(name: str) -> Any:
    """One of scikit-image's photographs."""
    from skimage import data

    return getattr(data, name)()


def _large_photo(folder: Path) -> Path:
    from imgstage.images import encode

    small = photo("astronaut")
    tiled = np.tile(small, (-(-_LARGE[0] // small.shape[0]), -(-_LARGE[1] // small.shape[1]), 1))
    path = folder / "large.jpg"
    path.write_bytes(encode(np.ascontiguousarray(tiled[: _LARGE[0], : _LARGE[1]]), "JPEG"))
    return path


def tiles(folder: Path) -> list[tuple[str, ...]]:
    """How far tiles of 256x256 are from the whole picture, at several overlaps, for two networks."""
    import torch
    from safetensors.torch import save_file

    from imgstage.networks import build
    from imgstage.play import Tiling, open_network

    torch.manual_seed(1)
    deep = folder / "deep.safetensors"
    picture = np.tile(photo("astronaut"), (4, 4, 1))
    network: Any = build("unet:16")
    for module in network.modules():  # the means of its layers are those of a photograph, as if it had been trained
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()(torch.from_numpy(picture[:512, :512]).permute(2, 0, 1)[None] / 255)
    save_file(network.state_dict(), deep)
    rows: list[tuple[str, ...]] = []
    for name, weights in ((_MODEL, folder / _WEIGHTS), ("unet:16", deep)):
        for overlap in (None, 0, 16, 32, 64, 128):
            side = _TILE + 3 * (_TILE - (overlap or 0))  # else tiles, which are evenly spaced, would share more
            made = []
            for tiling in (Tiling((0, 0)), Tiling((_TILE, _TILE), overlap)):
                asked = open_network(name, weights, tiling=tiling, device="cpu")
                made.append(np.concatenate(list(asked.stripes(picture[:side, :side]))))
            found = asked.overlap_for((_TILE, _TILE), (side, side))
            told = f"measured: {found}" if overlap is None else str(overlap)
            rows.append((Path(name).name, told, f"{np.abs(made[1] - made[0]).max() * 255:.3f}"))
    return rows


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--photo", help="a large photograph, for memory")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_a_new_process(write_weights, folder)
        write_photos(folder / "photos", _PHOTOS)
        usual = in_a_new_process(compare, folder, given.repeats, keep=False)
        kept = in_a_new_process(compare, folder, given.repeats, keep=True)
        base, least = (statistics.median(of["the network alone"]) for of in (usual, kept))
        rows: list[tuple[str, ...]] = []
        for way in usual:
            mine, other = statistics.median(usual[way]), statistics.median(kept[way])
            each = (f"{of / _PHOTOS.files:.3f}" for of in (mine, other))
            rows.append((way, *each, f"{mine / base:.2f}", f"{other / least:.2f}", f"{other / base:.2f}"))
        head = ("s each", "memory usual", "memory kept", "usual / network", "kept / network", "kept / usual network")
        print_table(head, rows)
        more, spent, pixels = in_a_new_process(large, folder, given.photo)
        row = (f"{pixels:.1f} MP", f"{spent:.1f}", f"{more:,.0f}")
        print_table(("one photograph of", "s", "MB beyond torch's own"), [row])
        print_table(("network", "overlap", "largest difference, grey levels"), in_a_new_process(tiles, folder))
    sys.stdout.write(versions("torch", "torchvision", "pillow", "isal", "simplejpeg") + "\n")


if __name__ == "__main__":
    main()
