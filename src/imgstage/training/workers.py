"""The worker processes of PyTorch's loaders: none outlives its trainer, and a dead one is one error, not many."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from multiprocessing import connection, current_process, parent_process
from multiprocessing.context import ForkServerProcess
from multiprocessing.util import get_temp_dir
from queue import Empty
from typing import TYPE_CHECKING, Any

from torch._C import _remove_worker_pids
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter, _MultiProcessingDataLoaderIter

if TYPE_CHECKING:
    import io
    from collections.abc import Sequence
    from multiprocessing.process import BaseProcess

_POLL = 0.2  # seconds without a batch, after which it is looked whether the workers live
_END = 2.0  # seconds that the end of a worker may take, or the rest of a batch where another one has ended
_ORPHANED = 1.0  # seconds after which a worker looks again whether its trainer lives


class WorkerDiedError(RuntimeError):
    """A worker ended, or its pipe broke, while a batch was waited for."""


class WorkerLoader(DataLoader[Any]):
    """PyTorch's loader; that a worker died is told where the next batch is asked for. PyTorch raises it from a signal
    instead, wherever the main thread happens to be then, be it in the midst of opening or closing something.
    """

    def _get_iterator(self) -> _BaseDataLoaderIter:
        if not self.num_workers:
            return super()._get_iterator()
        self.check_worker_number_rationality()
        get_temp_dir()  # theirs too, from now on: a worker that is killed would leave one of its own behind
        # Ctrl-C while workers start waits: here until they have, there until they ignore it. Not with a server of
        # processes, which would keep the mask for all that come from it.
        context = self.multiprocessing_context or multiprocessing
        masked = set() if context.get_start_method() == "forkserver" else {signal.SIGINT}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, masked)
        try:
            return _WorkerIterator(self)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def are_there(self) -> bool:
        """Whether the workers, if any, all live, and are this process's: after a fork they are not."""
        epochs = self._epochs()
        return epochs is None or (epochs.are_ours() and all(worker.is_alive() for worker in epochs.workers))

    def end(self) -> None:
        """End the workers here and now, whatever refers to them: a traceback may, for long."""
        epochs = self._epochs()
        if epochs is not None:
            epochs._shutdown_workers()  # noqa: SLF001

    def _epochs(self) -> _WorkerIterator | None:
        epochs = self._iterator
        return epochs if isinstance(epochs, _WorkerIterator) else None


class _WorkerIterator(_MultiProcessingDataLoaderIter):
    """The workers of a loader, which stay from one epoch to the next."""

    @property
    def workers(self) -> Sequence[BaseProcess]:
        return self._workers

    def are_ours(self) -> bool:
        return all(worker._parent_pid == os.getpid() for worker in self.workers)  # type: ignore[attr-defined]  # noqa: SLF001

    def _shutdown_workers(self) -> None:
        """PyTorch's, but for what others forked, and where a worker died while it looked whether it is asked to end."""
        if self._shutdown or not self.are_ours():
            return
        lock = self._workers_done_event._cond  # type: ignore[attr-defined]  # noqa: SLF001
        if lock.acquire(timeout=_END):
            lock.release()
            super()._shutdown_workers()  # asked, not killed: who is killed may leave shared memory
            return
        self._shutdown = True
        for worker in self.workers:
            worker.kill()
            worker.join()

    def _reset(self, loader: DataLoader[Any], first_iter: bool = False) -> None:
        if first_iter:  # the workers have just begun: PyTorch's handler of signals is not to know them,
            _remove_worker_pids(id(self))
            self._worker_pids_set = False
            queue: Any = self._worker_result_queue  # and without it, who reads half a batch would wait for ever
            queue._recv_bytes = _ResultPipe(queue._reader, self.workers).recv_bytes  # noqa: SLF001
            self._register_persistent_workers_atexit()  # else they are killed then, and leave folders behind
        super()._reset(loader, first_iter)

    def _try_get_data(self, timeout: float = _POLL) -> tuple[bool, Any]:
        """PyTorch's asks for a lock, here, that a dead worker may hold."""
        try:
            return True, self._data_queue.get(timeout=timeout)
        except Empty:
            if codes := self._exit_codes():
                raise WorkerDiedError(_message(codes)) from None
            return False, None

    def _get_data(self) -> Any:
        try:
            return super()._get_data()  # type: ignore[no-untyped-call]
        except WorkerDiedError:
            raise
        except (RuntimeError, EOFError, OSError) as error:
            ended = connection.wait([worker.sentinel for worker in self.workers], _END)
            for worker in self.workers:
                if worker.sentinel in ended:  # what it had open is closed: its exit code comes a moment later
                    worker.join(_END)
            if (codes := self._exit_codes()) or isinstance(error, (EOFError, ConnectionError)):
                raise WorkerDiedError(_message(codes)) from error
            raise  # such as too many open files

    def _exit_codes(self) -> set[int]:
        return {worker.exitcode for worker in self.workers if worker.exitcode is not None}


class _ResultPipe(connection.Connection):
    """The pipe that batches come through. It is broken where a worker has ended and nothing more comes: this process
    and the other workers have its other end open too, so that the system tells of no end.
    """

    def __init__(self, pipe: connection.Connection, workers: Sequence[BaseProcess]) -> None:
        super().__init__(os.dup(pipe.fileno()), writable=False)
        self._sentinels = [worker.sentinel for worker in workers]

    def _recv(self, size: int) -> io.BytesIO:
        return super()._recv(size, self._read_what_comes)  # type: ignore[misc, no-any-return]

    def _read_what_comes(self, handle: int, size: int) -> bytes:
        if handle not in connection.wait([handle, *self._sentinels]) and not connection.wait([handle], _END):
            problem = "a worker ended in the midst of a batch"
            raise EOFError(problem)
        return os.read(handle, size)


def _message(codes: set[int]) -> str:
    how = " and ".join(map(_end_of, sorted(codes))) or "its pipe broke"
    if -signal.SIGBUS in codes:
        why = "Shared memory (/dev/shm) may have run out: give it more, or choose fewer num_workers"
    elif -signal.SIGKILL in codes or not codes:
        why = "Memory may have run out: choose fewer num_workers, or smaller batches"
    else:
        why = "What it wrote on stderr may say why"
    return f"A worker process of the loader died ({how}). {why}. The next pass goes on at the batch that did not come"


def _end_of(code: int) -> str:
    try:
        return signal.Signals(-code).name if code < 0 else f"exit {code}"
    except ValueError:  # one without a name
        return f"signal {-code}"


def init_worker(_worker: int = 0) -> None:
    """Let this worker end with the process that started it, and not before.

    PyTorch's workers look whether their parent is another one than at their start: whose parent died before that would
    wait for ever; and they end when what they made is taken, which nobody does then. Ctrl-C reaches all processes of a
    terminal: it is the trainer's.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent, is_from_server = parent_process(), _is_from_server(current_process())
    if parent is None:
        return

    def lives() -> bool:
        # The pipe by which a process sees its parent end is open in those forked later, too; but who comes from a
        # server has that for a parent in the system's eyes.
        return parent.is_alive() if is_from_server else os.getppid() == parent.pid

    def watch() -> None:
        while lives():
            time.sleep(_ORPHANED)
        os._exit(1)

    if not lives():
        os._exit(1)
    threading.Thread(target=watch, daemon=True).start()


def _is_from_server(process: BaseProcess) -> bool:
    if isinstance(
        process, multiprocessing.Process
    ):  # started in the usual way, which is a server's from Python 3.14 on
        return multiprocessing.get_start_method() == "forkserver"
    return isinstance(process, ForkServerProcess)
