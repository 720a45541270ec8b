"""Somebody else's hand in a root while a verb is at work there: it edits, replaces, takes away and puts down files.

The verb is stopped after a system call that changes something; the hand does its deed; the verb goes on. Whatever it
does then, the hand's bytes must stay, nothing may be written over, and a file that is not what the plan saw must not be
moved as if it were.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imgstage.root import is_own

from . import judge
from .judge import STATE, Verdict
from .process import Call, Fault, Injection, Outcome, run
from .scenarios import PHOTOS, cli

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from .expected import Expected
    from .faults import Stage


@dataclass
class Hand:
    """What somebody did.

    Attributes:
        root: where.
        expected: what the verb is about to do there.
        rng: draws what the deed is done to.
        gone: contents that this hand itself destroyed.
        made: contents that it wrote.
        early: whether the intent was not written down yet, so that nothing had moved.
        unseen: whether the verb may not even have looked yet, so that it planned with the deed.
        foreign: contents that it wrote outside of the root.
        unmoved: paths at which an original lay that the hand changed before the verb moved it.
    """

    root: Path
    expected: Expected
    rng: random.Random
    gone: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    early: bool = False
    unseen: bool = False
    foreign: set[str] = field(default_factory=set)
    unmoved: set[str] = field(default_factory=set)

    def look(self) -> None:
        """See how far the verb has come."""
        self.early = not any((self.root / STATE / "journal").glob(f"{self.operation:06d}.plan*"))
        prepared = [path for path in (self.root / STATE / "incoming").glob("*") if not path.name.startswith("probe.")]
        self.unseen = self.early and not prepared

    @property
    def has_acted(self) -> bool:
        """Whether there was anything that the deed could be done to."""
        return bool(self.gone or self.made or self.foreign)

    @property
    def operation(self) -> int:
        """The number of the operation that is under way."""
        return self.expected.operation

    def content(self) -> bytes:
        """New bytes that nobody has."""
        return self.rng.randbytes(64)

    def pick(self) -> Path | None:
        """One of the originals that the verb moves, where it lies now."""
        before, after = self.expected.before, self.expected.after
        digests = {entry.digest for path, entry in before.items() if entry.digest and not is_own(path)}
        moving = {
            entry.digest for path, entry in before.items() if entry.digest in digests and after.get(path) != entry
        }
        now = {entry.digest: path for path, entry in judge.look(self.root).items() if entry.digest in moving}
        return self.root / now[self.rng.choice(sorted(now))] if now else None

    def destroy(self, path: Path) -> None:
        """Note that a content is the hand's own loss."""
        digest = judge.digest_of(path)
        self.gone.add(digest)
        place = str(path.relative_to(self.root))
        there = self.expected.before.get(place)
        if there is not None and there.digest == digest and path.stat().st_nlink == 1:  # else it is on its way
            self.unmoved.add(place)

    def write(self, path: Path, content: bytes) -> None:
        """Put bytes down."""
        path.write_bytes(content)
        self.made.add(judge.digest_of(path))


