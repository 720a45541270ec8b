"""The whole proof, or parts of it, as tables.

    python -m proof [NAME ...] [--full] [--brief] [--seed 0] [--jobs 2]

Without names, it is what `make prove` runs; `--full` adds power cuts and mutants. It exits with 1 when any harm was
found. It needs strace, and root for what is mounted. Ctrl-C ends the part that is being tried with the table so far.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .jobs import PROOFS, Proof
from .mounts import NotHereError
from .report import Table, machine

if TYPE_CHECKING:
    from concurrent.futures import Future


def prove(proof: Proof, name: str, seed: int, workers: int) -> Table:
    """Run the jobs of one part beside each other."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    whole: Table | None = None
    with (
        Progress(*columns, console=Console(stderr=True), transient=True) as bar,
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool,
    ):
        task = bar.add_task(name, total=len(proof.jobs))
        pending: list[Future[Table]] = [pool.submit(proof.job, *job, seed) for job in proof.jobs]
        try:
            for done in as_completed(pending):
                table = done.result()
                if whole is None:
                    whole = table
                else:
                    whole.merge(table)
                bar.advance(task)
        except KeyboardInterrupt:  # what was found until now is worth a table
            pool.shutdown(wait=False, cancel_futures=True)
            if whole is None:
                raise
            whole.title += f" (broken off: {bar.tasks[task].completed:g} of {len(pending)} jobs)"
    assert whole is not None
    return whole


def main() -> int:
    """Run what was asked for, and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(PROOFS)}")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--brief", action="store_true", help="one row for each verb, tool or file system")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    unknown = sorted(set(options.names) - PROOFS.keys())
    if unknown:
        parser.error(f"there is no part called {', '.join(unknown)}")
    names = options.names or [name for name, proof in PROOFS.items() if options.full or not proof.slow]
    harm = False
    for name in names:
        start = time.monotonic()
        try:
            table = prove(PROOFS[name], name, options.seed, options.jobs)
        except NotHereError as error:
            sys.stdout.write(f"{name}: not tried, for {error}\n\n")
            continue
        seconds = time.monotonic() - start
        table = table.brief() if options.brief else table
        sys.stdout.write("\n".join([*table.lines(), *table.first_harms(), f"{machine()}; {seconds:.0f} s", "", ""]))
        sys.stdout.flush()
        harm = harm or (bool(table.harms) and name != "peers")
    return int(harm)


if __name__ == "__main__":
    sys.exit(main())
