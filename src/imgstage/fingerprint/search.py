"""All pictures that are nearly alike: an exact search within a Hamming radius, by joins on parts of the hashes.

Two hashes of 256 bits that differ in 31 at most have, of their sixteen parts of 16 bits, one that differs in one bit at
most. So who is sorted by each part in turn meets all that are near (multi-index hashing: Norouzi, Punjani, Fleet, "Fast
Search in Hamming Space with Multi-Index Hashing", CVPR 2012).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

_PARTS = 16
_VALUES = 1 << 16  # of a part
_BLOCK = 1 << 20  # pairs looked at together
_FLIPS = (0, *(1 << bit for bit in range(16)))
_CROWD = 64  # who meets more of them at once leaves out those with whom he is united
_FAR = 257  # bits: no two hashes differ in so many
_FEW = 1024  # are quicker compared each with each
_WORTH_COMPILING = 10_000  # of fewer, numba takes longer to load


class Prints(NamedTuple):
    """Many fingerprints.

    Attributes:
        hashes: shape (n, 8, 4), uint64: of each the eight orientations.
        kinds: shape (n,): what may be compared with what; 0 with all, others with their like and with 0.
        owners: shape (n,): the number of the one that each belongs to; who owns several ties them together.
    """

    hashes: NDArray[np.uint64]
    kinds: NDArray[np.int32]
    owners: NDArray[np.int32]

    def nearest_links(self, members: Sequence[int]) -> list[tuple[int, int, int]]:
        """The fewest links that tie some fingerprints together, of which the widest is as narrow as can be.

        A minimum spanning tree (Prim, "Shortest connection networks", 1957). What has one owner is together already.

        Args:
            members: the numbers of some that are a component; of equally near ones, those that come first are taken.

        Returns:
            The numbers of two that are linked, and in how many bits they differ at least.
        """
        links: list[tuple[int, int, int]] = []
        some = self._of(members)
        words, owners = np.ascontiguousarray(some.hashes.transpose(1, 2, 0)), some.owners
        best = np.full(len(members), _FAR, np.uint16)
        source = np.zeros(len(members), np.intp)
        waiting = np.ones(len(members), np.bool_)
        now = 0
        for _ in range(len(members) - 1):
            waiting[now] = False
            bits = np.where(owners == owners[now], 0, _from_one(some, words, now))
            nearer = bits < best
            best[nearer], source[nearer] = bits[nearer], now
            now = int(np.argmin(np.where(waiting, best, _FAR + 1)))
            nearest = int(source[now])
            if owners[now] != owners[nearest]:
                links.append((members[nearest], members[now], int(best[now])))
        return links

    def all_links(self, members: Sequence[int], radius: int) -> list[tuple[int, int, int]]:
        """All links between some fingerprints of different owners.

        Args:
            members: the numbers of some.
            radius: bits.

        Returns:
            The numbers of two that are linked, and in how many bits they differ; each pair once.
        """
        links: list[tuple[int, int, int]] = []
        some = self._of(members)
        words = np.ascontiguousarray(some.hashes.transpose(1, 2, 0))
        for now in range(len(members)):
            bits = np.where(some.owners == some.owners[now], _FAR, _from_one(some, words, now))
            near = now + 1 + np.nonzero(bits[now + 1 :] <= radius)[0]
            links += [(members[now], members[other], int(bits[other])) for other in near.tolist()]
        return links

    def nearest(self, parts: Sequence[int]) -> tuple[int, int, int] | None:
        """The two nearest fingerprints of different owners that are in different parts. Each is compared with each.

        Args:
            parts: the number of the part that each is in; what is in -1 is left out.

        Returns:
            Their numbers, the lower first, and in how many bits they differ; None when nothing can be compared.
        """
        words, of = np.ascontiguousarray(self.hashes.transpose(1, 2, 0)), np.array(parts)
        best = (_FAR, 0, 0)
        for now in np.nonzero(of >= 0)[0].tolist():
            apart = (of != of[now]) & (of >= 0) & (self.owners != self.owners[now])
            bits = np.where(apart, _from_one(self, words, now), _FAR)
            other = int(np.argmin(bits))
            best = min(best, (int(bits[other]), min(now, other), max(now, other)))
        bits_apart, left, right = best
        return (left, right, bits_apart) if bits_apart < _FAR else None

    def _of(self, members: Sequence[int]) -> Prints:
        some = np.array(members, np.intp)
        return Prints(self.hashes[some], self.kinds[some], self.owners[some])


def components(prints: Prints, owners: int, radius: int) -> NDArray[np.int32]:
    """Unite owners of pictures that are nearly alike.

    Two are when the hash of one as it is stored and that of the other, in any orientation, differ in `radius` bits at
    most.

    Args:
        prints: the fingerprints.
        owners: how many owners there are.
        radius: 0 to 31 bits.

    Returns:
        For each owner the first that it is united with, be it through others: shape (owners,). The order of `prints`
        does not matter.
    """
    union = _Union(owners)
    prints = _collapsed(prints, union)
    words = np.ascontiguousarray(prints.hashes.transpose(1, 2, 0))
    if len(prints.owners) <= _FEW:
        for turned in words:
            union.unite_pairs(prints, *np.nonzero(_distances(words[0][:, :, None], turned[:, None]) <= radius))
    elif (join := _compiled() if len(prints.owners) > _WORTH_COMPILING else None) is not None:
        join(words, prints.kinds, prints.owners, union.first, radius, _CROWD)
    else:
        _join(prints, words, union, radius)
    return union.first


def _compiled() -> Callable[..., None] | None:
    """The join that numba compiles; None where it is not installed, or does not go with what else is."""
    try:
        from .compiled import join
    except (ImportError, RuntimeError):  # the latter where there is no folder in which it may keep what it compiled
        return None
    return join


def _from_one(prints: Prints, words: NDArray[np.uint64], one: int) -> NDArray[np.uint16]:
    """In how many bits a fingerprint differs from each, at least, in any orientation; `_FAR` where none compares."""
    turned = _distances(words[0][:, None], words[:, :, one].T[:, :, None]).min(0)
    bits = np.minimum(turned, _distances(words[0][:, one][:, None, None], words.swapaxes(0, 1)).min(0))
    kinds, kind = prints.kinds, prints.kinds[one]
    return np.where((kinds == kind) | (kinds == 0) | (kind == 0), bits, np.uint16(_FAR))


def _join(prints: Prints, words: NDArray[np.uint64], union: _Union, radius: int) -> None:
    """Unite all who are near, by sorting."""
    for part in range(_PARTS):  # neighbours first: a crowd that is united already need not meet each with each
        order = _Sorted.by(part, words[0], union.first[prints.owners]).order
        near = _distances(words[0][:, order[1:]], words[0][:, order[:-1]]) <= radius
        union.unite_pairs(prints, order[1:][near], order[:-1][near])
    for turned in words:
        for part in range(_PARTS):
            now = union.first[prints.owners]
            those, others = _Sorted.by(part, words[0], now), _Sorted.by(part, turned, now)
            for left, right in _meetings(those, others, radius):
                union.unite_pairs(prints, left, right)


def _distances(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """In how many bits hashes differ, of which the first axis has the words."""
    bits: NDArray[np.uint16] = np.bitwise_count(left[0] ^ right[0]).astype(np.uint16)
    for one, other in zip(left[1:], right[1:], strict=True):
        bits += np.bitwise_count(one ^ other)
    return bits


class _Union:
    """Who is united with whom."""

    def __init__(self, owners: int) -> None:
        self.first = np.arange(owners, dtype=np.int32)

    def unite_pairs(self, prints: Prints, left: NDArray[np.intp], right: NDArray[np.intp]) -> None:
        """Unite the owners of prints that are near each other, where they may be compared."""
        kinds, others = prints.kinds[left], prints.kinds[right]
        fit = (kinds == others) | (kinds == 0) | (others == 0)
        self.unite(prints.owners[left[fit]], prints.owners[right[fit]])

    def unite(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> None:
        """Unite the owners at each place of two arrays."""
        while True:
            left, right = self.first[left], self.first[right]
            apart = left != right
            if not apart.any():
                return
            left, right = left[apart], right[apart]
            np.minimum.at(self.first, np.maximum(left, right), np.minimum(left, right))
            while ((further := self.first[self.first]) != self.first).any():
                self.first = further


def _collapsed(prints: Prints, union: _Union) -> Prints:
    """One of each run of equal fingerprints, sorted; their owners are united."""
    hashes, kinds, owners = prints
    order = np.lexsort((owners, kinds, *hashes[:, 0].T))
    same = (hashes[order[1:]] == hashes[order[:-1]]).all((1, 2)) & (kinds[order[1:]] == kinds[order[:-1]])
    union.unite(owners[order[1:][same]], owners[order[:-1][same]])
    kept = np.delete(order, 1 + np.nonzero(same)[0])
    return Prints(hashes[kept], kinds[kept], owners[kept])


class _Sorted(NamedTuple):
    """Hashes in the order of one of their parts, and there by what they are united with.

    Attributes:
        order: the number of each.
        values: of the part.
        unions: of their owners.
        words: of each hash, all four.
    """

    order: NDArray[np.intp]
    values: NDArray[np.intp]
    unions: NDArray[np.int32]
    words: NDArray[np.uint64]

    @classmethod
    def by(cls, part: int, words: NDArray[np.uint64], unions: NDArray[np.int32]) -> _Sorted:
        """Hashes, given as four rows of words, sorted by one of their parts."""
        values = (words[part // 4] >> np.uint64(part % 4 * 16) & np.uint64(_VALUES - 1)).astype(np.intp)
        order = np.argsort(_key(values, unions), kind="stable")
        return cls(order, values[order], unions[order], words[:, order])


def _key(values: NDArray[np.intp], unions: NDArray[np.int32]) -> NDArray[np.intp]:
    return values << 32 | unions


def _meetings(those: _Sorted, others: _Sorted, radius: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Pairs within the radius among those who differ in one bit at most in the part by which they are sorted.

    Yields:
        The numbers of those and of others that each is near to.
    """
    keys = _key(those.values, those.unions)
    start = np.concatenate([[0], np.cumsum(np.bincount(those.values, minlength=_VALUES))])
    for flip in _FLIPS:
        values = others.values ^ flip
        first, end = start[values], start[values + 1]
        crowded = np.nonzero(end - first > _CROWD)[0]  # there it pays to leave out those with whom it is united
        own = _key(values[crowded], others.unions[crowded])
        before, after = (np.searchsorted(keys, own, side=side) for side in ("left", "right"))
        again = crowded[after < end[crowded]]
        yield from _within(those, others, radius, again, after[after < end[crowded]], end[again])
        end[crowded] = before
        yield from _within(those, others, radius, np.arange(len(values)), first, end)


