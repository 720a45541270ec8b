"""Workers and trainers that die, or are asked to: nothing stays behind, in processes or in memory."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.data._utils import signal_handling

from imgstage.errors import DefectError
from imgstage.training import ImageDataset, Loader, WorkerDiedError

from ..helpers import write
from .test_loader import Numbers, images, numbers
from .test_pixels import encoded


def shared_memory() -> set[str]:
    """What PyTorch's processes share, and should leave to nobody."""
    return {name for name in os.listdir("/dev/shm") if name.startswith("torch_")}


def children() -> set[int]:
    """Processes that this one has started, and that are not over."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {int(child) for task in tasks for child in task.read_text().split()}


def test_after_fifty_crashes_of_workers_nothing_is_left() -> None:
    shared, running = shared_memory(), children()
    slowest = 0.0
    loader = Loader(Numbers(40, deadly=23), 4, num_workers=2)
    taken: list[int] = []
    for _ in range(50):
        start = time.monotonic()
        with pytest.raises(RuntimeError, match="worker"):
            taken.extend(int(one) for batch in loader for one in batch["number"])
        slowest = max(slowest, time.monotonic() - start)
    assert slowest < 20, "it is an error within seconds"
    assert taken == numbers(Loader(Numbers(40), 4, num_workers=0))[: len(taken)], "each batch came once"
    assert 23 not in taken
    del loader
    gc.collect()
    assert shared_memory() <= shared
    assert children() <= running


class DiesWhileHandingOver(Numbers):
    """Its workers break the line over which a batch goes, and die a while later, as under a load."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        connection.deliver_challenge = self.die  # type: ignore[assignment]
        return super().__getitem__(index)

    def die(self, line: Any, _key: bytes) -> None:
        line.close()
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_dies_is_one_error_and_none_at_whatever_comes_after() -> None:
    running = children()
    loader = Loader(DiesWhileHandingOver(40), 4, num_workers=2)
    with pytest.raises(WorkerDiedError, match=r"died \(SIGKILL\)") as died:
        next(iter(loader))
    work(0.5)  # PyTorch would raise from a signal, here as anywhere
    assert isinstance(died.value.__cause__, EOFError)
    assert children() <= running, "though the error is kept, as a trainer may to tell of it: its traceback holds much"


def test_a_worker_that_dies_between_two_batches_is_an_error_of_the_next_ones_alone() -> None:
    running = children()
    loader = Loader(Numbers(40), 4, num_workers=2)
    batches = iter(loader)
    taken = [int(one) for one in next(batches)["number"]]
    kill(min(children() - running))
    work(1)  # whatever a trainer does here goes through, be it the file that it saves its weights in
    with pytest.raises(WorkerDiedError, match=r"died \(SIGKILL\). Memory may have run out"):
        taken.extend(int(one) for batch in batches for one in batch["number"])
    assert sorted(taken + numbers(loader)) == list(range(40))


def test_a_worker_that_died_and_is_not_needed_is_no_error_of_the_next_pass() -> None:
    running = children()
    loader = Loader(Numbers(40), 4, num_workers=2)
    batches = iter(loader)
    taken = [int(one) for one in next(batches)["number"]]
    kill(min(children() - running))
    batches.close()  # type: ignore[attr-defined]
    assert sorted(taken + numbers(loader)) == list(range(40))


def kill(process: int) -> None:
    """And wait until it is dead, without having its end asked for."""
    os.kill(process, signal.SIGKILL)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)


class Ends(Numbers):
    """Its workers end in a way of their own."""

    def __init__(self, how: int) -> None:
        super().__init__(8)
        self.how = how

    def __getitem__(self, index: int) -> dict[str, Any]:
        if self.how >= 0:
            os._exit(self.how)
        signal.signal(-self.how, signal.SIG_DFL)  # PyTorch's says something on stderr first
        os.kill(os.getpid(), -self.how)
        return super().__getitem__(index)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (-signal.SIGBUS, r"\(SIGBUS\). Shared memory \(/dev/shm\) may have run out"),
        (-signal.SIGSEGV, r"\(SIGSEGV\). What it wrote on stderr may say why"),
        (-(signal.SIGRTMIN + 6), r"\(signal \d+\)"),
        (3, r"\(exit 3\)"),
        (0, r"\(exit 0\)"),
    ],
)
def test_how_a_worker_ended_is_told(how: int, told: str) -> None:
    with pytest.raises(WorkerDiedError, match=told):
        next(iter(Loader(Ends(how), 4, num_workers=2)))


def work(seconds: float) -> None:
    """As a trainer does between two batches."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


class DiesWhileAnotherFails(Numbers):
    """The first sample is broken; the worker that has the second one dies while that is told."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index == 1:
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


