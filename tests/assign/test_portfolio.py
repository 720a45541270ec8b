"""What the draw leaves of deviations is made smaller, to the optimum in small cases, and never at the cost of sizes."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgstage.assign import Assignment, Group, assign
from imgstage.assign.balance import Kinds, exchange, greedy
from imgstage.assign.draw import draw
from imgstage.root import DEFAULT_RATIOS

THREE = {"train": Fraction(1, 2), "val": Fraction(1, 4), "test": Fraction(1, 4)}


@st.composite
def labelled(draw_: st.DrawFn, most: int = 8, largest: int = 6) -> list[Group]:
    """Groups that were never assigned, each with a few samples of a few labels, one or several a sample."""
    groups = []
    for number in range(draw_(st.integers(4, most))):
        size = draw_(st.integers(1, largest))
        labels = {name: draw_(st.integers(0, size)) for name in "abc"}
        groups.append(Group(f"g{number}", size, labels=tuple((n, c) for n, c in labels.items() if c)))
    return groups


def cost(groups: list[Group], splits: dict[str, str], outcome: Assignment) -> tuple[int, float]:
    """The largest deviation of a size, and the sum of all deviations of labels, counted plainly."""
    sizes = {name: -float(target) for name, target in outcome.targets.items()}
    labels: dict[tuple[str, str], Fraction] = {}
    totals: dict[str, int] = {}
    for group in groups:
        sizes[splits[group.id]] += group.size
        for label, count in group.labels:
            totals[label] = totals.get(label, 0) + count
            labels[splits[group.id], label] = labels.get((splits[group.id], label), Fraction()) + count
    lacking = (labels.get((n, label), Fraction()) - THREE[n] * total for n in THREE for label, total in totals.items())
    error = sum(map(abs, lacking))
    return round(max(map(abs, sizes.values()))), round(float(error), 6)


@settings(max_examples=40, deadline=None)
@given(labelled(most=6))
def test_small_cases_are_solved_to_the_optimum(groups: list[Group]) -> None:
    outcome = assign(groups, THREE)
    found = cost(groups, outcome.splits, outcome)
    best = min(
        cost(groups, dict(zip((g.id for g in groups), places, strict=True)), outcome)
        for places in product(THREE, repeat=len(groups))
        if len(set(places)) == len(THREE)  # none stays empty
    )
    assert found == best


@settings(max_examples=40, deadline=None)
@given(labelled(most=40, largest=9), st.integers(0, 5))
def test_it_is_never_worse_than_the_draw_and_keeps_its_bound(groups: list[Group], seed: int) -> None:
    drawn, outcome = draw(groups, THREE, seed), assign(groups, THREE, seed)
    assert cost(groups, outcome.splits, outcome) <= cost(groups, drawn.splits, drawn)
    for one in (drawn, outcome):
        deviation, error = cost(groups, one.splits, one)
        assert one.deviation == deviation
        assert one.label_error == pytest.approx(error, abs=1e-5)
        assert error >= one.least_label_error - 1e-5
    largest = max(group.size for group in groups)
    assert set(outcome.splits.values()) == set(THREE)
    assert cost(groups, outcome.splits, outcome)[0] <= 2 * largest


@settings(max_examples=25, deadline=None)
@given(labelled(most=30), st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_order_does_not_matter(groups: list[Group], seed: int, random: Random) -> None:
    first = assign(groups, THREE, seed)
    shuffled = list(groups)
    random.shuffle(shuffled)
    assert assign(shuffled, THREE, seed) == first


@settings(max_examples=25, deadline=None)
@given(labelled(most=30), labelled(most=30), st.integers(0, 5))
def test_growth_moves_nobody(first: list[Group], more: list[Group], seed: int) -> None:
    then = assign(first, THREE, seed).splits
    old = [group._replace(splits=frozenset((then[group.id],))) for group in first]
    new = [group._replace(id=f"new {group.id}") for group in more]
    now = assign([*old, *new], THREE, seed).splits
    assert {group.id: now[group.id] for group in old} == then


def test_enough_single_ones_leave_no_deviation() -> None:
    rng = np.random.default_rng(0)
    groups = [Group(f"b{n}", int(size), labels=(("big", int(size)),)) for n, size in enumerate(rng.integers(2, 40, 50))]
    groups += [Group(f"s{n}", 1, labels=((f"c{n % 5}", 1),)) for n in range(80)]
    outcome = assign(groups, DEFAULT_RATIOS)
    sizes = dict.fromkeys(DEFAULT_RATIOS, 0)
    for group in groups:
        sizes[outcome.splits[group.id]] += group.size
    assert sizes == outcome.targets


@pytest.mark.parametrize("several", [False, True])
def test_labels_of_skewed_groups_are_spread_as_well_as_can_be(several: bool) -> None:
    rng = np.random.default_rng(3)
    groups = []
    for number in range(800):
        size = int(min(60, 1 + rng.pareto(1.2)))
        counts = rng.multinomial(size, rng.dirichlet(np.full(12, 0.2)))
        if several:
            counts = np.minimum(size, counts + rng.multinomial(size, rng.dirichlet(np.full(12, 0.3))))
        groups.append(Group(f"g{number}", size, labels=tuple((f"c{n}", int(c)) for n, c in enumerate(counts) if c)))
    outcome, drawn = assign(groups, DEFAULT_RATIOS), draw(groups, DEFAULT_RATIOS)
    kinds = Kinds.of(groups, DEFAULT_RATIOS, drawn, 0)
    assert kinds is not None
    (size, error), (before, then) = (kinds.cost(kinds.counts(one.splits)) for one in (outcome, drawn))
    assert size == before == 0
    assert outcome.least_label_error <= error <= outcome.least_label_error + 0.5
    assert error < then


def test_an_exchange_keeps_sizes_and_the_number_of_each_kind() -> None:
    rng = np.random.default_rng(1)
    groups = [
        Group(f"g{n}", int(size), labels=((f"c{rng.integers(0, 9)}", int(size)),))
        for n, size in enumerate(rng.integers(1, 5, 300))
    ]
    drawn = draw(groups, DEFAULT_RATIOS)
    kinds = Kinds.of(groups, DEFAULT_RATIOS, drawn, 0)
    assert kinds is not None
    ordered = sorted(groups, key=lambda group: (group.size, group.labels))  # each label in one split
    worst_of: dict[str, str] = {}
    for size in range(1, 5):
        members = [group.id for group in ordered if group.size == size]
        worst_of |= dict(zip(members, sorted(drawn.splits[name] for name in members), strict=True))
    worst = kinds.counts(worst_of)
    better = exchange(kinds, worst)
    assert (kinds.sizes @ better == kinds.sizes @ worst).all()
    assert (better.sum(1) == worst.sum(1)).all()
    assert kinds.cost(better)[1] < kinds.cost(worst)[1] / 2
    splits = kinds.assigned({group.id: "train" for group in groups}, better)
    assert (kinds.counts(splits) == better).all()


def test_who_is_greedy_for_labels_still_gets_the_sizes_right() -> None:
    rng = np.random.default_rng(2)
    groups = [
        Group(f"g{n}", int(size), labels=((f"c{rng.integers(0, 9)}", int(size)),))
        for n, size in enumerate(rng.integers(1, 30, 200))
    ]
    groups += [Group(f"s{n}", 1, labels=(("single", 1),)) for n in range(60)]
    kinds = Kinds.of(groups, DEFAULT_RATIOS, draw(groups, DEFAULT_RATIOS), 0)
    assert kinds is not None
    found = greedy(kinds)
    assert (found.sum(1) == [len(of) for of in kinds.groups]).all()
    assert kinds.cost(found)[0] <= 1


def test_what_has_as_many_labels_as_samples_is_left_to_the_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgstage.assign.balance._MOST", 100)
    groups = [Group(f"g{n}", 1, labels=((f"c{n}", 1),)) for n in range(50)]
    assert assign(groups, THREE) == draw(groups, THREE)
