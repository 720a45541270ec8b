"""The whole proof, or parts of it, as tables.

    python -m proof [single double races power mutants peers ...] [--full] [--seed 0]

Without names: what `make prove` runs. It exits with 1 when any harm was found.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from .jobs import PROOFS
from .report import Table, machine


def main() -> int:
    """Run what was asked for, and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *PROOFS], metavar="NAME")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    harm = False
    for name in options.names or PROOFS:
        start = time.monotonic()
        jobs, table = PROOFS[name]
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            pending: list[Future[Table]] = [pool.submit(table, *job, options.seed) for job in jobs]
            whole: Table | None = None
            for done in as_completed(pending):
                if whole is None:
                    whole = done.result()
                else:
                    whole.merge(done.result())
        assert whole is not None
        whole.print()
        harm = harm or bool(whole.harms)
        sys.stdout.write(f"{machine()}; {time.monotonic() - start:.0f} s\n\n")
    return int(harm)


if __name__ == "__main__":
    sys.exit(main())
