"""Groups by their kinds, and how far splits are from what they should have of sizes and labels.

Groups of one size with the same labels are of one kind. What matters is only how many of each kind are in each split.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .draw import keyed_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from fractions import Fraction

    from numpy.typing import NDArray

    from .draw import Assignment, Group

_MOST = 20_000_000  # numbers in the table of kinds; where labels are as good as unique, nothing can be balanced
_TRIED = 48  # kinds of each side that an exchange is looked for among
_LEAST = 1e-9  # gains that are nothing but rounding


@dataclass(frozen=True)
class Kinds:
    """New groups by kind, and what they are to fill.

    Attributes:
        groups: the groups of each kind, in the order of their hash.
        sizes: of a group of each kind: shape (kinds,).
        labels: how many samples with each label such a group has: shape (kinds, labels).
        names: of the splits.
        wanted: how many more samples each split should have: shape (splits,).
        lacking: how many more samples of each label each split should have: shape (splits, labels).
        bare: which splits must get a group, for they have none: shape (splits,).
        closed: which splits must get none, for they should have no sample: shape (splits,).
    """

    groups: Sequence[Sequence[Group]]
    sizes: NDArray[np.int64]
    labels: NDArray[np.float64]
    names: Sequence[str]
    wanted: NDArray[np.int64]
    lacking: NDArray[np.float64]
    bare: NDArray[np.bool_]
    closed: NDArray[np.bool_]

    @classmethod
    def of(cls, groups: Iterable[Group], ratios: Mapping[str, Fraction], drawn: Assignment, seed: int) -> Kinds | None:
        """The kinds of new groups; None where there are too many labels to be balanced."""
        kinds: dict[tuple[int, tuple[tuple[str, int], ...]], list[Group]] = defaultdict(list)
        totals: dict[str, int] = defaultdict(int)
        names = list(ratios)
        filled: dict[str, int] = dict.fromkeys(names, 0)
        settled: dict[str, dict[str, int]] = {name: defaultdict(int) for name in names}
        taken: set[str] = set()
        for group in groups:
            taken |= group.splits
            if len(group.splits) > 1:  # it goes nowhere
                continue
            for label, count in group.labels:
                totals[label] += count
            if not group.splits:
                kinds[group.size, group.labels].append(group)
            elif (split := drawn.splits[group.id]) in filled:
                filled[split] += group.size
                for label, count in group.labels:
                    settled[split][label] += count
        number = {label: place for place, label in enumerate(sorted(totals))}
        if len(kinds) * len(number) > _MOST:
            return None
        order = sorted(kinds)
        labels = np.zeros((len(order), len(number)))
        for place, (_, of) in enumerate(order):
            for label, count in of:
                labels[place, number[label]] = count
        lacking = np.array([[float(ratios[n] * totals[label]) - settled[n][label] for label in number] for n in names])
        return cls(
            [sorted(kinds[kind], key=lambda group: keyed_hash(seed, group.id)) for kind in order],
            np.array([size for size, _ in order], np.int64),
            labels,
            names,
            np.array([drawn.targets[name] - filled[name] for name in names], np.int64),
            lacking.reshape(len(names), len(number)),
            np.array([drawn.targets[name] > 0 and name not in taken for name in names]),
            np.array([drawn.targets[name] == 0 for name in names]),
        )

    def counts(self, splits: Mapping[str, str]) -> NDArray[np.int64]:
        """How many groups of each kind are in each split: shape (kinds, splits)."""
        number = {name: place for place, name in enumerate(self.names)}
        found = np.zeros((len(self.groups), len(self.names)), np.int64)
        for kind, members in enumerate(self.groups):
            for group in members:
                found[kind, number[splits[group.id]]] += 1
        return found

    def cost(self, counts: NDArray[np.int64]) -> tuple[int, float]:
        """The largest deviation of a size, in samples, and the sum of all deviations of labels."""
        sizes = self.sizes @ counts - self.wanted
        labels = counts.T @ self.labels - self.lacking
        return int(np.abs(sizes).max(initial=0)), round(float(np.abs(labels).sum()), 6)

    def fills(self, counts: NDArray[np.int64]) -> bool:
        """Whether every split has a group that must have one."""
        return bool((counts.sum(0) > 0)[self.bare].all())

    def assigned(self, splits: Mapping[str, str], counts: NDArray[np.int64]) -> dict[str, str]:
        """The splits of all groups, with as many of each kind in each as is wished; as few as can be change theirs."""
        found = dict(splits)
        for members, wished in zip(self.groups, counts, strict=True):
            room = dict(zip(self.names, wished.tolist(), strict=True))
            leaving: list[Group] = []
            for group in members:
                if room[splits[group.id]]:
                    room[splits[group.id]] -= 1
                else:
                    leaving.append(group)
            free = [name for name, count in room.items() for _ in range(count)]
            found |= {group.id: name for group, name in zip(leaving, free, strict=True)}
        return found


def exchange(kinds: Kinds, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Exchange groups of one size between splits, as long as that brings labels nearer to what they should be.

    Sizes stay what they are. Where many kinds have one size, exchanges are looked for among those that promise most by
    themselves.

    Args:
        kinds: the groups.
        counts: how many of each kind are in each split; see `Kinds.counts`.
    """
    found = np.array(counts)
    errors = found.T @ kinds.labels - kinds.lacking
    of_size = [np.nonzero(kinds.sizes == size)[0] for size in np.unique(kinds.sizes)]
    of_size = [of for of in of_size if len(of) > 1]
    pairs = [(one, other) for other in range(len(kinds.names)) for one in range(other)]
    rows, columns = np.nonzero(kinds.labels)
    search = _Search(kinds.labels, rows, columns, kinds.labels[rows, columns])
    better = True
    while better:
        better = False
        for one, other in pairs:
            for of in of_size:
                while (step := search.best(errors[[one, other]], of, found[:, [one, other]])) is not None:
                    going, coming = step
                    found[[going, coming], [one, other]] -= 1
                    found[[going, coming], [other, one]] += 1
                    change = kinds.labels[going] - kinds.labels[coming]
                    errors[one] -= change
                    errors[other] += change
                    better = True
    return found


