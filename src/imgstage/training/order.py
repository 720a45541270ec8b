"""The order of an epoch, worked out place by place: a permutation of any number of samples that takes no memory.

A Feistel network is a permutation of the numbers of so many bits, whatever its round function is (Luby, Rackoff, "How
to Construct Pseudorandom Permutations from Pseudorandom Functions", 1988); numbers that are too large go through it
again until they are not ("cycle walking": Black, Rogaway, "Ciphers with Arbitrary Finite Domains", 2002).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_ROUNDS = 6


def permuted(places: NDArray[np.int64], count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Which sample comes at each place of an epoch.

    Args:
        places: numbers from 0 to `count` - 1.
        count: how many samples there are.
        seed: any whole number.
        epoch: the number of the epoch: each has an order of its own.

    Returns:
        Of each place a number from 0 to `count` - 1; of all places each number once.
    """
    if count < 2:
        return places
    half = np.uint64((max(2, (count - 1).bit_length()) + 1) // 2)
    told = blake3(f"{seed} {epoch}".encode()).digest(8 * _ROUNDS)
    keys = [np.uint64(int.from_bytes(told[at : at + 8], "little")) for at in range(0, len(told), 8)]
    found = _once(places.astype(np.uint64), half, keys)
    while (outside := found >= count).any():
        found[outside] = _once(found[outside], half, keys)
    return found.astype(np.int64)


def _once(numbers: NDArray[np.uint64], half: np.uint64, keys: list[np.uint64]) -> NDArray[np.uint64]:
    low = np.uint64((1 << int(half)) - 1)
    left, right = numbers >> half, numbers & low
    for key in keys:
        left, right = right, left ^ (_mixed(right ^ key) & low)
    return left << half | right


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of the result depends on all of a value: the finalizer of SplitMix64 (Steele, Lea, Flood, 2014)."""
    values = (values ^ values >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ values >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return values ^ values >> np.uint64(31)


class Schedule(NamedTuple):
    """Which samples one process gets at each step of an epoch.

    Attributes:
        samples: how many there are.
        batch_size: samples a step and process.
        seed: of the order.
        shuffle: False takes the samples as they stand.
        drop_last: leave out what does not fill a step.
        rank: the number of this process.
        world_size: how many processes there are; at each step, they share the next samples of the order.
    """

    samples: int
    batch_size: int
    seed: int
    shuffle: bool
    drop_last: bool
    rank: int
    world_size: int

    @property
    def stride(self) -> int:
        """Samples a step of all processes."""
        return self.batch_size * self.world_size

    def steps(self, cursor: int = 0) -> int:
        """How many steps are left after so many samples of the epoch; the same for every process."""
        left = max(0, self.samples - cursor)
        return left // self.stride if self.drop_last else -(-left // self.stride)

    def batches(self, epoch: int, cursor: int = 0) -> Iterator[list[int]]:
        """The samples of each step that is left, for this process.

        Where the last ones do not go round evenly, samples from the beginning of the epoch fill up, so that every
        process has as many: see `padding`.

        Args:
            epoch: its number.
            cursor: how many samples of the epoch all processes have had.
        """
        for start in range(cursor, cursor + self.steps(cursor) * self.stride, self.stride):
            end = min(start + self.stride, self.samples)
            share = -(-(end - start) // self.world_size)
            places = np.arange(start, start + share * self.world_size, dtype=np.int64) % self.samples
            mine = places[self.rank :: self.world_size]
            yield (permuted(mine, self.samples, self.seed, epoch) if self.shuffle else mine).tolist()

    def padding(self, cursor: int = 0) -> int:
        """How many samples come twice in the epoch, so that all processes have the same number."""
        last = (self.samples - cursor) % self.stride
        return 0 if self.drop_last or not last else -last % self.world_size