def test_a_worker_that_dies_while_a_loader_ends_takes_no_error_s_place() -> None:
    loader = Loader(DiesWhileAnotherFails(40, bad=(0,)), 1, num_workers=2, shuffle=False)
    with pytest.raises(DefectError, match="picture 0 is broken"):
        next(iter(loader))
    work(0.5)


def test_a_process_that_was_forked_has_workers_of_its_own(tmp_path: Path) -> None:
    images(tmp_path, 40)
    code = (
        "import os\nfrom imgstage.training import ImageDataset, Loader\n"
        "loader = Loader(ImageDataset('.', 'train', (10, 16)), 2, num_workers=1)\n"
        "batches = iter(loader)\nnext(batches)\n"
        "child = os.fork()\n"
        "if not child:\n    del batches\n    os._exit(len(list(loader)))\n"
        "_, status = os.waitpid(child, 0)\n"
        "assert os.waitstatus_to_exitcode(status) == 19, status\n"
        "assert len(list(batches)) == 19\n"
    )
    run(code, tmp_path)


LARGE = """
import fcntl, os, signal, struct, termios, threading, time
from imgstage.training import Loader, WorkerDiedError


class Large:  # batches that do not fit into the pipe: a worker waits in the midst of one
    def __len__(self):
        return 64

    def __getitem__(self, index):
        return {"key": f"{index}" + "x" * 40_000}


def fill(epochs):
    pipe = epochs._worker_result_queue._reader.fileno()
    while struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0] < 60_000:
        time.sleep(0.01)
    time.sleep(0.2)


def take(batches):
    taken.extend(int(key.rstrip("x")) for batch in batches for key in batch["key"])


def go_on_after(error, use, *given):
    try:
        use(*given)
    except error:
        print("told", flush=True)
    take(loader)
    assert taken == list(range(64)), taken


taken = []
loader = Loader(Large(), 4, num_workers=2, shuffle=False)
batches = iter(loader)
take([next(batches)])
epochs = loader._loader._iterator
"""


@pytest.mark.parametrize("count", [1, 2])
def test_a_worker_that_dies_in_the_midst_of_a_batch_is_an_error_and_no_hang(tmp_path: Path, count: int) -> None:
    code = LARGE + (
        "fill(epochs)\n"
        f"for worker in epochs._workers[:{count}]:\n    os.kill(worker.pid, signal.SIGKILL)\n"
        "go_on_after(WorkerDiedError, take, batches)\n"
    )
    assert run(code, tmp_path) == "told\n"


def test_a_worker_that_dies_with_the_lock_by_which_all_are_ended_is_no_hang(tmp_path: Path) -> None:
    code = LARGE + (
        "epochs._workers_done_event._cond.acquire()\n"
        "os.kill(epochs._workers[0].pid, signal.SIGKILL)\n"
        "go_on_after(WorkerDiedError, take, batches)\n"
        "assert not any(worker.is_alive() for worker in epochs._workers)\n"
    )
    assert run(code, tmp_path) == "told\n"


def test_a_trainer_that_is_killed_leaves_no_worker_in_the_midst_of_a_batch(tmp_path: Path) -> None:
    code = LARGE + "fill(epochs)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, start_new_session=True) as process:
        assert process.wait(60) == -signal.SIGKILL
    wait_for_the_end_of(process.pid)


def test_after_ctrl_c_in_the_midst_of_a_batch_as_in_a_notebook_the_next_pass_goes_on(tmp_path: Path) -> None:
    code = LARGE + (
        "def to_workers(number):\n    for worker in epochs._workers:\n        os.kill(worker.pid, number)\n"
        "fill(epochs)\n"
        "to_workers(signal.SIGSTOP)\n"
        "threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "threading.Timer(2, to_workers, (signal.SIGCONT,)).start()\n"
        "go_on_after(KeyboardInterrupt, take, batches)\n"
    )
    assert run(code, tmp_path) == "told\n"


def test_after_ctrl_c_between_two_batches_the_same_workers_go_on(tmp_path: Path) -> None:
    """Pressed in a terminal, it is sent to the workers too."""
    code = LARGE + (
        "go_on_after(KeyboardInterrupt, os.killpg, 0, signal.SIGINT)\n"
        "assert all(worker.is_alive() for worker in epochs._workers)\n"
    )
    assert run(code, tmp_path) == "told\n"


