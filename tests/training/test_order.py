"""An epoch's order: every sample once, another one each epoch, taken up anywhere by any number of processes."""

from __future__ import annotations

import itertools
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgstage.training.order import Schedule, permuted


def schedule(samples: int, batch_size: int = 4, **wishes: object) -> Schedule:
    base = Schedule(samples, batch_size, seed=7, shuffle=True, drop_last=False, rank=0, world_size=1)
    return base._replace(**wishes)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 1000, 999_983])
def test_every_number_comes_once(count: int) -> None:
    found = permuted(np.arange(count), count, 3, 1)
    assert np.array_equal(np.sort(found), np.arange(count))


def test_each_place_can_be_asked_for_by_itself() -> None:
    whole = permuted(np.arange(5000), 5000, 11, 2)
    some = np.array([4999, 0, 17, 2500])
    assert np.array_equal(permuted(some, 5000, 11, 2), whole[some])


def test_orders_look_like_chance() -> None:
    """Positions, neighbours and epochs are as independent as those of a shuffled list."""
    count = 20_000
    first, second, other = (permuted(np.arange(count), count, *how) for how in ((1, 0), (1, 1), (2, 0)))
    for order in (first, second, other):
        assert abs(np.corrcoef(np.arange(count), order)[0, 1]) < 0.03
        assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.03
        assert (np.diff(order) == 1).sum() < 10
        cells = np.histogram2d(np.arange(count), order, bins=10)[0]
        assert ((cells - 200) ** 2 / 200).sum() < 150, "chi-square of 81 degrees"
    assert (first == second).sum() < 20
    assert (first == other).sum() < 20


def test_where_each_sample_comes_is_even_over_many_epochs() -> None:
    places = np.array(
        [
            [int(np.nonzero(permuted(np.arange(8), 8, 5, epoch) == one)[0][0]) for one in range(8)]
            for epoch in range(800)
        ]
    )
    counts = np.array([np.bincount(places[:, one], minlength=8) for one in range(8)])
    assert ((counts - 100) ** 2 / 100).sum() < 110, "chi-square of 49 degrees"


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 400), st.integers(1, 9), st.integers(1, 5), st.booleans())
def test_processes_share_an_epoch_evenly(samples: int, batch_size: int, world_size: int, drop_last: bool) -> None:
    schedules = [
        schedule(samples, batch_size, world_size=world_size, rank=rank, drop_last=drop_last)
        for rank in range(world_size)
    ]
    taken = [list(one.batches(3)) for one in schedules]
    assert len({len(of) for of in taken}) == 1
    assert len(taken[0]) == schedules[0].steps()
    assert all(len({len(of[step]) for of in taken}) == 1 for step in range(len(taken[0])))
    times = Counter(one for of in taken for batch in of for one in batch)
    if drop_last:
        assert set(times.values()) <= {1}
        assert sum(times.values()) == samples // schedules[0].stride * schedules[0].stride
    else:
        assert set(times) == set(range(samples))
        assert sum(times.values()) - samples == schedules[0].padding()


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 3000), st.lists(st.tuples(st.integers(1, 6), st.integers(1, 17), st.integers(0, 20)), max_size=5))
def test_an_epoch_that_goes_on_with_other_numbers_has_every_sample_once(
    samples: int, phases: list[tuple[int, int, int]]
) -> None:
    cursor = 0
    seen: list[int] = []
    for world_size, batch_size, steps in [*phases, (1, 8, 10**9)]:
        schedules = [schedule(samples, batch_size, world_size=world_size, rank=rank) for rank in range(world_size)]
        whole = (samples - cursor) // schedules[0].stride  # the last step may repeat some
        take = min(steps, whole) if world_size > 1 else steps
        for one in schedules:
            seen += itertools.chain.from_iterable(itertools.islice(one.batches(1, cursor), take))
        cursor = min(samples, cursor + take * schedules[0].stride)
    assert sorted(seen) == list(range(samples))


def test_a_million_samples_are_taken_up_at_once_and_all_come_once() -> None:
    samples = 1_000_003
    cursor, seen = 0, np.zeros(samples, np.int64)
    for world_size, batch_size, steps in ((3, 256, 900), (5, 128, 400), (1, 512, 10**9)):
        for rank in range(world_size):
            one = schedule(samples, batch_size, world_size=world_size, rank=rank)
            for batch in itertools.islice(one.batches(9, cursor), steps):
                seen[batch] += 1
        cursor = min(samples, cursor + steps * batch_size * world_size)
    assert (seen == 1).all()
    start = time.process_time()
    next(schedule(10**9, 32).batches(0, 876_543_210))
    assert time.process_time() - start < 0.05, "nothing before it is worked out"


def test_without_shuffling_samples_come_as_they_stand() -> None:
    assert list(schedule(7, 3, shuffle=False).batches(5)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(schedule(7, 3, shuffle=False, drop_last=True).batches(5)) == [[0, 1, 2], [3, 4, 5]]
