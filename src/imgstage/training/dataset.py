"""A split as a map-style dataset."""

from __future__ import annotations

import re
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from blake3 import blake3
from torch.utils.data import Dataset

from ..errors import DefectError, RefusedError, UsageError
from ..images import quiet_codecs
from ..pairing import LONE, is_mask
from ..progress import Bar
from ..root import read_regular, root_path, show
from .filling import Wanted, fill
from .listing import list_split
from .pixels import CHANNELS, Mode, Preprocessing
from .store import PixelStore, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import torch

    from ..geometry import Fit
    from ..parallel import Progress

try:  # here, for it takes seconds, and workers that are forked have it then
    from torchvision import tv_tensors
except ImportError:
    tv_tensors = None


_DECIDE = ("imgstage", "torch", "simplejpeg", "pillow", "pyvips-binary")  # which pixels come of a file


class ImageDataset(Dataset[Any]):
    """The samples of a split, decoded and brought to one size when they are asked for.

    What an item is depends on what the split holds:

    - pairs, and images with masks: `{"before": image, "after": image, "key": "cats/x"}`, or by the roles there are;
    - class folders: `(image, class_index)`, with `classes` and `class_to_idx` as torchvision's `ImageFolder` has them;
    - lone images without folders: `{"image": image, "key": "x"}`.

    An image is uint8, shape (channels, height, width), range 0 to 255; a mask has its values, shape (height, width).
    Where torchvision is installed they are `tv_tensors.Image` and `Mask`, so that one transform of
    `torchvision.transforms.v2` hits all roles alike. All images of a sample get the same geometry.

    A root needs no `.imgstage`: any folder with `train/`, `val/` and `test/` will do.

    Args:
        root: the folder that holds the splits.
        split: which of them, such as "train".
        size: (height, width) in pixels; None keeps each image's own.
        fit: how an image of another aspect comes to the size: "stretch" changes the aspect, "cover" fills it and cuts
            off what is over in the middle, "pad" stays within and adds black; "contain" stays within, so that images
            of another aspect have another size, and no batch can be made of them as they are.
        transform: called with an item's images: the dictionary, or the image of a class folder; with `as_tuple`, with
            all images at once.
        roles: those that are wanted, in this order.
        as_tuple: an item is a tuple of its images, in the order of the roles.
        mode: "RGB", or "L" for one channel of grey.
        exact: the very pixels that `imgstage resize` makes. By default a JPEG may be decoded at a reduced scale, and
            PyTorch's kernel resizes: at 43 dB or more from them, in a fraction of the time.
        cache: keep the images of this size, before any transform, in `.imgstage/cache/pixels` below the root. What is
            not in there yet is made now. A file that was changed since is decoded, and its old images are not used.
            Where that folder cannot be written, or would grow too large, a warning says so, and all are decoded.
        cache_limit: bytes that `.imgstage/cache/pixels` may have; None for half of what is free on its disk.
        progress: told how far the cache is; None for a bar on stderr, where that is a terminal.

    Raises:
        RefusedError: there is no such split yet, or nothing whole in it.
        UsageError: a wish makes no sense.
    """

    def __init__(
        self,
        root: str | Path,
        split: str,
        size: tuple[int, int] | None = None,
        *,
        fit: Fit = "stretch",
        transform: Callable[..., Any] | None = None,
        roles: Sequence[str] | None = None,
        as_tuple: bool = False,
        mode: Mode = "RGB",
        exact: bool = False,
        cache: bool = False,
        cache_limit: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._preprocessing = Preprocessing(tuple(size) if isinstance(size, (list, tuple)) else size, fit, mode, exact)  # type: ignore[arg-type]
        self._preprocessing.check()
        self.transform = transform
        self.split = split
        _check_names(split, roles)
        self._listing = list_split(root_path(root).absolute(), split, roles)
        self._as_tuple = as_tuple
        labels = [entry.label for entry in self._listing.entries]
        self._is_classes = self.roles == LONE.roles and all(labels) and not as_tuple
        self.classes: list[str] = sorted(set(labels)) if self._is_classes else []
        self.class_to_idx: dict[str, int] = {name: number for number, name in enumerate(self.classes)}
        self.targets: list[int] = [self.class_to_idx[label] for label in labels] if self._is_classes else []
        self._store: PixelStore | None = None
        if cache_limit is not None and (not isinstance(cache_limit, int) or cache_limit < 0):
            problem = f"cache_limit={cache_limit!r} is no number of bytes"
            raise UsageError(problem, "Give such as 20 * 2**30, or None for half of what is free")
        if cache:
            self._store = self._filled(cache_limit, progress or Bar())

    @property
    def roles(self) -> tuple[str, ...]:
        """What each sample has, such as `("before", "after")`."""
        return self._listing.roles

    @property
    def left_out(self) -> int:
        """How many images of the split belong to no whole sample, and are not in here."""
        return self._listing.left_out

    @property
    def cache_bytes(self) -> int:
        """How much `cache=True` keeps on the disk for this split.

        Raises:
            UsageError: images have no common size.
        """
        return len(self) * self._slot().nbytes

    @property
    def cached(self) -> int:
        """How many samples are in the cache."""
        return len(self._store) if self._store else 0

    @property
    def is_ready_made(self) -> bool:
        """Whether all items are in the cache, with no transform to come."""
        return self.transform is None and self.cached == len(self)

    def __len__(self) -> int:
        return len(self._listing.entries)

    def __repr__(self) -> str:
        what = f"{len(self.classes)} classes" if self.classes else " + ".join(self.roles)
        return f"ImageDataset({str(self._listing.folder)!r}, {self.split!r}: {len(self):,} samples, {what})"

    def key(self, index: int) -> str:
        """What the names of a sample's images have in common, with their folders."""
        return self._listing.entries[index].key

    def paths(self, index: int) -> tuple[tuple[Path, ...], ...]:
        """The files of a sample, by role: usually one each."""
        of = self._listing.entries[index].images
        return tuple(tuple(self._listing.folder / path for path in paths) for paths in of)

    def load(self, index: int) -> list[torch.Tensor]:
        """The images of a sample, one for each role, before any transform.

        Raises:
            DefectError: one cannot be read or decoded; the message names it.
        """
        ready = self._store.get(index) if self._store else None
        return self._wrapped([image.clone() for image in ready] if ready else self._decoded(index))

    def lend(self, index: int) -> Any:
        """The item, for who makes a batch of it at once: of the cache, its images are the very memory, and must not be
        written to. Where there is a transform, which might, it is the item as ever.
        """
        ready = self._store.get(index) if self._store and self.transform is None else None
        return self._item(index, self._wrapped(ready)) if ready else self[index]

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._item(index, self.load(index))

    def _item(self, index: int, images: list[torch.Tensor]) -> Any:
        transform = self.transform
        if self._is_classes:
            return (transform(images[0]) if transform else images[0]), self.targets[index]
        if self._as_tuple:
            if transform is None:
                return tuple(images)
            return tuple(transform(*images)) if len(images) > 1 else (transform(*images),)
        item = {**dict(zip(self.roles, images, strict=True)), "key": self.key(index)}
        return transform(item) if transform else item

    def _decoded(self, index: int) -> list[torch.Tensor]:
        paths = self.paths(index)
        try:
            files = [[read_regular(path) for path in of] for of in paths]
        except OSError as error:
            problem = f"{show(str(error.filename))} cannot be read ({error.strerror})"
            raise DefectError(problem) from error
        try:
            with quiet_codecs():
                return self._preprocessing.load(self.roles, files)
        except DefectError as error:
            names = " and ".join(show(str(path)) for of in paths for path in of)
            problem = f"{names}: {error}"
            raise DefectError(problem) from error

    def _wrapped(self, images: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """As what torchvision's transforms know what to do with."""
        return [_as_tv_tensor(image, role) for image, role in zip(images, self.roles, strict=True)]

    def _slot(self) -> Slot:
        way = self._preprocessing
        if way.size is None or way.fit == "contain":
            problem = "Images that keep their own size or aspect have no common size to be kept in a cache with"
            raise UsageError(problem, "Give size=(height, width), and fit='stretch', 'cover' or 'pad'")
        return Slot([way.size if is_mask(role) else (CHANNELS[way.mode], *way.size) for role in self.roles])

    def _filled(self, limit: int | None, progress: Progress) -> PixelStore | None:
        slot = self._slot()
        way = f"{self.split} {self.roles} {self._preprocessing}"
        readable = re.sub(r"[^\w-]", "_", self.split) + "-{}x{}".format(*slot.shapes[0][-2:])
        wanted = Wanted(
            self._listing.folder,
            f"{readable}-{blake3(way.encode()).hexdigest(4)}",
            ", ".join(f"{name} {version(name)}" for name in _DECIDE),
            [entry.images for entry in self._listing.entries],
            slot,
            lambda files: self._preprocessing.load(self.roles, files),
            limit,
        )
        try:
            with quiet_codecs():
                return fill(wanted, progress)
        except RefusedError as error:
            told = f"{error.problem}: images are decoded each time. {error.remedy}."
            warnings.warn(told, stacklevel=3)
            return None


def _check_names(split: object, roles: object) -> None:
    """Refuse what names no split and no roles, such as a text in the place of several.

    Raises:
        UsageError: naming it.
    """
    if not isinstance(split, str) or split in ("", ".", "..") or "/" in split:
        problem = f"split={split!r} is no name of a split"
        raise UsageError(problem, "Give such as 'train'")
    is_list = isinstance(roles, (list, tuple)) and roles and all(isinstance(role, str) for role in roles)
    if roles is not None and not is_list:
        problem = f"roles={roles!r} is no list of roles"
        raise UsageError(problem, "Give such as ('before', 'after'), or None for all")


def _as_tv_tensor(tensor: torch.Tensor, role: str) -> torch.Tensor:
    if tv_tensors is None:
        return tensor
    wrapped: torch.Tensor = tv_tensors.Mask(tensor) if is_mask(role) else tv_tensors.Image(tensor)
    return wrapped
