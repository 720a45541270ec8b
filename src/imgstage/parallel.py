"""Map a function over items, in order, on one thread or on many."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeVar

from .errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")


class Progress(Protocol):
    """What long work tells whoever watches. The command line draws it as a bar."""

    def start(self, label: str, total: int) -> None:
        """A piece of work of `total` items begins; 0 stands for work that cannot be counted."""

    def advance(self) -> None:
        """One more item is done."""

    def finish(self) -> None:
        """The work is over, done or not."""


class Silent:
    """The `Progress` nobody watches."""

    def start(self, label: str, total: int) -> None:
        """Say nothing."""

    def advance(self) -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""


@contextmanager
def thinking(watch: Progress | None, label: str) -> Iterator[None]:
    """Tell who watches that work goes on which cannot be counted."""
    if watch is not None:
        watch.start(label, 0)
    try:
        yield
    finally:
        if watch is not None:
            watch.finish()


def default_threads() -> int:
    """The number of CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_ordered(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    threads: int | None = None,
    progress: Progress | None = None,
) -> Generator[Result]:
    """Yield `function(item)` for every item, in the order of the items, whatever finishes first.

    At most a few items a thread are in flight, so memory stays bounded however long the list is.

    Args:
        function: what to do; it runs in worker threads when `threads` > 1, so it should mostly release the GIL.
        items: what to do it to.
        threads: how many workers; None means one for each core.
        progress: told the total at once, and each item as it is yielded; its caller starts and finishes it.

    Yields:
        One result for each item.

    Raises:
        UsageError: `threads` is less than 1.
    """
    workers = default_threads() if threads is None else threads
    if workers < 1:
        problem = f"{workers} threads cannot do any work"
        raise UsageError(problem, "Give 1 or more")
    watch = progress or Silent()
    if workers == 1 or len(items) < 2:
        for item in items:
            yield function(item)
            watch.advance()
        return
    with ThreadPoolExecutor(min(workers, len(items))) as pool:
        queue = iter(items)
        pending: deque[Future[Result]] = deque(pool.submit(function, item) for item in islice(queue, workers * 4))
        try:
            while pending:
                result = pending.popleft().result()
                pending.extend(pool.submit(function, item) for item in islice(queue, 1))
                yield result
                watch.advance()
        finally:
            for waiting in pending:
                waiting.cancel()
