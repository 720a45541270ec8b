"""Run a command in a process of its own that strace can break at a chosen system call.

The process is forked from this one, in which imgstage is loaded already: the time of its imports is saved at
each of ten thousand runs, and no call of the interpreter's own start is counted. What runs is the command line as it
is.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

import_module("imgstage.images")  # loaded late, as a codec takes its time; a fault must strike the verb, not its import

STRACE = shutil.which("strace")
CHANGING = (
    "rename renameat renameat2 link linkat unlink unlinkat mkdir mkdirat rmdir symlink openat creat write pwrite64"
    " writev fsync fdatasync ftruncate truncate fallocate chmod fchmod fchmodat utimensat copy_file_range sendfile"
).split()
"""The system calls that change files, names or what the disk knows of them."""
_OPENS_TO_CHANGE = re.compile(r"O_(?:WRONLY|RDWR|CREAT|TRUNC|DIRECTORY)")
_CALL = re.compile(r"(?:\d+ +)?(\w+)\(")
_PATIENCE_S = 60.0
_NEVER = 1 << 15  # no run makes so many calls of a kind


class Fault:
    """Ways in which a system call can go wrong: strace's words for them."""

    KILL = "signal=SIGKILL"
    STOP = "signal=SIGSTOP"


ERRORS = ("ENOSPC", "EIO", "EACCES", "EROFS")


@dataclass(frozen=True)
class Injection:
    """One fault at one call.

    Attributes:
        call: the name of the system call.
        number: at which of its calls, counted from 1 in the process.
        fault: "signal=SIGKILL" or "error=ENOSPC" and so on.
        for_ever: at all later calls of that name too.
    """

    call: str
    number: int
    fault: str
    for_ever: bool = False

    @property
    def words(self) -> str:
        """As strace wants it."""
        return f"inject={self.call}:{self.fault}:when={self.number}{'+' if self.for_ever else ''}"

    def __str__(self) -> str:
        return f"{self.call} {self.number} {self.fault}{' for ever' if self.for_ever else ''}"


@dataclass(frozen=True)
class Outcome:
    """How a process ended.

    Attributes:
        code: the exit code; minus the number of the signal that killed it.
        stdout: what it printed.
        stderr: what it complained of.
        hit: whether the fault that was to happen did happen.
    """

    code: int
    stdout: str
    stderr: str
    hit: bool = True


def run(
    command: Callable[[], int],
    injections: Sequence[Injection] = (),
    meanwhile: Callable[[], None] | None = None,
    keep: Path | None = None,
) -> Outcome:
    """Run something in a process of its own, which may be broken.

    Args:
        command: what the process does; it returns an exit code.
        injections: what goes wrong.
        meanwhile: called once while the process is stopped, if one of the injections stops it.
        keep: where strace's log goes; None throws it away.
    """
    with tempfile.TemporaryDirectory(prefix="proof-", dir=scratch()) as folder:
        out, err, trace = Path(folder, "out"), Path(folder, "err"), keep or Path(folder, "trace")
        ready, go = os.pipe()
        # Opened before the fork: strace may come at any moment, and must count the command's calls only.
        with out.open("ab") as told, err.open("ab") as complained:
            pid = os.fork()
            if pid == 0:
                _child(command, ready, go, (told.fileno(), complained.fileno()))
        os.close(ready)
        tracer = _attach(pid, trace, injections) if injections else None
        os.write(go, b".")
        os.close(go)
        if tracer is None:
            _, status = os.waitpid(pid, 0)
        else:
            status = _wait(pid, trace, meanwhile)
            tracer.wait(_PATIENCE_S)
        return Outcome(os.waitstatus_to_exitcode(status), _text(out), _text(err), not injections or _hit(_text(trace)))


def _hit(log: str) -> bool:
    return "(INJECTED" in log or "SIGKILL" in log or "SIGSTOP" in log


def scratch() -> str | None:
    """Where to put what lives for a moment: in memory where possible."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


def _child(command: Callable[[], int], ready: int, go: int, outputs: tuple[int, int]) -> NoReturn:
    """The forked process: wait for the word, then do it."""
    code = 70
    try:
        os.close(go)
        for number, output in enumerate(outputs, start=1):
            os.dup2(output, number)
        # Whoever runs the harness may have put something else in their place.
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.read(ready, 1)
        code = command()
    except BaseException:  # noqa: BLE001 - whatever it is, it must not come back into the harness
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _attach(pid: int, trace: Path, injections: Sequence[Injection]) -> subprocess.Popen[bytes]:
    assert STRACE is not None, "strace is not on this machine"
    words = [STRACE, "-f", "-qq", "-o", str(trace), "-p", str(pid)]
    calls = ",".join(dict.fromkeys(injection.call for injection in injections))
    words += ["-e", f"trace={calls}"]
    for injection in injections:
        words += ["-e", injection.words]
    tracer = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _until(lambda: not _status(pid, "TracerPid").startswith("0"), f"strace did not come to process {pid}")
    return tracer


def _wait(pid: int, trace: Path, meanwhile: Callable[[], None] | None) -> int:
    """Wait for the end; where the process is stopped on its way, let somebody act in the meantime."""
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        if meanwhile is not None and "stopped by SIGSTOP" in _text(trace):
            meanwhile()
            meanwhile = None
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    message = f"process {pid} did not end within {_PATIENCE_S} s"
    raise TimeoutError(message)


def _until(holds: Callable[[], bool], message: str) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(message)
        time.sleep(0.0005)


def _status(pid: int, key: str) -> str:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "?"
    found = re.search(rf"^{key}:\s*(.*)$", text, re.MULTILINE)
    return found[1] if found else "?"


@dataclass(frozen=True)
class Call:
    """A system call of an undisturbed run that changes something.

    Attributes:
        name: of the call.
        number: which of the calls of that name it is, counted from 1.
        line: as strace shows it.
    """

    name: str
    number: int
    line: str


def calls_of(command: Callable[[], int], refusals: Sequence[Injection] = ()) -> tuple[Outcome, list[Call]]:
    """Run something undisturbed, and list the calls that change something, in their order.

    Args:
        command: what the process does.
        refusals: what the file system shall not offer.
    """
    refused = {injection.call for injection in refusals}
    never = [Injection(name, _NEVER, Fault.KILL) for name in CHANGING if name not in refused]
    with tempfile.TemporaryDirectory(prefix="proof-", dir=scratch()) as folder:
        trace = Path(folder, "trace")
        outcome = run(command, [*refusals, *never], keep=trace)
        lines = trace.read_text(errors="replace").splitlines()
    counts: dict[str, int] = {}
    calls: list[Call] = []
    for line in lines:
        found = _CALL.match(line)
        if found:
            name = found[1]
            counts[name] = counts.get(name, 0) + 1
            if name != "openat" or _OPENS_TO_CHANGE.search(line):
                calls.append(Call(name, counts[name], line))
    return outcome, calls
