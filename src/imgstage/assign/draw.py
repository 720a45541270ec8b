"""The draw: groups, the largest first, to the split that lacks most; then those with labels that it lacks."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from math import floor
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from ..errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from fractions import Fraction

_DIGITS = 6  # of errors: what is behind them is nothing but rounding


class Group(NamedTuple):
    """Samples that must share a split.

    Attributes:
        id: names the group; ties are broken by a hash of it and the seed.
        size: how many samples it holds.
        splits: the splits in which some of its samples are already.
        labels: how many of its samples have each label.
    """

    id: str
    size: int
    splits: frozenset[str] = frozenset()
    labels: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Assignment:
    """The outcome.

    Attributes:
        splits: the split of each group, old and new.
        bridges: groups that tie two splits together; their new samples belong nowhere.
        targets: how many samples each split should have.
        deviation: samples that a split has too many or too few, at most.
        label_error: the sum over splits and labels of how many samples there are too many or too few; shares of a
            sample count.
        least_label_error: what it cannot go below, for samples are whole.
    """

    splits: dict[str, str]
    bridges: tuple[str, ...]
    targets: dict[str, int]
    deviation: int
    label_error: float
    least_label_error: float

    @property
    def is_ideal(self) -> bool:
        """Whether nothing could be nearer to what is wished."""
        return not self.deviation and self.label_error <= self.least_label_error


def targets(total: int, ratios: Mapping[str, Fraction], rounding: str = "remainder") -> dict[str, int]:
    """How many of `total` samples each split should have.

    Args:
        total: how many there are.
        ratios: share of each split, summing to 1.
        rounding: "remainder": largest remainder, and at least one for every share above zero when there are enough;
            "truncate": each share rounded down, the rest to the last split, as `int()` does.

    Returns:
        Counts that sum to `total`.
    """
    shares = {name: share * total for name, share in ratios.items()}
    counts = {name: int(share) for name, share in shares.items()}
    missing = total - sum(counts.values())
    if rounding == "truncate":
        counts[list(ratios)[-1]] += missing
        return counts
    order = sorted(ratios, key=lambda name: counts[name] - shares[name])  # stable: ties go to the split named first
    for name in order[:missing]:
        counts[name] += 1
    wanted = [name for name in ratios if ratios[name] > 0]
    if total >= len(wanted):
        for name in wanted:
            if counts[name] == 0:
                counts[max(counts, key=lambda other: counts[other])] -= 1
                counts[name] = 1
    return counts


def draw(
    groups: Iterable[Group], ratios: Mapping[str, Fraction], seed: int = 0, rounding: str = "remainder"
) -> Assignment:
    """Give every group a split; groups that have one keep it. How far sizes then deviate is at most the largest new
    group times (1 - 1/k) of k splits, and nothing where there are enough single ones.

    New groups go, the largest first, to the split with the largest absolute deficit; ties are broken by a hash keyed
    with the seed. Among groups of one size, the labels that the split lacks most go first. As long as there are no
    more new groups than splits without any sample, each of them goes to such a split.

    What it takes, returns and raises is that of `assign`.
    """
    ordered = sorted(groups, key=lambda group: group.id)
    bridges = tuple(group.id for group in ordered if len(group.splits) > 1)
    old = {group.id: next(iter(group.splits)) for group in ordered if len(group.splits) == 1}
    new = [group for group in ordered if not group.splits]
    placed = [group for group in ordered if len(group.splits) < 2]  # a bridge goes nowhere, so it asks for no room
    total = sum(group.size for group in placed)
    wanted = targets(total, ratios, rounding)
    deficits = dict(wanted)
    for group in placed:
        for split in group.splits:
            if split in deficits:
                deficits[split] -= group.size
    empty = {name for name in ratios if wanted[name] > 0} - {split for group in ordered for split in group.splits}
    if rounding == "remainder":
        _refuse_too_few(len(new), empty, ratios, total)
    labels = _LabelDeficits(placed, ratios)
    least = labels.least_error()
    splits = dict(old)
    remaining = len(new)
    for size, queue in _by_size(new, seed):
        while queue:
            choices = empty if empty and remaining <= len(empty) else ratios
            split = max(choices, key=deficits.__getitem__)
            tied = [name for name in choices if deficits[name] == deficits[split]]
            if len(tied) > 1:
                split = max(tied, key=lambda name: keyed_hash(seed, str(remaining), name))
            group = queue.pop(split, labels)
            labels.give(group, split)
            splits[group.id] = split
            deficits[split] -= size
            empty.discard(split)
            remaining -= 1
    return Assignment(splits, bridges, wanted, max(map(abs, deficits.values())), labels.error(), least)


def _refuse_too_few(new: int, empty: set[str], ratios: Mapping[str, Fraction], total: int) -> None:
    filled = [name for name, share in ratios.items() if share > 0]
    if new and (new < len(empty) or total < len(filled)):
        names = ", ".join(sorted(empty or filled))
        there = f"is {new} new sample or group" if new == 1 else f"are {new} new samples or groups"
        problem = f"There {there} of samples, too few to give {names} one each"
        if new == 1 and total > 1:  # fewer splits would not help
            raise RefusedError(
                problem,
                "Add more images, or tie fewer samples together: by --group, --max-group N or --near-duplicates ignore",
            )
        fewer = "train=0.8,val=0.2" if total > 1 else "train=1"
        raise RefusedError(problem, f"Add more images, or give ratios with fewer splits, such as {fewer}")


def keyed_hash(seed: int, *parts: str) -> bytes:
    """What orders things by chance, the same chance for the same seed."""
    return blake3("\0".join((str(seed), *parts)).encode("utf-8", "surrogateescape")).digest()


Labels = tuple[tuple[str, int], ...]


class _Queue:
    """New groups of one size, drawn in the order of their hash, label by label."""

    _MANY = 200  # beyond so many kinds of groups the labels are as good as unique, and are left to the draw

    def __init__(self, groups: Sequence[Group]) -> None:
        self._queues: dict[Labels, deque[Group]] = defaultdict(deque)
        self._heaps: dict[str, list[tuple[float, int, Labels]]] = {}
        too_many = len({group.labels for group in groups}) > self._MANY
        for group in groups:
            self._queues[() if too_many else group.labels].append(group)

    def __bool__(self) -> bool:
        return bool(self._queues)

    def pop(self, split: str, deficits: _LabelDeficits) -> Group:
        """Take the next of those groups whose labels a split lacks most.

        What a split lacks of a label only ever shrinks. So the score a kind had when it was last looked at is an upper
        bound, and the first kind at the top of the heap whose score still holds is the best of all.
        """
        heap = self._heaps.get(split)
        if heap is None:
            scored = ((-deficits.lacking(split, labels), order) for order, labels in enumerate(self._queues))
            heap = self._heaps[split] = [(*place, labels) for place, labels in zip(scored, self._queues, strict=True)]
            heapify(heap)
        while True:
            score, order, labels = heap[0]
            queue = self._queues.get(labels)
            if queue is None:
                heappop(heap)
                continue
            now = -deficits.lacking(split, labels)
            if now == score:
                break
            heapreplace(heap, (now, order, labels))
        group = queue.popleft()
        if not queue:
            del self._queues[labels]
        return group


def _by_size(groups: Iterable[Group], seed: int) -> Iterable[tuple[int, _Queue]]:
    sizes: dict[int, list[tuple[bytes, Group]]] = defaultdict(list)
    for group in groups:
        sizes[group.size].append((keyed_hash(seed, group.id), group))
    for size in sorted(sizes, reverse=True):
        yield size, _Queue([group for _, group in sorted(sizes[size], key=lambda item: item[0])])


class _LabelDeficits:
    """How many samples of each label each split still lacks."""

    def __init__(self, groups: Sequence[Group], ratios: Mapping[str, Fraction]) -> None:
        totals: dict[str, int] = defaultdict(int)
        for group in groups:
            for label, count in group.labels:
                totals[label] += count
        self._lacking = {
            name: {label: float(share * n) for label, n in totals.items()} for name, share in ratios.items()
        }
        for group in groups:
            if len(group.splits) == 1:
                self.give(group, next(iter(group.splits)))

    def give(self, group: Group, split: str) -> None:
        """A group goes to a split."""
        lacking = self._lacking.get(split)
        if lacking is not None:
            for label, count in group.labels:
                lacking[label] -= count

    def error(self) -> float:
        """How far all splits are from what they should have."""
        return round(sum(abs(value) for lacking in self._lacking.values() for value in lacking.values()), _DIGITS)

    def least_error(self) -> float:
        """What no further groups can bring that below, for samples are whole: of each label, so many splits get one
        more than their share as must, those that are nearest to it."""
        least = 0.0
        for values in zip(*(lacking.values() for lacking in self._lacking.values()), strict=True):
            over = sorted((value - floor(value) for value in values), reverse=True)
            rising = round(sum(over))
            least += rising - sum(over[:rising]) + sum(over[rising:])
        return round(least, _DIGITS)

    def lacking(self, split: str, labels: Labels) -> float:
        """How many samples of some labels a split still lacks."""
        lacking = self._lacking[split]
        if len(labels) == 1:  # nearly all groups
            return lacking[labels[0][0]]
        return sum([lacking[label] for label, _ in labels])
