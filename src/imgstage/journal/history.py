"""Where a file has been: its way back through the operations, name by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..plan import INCOMING
from ..root import STATE, fold
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
            if any(fold(one.places[0]) == fold(place) for one in record.journeys):  # what is there came by a hand
                break
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


def whereabouts(records: Records, name: str) -> list[str]:
    """Where the files are now that had a name once, as far as the journal knows: by path, or by name alone.

    Raises:
        BrokenOffError: a plan was damaged.
    """
    wanted = fold(name)
    places: set[str] = set()
    for number, state in records.states().items():
        if state is not State.DONE:
            continue
        record = records.read(number)
        left, came = set[str](), set[str]()
        for _, (first, *_, last) in record.journeys:
            was = record.made[first].replaced if first in record.made else record.sources.get(first, first)
            if first in places or was in places or wanted in {fold(one) for one in (was, last, _own(was), _own(last))}:
                left.add(first)
                came.add(last)
        places = (places - left) | came
    return sorted(place for place in places if not place.startswith(STATE))


def _own(path: str) -> str:
    return path.rpartition("/")[2]
