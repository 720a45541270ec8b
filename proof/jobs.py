"""The parts of the proof, cut into jobs that run beside each other. Each job gives a table."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import histories, peers, power, races
from .faults import staged
from .judge import Verdict
from .mounts import FILE_SYSTEMS, disk_of
from .mutants import Mutant, mutants
from .report import Table
from .scenarios import METHODS, SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Callable

_PARTS = 4  # of each verb's faults; each part is one job
_DOUBLE = 500  # double faults a verb
_DEEDS = 150  # of a second hand, a verb and way to rename
_ON_DISKS = 16  # faults a verb and file system; of those served by Python, a quarter
_SUBSETS = 60  # of unconfirmed writes, a verb and disk
_LIVES, _STEPS = 120, 30  # of each of four jobs of histories


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


def double(number: int, part: int, seed: int) -> Table:
    """Kill a verb, break `recover`, and recover at last; as often as it takes until both faults really happened."""
    table = Table("Double faults: the verb killed, and recover broken too", ("verb",))
    scenario = SCENARIOS[number]
    rng = random.Random(f"{seed} {scenario.name} {part}")
    with staged(scenario) as stage:
        recover_calls = stage.recover_calls()
        for _ in range(4 * _DOUBLE):
            struck = stage.strike_twice(rng, recover_calls)
            if struck.hit:
                table.add((struck.scenario,), struck.verdict, struck.injections)
            if sum(table.points.values()) >= _DOUBLE // _PARTS:
                break
    return table


def disturbed(number: int, method: str, seed: int) -> Table:
    """A second hand acts while a verb is at work, or what was prepared rots before it is used again."""
    table = Table("A second hand in the midst of a verb", ("verb", "renames", "deed"))
    scenario = SCENARIOS[number]
    rng = random.Random(f"{seed} {scenario.name} {method}")
    with staged(scenario, method) as stage:
        for count in range(_DEEDS):
            call, deed = rng.choice(stage.calls), races.DEEDS[count % len(races.DEEDS)]
            verdict, _, acted = races.disturb(stage, call, deed, rng)
            if acted:
                table.add((scenario.name, method, deed.__name__), verdict, call)
        for _ in range(_DEEDS // len(races.DEEDS)):
            call = rng.choice(stage.calls)
            rotten = races.rot(stage, call, rng)
            if rotten is not None:
                table.add((scenario.name, method, races.rot.__name__), rotten, call)
    return table


def on_disks(number: int, seed: int) -> Table:
    """Single faults of every verb on a mounted file system, in the way to rename that it offers itself."""
    kind = FILE_SYSTEMS[number]
    table = Table("Single faults on mounted file systems", ("file system", "verb"))
    with tempfile.TemporaryDirectory() as folder, disk_of(kind, Path(folder)) as disk:
        for scenario in SCENARIOS:
            with staged(scenario, place=disk.path) as stage:
                points = stage.points()
                count = _ON_DISKS // 4 if kind.shows else _ON_DISKS
                for point in random.Random(f"{seed} {kind.name} {scenario.name}").sample(points, count):
                    struck = stage.strike(point)
                    if struck.hit:
                        table.add((kind.name, scenario.name), struck.verdict, point)
    return table


def lives(part: int, seed: int) -> Table:
    """Histories: long lives made up by Hypothesis."""
    table = Table("Histories (a point is a step)", ("part",))
    problem = ""
    try:
        histories.live(_LIVES, _STEPS, 1000 * seed + part)
    except AssertionError as error:
        problem = f"{error} {getattr(error, '__notes__', '')}"
    table.points[str(part),] = histories.Histories.steps
    if problem:
        table.between[str(part),] += 1
        table.harms.append(problem)
    return table


def others(number: int, _: int) -> Table:
    """Peers, killed at each call, and with a name that is taken."""
    peer = peers.PEERS[number]
    table = Table("Peers: what lies there after a kill, and where a name is taken", ("tool", "fault"), told=0)
    for point, verdict in peers.killed(peer):
        table.add((peer.name, "SIGKILL"), verdict, point)
    table.add((peer.name, "a name is taken"), peers.taken(peer))
    return table


def cut(number: int, disk: int, method: str, seed: int) -> Table:
    """Power cuts in one verb on one disk."""
    table = Table("Power cuts (a point is a state that the disk may hold)", ("disk", "verb", "renames"))
    scenario = SCENARIOS[number]
    recording = power.record(scenario, power.DISKS[disk], method)
    states = power.states(recording.events, random.Random(f"{seed} {number} {disk}"), _SUBSETS)
    for state, verdict in power.judged(recording, states):
        table.add((recording.kind.name, scenario.name, method), verdict, state.how)
    return table


def hunted(number: int, seed: int) -> Table:
    """One mutant, which must be caught: a point is a mutant, a harm is a survivor."""
    mutant = list(mutants())[number]
    table = Table(
        "Mutants of the journal (in-between: survived; of the control: was caught)", ("kind", "mutant", "caught by")
    )
    survived, how = hunt(mutant, seed)
    verdict = Verdict(between="" if survived == (mutant.kind == "control") else how or "survived")
    table.add((mutant.kind, f"`{mutant}`".replace("|", "\\|"), how.partition(":")[0]), verdict, how)
    return table


def hunt(mutant: Mutant, seed: int) -> tuple[bool, str]:
    """Whether a mutant survives, and what was seen of it."""
    top = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory(prefix="proof-") as folder:
        mutant.write(Path(folder))
        environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{top}"}
        words = [sys.executable, "-m", "proof.hunt", mutant.kind, str(seed)]
        result = subprocess.run(words, env=environment, cwd=top, capture_output=True, text=True, check=False)
    assert result.returncode in (0, 1), result.stderr
    return result.returncode == 0, result.stdout.strip()


@dataclass(frozen=True)
class Proof:
    """A part of the proof.

    Attributes:
        job: gives a table; it takes the numbers of a job, and the seed.
        jobs: the numbers of each.
        slow: whether it belongs to the full form only.
    """

    job: Callable[..., Table]
    jobs: tuple[tuple[Any, ...], ...]
    slow: bool = False


_ALL = range(len(SCENARIOS))
_ROUGH = (1, 3)  # the disks on which a second name may outlive the first
_UNDOABLE = [number for number in _ALL if SCENARIOS[number].undoable]

PROOFS = {
    "single": Proof(single, tuple((n, method, part) for n in _ALL for method in METHODS for part in range(_PARTS))),
    "double": Proof(double, tuple((n, part) for n in _UNDOABLE for part in range(_PARTS))),
    "races": Proof(disturbed, tuple((n, method) for n in _UNDOABLE for method in ("no-replace", "link"))),
    "disks": Proof(on_disks, tuple((number,) for number in range(len(FILE_SYSTEMS)))),
    "histories": Proof(lives, tuple((part,) for part in range(4))),
    "peers": Proof(others, tuple((number,) for number in range(len(peers.PEERS)))),
    "power": Proof(
        cut,
        tuple((n, disk, "no-replace") for n in _ALL for disk in range(len(power.DISKS)))
        + tuple((n, disk, "link") for n in _ALL for disk in _ROUGH),
        slow=True,
    ),
    "mutants": Proof(hunted, tuple((number,) for number in range(len(list(mutants())))), slow=True),
}
"""By name, in the order in which they are run."""
