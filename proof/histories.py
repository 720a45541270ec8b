"""Long lives that nobody thought of: verbs, faults, and a second hand that does what hands do, made up by Hypothesis.

Whatever happens, nothing that the hand did not destroy itself may be gone; no image that was in val or test, nor what
became of it under a hand's edits, conversions and new names, is brought into train by imgstage, unless it was asked and
told to; a pair is never torn; every message is a sentence; and there is always a way on.
"""

from __future__ import annotations

import glob
import random
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from imgstage import Dataset, ledger
from imgstage.errors import ImgstageError
from imgstage.journal import Journal
from imgstage.root import is_own

from . import judge
from .expected import tells_truth
from .process import ERRORS, Fault, Injection, Outcome, run, scratch
from .scenarios import PHOTOS, cli, picture, write

if TYPE_CHECKING:
    from collections.abc import Callable

_CALLS = (
    "rename",
    "renameat2",
    "unlink",
    "mkdir",
    "rmdir",
    "openat",
    "write",
    "fsync",
    "pwrite64",
    "utimensat",
    "fchmod",
)
_FAULTS = st.builds(
    Injection,
    st.sampled_from(_CALLS),
    st.integers(1, 40),
    st.sampled_from([Fault.KILL, *(f"error={error}" for error in ERRORS)]),
    st.booleans(),
)
_MAYBE = st.none() | _FAULTS
_DRAW = st.integers(0, 10**6)
_DEEDS = ("edit", "convert", "retouch", "retouch", "rename", "delete", "swap", "copy", "move")


