"""The worker processes of PyTorch's loaders: none outlives its trainer, and a dead one is one error, not many."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from multiprocessing import current_process, parent_process
from multiprocessing.context import ForkServerProcess
from typing import TYPE_CHECKING, Any

from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

    from torch.utils.data import DataLoader


def end_if_orphaned(_worker: int = 0) -> None:
    """End this worker if the process that started it has died already. PyTorch's workers look whether their parent is
    another one than at their start; whose parent died before that would wait for ever.
    """
    parent = parent_process()
    is_direct = not isinstance(current_process(), ForkServerProcess)  # else the server is its parent, and ends it
    if parent is not None and is_direct and os.getppid() != parent.pid:
        os._exit(1)


def have_died(loader: DataLoader[Any]) -> bool:
    """Whether workers that the loader has are no longer there."""
    epoch = _epoch(loader)
    return epoch is not None and any(not worker.is_alive() for worker in epoch._workers)  # noqa: SLF001


def end_workers(loader: DataLoader[Any]) -> None:
    """End the loader's workers here and now. As long as they are its own, PyTorch raises an error for a dead one
    wherever the main thread happens to be when a signal comes.
    """
    if (epoch := _epoch(loader)) is not None:
        with _no_error_of_the_dead():
            epoch._shutdown_workers()  # noqa: SLF001 - else they end when nothing, no traceback either, refers to them


def _epoch(loader: DataLoader[Any]) -> _MultiProcessingDataLoaderIter | None:
    epoch = loader._iterator  # noqa: SLF001 - the only name that persistent workers have
    return epoch if isinstance(epoch, _MultiProcessingDataLoaderIter) else None


@contextmanager
def _no_error_of_the_dead() -> Generator[None]:
    """Without PyTorch's handler of the signal that a child has ended; what comes meanwhile, it is told at the end, for
    others may listen behind it.
    """
    raising = signal.getsignal(signal.SIGCHLD)
    if threading.current_thread() is not threading.main_thread() or not callable(raising):  # nothing is raised here
        yield
        return
    come: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGCHLD, lambda number, frame: come.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, raising)
        if come:
            raising(*come[-1])
