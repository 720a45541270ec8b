"""The best of several ways to assign: first by how near sizes are to what they should be, then labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .draw import Assignment, Group, draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from fractions import Fraction

    import numpy as np
    from numpy.typing import NDArray

    from .balance import Kinds


def assign(
    groups: Iterable[Group], ratios: Mapping[str, Fraction], seed: int = 0, rounding: str = "remainder"
) -> Assignment:
    """Give every group a split; groups that have one keep it.

    The draw comes first. Where it leaves deviations, groups are also given out one by one for the sake of sizes and
    labels alike, and, where there are but a few kinds of groups, by an integer program. Each of these is made better by
    exchanging groups of one size; the nearest to the ratios is taken, by sizes first, then by labels.

    Args:
        groups: old and new.
        ratios: share of each split, summing to 1.
        seed: any whole number.
        rounding: as for `targets`.

    Returns:
        The assignment; the order of `groups` does not matter.

    Raises:
        RefusedError: there are fewer groups than splits to fill.
    """
    groups = sorted(groups, key=lambda group: group.id)
    drawn = draw(groups, ratios, seed, rounding)
    new = [group for group in groups if not group.splits]
    if drawn.is_ideal or len(new) < 2 or len({(group.size, group.labels) for group in new}) < 2:
        return drawn
    from .balance import Kinds  # loads numpy

    kinds = Kinds.of(groups, ratios, drawn, seed)
    return drawn if kinds is None else _nearest(kinds, drawn)


def _nearest(kinds: Kinds, drawn: Assignment) -> Assignment:
    """The draw, or what comes nearer."""
    from .balance import exchange, greedy
    from .program import is_small, solve

    splits = {group.id: drawn.splits[group.id] for members in kinds.groups for group in members}
    first = kinds.counts(splits)
    ideal = (0, drawn.least_label_error)
    best = first
    ways: list[Callable[[Kinds], NDArray[np.int64] | None]] = [lambda _: first, greedy]
    if is_small(kinds):
        ways.append(solve)
    for way in ways:
        if kinds.cost(best) > ideal and (other := way(kinds)) is not None and kinds.fills(other):
            best = min(best, exchange(kinds, other), key=kinds.cost)
    if kinds.cost(best) >= kinds.cost(first):
        return drawn
    deviation, error = kinds.cost(best)
    splits = drawn.splits | kinds.assigned(splits, best)
    return replace(drawn, splits=splits, deviation=deviation, label_error=error)
