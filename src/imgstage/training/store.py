"""Images of one size, ready made: a memory-mapped file in `.imgstage/cache`, which may be deleted at any time.

A store is a folder. `pixels-….u8` holds slots of one length, each the images of a sample one after the other; the table
`index.sqlite` tells which slot has what, by a digest of the files that it was made of. A slot is filled once: who has
the file mapped may go on reading, whatever another process adds. `filling` makes stores, this module reads them.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from itertools import chain
from mmap import ACCESS_READ, mmap
from typing import TYPE_CHECKING, NamedTuple

import torch
from blake3 import blake3

from ..cache import Stamp
from ..root import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

Files = tuple[tuple[str, ...], ...]
"""The paths of a sample below the root's folder, by role."""


class FileRecord(NamedTuple):
    """A file as it was when it was read: its stamp just before, if that is to be trusted, and blake3 of its bytes."""

    stamp: Stamp
    digest: bytes


def key_of(files: Files, digests: Iterable[bytes]) -> bytes:
    """By what the images of a sample are known: what its files hold, and how many each role has."""
    counts = " ".join(str(len(of)) for of in files)
    return blake3(counts.encode() + b"\0" + b"".join(digests)).digest()


def flat(files: Files) -> tuple[str, ...]:
    """The paths of a sample in one row."""
    return tuple(chain.from_iterable(files))


class Slot:
    """How the images of a sample lie in a slot.

    Args:
        shapes: of each role, (channels, height, width) or, of a mask, (height, width); values are uint8.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]]) -> None:
        self.shapes = tuple(shapes)
        self._lengths = [math.prod(shape) for shape in shapes]
        self.nbytes = sum(self._lengths)

    def split(self, values: torch.Tensor) -> list[torch.Tensor]:
        """The images in the values of a slot, by role, without a copy."""
        parts = torch.split(values, self._lengths)
        return [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]


@dataclass
class PixelStore:
    """Ready-made images of the samples of a split.

    Args:
        pixels: the file of slots.
        slot: how these are laid out.
        root: the folder that paths are below.
        samples: the files of each.
        slots: the slot of each; -1 where it has none.
        records: of each, what its files were when they were read last.
    """

    pixels: Path
    slot: Slot
    root: Path
    samples: Sequence[Files]
    slots: Sequence[int]
    records: list[list[FileRecord]]
    _values: torch.Tensor | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._count = sum(slot >= 0 for slot in self.slots)

    def __len__(self) -> int:
        """How many samples have a slot."""
        return self._count

    def get(self, sample: int) -> list[torch.Tensor] | None:
        """The images of a sample, by role, as they lie in the file: they must not be written to.

        Returns:
            None where there are none, or where a file does not hold any more what they were made of.
        """
        slot = self.slots[sample]
        if slot < 0 or not self._is_fresh(sample):
            return None
        if self._values is None:
            self._values = _mapped(self.pixels)
        at = slot * self.slot.nbytes
        values = self._values[at : at + self.slot.nbytes]
        return self.slot.split(values) if len(values) == self.slot.nbytes else None

    def _is_fresh(self, sample: int) -> bool:
        records = self.records[sample]
        for number, path in enumerate(flat(self.samples[sample])):
            file = self.root / path
            try:
                stamp = Stamp.of(file.stat())
                if stamp == records[number].stamp:
                    continue
                stamp = stamp.trusted()
                if blake3(read_regular(file)).digest() != records[number].digest:
                    return False
            except OSError:
                return False
            records[number] = records[number]._replace(stamp=stamp)
        return True

    def __getstate__(self) -> dict[str, object]:
        """For another process, which maps the file by itself."""
        return {**self.__dict__, "_values": None}


def _mapped(path: Path) -> torch.Tensor:
    """The values of a file; none where it is gone."""
    try:
        with path.open("rb") as file:
            memory = mmap(file.fileno(), 0, access=ACCESS_READ)
    except (OSError, ValueError):
        return torch.empty(0, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it cannot be written to, which nobody does
        return torch.frombuffer(memory, dtype=torch.uint8)