def edit(hand: Hand) -> None:
    """Write other bytes of the same length into a file that is to be moved."""
    path = hand.pick()
    if path is not None:
        hand.destroy(path)
        hand.write(path, (hand.content() * (path.stat().st_size // 64 + 1))[: path.stat().st_size])


def replace(hand: Hand) -> None:
    """Save a new file over one that is to be moved, as editors do: by a rename."""
    path = hand.pick()
    if path is not None:
        hand.destroy(path)
        other = path.with_name(path.name + "~")
        hand.write(other, hand.content())
        other.rename(path)


def take(hand: Hand) -> None:
    """Delete a file that is to be moved."""
    path = hand.pick()
    if path is not None:
        hand.destroy(path)
        path.unlink()


def occupy(hand: Hand) -> None:
    """Put a file where another one is about to come."""
    now = judge.look(hand.root)
    free = sorted(path for path, entry in hand.expected.after.items() if entry.digest and path not in now)
    if free:
        path = hand.root / hand.rng.choice(free)
        path.parent.mkdir(parents=True, exist_ok=True)
        hand.write(path, hand.content())


def come_back(hand: Hand) -> None:
    """Put a file where another one has just gone from."""
    now = judge.look(hand.root)
    left = sorted(path for path, entry in hand.expected.before.items() if entry.digest and path not in now)
    if left:
        path = hand.root / hand.rng.choice(left)
        path.parent.mkdir(parents=True, exist_ok=True)
        hand.write(path, hand.content())


def settle(hand: Hand) -> None:
    """Put a file into a folder that may be about to go."""
    folders = sorted(path for path, entry in judge.look(hand.root).items() if not entry.digest)
    if folders:
        hand.write(hand.root / hand.rng.choice(folders) / "mine.txt", hand.content())


def edit_source(hand: Hand) -> None:
    """Write into a file that is to be added, outside of the root."""
    photos = sorted((hand.root.parent / PHOTOS).rglob("*.jpg"))
    if photos:
        path = hand.rng.choice(photos)
        path.write_bytes(hand.content())
        hand.foreign.add(judge.digest_of(path))


def take_sources(hand: Hand) -> None:
    """Take away all that is to be added, as who pulls the card out: what was copied is the last there is of it."""
    copies = {judge.digest_of(path) for path in (hand.root / STATE / "incoming").glob("*") if path.suffix != ".part"}
    for path in sorted((hand.root.parent / PHOTOS).rglob("*.jpg")):
        digest = judge.digest_of(path)
        path.unlink()
        (hand.made if digest in copies else hand.gone).add(digest)


DEEDS: tuple[Callable[[Hand], None], ...] = (
    edit,
    replace,
    take,
    occupy,
    come_back,
    settle,
    edit_source,
    take_sources,
)


def disturb(
    stage: Stage, call: Call, deed: Callable[[Hand], None], rng: random.Random
) -> tuple[Verdict, Outcome, bool]:
    """Let a hand act after one call of a verb, and judge what comes of it; tells whether it did act."""
    with stage.root() as root:
        hand = Hand(root, stage.expected, rng)

        def act() -> None:
            hand.look()
            deed(hand)

        stop = Injection(call.name, call.number, Fault.STOP)
        outcome = run(lambda: stage.scenario.command(root), [*stage.refusals, stop], act)
        return _judge(stage, root, hand, outcome), outcome, outcome.hit and hand.has_acted


def _judge(stage: Stage, root: Path, hand: Hand, outcome: Outcome) -> Verdict:
    expected = stage.expected
    must = (expected.wanted.keys() - hand.gone) | hand.made
    lost = len(must - judge.kept(root).keys())
    problem = _early(hand, outcome)
    if outcome.code == 2 and not hand.unseen:  # it says that nothing was changed, so nothing is left to recover
        problem = problem or _neither(expected, judge.look(root), hand, only_before=True)
    for words in (("recover",), ("recover", "--without-missing")):
        recovery = run(lambda words=words: cli(*words)(root), stage.refusals)  # type: ignore[misc]
        if "Traceback" in recovery.stderr:
            problem = problem or recovery.stderr[-400:]
        if recovery.code == 0:
            break
    there = judge.kept(root)
    lost = max(lost, len(must - there.keys()))
    if any(there[digest] > 1 for digest in hand.made):
        problem = problem or "what the hand wrote is there twice"
    now = judge.look(root)
    moved = hand.unmoved & {path for path in hand.unmoved if _is_moved(path, expected, now, hand)}
    unseen = hand.unseen and outcome.code == 0
    if outcome.code == 0 and moved and not unseen:
        problem = problem or f"it moved {', '.join(sorted(moved))}, which it had never seen so"
    if hand.foreign & there.keys() and not unseen:
        problem = problem or "it took in a file that it had never seen so"
    if recovery.code == 0 and not unseen:
        problem = problem or _neither(expected, now, hand)
    # A file that the hand destroyed under one of its two names may stay behind under the other.
    whole = {digest: sample for digest, sample in expected.samples.items() if digest not in hand.gone}
    torn = judge.torn(now, whole) if recovery.code == 0 and not unseen else []
    if recovery.code != 0:
        problem = problem or _stuck(stage, root, hand)
    return Verdict(lost, len(torn), problem)


def _stuck(stage: Stage, root: Path, hand: Hand) -> str:
    """What `recover` asks for is that the hand's file goes elsewhere: then it must go through."""
    for path, entry in judge.look(root).items():
        if entry.digest in hand.made:
            (root / path).rename(root.parent / "elsewhere")
    recovery = run(lambda: cli("recover", "--without-missing")(root), stage.refusals)
    return "" if recovery.code == 0 else f"there is no way on: {recovery.stderr}"


def _is_moved(path: str, expected: Expected, now: judge.Tree, hand: Hand) -> bool:
    """Whether the bytes that the hand put in place of an original lie where the original was to go."""
    digest = expected.before[path].digest
    goals = [place for place, entry in expected.after.items() if entry.digest == digest]
    return any(place in now and now[place].digest in hand.made for place in goals if place != path)


def _early(hand: Hand, outcome: Outcome) -> str:
    if "Traceback" in outcome.stderr:
        return outcome.stderr[-400:]
    if outcome.code not in (0, 2, 3):
        return f"exit code {outcome.code}: {outcome.stderr}"
    if hand.early and outcome.code == 3:
        return f"nothing had moved yet, and still it did not refuse plainly: {outcome.stderr}"
    return ""


def _neither(expected: Expected, now: judge.Tree, hand: Hand, *, only_before: bool = False) -> str:
    """Of the originals that the hand left alone, all must be where they were before, or all where they are after."""
    mine = {entry.digest for entry in expected.before.values() if entry.digest in expected.wanted} - hand.gone

    def places(tree: judge.Tree) -> dict[str, str]:
        return {entry.digest: path for path, entry in tree.items() if entry.digest in mine}

    if places(now) == places(expected.before) or (not only_before and places(now) == places(expected.after)):
        return ""
    ways = sorted(places(now).items() ^ places(expected.before).items())
    return "neither before nor after: " + ", ".join(path for _, path in ways[:4])


def rot(stage: Stage, call: Call, rng: random.Random) -> Verdict | None:
    """Kill a verb, let what it prepared rot on the disk with its size and times kept, and run it again.

    None when nothing was there that could rot.
    """
    with stage.root() as root:
        run(lambda: stage.scenario.command(root), [*stage.refusals, Injection(call.name, call.number, Fault.KILL)])
        if any((root / STATE / "journal").glob(f"{stage.expected.operation:06d}.plan")):
            return None  # it was past that
        prepared = sorted((root / STATE / "incoming").glob("*"))
        if not prepared:
            return None
        for path in prepared:
            status = path.stat()
            path.write_bytes(rng.randbytes(status.st_size))
            os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
        return stage.expected.judge(root, run(lambda: stage.scenario.command(root), stage.refusals))
