"""What files were made from: for each one that a resize made, its original in the vault."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from ..errors import BrokenOffError
from ..plan import VAULT
from .records import State, only_looking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..plan import Made
    from .records import Records

_RESIZE = "resize"


class Origins(NamedTuple):
    """What files were made from.

    Attributes:
        at: the digest and the origin of each made file, by where the operations left it.
        of: the origins that files of a digest have, by that digest; of equal originals, one.
        kept: the digest of what went into the vault, by place.
    """

    at: Mapping[str, tuple[str, Made]]
    of: Mapping[str, tuple[Made, ...]]
    kept: Mapping[str, str]

    def find(self, path: str, digest: str) -> Made | None:
        """The origin of the file at a path that has a digest; None when it was not made, or nobody can tell of what."""
        known, made = self.at.get(path, ("", None))
        if made is not None and known == digest:
            return made
        candidates = self.of.get(digest, ())
        return candidates[0] if len(candidates) == 1 else None

    def is_uncertain(self, path: str, digest: str) -> bool:
        """Whether the file was made, but of several originals nobody can tell which."""
        return digest in self.of and self.find(path, digest) is None


def origins(records: Records) -> Origins:
    """Follow every made file through the operations since, by its place; a hand that moved one left its digest.

    Raises:
        ChangedError: a plan was damaged.
    """
    with only_looking():
        return _origins(records)


def _origins(records: Records) -> Origins:
    done = [number for number, state in records.states().items() if state is State.DONE]
    if not any(records.head(number).verb == _RESIZE for number in done):
        return Origins({}, {}, {})
    at: dict[str, tuple[str, Made]] = {}
    of: dict[str, dict[tuple[str, str], Made]] = defaultdict(dict)
    kept: dict[str, str] = {}  # what went into the vault, by place
    gone: set[str] = set()
    for number in done:
        record = records.read(number)
        gone.update(record.discards)
        leaving = [(places[-1], at.pop(places[0], None)) for _, places in record.journeys]
        at |= {place: came for place, came in leaving if came is not None}
        kept |= {places[-1]: who.digest for who, places in record.journeys if places[-1].startswith(VAULT)}
        for identity, places in record.journeys:
            if places[0] in record.made:
                made = record.made[places[0]]
                at[places[-1]] = identity.digest, made
                original = kept.get(made.origin, made.origin)
                of[identity.digest][original, made.recipe] = made
    alive = {digest: tuple(made for made in known.values() if made.origin not in gone) for digest, known in of.items()}
    return Origins(
        {path: (digest, made) for path, (digest, made) in at.items() if made.origin not in gone},
        {digest: known for digest, known in alive.items() if known},
        kept,
    )


def ancestors(records: Records) -> tuple[dict[str, frozenset[str]], bool]:
    """The digests of all that files of a digest were ever made from, by that digest; also of what was purged since.

    An operation that was undone counts too: what it made may still be somewhere.

    Returns:
        The digests, and whether more was made of which a damaged plan cannot tell.
    """
    damaged = False
    found: dict[str, set[str]] = defaultdict(set)
    kept: dict[str, str] = {}
    for number, state in records.states().items():
        try:
            if state is not State.DONE or records.head(number).verb != _RESIZE:
                continue
            record = records.read(number)
        except BrokenOffError:
            damaged = True
        else:
            kept |= {places[-1]: who.digest for who, places in record.journeys if places[-1].startswith(VAULT)}
            for identity, places in record.journeys:
                made = record.made.get(places[0])
                if made is not None and made.origin in kept:
                    found[identity.digest].add(kept[made.origin])
    return {digest: frozenset(digests) for digest, digests in found.items()}, damaged
