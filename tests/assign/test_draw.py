"""Groups, ratios, seed and past -> splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgstage.assign import Assignment, Group, assign, targets
from imgstage.assign.draw import draw
from imgstage.errors import RefusedError
from imgstage.root import DEFAULT_RATIOS
from imgstage.settings import parse_ratios

from ..strategies import new_groups, ratios

SINGLES = [Group(f"s{number}", 1) for number in range(200)]


@pytest.mark.parametrize(
    ("total", "remainder", "truncate"),
    [
        (3, (1, 1, 1), (2, 0, 1)),
        (5, (3, 1, 1), (4, 0, 1)),
        (8, (6, 1, 1), (6, 0, 2)),
        (10, (8, 1, 1), (8, 1, 1)),
        (24, (19, 3, 2), (19, 2, 3)),
        (36, (29, 4, 3), (28, 4, 4)),
    ],
)
def test_counts_for_80_12_8(total: int, remainder: tuple[int, ...], truncate: tuple[int, ...]) -> None:
    assert tuple(targets(total, DEFAULT_RATIOS).values()) == remainder
    assert tuple(targets(total, DEFAULT_RATIOS, "truncate").values()) == truncate


def test_shares_are_exact_where_floats_bite() -> None:
    """int(.29 * 100) is 28, and int(.7 * 90) is 62."""
    assert targets(100, parse_ratios("train=0.29,val=0.71"), "truncate") == {"train": 29, "val": 71}
    assert targets(90, parse_ratios("train=0.7,val=0.3"), "truncate") == {"train": 63, "val": 27}


@given(st.integers(0, 5000), ratios())
def test_targets_sum_to_the_total_and_miss_no_share_by_more_than_the_minimum_of_one(
    total: int, shares: dict[str, Fraction]
) -> None:
    counts = targets(total, shares)
    wanted = [name for name, share in shares.items() if share > 0]
    assert sum(counts.values()) == total
    if total >= len(wanted):
        assert all(counts[name] >= 1 for name in wanted)
    raised = sum(1 for name in wanted if shares[name] * total < 1)
    assert all(abs(counts[name] - share * total) < 1 + raised for name, share in shares.items())


@settings(max_examples=1000, deadline=None)
@given(st.integers(20, 80), st.integers(0, 2**32), st.sampled_from(["80/12/8", "60/20/20", "98/1/1"]))
def test_ten_growth_steps_move_nobody_and_end_as_near_to_the_shares_as_can_be(first: int, seed: int, text: str) -> None:
    """After each step of about +10 %, no earlier sample has moved, and the counts are those of the targets."""
    shares = parse_ratios(text)
    groups = SINGLES[:first]
    total = first
    splits = assign(groups, shares, seed).splits
    for step in range(10):
        total += max(1, total // 10)
        new = [Group(f"step{step}.{number}", 1) for number in range(total - len(groups))]
        groups = [group._replace(splits=frozenset((splits[group.id],))) for group in groups] + new
        outcome = assign(groups, shares, seed)
        assert all(outcome.splits[name] == split for name, split in splits.items())
        before, after = Counter(splits.values()), Counter(outcome.splits.values())
        # As near as can be: no split that was given something new is above its target while another is below.
        over = [s for s in shares if after[s] > max(before[s], outcome.targets[s])]
        under = [s for s in shares if after[s] < outcome.targets[s] and after[s] < before[s] + len(new)]
        assert not (over and under)
        assert not over
        splits = outcome.splits


@settings(deadline=None)
@given(new_groups(largest=9), st.integers(), st.randoms(use_true_random=False))
def test_the_order_of_the_groups_does_not_matter(groups: list[Group], seed: int, random: Random) -> None:
    shuffled = list(groups)
    random.shuffle(shuffled)
    assert assign(groups, DEFAULT_RATIOS, seed) == assign(shuffled, DEFAULT_RATIOS, seed)


@settings(deadline=None)
@given(new_groups(largest=9), st.integers())
def test_no_split_stays_empty_and_the_deviation_is_bounded_by_the_largest_group(groups: list[Group], seed: int) -> None:
    outcome = assign(groups, DEFAULT_RATIOS, seed)
    counts: Counter[str] = Counter()
    for group in groups:
        counts[outcome.splits[group.id]] += group.size
    largest = max(group.size for group in groups)
    assert all(counts[name] for name in DEFAULT_RATIOS)
    # Each of the two small splits may have to get a whole group, which the large one then lacks.
    assert all(abs(counts[name] - target) <= 2 * largest for name, target in outcome.targets.items())


def test_another_seed_draws_other_samples() -> None:
    first, second = (assign(SINGLES, DEFAULT_RATIOS, seed).splits for seed in (0, 1))
    assert Counter(first.values()) == Counter(second.values())
    assert first != second


def test_labels_are_spread_over_the_splits() -> None:
    groups = [Group(f"s{number}", 1, labels=((f"class{number % 10}", 1),)) for number in range(500)]
    outcome = assign(groups, DEFAULT_RATIOS).splits
    table = Counter((group.labels[0][0], outcome[group.id]) for group in groups)
    assert {table[f"class{c}", "train"] for c in range(10)} == {40}
    assert {table[f"class{c}", "val"] for c in range(10)} == {6}
    assert {table[f"class{c}", "test"] for c in range(10)} == {4}


def test_a_thousand_labels_are_spread_too() -> None:
    groups = [Group(f"s{number}", 1, labels=((f"class{number % 1000}", 1),)) for number in range(5000)]
    outcome = assign(groups, DEFAULT_RATIOS).splits
    table = Counter((group.labels[0][0], outcome[group.id]) for group in groups)
    assert {table[f"class{c}", "train"] for c in range(1000)} == {4}
    assert Counter(outcome.values()) == {"train": 4000, "val": 600, "test": 400}


def test_a_group_follows_its_earlier_part_and_a_bridge_goes_nowhere() -> None:
    old = [Group(f"o{number}", 1, frozenset({name})) for name in DEFAULT_RATIOS for number in range(3)]
    follower = Group("follower", 5, frozenset({"test"}))
    bridge = Group("bridge", 2, frozenset({"train", "test"}))
    outcome = assign([*old, follower, bridge], DEFAULT_RATIOS)
    assert outcome.splits["follower"] == "test"
    assert outcome.bridges == ("bridge",)
    assert "bridge" not in outcome.splits


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_groups_than_splits_is_refused(count: int) -> None:
    with pytest.raises(RefusedError, match="too few"):
        assign(SINGLES[:count], DEFAULT_RATIOS)


def test_fewer_groups_than_splits_is_what_truncation_allows() -> None:
    assert set(assign(SINGLES[:2], DEFAULT_RATIOS, rounding="truncate").splits.values()) == {"train", "test"}


def test_a_tie_between_splits_is_drawn_not_given_to_the_first() -> None:
    shares = parse_ratios("a=0.25,b=0.25,c=0.5")
    old = [Group(f"{split}{number}", 1, frozenset((split,))) for number, split in enumerate("abcccc")]
    groups = [*old, Group("new", 1)]  # a and b lack one each
    drawn = Counter(assign(groups, shares, seed).splits["new"] for seed in range(200))
    assert min(drawn["a"], drawn["b"]) > 60


@pytest.mark.parametrize("seed", range(5))
def test_large_groups_are_placed_first(seed: int) -> None:
    """The other way round the last and largest group would overshoot: 7 to 9."""
    groups = [Group(f"{number}", size) for number, size in enumerate([2, 2, 2, 3, 3, 4])]
    splits = assign(groups, parse_ratios("a=0.5,b=0.5"), seed).splits
    sizes = Counter[str]()
    for group in groups:
        sizes[splits[group.id]] += group.size
    assert sizes == {"a": 8, "b": 8}


def test_an_empty_split_takes_a_large_group_only_when_nothing_else_is_left() -> None:
    groups = [Group("big", 10), Group("large", 10), *(Group(f"{number}", 1) for number in range(10))]
    splits = assign(groups, DEFAULT_RATIOS).splits
    assert (splits["big"], splits["large"]) == ("train", "train")
    assert set(splits.values()) == {"train", "val", "test"}


def test_the_one_that_every_split_gets_is_taken_from_the_largest() -> None:
    assert targets(10, parse_ratios("x=0.1,y=0.88,z=0.02")) == {"x": 1, "y": 8, "z": 1}


def test_a_bridge_fills_no_split() -> None:
    """Whose its samples are is not known, so others do not give way to them."""
    old = [Group(f"{split}{number}", 1, frozenset((split,))) for split in "abc" for number in range(2)]
    new = [Group(f"n{number}", 1) for number in range(6)]
    splits = assign([*old, Group("bridge", 6, frozenset("ab")), *new], parse_ratios("a=1/3,b=1/3,c=1/3")).splits
    assert sorted(splits[group.id] for group in new) == ["a", "a", "b", "b", "c", "c"]


def test_up_to_two_hundred_labels_are_spread() -> None:
    groups = [Group(f"{label} {number}", 1, frozenset(), ((str(label), 1),)) for label in range(200) for number in "ab"]
    splits = assign(groups, parse_ratios("a=0.5,b=0.5")).splits
    assert all({splits[f"{label} a"], splits[f"{label} b"]} == {"a", "b"} for label in range(200))


def test_the_advice_to_one_group_of_all_is_not_fewer_splits() -> None:
    with pytest.raises(RefusedError, match="tie fewer samples together"):
        assign([Group("all", 20)], DEFAULT_RATIOS)
    with pytest.raises(RefusedError, match="fewer splits"):
        assign([Group("one", 10), Group("two", 10)], DEFAULT_RATIOS)


@pytest.mark.parametrize("way", [draw, assign])
def test_what_ties_two_splits_asks_for_no_room(way: Callable[..., Assignment]) -> None:
    """Bridges go nowhere: the others get the shares that they would have without them."""
    ratios = {"train": Fraction(8, 10), "val": Fraction(1, 10), "test": Fraction(1, 10)}
    single = [Group(f"s{n}", 1, labels=(("ab"[n % 2], 1),)) for n in range(80)]
    bridges = [Group(f"b{n}", 1, frozenset(("train", "test")), (("a", 1),)) for n in range(20)]
    found, without = way([*single, *bridges], ratios), way(single, ratios)
    assert found.targets == without.targets == {"train": 64, "val": 8, "test": 8}
    assert found.deviation == 0
    assert found.label_error == without.label_error == 0
    sizes = Counter(found.splits[group.id] for group in single)
    assert dict(sizes) == found.targets
