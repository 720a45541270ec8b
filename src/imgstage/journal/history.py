"""Where a file has been: its way back through the operations, name by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..plan import INCOMING
from ..root import fold
from .records import State

if TYPE_CHECKING:
    from .records import Records


class Passage(NamedTuple):
    """What one operation did to a file.

    Attributes:
        operation: its number.
        verb: what it was.
        started: local time, ISO 8601.
        source: where the file was before, below the root; of one that was copied in, the path it was copied from; of
            one that was made of another, the path of that, whose place it took; empty where imgstage wrote it.
        target: where it was afterwards.
    """

    operation: int
    verb: str
    started: str
    source: str
    target: str


def passages(records: Records, path: str) -> list[Passage]:
    """Every move of the file that lies at a path now, oldest first.

    Names that a hand gave between the operations are not written down anywhere: there, the way back ends.

    Raises:
        BrokenOffError: a plan was damaged.
    """
    found: list[Passage] = []
    place = path
    for number, state in sorted(records.states().items(), reverse=True):
        if state is not State.DONE:
            continue
        record = records.read(number)
        journey = next((one for one in record.journeys if fold(one.places[-1]) == fold(place)), None)
        if journey is None:
            continue
        first = journey.places[0]
        if first in record.made:
            first = record.made[first].replaced
        source = record.sources.get(first, "") if first.startswith(f"{INCOMING}/") else first
        found.append(Passage(number, record.verb, record.head.started, source, journey.places[-1]))
        if source != first:  # it did not exist before
            break
        place = first
    return found[::-1]
