"""Pure: what PyTorch's caching allocator for CUDA would reserve, allocation by allocation.

Rules: c10/cuda/CUDACachingAllocator.cpp and c10/core/AllocatorConfig.h of PyTorch 2.11, default settings or
`expandable_segments:True`, one stream.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

ROUNDING = 512  # bytes; kMinBlockSize
SMALL = 1 * MIB  # kSmallSize: up to here, allocations share small segments
SMALL_SEGMENT = 2 * MIB  # kSmallBuffer; also a page of expandable segments of the small pool
LARGE_SEGMENT = 20 * MIB  # kLargeBuffer; also a page of expandable segments of the large pool
OWN_SEGMENT = 10 * MIB  # kMinLargeAlloc: from here, an allocation gets a segment of its own size
SEGMENT_ROUNDING = 2 * MIB  # kRoundLarge
_ADDRESSES = 20 * GIB << 10  # of an expandable segment: more than any device has


class OutOfMemoryError(Exception):
    """What is asked for does not go below the limit, even when all that is cached is given back."""


def rounded(nbytes: int) -> int:
    """What an allocation of so many bytes takes of its segment."""
    return max(ROUNDING, -(-nbytes // ROUNDING) * ROUNDING)


def segment_bytes(size: int) -> int:
    """What is asked of the device for an allocation of a rounded size."""
    if size <= SMALL:
        return SMALL_SEGMENT
    return LARGE_SEGMENT if size < OWN_SEGMENT else -(-size // SEGMENT_ROUNDING) * SEGMENT_ROUNDING


@dataclass(slots=True, eq=False)
class _Block:
    """A piece of a segment; its neighbours in the segment are linked."""

    address: int
    size: int
    is_small: bool
    is_free: bool = False
    is_mapped: bool = True
    before: _Block | None = None
    after: _Block | None = None


@dataclass
class Allocator:
    """The caching allocator of one device.

    Attributes:
        limit: bytes that it may reserve; None is no limit.
        expandable: whether segments grow, as with `PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True`.
        allocated, reserved: bytes now; the peaks are the largest they have been.
    """

    limit: int | None = None
    expandable: bool = False
    allocated: int = 0
    reserved: int = 0
    peak_allocated: int = 0
    peak_reserved: int = 0
    _blocks: dict[int, _Block] = field(default_factory=dict)
    _free: dict[bool, list[tuple[int, int, _Block]]] = field(default_factory=lambda: {True: [], False: []})
    _unmapped: dict[bool, list[_Block]] = field(default_factory=lambda: {True: [], False: []})
    _top: int = 0
    _bottom: int = 0

    def allocate(self, key: int, nbytes: int) -> None:
        """Take memory, to be known by `key`.

        Raises:
            OutOfMemoryError: the limit would be passed; nothing was taken.
        """
        size = rounded(nbytes)
        is_small = size <= SMALL
        block = self._best_fit(size, is_small) or self._new(size, is_small)
        rest = block.size - size
        if rest >= ROUNDING if is_small or self.expandable else rest > SMALL:
            self._insert(self._split(block, size, is_mapped=True))
        self._blocks[key] = block
        self.allocated += block.size
        self.peak_allocated = max(self.peak_allocated, self.allocated)

    def free(self, key: int) -> None:
        """Give memory back; it stays reserved."""
        block = self._blocks.pop(key)
        self.allocated -= block.size
        self._insert(block)

    def reset_peaks(self) -> None:
        """Let the peaks begin at what is taken now, as `torch.cuda.reset_peak_memory_stats` does."""
        self.peak_allocated, self.peak_reserved = self.allocated, self.reserved

    def release_cached(self) -> None:
        """Give back to the device what no allocation uses: whole segments, or whole pages of expandable ones."""
        for is_small, blocks in self._free.items():
            for _, _, block in list(blocks):
                if self.expandable:
                    self._unmap(block)
                elif block.before is None and block.after is None:
                    self._take(block)
                    self.reserved -= block.size
            assert all(block.is_small == is_small for _, _, block in blocks)

    def _best_fit(self, size: int, is_small: bool) -> _Block | None:
        """The smallest free block that is large enough, taken out of the free ones."""
        blocks = self._free[is_small]
        place = bisect.bisect_left(blocks, (size,))
        if place == len(blocks):
            return None
        if self.expandable:  # a block counts with the unmapped part behind it, which it may grow into
            while place + 1 < len(blocks) and _reach(blocks[place + 1][2]) < _reach(blocks[place][2]):
                place += 1
        block = blocks[place][2]
        self._take(block)
        return block

    def _new(self, size: int, is_small: bool) -> _Block:
        """A block of memory that is asked of the device."""
        if self.expandable:
            return self._grown(size, is_small)
        nbytes = segment_bytes(size)
        self._reserve(nbytes)
        # Which of two free blocks of one size is taken, their addresses decide. Where the driver puts segments is not
        # written anywhere; recordings (benchmarks/recorded) agree with this: large ones fall, small ones rise.
        if is_small:
            self._top += nbytes
            return _Block(self._top - nbytes, nbytes, is_small)
        self._bottom -= nbytes
        return _Block(self._bottom, nbytes, is_small)

    def _reserve(self, nbytes: int) -> None:
        if self.limit is not None and self.reserved + nbytes > self.limit:
            self.release_cached()
            if self.reserved + nbytes > self.limit:
                raise OutOfMemoryError
        self.reserved += nbytes
        self.peak_reserved = max(self.peak_reserved, self.reserved)

    def _split(self, block: _Block, size: int, *, is_mapped: bool) -> _Block:
        """Split a block; what comes after so many bytes of it."""
        rest = _Block(
            block.address + size,
            block.size - size,
            block.is_small,
            is_mapped=is_mapped,
            before=block,
            after=block.after,
        )
        if block.after is not None:
            block.after.before = rest
        block.after, block.size = rest, size
        return rest

    def _insert(self, block: _Block) -> None:
        """Put a block that has become free among the free ones, merged with free neighbours."""
        for other in (block.before, block.after):
            if other is not None and other.is_free and other.is_mapped:
                self._take(other)
                _merge(block, other)
        block.is_free = True
        bisect.insort(self._free[block.is_small], (block.size, block.address, block))

    def _take(self, block: _Block) -> None:
        """Take a block out of the free ones."""
        block.is_free = False
        blocks = self._free[block.is_small]
        blocks.pop(bisect.bisect_left(blocks, (block.size, block.address)))

    # Expandable segments: each pool has addresses without end, of which pages are mapped as they are needed.

    def _grown(self, size: int, is_small: bool) -> _Block:
        start, nbytes = self._growth(size, is_small)
        if self.limit is not None and self.reserved + nbytes > self.limit:
            self.release_cached()
            start, nbytes = self._growth(size, is_small)
        self._reserve(nbytes)
        if start.is_mapped:
            self._take(start)
        else:
            self._unmapped[is_small].remove(start)
            self._map(start, size)
        while start.size < size:
            after = start.after
            assert after is not None
            if not after.is_mapped:
                self._unmapped[is_small].remove(after)
                self._map(after, size - start.size)
            else:
                self._take(after)
            _merge(start, after)
        return start

    def _growth(self, size: int, is_small: bool) -> tuple[_Block, int]:
        """The lowest place where so much can be had by mapping, and the bytes that must be mapped there."""
        for block in self._unmapped[is_small]:
            before = block.before
            start = before if before is not None and before.is_free and before.is_mapped else block
            room, missing = 0, 0
            piece: _Block | None = start
            while room < size and piece is not None and (piece.is_free or not piece.is_mapped):
                missing += 0 if piece.is_mapped else _pages(min(piece.size, size - room), is_small)
                room += piece.size
                piece = piece.after
            if room >= size:
                return start, missing
        endless = _Block(self._top, _ADDRESSES, is_small, is_mapped=False)
        self._top += _ADDRESSES
        self._unmapped[is_small].append(endless)
        return endless, _pages(size, is_small)

    def _map(self, block: _Block, size: int) -> None:
        """Map the first pages of an unmapped block; what is left of it stays unmapped."""
        nbytes = _pages(min(block.size, size), block.is_small)
        block.is_mapped = True
        if nbytes < block.size:
            self._unmapped[block.is_small].append(self._split(block, nbytes, is_mapped=False))
            self._unmapped[block.is_small].sort(key=lambda of: of.address)

    def _unmap(self, block: _Block) -> None:
        """Give the whole pages of a free block back to the device."""
        page = _page(block.is_small)
        start, stop = _pages(block.address, block.is_small), (block.address + block.size) // page * page
        if start >= stop:
            return
        self._take(block)
        self.reserved -= stop - start
        if stop < block.address + block.size:
            self._insert(self._split(block, stop - block.address, is_mapped=True))
        if start > block.address:
            rest = self._split(block, start - block.address, is_mapped=False)
            self._insert(block)
            block = rest
        block.is_mapped = False
        for other in (block.before, block.after):
            if other is not None and not other.is_mapped:
                self._unmapped[block.is_small].remove(other)
                _merge(block, other)
        self._unmapped[block.is_small].append(block)
        self._unmapped[block.is_small].sort(key=lambda of: of.address)


def _page(is_small: bool) -> int:
    return SMALL_SEGMENT if is_small else LARGE_SEGMENT


def _pages(nbytes: int, is_small: bool) -> int:
    """Bytes of the pages that hold so many."""
    return -(-nbytes // _page(is_small)) * _page(is_small)


def _reach(block: _Block) -> int:
    after = block.after
    return block.size + (after.size if after is not None and not after.is_mapped else 0)


def _merge(block: _Block, other: _Block) -> None:
    """Let a block take over a neighbour."""
    if other is block.before:
        block.address, block.before = other.address, other.before
        if block.before is not None:
            block.before.after = block
    else:
        block.after = other.after
        if block.after is not None:
            block.after.before = block
    block.size += other.size


def replay(order: Sequence[int], sizes: Sequence[int], allocator: Allocator) -> Allocator:
    """Run events: a number is an allocation of `sizes[number]` bytes, and its complement `~number` frees it."""
    for event in order:
        if not sizes[max(event, ~event)]:
            continue
        if event < 0:
            allocator.free(~event)
        else:
            allocator.allocate(event, sizes[event])
    return allocator
