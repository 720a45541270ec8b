"""Hunt a mutant down: `python -m proof.hunt KIND SEED`, with the mutated package on PYTHONPATH.

It prints what caught it and exits with 1; a mutant that survives exits with 0.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import power, races
from .faults import staged
from .scenarios import METHODS, SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SUBSETS, _PREFIXES = 60, 150
_DEEDS = 60
_ROTS = 15
_FAULTS = 60
_ROUGHEST_FIRST = ((3, "no-replace"), (1, "no-replace"), (3, "link"), (2, "no-replace"), (1, "link"))
"""The disks, by number, and ways to rename, where a flush that is missing shows soonest."""
_TELLING = ("split", "first split", "moves", "recover", "add")


def by_power(seed: int, share: float) -> Iterator[str]:
    """Power cuts, on the disks and in the verbs that show the most first."""
    scenarios = sorted(SCENARIOS, key=lambda scenario: scenario.name not in _TELLING)
    scenarios = scenarios[: max(len(_TELLING), round(len(scenarios) * share))]
    for disk, method in _ROUGHEST_FIRST[: max(1, round(len(_ROUGHEST_FIRST) * share))]:
        for scenario in scenarios:
            recording = power.record(scenario, power.DISKS[disk], method)
            states = power.states(recording.events, random.Random(seed), _SUBSETS, _PREFIXES)
            for state, verdict in power.judged(recording, states):
                if verdict.is_harm:
                    yield f"power cut in {scenario.name} on {recording.kind.name} ({state.how}): {verdict}"


def by_races(seed: int, share: float) -> Iterator[str]:
    """A second hand."""
    for scenario in SCENARIOS:
        for method in ("no-replace", "link"):
            if scenario.undoable:
                rng = random.Random(f"{seed} {scenario.name} {method}")
                with staged(scenario, method) as stage:
                    for _ in range(round(_DEEDS * share)):
                        call, deed = rng.choice(stage.calls), rng.choice(races.DEEDS)
                        verdict, _, _ = races.disturb(stage, call, deed, rng)
                        if verdict.is_harm:
                            yield f"a hand ({deed.__name__}) in {scenario.name}, {method}: {verdict}"
                    for _ in range(max(1, round(_ROTS * share))):
                        rotten = races.rot(stage, rng.choice(stage.calls), rng)
                        if rotten is not None and rotten.is_harm:
                            yield f"prepared bytes that rotted in {scenario.name}, {method}: {rotten}"


def by_faults(seed: int, share: float) -> Iterator[str]:
    """Single faults, in all ways to rename."""
    for scenario in SCENARIOS:
        for method in METHODS:
            with staged(scenario, method) as stage:
                points = stage.points()
                for point in random.Random(seed).sample(points, round(_FAULTS * share)):
                    struck = stage.strike(point)
                    if struck.verdict.is_harm:
                        yield f"{point} in {scenario.name}, {method}: {struck.verdict}"


def by_tests(_: int, __: float) -> Iterator[str]:
    """The tests of the journal, and those of `add`, the one verb that copies."""
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/journal",
        "tests/verbs/test_add.py",
    ]
    result = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    if result.returncode == 1:
        failed = [line for line in result.stdout.splitlines() if line.startswith("FAILED")]
        yield failed[0] if failed else "a test"


HUNTERS: dict[str, tuple[Callable[[int, float], Iterator[str]], ...]] = {
    "fsync": (by_power,),
    "identity": (by_races, by_faults),
    "no-replace": (by_races, by_faults),
    "control": (by_races, by_faults, by_power),
}
_A_FEW, _ALL = 0.1, 1.0


def main() -> int:
    """Send the hunters: each for a few tries, then the tests, then each for all of its tries."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has it ignored, and so its tests
    kind, seed = sys.argv[1], int(sys.argv[2])
    hunters = HUNTERS[kind]
    for hunter, share in (
        *((hunter, _A_FEW) for hunter in hunters),
        (by_tests, _ALL),
        *((hunter, _ALL) for hunter in hunters),
    ):
        try:
            found = next(hunter(seed, share), None)
        except (AssertionError, TimeoutError) as error:  # not even an undisturbed run is right
            found = f"{type(error).__name__}: {error}"
        if found:
            sys.stdout.write(f"{hunter.__name__}: {found}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