def _within(
    those: _Sorted,
    others: _Sorted,
    radius: int,
    rows: NDArray[np.intp],
    first: NDArray[np.intp],
    end: NDArray[np.intp],
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """The pairs within the radius of some rows of others and, for each, those from a first place to an end."""
    ends = np.cumsum(end - first)
    for low, high in _blocks(ends):
        runs = (end - first)[low:high]
        offset = ends[low:high] - runs
        places = np.arange(offset[0], ends[high - 1]) + np.repeat(first[low:high] - offset, runs)
        bits = np.zeros(len(places), np.uint8)
        for word in (0, 1):  # unlike hashes nearly always differ by more than the radius in these already
            sought = others.words[word][rows[low:high]]
            bits += np.bitwise_count(those.words[word][places] ^ np.repeat(sought, runs))
        near = np.nonzero(bits <= radius)[0]
        if len(near):
            left, row = places[near], low + np.searchsorted(ends[low:high], near + offset[0], side="right")
            right = rows[row]
            fit = bits[near] + _distances(those.words[2:, left], others.words[2:, right]) <= radius
            yield those.order[left[fit]], others.order[right[fit]]


def _blocks(ends: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    """Cut counts, of which the running sums are given, into runs that sum to about `_BLOCK`."""
    low = 0
    while low < len(ends) and (done := ends[low - 1] if low else 0) < ends[-1]:
        high = max(low + 1, int(np.searchsorted(ends, done + _BLOCK, side="right")))
        yield low, high
        low = high
