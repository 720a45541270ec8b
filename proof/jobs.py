"""The parts of the proof, cut into jobs that run beside each other. Each job gives a table."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from .faults import staged
from .report import Table
from .scenarios import METHODS, SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PARTS = 4  # of each verb's faults; each part is one job
_DOUBLE = 500


def single(number: int, method: str, part: int, seed: int) -> Table:
    """Every single fault of one verb, one part of them."""
    table = Table("Single faults", ("verb", "renames", "fault"))
    with staged(SCENARIOS[number], method) as stage:
        points = stage.points()
        random.Random(seed).shuffle(points)
        for point in points[part::_PARTS]:
            struck = stage.strike(point)
            if struck.hit:
                table.add((struck.scenario, method, struck.fault), struck.verdict, point)
    return table


def double(number: int, method: str, part: int, seed: int) -> Table:
    """Kill a verb, break `recover`, and recover at last; as often as it takes until both faults really happened."""
    table = Table("Double faults: killed, and recover broken too", ("verb", "renames"))
    scenario = SCENARIOS[number]
    rng = random.Random(f"{seed} {scenario.name} {method} {part}")
    with staged(scenario, method) as stage:
        recover_calls = stage.recover_calls()
        for _ in range(4 * _DOUBLE):
            struck = stage.strike_twice(rng, recover_calls)
            if struck.hit:
                table.add((struck.scenario, method), struck.verdict, struck.injections)
            if sum(table.points.values()) >= _DOUBLE // _PARTS:
                break
    return table


_ALL = [(n, method, part) for n in range(len(SCENARIOS)) for method in METHODS for part in range(_PARTS)]
PROOFS: dict[str, tuple[Iterable[tuple[int, str, int]], Callable[..., Table]]] = {
    "single": (_ALL, single),
    "double": ([job for job in _ALL if SCENARIOS[job[0]].undoable and job[1] == "no-replace"], double),
}
