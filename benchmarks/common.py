"""What the benchmarks share: a measured run of the command line, tables, versions."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Run:
    """A finished process.

    Attributes:
        output: what it wrote to stdout.
        wall_s: seconds from start to end.
        cpu_s: seconds of CPU, user and system.
        peak_mb: the largest resident memory, in units of 1,000,000 bytes.
    """

    output: str
    wall_s: float
    cpu_s: float
    peak_mb: float


def run(command: Sequence[str], cwd: str | None = None) -> Run:
    """Run a command in a process of its own.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, cwd=cwd)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        output.seek(0)
        return Run(output.read(), wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)


def imgstage(root: Path, *words: str) -> Run:
    """Run `imgstage -C root words...`."""
    return run([sys.executable, "-m", "imgstage", "-C", str(root), *words])


def in_a_new_process(
    job: Callable[Arguments, Result], *arguments: Arguments.args, **options: Arguments.kwargs
) -> Result:
    """What a job returns that is done in a fresh process, so that no other one's memory and caches are in it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(job, *arguments, **options).result()


def family() -> set[int]:
    """The numbers of this process and all its descendants."""
    parents = {int(name): fields[1] for name in os.listdir("/proc") if name.isdigit() and (fields := _stat(name))}
    found = {os.getpid()}
    while more := {one for one, parent in parents.items() if int(parent) in found} - found:
        found |= more
    return found


def cpu_s(processes: set[int]) -> float:
    """CPU seconds of processes, and of their children that have ended."""
    return sum(sum(map(int, _stat(str(one))[11:15])) for one in processes) / os.sysconf("SC_CLK_TCK")


def _stat(process: str) -> list[str]:
    """The fields of a process after its name; zeros when it is over."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["0"] * 20


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A Markdown table on stdout."""
    lines = [header, ["---"] * len(header), *rows]
    sys.stdout.write("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")


def versions(*packages: str) -> str:
    """One line: the machine, Python and the packages."""
    named = ", ".join(f"{name} {version(name)}" for name in packages)
    cores = len(os.sched_getaffinity(0))
    return f"{platform.system()} {platform.machine()}, {cores} cores, Python {platform.python_version()}, {named}"
