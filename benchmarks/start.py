"""How long the command line takes to answer at all.

python -m benchmarks.start [--repeats 21]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.common import print_table, run, versions

_COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "python -c 'import click'": ("-c", "import click"),
    "imgstage --help": ("-m", "imgstage", "--help"),
    "imgstage split --help": ("-m", "imgstage", "split", "--help"),
    "imgstage status, empty root": ("-m", "imgstage", "status"),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=21)
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in _COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "stage_data").mkdir()
        for _ in range(options.repeats):
            for name, words in _COMMANDS.items():
                seconds[name].append(run([sys.executable, *words], cwd=folder).cpu_s)
    print_table(["", "CPU ms"], [[name, f"{statistics.median(of) * 1000:.0f}"] for name, of in seconds.items()])
    sys.stdout.write(versions("imgstage", "click") + "\n")


if __name__ == "__main__":
    main()
