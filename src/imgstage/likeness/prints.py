"""The fingerprints of pictures: from the last scan, the cache, or else the file; and what they tell."""

from __future__ import annotations

from array import array
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..cache import read_fingerprints
from ..fingerprint import BYTES, ORIENTATIONS, PACKED, TOO_FLAT, Prints, components

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ..index import Index
    from .pictures import Pictures


@dataclass(frozen=True)
class Source:
    """Where fingerprints come from.

    Attributes:
        fresh: of what the last scan decoded, packed, by digest.
        cache: the file that remembers them.
        scan: reads some files again, for those that nobody remembers.
    """

    fresh: dict[str, bytes]
    cache: Path
    scan: Callable[[Sequence[str]], Index]


def find_alike(pictures: Pictures, source: Source, radius: int) -> tuple[array[int], bytes, bool]:
    """Compare all pictures.

    Returns:
        For each owner the place of the first that it is united with; for each picture 1 where there is too little to
        see to compare it, else 0; and whether all pictures could be read.
    """
    packed, is_whole = _packed(pictures, range(len(pictures.paths)), source)
    is_flat = packed[:, -1] <= TOO_FLAT
    first = components(_prints(pictures, np.nonzero(~is_flat)[0], packed[~is_flat]), len(pictures.names), radius)
    return array("i", first.tobytes()), is_flat.tobytes(), is_whole


def load(pictures: Pictures, places: Sequence[int], source: Source) -> Prints:
    """The fingerprints of some pictures; their owners are places in `pictures.names`."""
    return _prints(pictures, np.array(places, np.intp), _packed(pictures, places, source)[0])


def _prints(pictures: Pictures, places: NDArray[np.intp], packed: NDArray[np.uint8]) -> Prints:
    hashes = np.ascontiguousarray(packed[:, :-1]).view(np.uint64).reshape(-1, ORIENTATIONS, BYTES // 8)
    kinds, owners = (np.array(of, np.int32)[places] for of in (pictures.kinds, pictures.owners))
    return Prints(hashes, kinds, owners)


def _packed(pictures: Pictures, places: Sequence[int], source: Source) -> tuple[NDArray[np.uint8], bool]:
    """The fingerprints of some pictures, one a row, and whether all were found."""
    wanted: dict[str, list[int]] = defaultdict(list)
    for row, place in enumerate(places):
        wanted[pictures.digests[place]].append(row)
    found = np.zeros((len(places), PACKED), np.uint8)  # a file that went away meanwhile is flat, and like no other

    def take(known: Iterable[tuple[str, bytes]]) -> None:
        for digest, packed in known:
            for row in wanted.pop(digest, ()):
                found[row] = np.frombuffer(packed, np.uint8)

    take(source.fresh.items())
    if wanted:
        take(read_fingerprints(source.cache))
    if wanted:
        take(source.scan([pictures.sources[places[rows[0]]] for rows in wanted.values()]).fingerprints.items())
    return found, not wanted
