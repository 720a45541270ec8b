"""Other ways from JPEGs to batches, each in its usual way, with two workers or threads that persist.

Each yields batches of float32 images, shape (batch, 3, height, width), range 0 to 1, epoch after epoch.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORKERS = 2
BATCH = 32
Wish = tuple[tuple[int, int], bool]
"""(height, width) in pixels, and whether to come to it by a random crop of another scale each time."""


def transform(wish: Wish, *, on_tensors: bool = False) -> Callable[[Any], Any]:
    """torchvision's: Pillow's image, or a tensor, to a float tensor."""
    import torch
    from torchvision.transforms import v2

    size, crop = wish
    change = v2.RandomResizedCrop(size, antialias=True) if crop else v2.Resize(size, antialias=True)
    tensor, floats = v2.ToImage(), v2.ToDtype(torch.float32, scale=True)
    composed: Callable[[Any], Any] = v2.Compose([tensor, change, floats] if on_tensors else [change, tensor, floats])
    return composed


def _forever(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


def image_folder(root: Path, wish: Wish, *, workers: int = WORKERS, on_tensors: bool = False) -> Iterator[Any]:
    """torchvision's `ImageFolder` and PyTorch's `DataLoader`."""
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder

    dataset = ImageFolder(str(root / "train"), transform(wish, on_tensors=on_tensors))
    loader = DataLoader(dataset, BATCH, shuffle=True, num_workers=workers, persistent_workers=True)
    return (images for images, _ in _forever(loader))


def _files(root: Path) -> list[Path]:
    return sorted((root / "train").glob("*/*.jpg"))


def webdataset(root: Path, wish: Wish) -> Iterator[Any]:
    """WebDataset: tar files, one for each worker."""
    import webdataset as wds
    from torch.utils.data import DataLoader

    shards = [str(root / f"shard-{number}.tar") for number in range(WORKERS)]
    for number, shard in enumerate(shards):
        if not Path(shard).exists():
            with wds.TarWriter(shard) as tar:
                for index, path in enumerate(_files(root)[number::WORKERS]):
                    tar.write({"__key__": f"{index:06d}", "jpg": path.read_bytes(), "cls": "0"})
    dataset = wds.WebDataset(shards, shardshuffle=len(shards)).shuffle(1000).decode("pil").to_tuple("jpg", "cls")
    dataset = dataset.map_tuple(transform(wish), int).batched(BATCH)
    loader = DataLoader(dataset, batch_size=None, num_workers=WORKERS, persistent_workers=True)
    return (images for images, _ in _forever(loader))


def litdata(root: Path, wish: Wish) -> Iterator[Any]:
    """LitData: chunks that were made beforehand."""
    from litdata import StreamingDataLoader, StreamingDataset, optimize

    place = root / "litdata"
    if not place.exists():
        optimize(read, _files(root), str(place), chunk_bytes="8MB", num_workers=1, start_method="fork")
    loader = StreamingDataLoader(
        StreamingDataset(str(place), shuffle=True, transform=Decode(wish)),
        batch_size=BATCH,
        num_workers=WORKERS,
        persistent_workers=True,
    )
    return _forever(loader)


def read(path: Path) -> dict[str, bytes]:
    """What LitData keeps of a file; its workers find it by name."""
    return {"jpg": path.read_bytes()}


class Decode:
    """From what `read` keeps to a tensor."""

    def __init__(self, wish: Wish) -> None:
        self._change = transform(wish)

    def __call__(self, item: dict[str, bytes]) -> Any:
        from PIL import Image

        return self._change(Image.open(io.BytesIO(item["jpg"])).convert("RGB"))


def hugging_face(root: Path, wish: Wish) -> Iterator[Any]:
    """Hugging Face's `datasets`: a folder of images, decoded when asked for."""
    os.environ["HF_HOME"] = str(root / "hugging_face")
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
    from datasets import load_dataset
    from torch.utils.data import DataLoader

    change = transform(wish)
    dataset = load_dataset("imagefolder", data_dir=str(root / "train"), split="train")
    dataset.set_transform(lambda rows: {"image": [change(image.convert("RGB")) for image in rows["image"]]})
    loader = DataLoader(dataset, BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True)
    return (batch["image"] for batch in _forever(loader))


def spdl(root: Path, wish: Wish) -> Iterator[Any]:
    """SPDL: threads, and FFmpeg's decoder and filters."""
    import numpy as np
    import torch
    from spdl.io import load_image_batch, to_torch
    from spdl.pipeline import PipelineBuilder

    ((height, width), crop), files = wish, _files(root)
    if crop:
        problem = "SPDL has no random crop of its own"
        raise NotImplementedError(problem)

    def load(batch: list[str]) -> torch.Tensor:
        images = to_torch(load_image_batch(batch, width=width, height=height, pix_fmt="rgb24"))
        floats: torch.Tensor = images.permute(0, 3, 1, 2).to(torch.float32).div_(255)
        return floats

    def batches() -> Iterator[list[str]]:
        while True:
            order = np.random.permutation(len(files))
            for at in range(0, len(files), BATCH):
                yield [str(files[index]) for index in order[at : at + BATCH]]

    builder = PipelineBuilder().add_source(batches()).pipe(load, concurrency=WORKERS).add_sink(2)
    pipeline = builder.build(num_threads=WORKERS)
    with pipeline.auto_stop():
        yield from pipeline


def dali(root: Path, wish: Wish) -> Iterator[Any]:
    """DALI on the CPU."""
    import numpy as np
    import torch
    from nvidia.dali import fn, pipeline_def, types

    (height, width), crop = wish

    @pipeline_def(batch_size=BATCH, num_threads=WORKERS, device_id=None)  # type: ignore[untyped-decorator]
    def graph() -> Any:
        files, _ = fn.readers.file(files=list(map(str, _files(root))), random_shuffle=True)
        if crop:
            images = fn.decoders.image_random_crop(files, device="cpu", output_type=types.RGB)
        else:
            images = fn.decoders.image(files, device="cpu", output_type=types.RGB)
        images = fn.resize(images, size=[height, width], interp_type=types.INTERP_LINEAR, antialias=True)
        return fn.crop_mirror_normalize(images, mean=[0.0] * 3, std=[255.0] * 3, output_layout="CHW", dtype=types.FLOAT)

    pipeline = graph()
    pipeline.build()
    while True:
        (images,) = pipeline.run()
        yield torch.from_numpy(np.array(images.as_array()))