def test_ctrl_c_while_workers_start_does_not_end_them(monkeypatch: pytest.MonkeyPatch) -> None:
    first: Any = signal_handling._set_worker_signal_handlers  # type: ignore[attr-defined]

    def press() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        first()

    monkeypatch.setattr(signal_handling, "_set_worker_signal_handlers", press)
    assert sorted(numbers(Loader(Numbers(40), 4, num_workers=2))) == list(range(40))
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, set())


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
def test_no_folder_is_left_when_a_trainer_has_ended_though_workers_were_killed(tmp_path: Path, start: str) -> None:
    images(tmp_path, 8)
    (tmp_path / "trainer.py").write_text(
        "import multiprocessing, os, signal, tempfile\n"
        "from imgstage.training import ImageDataset, Loader, WorkerDiedError\n"
        "tempfile.tempdir = '.'\n"
        "if __name__ == '__main__':\n"
        f"    multiprocessing.set_start_method({start!r})\n"
        "    loader = Loader(ImageDataset('.', 'train', (10, 16)), 2, num_workers=2)\n"
        "    assert len(list(loader)) == 4\n"
        "    for worker in multiprocessing.active_children():\n"
        "        os.kill(worker.pid, signal.SIGKILL)\n"
        "        worker.join()\n"
        "    print(os.listdir(), len(list(loader)))\n",
        encoding="utf-8",
    )
    told = run("import runpy; runpy.run_path('trainer.py', run_name='__main__')", tmp_path)
    assert "pymp-" in told, "else this test could not fail"
    assert told.endswith(" 4\n")
    assert not list(tmp_path.glob("pymp-*"))


def run(code: str, folder: Path) -> str:
    """What a program prints; apart, for it may hang."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=folder, check=True, timeout=120, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    return done.stdout


@pytest.mark.parametrize("cache", [False, True])
def test_memory_does_not_grow_over_twenty_epochs(tmp_path: Path, cache: bool) -> None:
    for number in range(24):
        pixels = np.random.default_rng(number).integers(0, 256, (300, 400, 3), np.uint8)
        write(tmp_path / f"train/a/{number}.jpg", encoded(pixels, "JPEG"))
    loader = Loader(ImageDataset(tmp_path, "train", (200, 300), cache=cache), 8, num_workers=None if cache else 1)

    def used() -> int:
        processes = [os.getpid(), *(children() if not cache else ())]
        pages = (int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in processes)
        return sum(pages) * os.sysconf("SC_PAGE_SIZE")

    after: list[int] = []
    for _ in range(20):
        for _batch in loader:
            pass
        gc.collect()
        after.append(used())
    assert after[19] - after[4] < 24 * 200 * 300 * 3, "15 epochs less than one epoch's images"


@contextmanager
def training(folder: Path, context: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A trainer with two workers in a process group of its own, which has had its first batch."""
    images(folder, 40)
    code = (
        "import time\nfrom imgstage.training import ImageDataset, Loader\n"
        "images = ImageDataset('.', 'train', (10, 16))\n"
        f"loader = Loader(images, 2, num_workers=2, multiprocessing_context={context!r})\n"
        "for batch in loader:\n    print(loader.epoch, flush=True)\n    time.sleep(0.3)\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process


def wait_for_the_end_of(group: int) -> None:
    """Until none of a group of processes is there: workers look every second whether their trainer is."""
    end = time.monotonic() + 40
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("a process is left")


@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver"])
def test_a_trainer_that_is_killed_leaves_no_worker_and_no_memory(tmp_path: Path, context: str) -> None:
    shared = shared_memory()
    with training(tmp_path, context) as process:
        process.kill()
    wait_for_the_end_of(process.pid)
    assert shared_memory() <= shared


def test_a_worker_whose_trainer_dies_before_it_has_begun_ends(tmp_path: Path) -> None:
    """PyTorch's own watch begins later, and would take the process that adopts orphans for the trainer."""
    code = (
        "import multiprocessing, os, pathlib, sys, time\n"
        "from imgstage.training.workers import init_worker\n"
        "def work(trainer):\n"
        "    init_worker()\n"
        "    pathlib.Path('begun').touch()\n"
        "    while os.getppid() == trainer:\n        time.sleep(0.01)\n"
        "    init_worker()\n"
        "    pathlib.Path('left').touch()\n"
        "multiprocessing.get_context('fork').Process(target=work, args=(os.getpid(),)).start()\n"
        "while not pathlib.Path('begun').exists():\n    time.sleep(0.01)\n"
        "os._exit(0)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, start_new_session=True) as process:
        assert process.wait(60) == 0
    wait_for_the_end_of(process.pid)
    assert (tmp_path / "begun").exists()
    assert not (tmp_path / "left").exists()


def test_ctrl_c_in_an_epoch_ends_it_and_its_workers(tmp_path: Path) -> None:
    with training(tmp_path) as process:
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) != 0
    wait_for_the_end_of(process.pid)
