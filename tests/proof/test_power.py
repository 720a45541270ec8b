"""What a disk may hold after a power cut, drawn from a log."""

from __future__ import annotations

import random

from proof.block_device import FLUSH, MARK, WRITE, Event
from proof.power import states


def write(offset: int, data: bytes) -> Event:
    return Event(WRITE, offset, data * 512)


LOG = (
    write(0, b"a"),
    write(512, b"b"),
    Event(FLUSH, 0, b""),
    write(0, b"c"),
    write(1024, b"d"),
    Event(MARK, 0, b"told"),
)


def test_each_prefix_is_tried_once() -> None:
    found = list(states(LOG, random.Random(0), subsets=0))
    assert [len(state.writes) for state in found] == [0, 1, 2, 3, 4, 4], "a flush changes nothing, a mark what was told"
    assert [state.told for state in found] == [False] * 5 + [True]


def test_what_was_flushed_is_never_left_out() -> None:
    found = list(states(LOG, random.Random(0), subsets=300))
    late = [state for state in found if "events," in state.how and state.writes[:2] == LOG[:2]]
    assert {tuple(event.data[:1] for event in state.writes[2:]) for state in late} >= {(b"d",)}
    for state in found:
        if any(event in state.writes for event in LOG[3:5]):
            assert state.writes[:2] == LOG[:2]