class _Search(NamedTuple):
    """Looks for exchanges. Most groups have few labels, so only those that are there are looked at.

    Attributes:
        labels: of each kind: shape (kinds, labels).
        rows: of the values in `labels` that are not zero: the kind.
        columns: of the same: the label.
        values: themselves.
    """

    labels: NDArray[np.float64]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    values: NDArray[np.float64]

    def best(
        self, errors: NDArray[np.float64], of: NDArray[np.intp], counts: NDArray[np.int64]
    ) -> tuple[int, int] | None:
        """The kinds of two groups whose exchange between two splits brings most; None when none brings anything.

        Args:
            errors: of the two splits: shape (2, labels).
            of: the kinds that may be exchanged.
            counts: how many groups of each kind are in the two: shape (kinds, 2).
        """
        going = self._promising(errors, of[counts[of, 0] > 0])
        coming = self._promising(errors[::-1], of[counts[of, 1] > 0])
        if not len(going) or not len(coming):
            return None
        touched = np.nonzero(self.labels[np.concatenate([going, coming])].any(0))[0]
        change = self.labels[going][:, None, touched] - self.labels[coming][None, :, touched]
        now = errors[:, touched]
        after = np.abs(now[0] - change).sum(2) + np.abs(now[1] + change).sum(2)
        row, column = np.unravel_index(int(after.argmin()), after.shape)
        if after[row, column] > np.abs(now).sum() - _LEAST:
            return None
        return int(going[row]), int(coming[column])

    def _promising(self, errors: NDArray[np.float64], of: NDArray[np.intp]) -> NDArray[np.intp]:
        """Those of some kinds of which a group may best go from the first split to the second."""
        if len(of) <= _TRIED:
            return of
        now = errors[:, self.columns]
        gains = np.abs(now[0] - self.values) + np.abs(now[1] + self.values) - np.abs(now).sum(0)
        alone = np.bincount(self.rows, gains, len(self.labels))[of]
        chosen: NDArray[np.intp] = of[np.argsort(alone, kind="stable")[:_TRIED]]
        return chosen


def greedy(kinds: Kinds) -> NDArray[np.int64]:
    """Groups, the largest first, each to the split to which it brings most of what that lacks, sizes and labels alike;
    then small ones move until sizes are right, as far as they can be.

    Args:
        kinds: the groups.

    Returns:
        How many of each kind are in each split.
    """
    found = np.zeros((len(kinds.sizes), len(kinds.names)), np.int64)
    parts = np.column_stack([kinds.sizes * max(1, kinds.labels.shape[1]), kinds.labels])
    lacking = np.column_stack([kinds.wanted * max(1, kinds.labels.shape[1]), kinds.lacking])
    totals = np.maximum(np.abs(lacking).sum(0), 1)
    shares = np.where(kinds.closed, np.inf, 1 / np.maximum(kinds.wanted, 1))
    for kind in np.lexsort((np.arange(len(kinds.sizes)), -kinds.sizes)):
        there = np.nonzero(parts[kind])[0]
        value, weights = parts[kind, there], 1 / totals[there] ** 2
        for _ in kinds.groups[kind]:
            gain = ((value * value - 2 * lacking[:, there] * value) * weights).sum(1)
            best = int(np.argmin(np.where(kinds.closed, np.inf, gain * shares)))
            found[kind, best] += 1
            lacking[best, there] -= value
    _repair(kinds, found)
    return found


def _repair(kinds: Kinds, found: NDArray[np.int64]) -> None:
    """Move groups from the split that has most too many samples to the one that lacks most, as long as that helps."""
    errors = found.T @ kinds.labels - kinds.lacking
    excess = kinds.sizes @ found - kinds.wanted
    while True:
        source, target = int(np.argmax(excess)), int(np.argmin(np.where(kinds.closed, np.iinfo(np.int64).max, excess)))
        need = min(excess[source], -excess[target])
        fit = np.nonzero((found[:, source] > 0) & (kinds.sizes <= need))[0]
        if need <= 0 or not len(fit):
            return
        after = np.abs(errors[source] - kinds.labels[fit]).sum(1) + np.abs(errors[target] + kinds.labels[fit]).sum(1)
        kind = int(fit[np.argmin(after)])
        found[kind, source] -= 1
        found[kind, target] += 1
        errors[source] -= kinds.labels[kind]
        errors[target] += kinds.labels[kind]
        excess[source] -= kinds.sizes[kind]
        excess[target] += kinds.sizes[kind]
