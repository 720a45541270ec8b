"""The worker processes of PyTorch's loaders: none outlives its trainer, and a dead one is one error, not many."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from multiprocessing import current_process, parent_process
from multiprocessing.context import ForkServerProcess
from typing import TYPE_CHECKING, Any

from torch._C import _remove_worker_pids
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


def are_there(loader: DataLoader[Any]) -> bool:
    """Whether the workers that a loader has, if any, all live, and are this process's: after a fork they are not."""
    epoch = _epoch(loader)
    return epoch is None or (_is_ours(epoch) and all(worker.is_alive() for worker in epoch._workers))  # noqa: SLF001


def end_workers(loader: DataLoader[Any]) -> None:
    """End the loader's workers here and now, whatever refers to them. As long as they are its own, PyTorch raises an
    error for a dead one wherever the main thread happens to be when a signal comes.
    """
    epoch = _epoch(loader)
    if epoch is None:
        return
    if _is_ours(epoch):
        with _no_error_of_the_dead():
            epoch._shutdown_workers()  # noqa: SLF001 - asked, not killed: who is killed may leave shared memory
    elif not epoch._shutdown:  # noqa: SLF001 - else the parent's would end when nothing here refers to them
        epoch._shutdown, epoch._worker_pids_set = True, False  # noqa: SLF001
        _remove_worker_pids(id(epoch))


def _epoch(loader: DataLoader[Any]) -> _MultiProcessingDataLoaderIter | None:
    epoch = loader._iterator  # noqa: SLF001 - the only name that persistent workers have
    return epoch if isinstance(epoch, _MultiProcessingDataLoaderIter) else None


def _is_ours(epoch: _MultiProcessingDataLoaderIter) -> bool:
    return all(worker._parent_pid == os.getpid() for worker in epoch._workers)  # type: ignore[attr-defined]  # noqa: SLF001


@contextmanager
def _no_error_of_the_dead() -> Generator[None]:
    """Without PyTorch's handler of the signal that a child has ended; what comes meanwhile, it is told at the end, for
    others may listen behind it.
    """
    raising = signal.getsignal(signal.SIGCHLD)
    # Handlers are run, and may be set, by the main thread alone; another one cannot keep an error from it.
    if threading.current_thread() is not threading.main_thread() or not callable(raising):
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
