"""A seeded sample of the proof: at least four hundred points over all verbs, ways to rename and file systems.

`make prove` and `make prove-full` try the points that are left out here.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from proof.faults import staged
from proof.mounts import FILE_SYSTEMS, FileSystem, disk_of
from proof.process import STRACE
from proof.scenarios import METHODS, SCENARIOS, Scenario

from proof import histories, peers, power, races

from ..helpers import REQUIRE_FAULTS

pytestmark = pytest.mark.skipif(STRACE is None and not REQUIRE_FAULTS, reason="strace is not on this machine")

SEED = 20_261_125
UNDOABLE = [scenario for scenario in SCENARIOS if scenario.undoable]
SINGLE = {"no-replace": 12, "link": 6, "checked": 6}
DOUBLE, DEEDS, STATES = 5, 14, 15


def name_of(scenario: Scenario) -> str:
    return scenario.name


def drawn(*words: object) -> random.Random:
    return random.Random(f"{SEED} {words}")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=name_of)
def test_a_single_fault_does_no_harm(scenario: Scenario, method: str) -> None:
    with staged(scenario, method) as stage:
        for point in drawn(scenario.name, method).sample(stage.points(), SINGLE[method]):
            struck = stage.strike(point)
            assert struck.hit, point
            assert not struck.verdict.is_harm, (point, struck)


@pytest.mark.parametrize("scenario", UNDOABLE, ids=name_of)
def test_a_fault_in_recover_does_no_harm_either(scenario: Scenario) -> None:
    rng = drawn(scenario.name, "double")
    with staged(scenario) as stage:
        calls = stage.recover_calls()
        for _ in range(DOUBLE):
            struck = stage.strike_twice(rng, calls)
            assert not struck.verdict.is_harm, struck


@pytest.mark.parametrize("method", ["no-replace", "link"])
@pytest.mark.parametrize("scenario", UNDOABLE, ids=name_of)
def test_a_second_hand_loses_nothing(scenario: Scenario, method: str) -> None:
    rng = drawn(scenario.name, method, "hand")
    with staged(scenario, method) as stage:
        for number in range(DEEDS):
            call, deed = rng.choice(stage.calls), races.DEEDS[number % len(races.DEEDS)]
            verdict, outcome, _ = races.disturb(stage, call, deed, rng)
            assert not verdict.is_harm, (call, deed.__name__, verdict, outcome)
        call = rng.choice(stage.calls)
        rotten = races.rot(stage, call, rng)
        assert rotten is None or not rotten.is_harm, (call, rotten)


@pytest.mark.parametrize("kind", FILE_SYSTEMS, ids=lambda kind: kind.name)
def test_a_fault_on_a_mounted_file_system_does_no_harm(kind: FileSystem, tmp_path: Path) -> None:
    scenarios = [
        scenario for scenario in SCENARIOS if not kind.shows or scenario.name in ("split", "moves", "undo moves")
    ]
    with disk_of(kind, tmp_path) as disk:
        for scenario in scenarios:
            with staged(scenario, place=disk.path) as stage:
                for point in drawn(kind.name, scenario.name).sample(stage.points(), 2):
                    struck = stage.strike(point)
                    assert not struck.verdict.is_harm, (scenario.name, point, struck)


def test_a_change_of_case_that_no_listing_shows_is_taken_back(tmp_path: Path) -> None:
    """lowntfs-3g lists every name in lower case, so whether a change of case was done, the other files must tell."""
    (kind,) = (kind for kind in FILE_SYSTEMS if kind.name == "lowntfs-3g")
    (moves,) = (scenario for scenario in SCENARIOS if scenario.name == "moves")
    with disk_of(kind, tmp_path) as disk, staged(moves, place=disk.path) as stage:
        points = [point for point in stage.points() if str(point).endswith("error=EACCES") and point.call == "unlink"]
        assert len(points) > 10
        for point in points:
            struck = stage.strike(point)
            assert not struck.verdict.is_harm, (point, struck)


@pytest.mark.parametrize("scenario", ["split", "moves", "recover"])
@pytest.mark.parametrize("kind", power.DISKS, ids=lambda kind: kind.name)
def test_a_power_cut_does_no_harm(kind: power.DiskKind, scenario: str) -> None:
    (wanted,) = (each for each in SCENARIOS if each.name == scenario)
    recording = power.record(wanted, kind)
    states = list(power.states(recording.events, drawn(kind.name, scenario), STATES, STATES))
    assert len(states) > STATES
    for state, verdict in power.judged(recording, iter(states)):
        assert not verdict.is_harm, (state.how, verdict)


def test_histories_lose_nothing() -> None:
    assert histories.live(8, 20, SEED) > 100


def test_the_same_kills_do_harm_to_a_loop_of_moves() -> None:
    """The harness sees harm where there is some."""
    loop = peers.PEERS[0]
    verdicts = [verdict for _, verdict in peers.killed(loop)]
    assert sum(verdict.torn > 0 for verdict in verdicts) == 8
    assert sum(bool(verdict.between) for verdict in verdicts) > 16
    assert peers.taken(loop).lost == 1
