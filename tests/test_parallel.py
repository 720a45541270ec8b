"""Map over threads."""

from __future__ import annotations

import threading
import time

import pytest

from imgstage.errors import UsageError
from imgstage.parallel import Silent, default_threads, map_ordered


@pytest.mark.parametrize("threads", [1, 2, 7, None])
def test_results_come_in_the_order_of_the_items(threads: int | None) -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number == 0 else 0)
        return number * number

    assert list(map_ordered(slow_first, range(50), threads)) == [n * n for n in range(50)]


def test_work_is_shared_between_threads() -> None:
    barrier = threading.Barrier(3, timeout=10)
    assert list(map_ordered(lambda _: barrier.wait() >= 0, range(3), 3)) == [True] * 3


def test_few_results_wait_at_a_time() -> None:
    started = 0

    def work(number: int) -> int:
        nonlocal started
        started += 1
        return number

    results = map_ordered(work, range(1000), 2)
    next(results)
    time.sleep(0.05)
    assert started <= 12
    assert len(list(results)) == 999


def test_an_exception_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_ordered(lambda number: 1 // number, [1, 0, 1], 2))


def test_progress_is_told_of_each_item() -> None:
    class Count(Silent):
        items = 0

        def advance(self) -> None:
            self.items += 1

    watch = Count()
    list(map_ordered(str, range(9), 2, watch))
    assert watch.items == 9


def test_no_threads_is_refused() -> None:
    with pytest.raises(UsageError):
        list(map_ordered(str, [1], 0))
    assert default_threads() >= 1