class Histories(RuleBasedStateMachine):
    """One root and its life."""

    steps = 0
    """How many things happened, in all lives."""

    @initialize()
    def begin(self) -> None:
        """An empty root."""
        self._folder = tempfile.TemporaryDirectory(prefix="proof-", dir=scratch())
        self.root = Path(self._folder.name, "data")
        Dataset.create(self.root)
        self._count = 0
        self._alive: set[str] = set()  # contents that must not be lost
        self._mates: dict[str, str] = {}  # the sample of each content, as long as no hand has mixed them
        self._line: dict[str, int] = {}  # of each content, the image that it once was
        self._held_out: set[int] = set()  # which of these have been in val or test
        self._trained: set[int] = set()  # and which have been in train
        self._harm = ""

    def teardown(self) -> None:
        """The end of this life."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()

    # -- what a hand does ---------------------------------------------------------------------------------------------

    def _new_pair(self, folder: Path, sidecar: bool) -> None:
        number = self._count = self._count + 1
        for side, role in enumerate(("before", "after")):
            path = folder / f"github_{number}_{role}.jpg"
            write(path, picture(2 * number + side), number)
            self._mates[judge.digest_of(path)] = str(number)
            self._line[judge.digest_of(path)] = 2 * number + side
            if folder.is_relative_to(self.root):
                self._alive.add(judge.digest_of(path))
        if sidecar:
            path = folder / f"github_{number}.json"
            write(path, b'{"number": %d}' % number, number)
            if folder.is_relative_to(self.root):
                self._alive.add(judge.digest_of(path))

    @rule(count=st.integers(1, 4), night=st.booleans(), sidecar=st.booleans())
    def put_down(self, count: int, night: bool, sidecar: bool) -> None:
        """New pairs come into `stage_data/` by hand."""
        Histories.steps += 1
        for _ in range(count):
            self._new_pair(self.root / ("stage_data/night" if night else "stage_data"), sidecar)

    def _files(self) -> list[Path]:
        tree = judge.look(self.root)
        return [self.root / path for path, entry in sorted(tree.items()) if entry.digest and not is_own(path)]

    @rule(draw=_DRAW, deed=st.sampled_from(_DEEDS))
    def handle(self, draw: int, deed: str) -> None:
        """Somebody does something to one file between two commands."""
        Histories.steps += 1
        self._deed(deed, random.Random(draw))

    def _deed(self, deed: str, rng: random.Random) -> None:
        files = self._files()
        if not files:
            return
        held_out = [path for path in files if self._line.get(judge.digest_of(path)) in self._held_out]
        path = rng.choice(held_out if held_out and rng.random() < 0.5 else files)
        content = judge.digest_of(path)
        if deed == "delete":
            path.unlink()
            self._forget(content)
        elif deed == "edit":
            self._edit(path, path, rng)
        elif deed == "convert":
            self._edit(path, path.with_suffix(".jpeg" if path.suffix == ".jpg" else ".jpg"), rng)
        elif deed == "retouch":  # a whole pair, under a name of its own
            name = path.stem.rpartition("_")[0]
            fresh = f"{rng.choice(('new', name))}{rng.randrange(10**6)}"
            for half in sorted(path.parent.glob(f"{glob.escape(name)}_*")):
                self._edit(half, half.with_name(f"{fresh}_{half.stem.rpartition('_')[2]}{half.suffix}"), rng)
        elif deed == "rename":
            self._unless_taken(path, path.with_name(f"x{rng.randrange(1000)}_{path.name}"))
            self._mates.pop(content, None)
        elif deed == "move":
            top = self.root / rng.choice(["stage_data", "train", "val", "test", "held"])
            top.mkdir(exist_ok=True)
            self._unless_taken(path, top / path.name)
            self._mates.pop(content, None)
        elif deed == "copy":
            shutil.copyfile(path, path.with_name(f"copy{rng.randrange(1000)}_{path.name}"))
            self._mates.pop(content, None)
        else:
            other = rng.choice(files)
            first, second = path.read_bytes(), other.read_bytes()
            path.write_bytes(second)
            other.write_bytes(first)
            self._mates.pop(content, None)
            self._mates.pop(judge.digest_of(path), None)

    def _edit(self, path: Path, goal: Path, rng: random.Random) -> None:
        """New bytes, perhaps in another file; of a copy beside its original, no name can tell what they once were."""
        if path.suffix not in (".jpg", ".jpeg") or (goal != path and goal.exists()):
            return
        content = judge.digest_of(path)
        path.unlink()
        goal.write_bytes(picture(10**6 + rng.randrange(10**6)))
        fresh = judge.digest_of(goal)
        if content in self._line and content not in judge.originals(judge.look(self.root)):
            self._line.setdefault(fresh, self._line[content])
        self._forget(content)
        self._alive.add(fresh)

    @staticmethod
    def _unless_taken(path: Path, goal: Path) -> None:
        if not goal.exists():
            path.rename(goal)

    def _forget(self, content: str) -> None:
        """The hand destroyed a content itself; unless it is elsewhere too."""
        if content not in judge.kept(self.root):
            self._alive.discard(content)
        self._mates.pop(content, None)

    # -- what imgstage does -------------------------------------------------------------------------------------------

    @rule(fault=_MAYBE, again=_MAYBE)
    def split(self, fault: Injection | None, again: Injection | None) -> None:
        """`split`, perhaps broken."""
        self._verb(("split", "--threads", "1"), fault, again)

    @rule()
    def split_whatever(self) -> None:
        """`split` by somebody who accepts everything and trusts the folders."""
        self._verb(("split", "--threads", "1", "--accept-new", "--trust", "folders"), None, None)

    @rule(fault=_MAYBE, again=_MAYBE)
    def unsplit(self, fault: Injection | None, again: Injection | None) -> None:
        """`unsplit`, perhaps broken."""
        self._verb(("unsplit", "--threads", "1"), fault, again)

    @rule(fault=_MAYBE, again=_MAYBE, draw=_DRAW)
    def hold(self, fault: Injection | None, again: Injection | None, draw: int) -> None:
        """`hold` of one file's sample, perhaps broken."""
        files = self._files()
        if files:
            name = str(random.Random(draw).choice(files).relative_to(self.root))
            self._verb(("hold", "--threads", "1", "--", name), fault, again)

    @rule(fault=_MAYBE, again=_MAYBE)
    def release(self, fault: Injection | None, again: Injection | None) -> None:
        """`release` of everything, perhaps broken."""
        self._verb(("release", "--everything", "--threads", "1"), fault, again)

    @rule(fault=_MAYBE, again=_MAYBE, count=st.integers(1, 3))
    def add(self, fault: Injection | None, again: Injection | None, count: int) -> None:
        """`add` of new pairs from elsewhere, perhaps broken."""
        photos = self.root.parent / PHOTOS
        shutil.rmtree(photos, ignore_errors=True)
        for _ in range(count):
            self._new_pair(photos, sidecar=False)
        source = judge.look(photos)
        self._verb(("add", PHOTOS, "--threads", "1"), fault, again)
        assert judge.look(photos) == source, "add changed its source"
        self._alive |= {
            entry.digest for entry in judge.look(self.root).values() if entry.digest in judge.originals(source)
        }

    @rule(fault=_MAYBE, again=_MAYBE, back=st.integers(0, 3))
    def undo(self, fault: Injection | None, again: Injection | None, back: int) -> None:
        """`undo` of the last operation or several, perhaps broken."""
        done = [operation.number for operation in Dataset(self.root).log() if operation.state == "done"]
        number = (str(done[-back]),) if 0 < back <= len(done) else ()
        self._verb(("undo", *number), fault, again)
        self._held_out = self._lines_in("val", "test") | self._known_held_out()  # others are not assigned any more

    @rule(draw=_DRAW)
    def season(self, draw: int) -> None:
        """What lies between two trainings: back, some retouched, many new, split."""
        rng = random.Random(draw)
        if rng.random() < 0.7:
            self._verb(("unsplit", "--threads", "1"), None, None)
        for _ in range(rng.randrange(1, 5)):
            self._deed(rng.choice(("retouch", "convert", "edit", "rename", "delete")), rng)
        for _ in range(rng.randrange(4, 9)):
            self._new_pair(self.root / "stage_data", sidecar=False)
        self._verb(("split", "--threads", "1"), None, None)

    @rule(draw=_DRAW, verb=st.sampled_from(["split", "unsplit"]), deed=st.sampled_from(["edit", "delete", "copy"]))
    def amidst(self, draw: int, verb: str, deed: str) -> None:
        """Somebody's hand acts while a verb is at work."""
        rng = random.Random(draw)
        stop = Injection(rng.choice(("renameat2", "fsync", "openat")), rng.randrange(1, 20), Fault.STOP)
        self._verb((verb, "--threads", "1"), stop, None, lambda: self._deed(deed, rng))

    def _verb(
        self,
        words: tuple[str, ...],
        fault: Injection | None,
        again: Injection | None,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        Histories.steps += 1
        before = judge.look(self.root)
        self._trained |= self._lines_in("train")
        outcome = run(lambda: cli(*words)(self.root), [fault] if fault else (), meanwhile)
        self._check(outcome)
        if outcome.code == 2 and meanwhile is None:
            assert judge.look(self.root) == before, f"{words} said that nothing was changed: {outcome.stderr}"
        if again is not None and outcome.code not in (0, 2):
            self._check(run(lambda: cli("recover")(self.root), [again]))
        self._recover()
        leaked = (self._lines_in("train") - self._trained) & self._held_out
        assert "--accept-new" in words or meanwhile is not None or not leaked, f"{words} brought {leaked} into train"
        self._held_out |= self._lines_in("val", "test")

    def _known_held_out(self) -> set[int]:
        """Whose descendants are in val or test by the ledger."""
        try:
            rows = ledger.read(Dataset(self.root).root)
        except ImgstageError:
            return set()
        known = {digest for row in rows if row.split in ("val", "test") for digest in (row.digest, row.first_digest)}
        return {self._line[digest] for digest in known if digest in self._line}

    def _recover(self) -> None:
        """There is always a way on."""
        outcome = run(lambda: cli("recover")(self.root))
        self._check(outcome)
        if outcome.code != 0:
            outcome = run(lambda: cli("recover", "--without-missing")(self.root))
            self._check(outcome)
            assert outcome.code == 0, outcome

    def _check(self, outcome: Outcome) -> None:
        assert "Traceback" not in outcome.stderr, outcome.stderr
        assert outcome.code in (0, 2, 3, -9), outcome
        if outcome.code >= 0:
            journal = Journal(self.root)
            assert tells_truth(outcome, journal, journal.next_number() - 1), outcome

    # -- what must be so ----------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_lost(self) -> None:
        """Every content that no hand destroyed is there."""
        if hasattr(self, "root"):
            lost = self._alive - judge.kept(self.root).keys()
            assert not lost, f"{len(lost)} lost"

    @invariant()
    def no_pair_is_torn(self) -> None:
        """The halves of a pair that no hand has mixed lie in one folder."""
        if hasattr(self, "root"):
            tree = {path: entry for path, entry in judge.look(self.root).items() if entry.digest in self._mates}
            whole = {
                digest: mate for digest, mate in self._mates.items() if list(self._mates.values()).count(mate) == 2
            }
            assert not judge.torn(tree, whole)

    def _lines_in(self, *folders: str) -> set[int]:
        """Whose descendants lie in some folders of the root."""
        tree = judge.look(self.root)
        inside = [entry.digest for path, entry in tree.items() if path.startswith(tuple(f"{top}/" for top in folders))]
        return {self._line[digest] for digest in inside if digest in self._line}


def live(lives: int, steps: int, number: int) -> int:
    """Live so many lives.

    Args:
        lives: how many.
        steps: how many things may happen in each.
        number: seeds what happens.

    Returns:
        How many things happened.

    Raises:
        AssertionError: something was lost, torn, leaked, or said badly; Hypothesis prints the shortest such life.
    """
    Histories.steps = 0
    phases = (Phase.generate, Phase.shrink)
    wanted = settings(
        max_examples=lives,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(number)(Histories), settings=wanted)
    return Histories.steps
