"""The worker processes of PyTorch's loaders: none outlives its trainer, and a dead one is one error, not many."""

from __future__ import annotations

import os
import signal
from multiprocessing import connection, current_process, parent_process
from multiprocessing.context import ForkServerProcess
from typing import TYPE_CHECKING, Any

from torch._C import _remove_worker_pids
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter, _MultiProcessingDataLoaderIter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.process import BaseProcess

_LOOK = 0.2  # seconds without a batch, after which it is looked whether the workers live
_END = 2.0  # seconds that a worker whose line is broken may take to end


class WorkerDiedError(RuntimeError):
    """A worker ended, or its line broke, while a batch was waited for."""


class WorkerLoader(DataLoader[Any]):
    """PyTorch's loader; that a worker died is told where the next batch is asked for. PyTorch raises it from a signal
    instead, wherever the main thread happens to be then, be it in the midst of opening or closing something.
    """

    def _get_iterator(self) -> _BaseDataLoaderIter:
        if not self.num_workers:
            return super()._get_iterator()
        self.check_worker_number_rationality()
        return _Epochs(self)

    def are_there(self) -> bool:
        """Whether the workers, if any, all live, and are this process's: after a fork they are not."""
        epochs = self._epochs()
        return epochs is None or (epochs.are_ours() and all(worker.is_alive() for worker in epochs.workers))

    def end(self) -> None:
        """End the workers here and now, whatever refers to them: a traceback may, for long."""
        epochs = self._epochs()
        if epochs is not None:
            epochs.end()

    def _epochs(self) -> _Epochs | None:
        epochs = self._iterator
        return epochs if isinstance(epochs, _Epochs) else None


class _Epochs(_MultiProcessingDataLoaderIter):
    """The workers of a loader, which stay from one epoch to the next."""

    @property
    def workers(self) -> Sequence[BaseProcess]:
        return self._workers

    def are_ours(self) -> bool:
        return all(worker._parent_pid == os.getpid() for worker in self.workers)  # type: ignore[attr-defined]  # noqa: SLF001

    def end(self) -> None:
        if self.are_ours():
            self._shutdown_workers()  # asked, not killed: who is killed may leave shared memory
        else:
            self._shutdown = True  # else the parent's would end when nothing here refers to them

    def _reset(self, loader: DataLoader[Any], first_iter: bool = False) -> None:
        if first_iter:  # the workers have just begun: PyTorch's handler of signals is not to know them
            _remove_worker_pids(id(self))
            self._worker_pids_set = False
        super()._reset(loader, first_iter)

    def _try_get_data(self, timeout: float = _LOOK) -> tuple[bool, Any]:
        found: tuple[bool, Any] = super()._try_get_data(timeout)  # type: ignore[no-untyped-call]
        return found

    def _get_data(self) -> Any:
        try:
            return super()._get_data()  # type: ignore[no-untyped-call]
        except (RuntimeError, EOFError, OSError) as error:
            connection.wait([worker.sentinel for worker in self.workers], _END)
            codes = {worker.exitcode for worker in self.workers if worker.exitcode is not None}
            if isinstance(error, RuntimeError) and not codes:
                raise  # such as too many open files
            raise WorkerDiedError(_story(codes)) from error


def _story(codes: set[int]) -> str:
    how = " and ".join(sorted(signal.Signals(-code).name if code < 0 else f"exit {code}" for code in codes))
    where = "shared memory (/dev/shm)" if -signal.SIGBUS in codes else "memory"
    return (
        f"A worker process of the loader died ({how or 'its line broke'}); {where} may have run out. "
        "The next pass goes on at the batch that did not come; if it happens again, choose fewer num_workers"
    )


def end_if_orphaned(_worker: int = 0) -> None:
    """End this worker if the process that started it has died already. PyTorch's workers look whether their parent is
    another one than at their start; whose parent died before that would wait for ever.
    """
    parent = parent_process()
    is_direct = not isinstance(current_process(), ForkServerProcess)  # else the server is its parent, and ends it
    if parent is not None and is_direct and os.getppid() != parent.pid:
        os._exit(1)
