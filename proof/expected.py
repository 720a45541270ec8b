"""What must be so before and after a verb, and whether it is."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from imgstage.journal import Journal, State
from imgstage.root import is_own

from . import judge
from .judge import Tree, Verdict
from .process import Injection, Outcome, run
from .scenarios import PHOTOS, Scenario, cli

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_KEY = re.compile(r"^[^/]+/(.*?)(?:_before|_after)?\.\w+$")


class Expected:
    """The state before a verb and the one after it; there is no third.

    Args:
        scenario: the verb.
        root: as it is before.
        refusals: what the file system does not offer.
        home: what a verb that repairs must end with; None for the other verbs.

    Attributes:
        before: what the user sees before.
        after: what he sees after.
        operation: the number that the verb's operation will have.
        wanted: how often each content that may not be lost is there, in sight or not.
    """

    def __init__(
        self, scenario: Scenario, root: Path, refusals: Sequence[Injection] = (), home: Tree | None = None
    ) -> None:
        self._scenario = scenario
        self._refusals = refusals
        self._home = home
        self.before = self._look(root)
        self.after: Tree = {}
        self.operation = Journal(root).next_number()
        # Of imgstage's own tables, equal ones may lie in the vault from earlier days.
        visible = {path: entry for path, entry in (home or judge.look(root)).items() if not is_own(path)}
        hidden = {} if scenario.final else _vault(root)
        self.wanted = judge.originals(visible) | judge.originals(hidden)
        self._source = judge.look(root.parent / PHOTOS)
        self.samples = {
            entry.digest: found[1]
            for path, entry in self.before.items()
            if entry.digest and not is_own(path) and (found := _KEY.match(path)) is not None
        }

    def learn(self, root: Path) -> None:
        """Take a root in which the verb went through undisturbed for what is right after it."""
        self.after = self._look(root)
        assert judge.without_times(self.before) != judge.without_times(self.after)
        assert self._home is None or self.after == self._home, judge.difference(self.after, self._home)
        assert self._counted(root) == self.wanted

    def _look(self, root: Path) -> Tree:
        """What the user sees; of a verb that empties the vault, what is there too."""
        return judge.look(root) | (_vault(root) if self._scenario.final else {})

    def _counted(self, root: Path) -> Counter[str]:
        """How often each content is there that may not be lost."""
        there = judge.kept(root)
        return Counter({digest: there[digest] for digest in self.wanted})

    def judge(self, root: Path, outcome: Outcome, *, onwards: bool = True) -> Verdict:
        """What became of a root after a process that was broken.

        Args:
            root: the root, as the process left it.
            outcome: how the process ended.
            onwards: look also whether the life goes on: from before, the verb must go through, from after, undo must
                lead back, byte for byte.
        """
        lost = sum(1 for count in self._counted(root).values() if count == 0)  # at no moment may one be nowhere
        problem = self._early(root, outcome)
        recovery = run(lambda: cli("recover")(root), self._refusals)
        if recovery.code != 0:
            problem = problem or f"recover: {recovery.stderr}"
        now = self._look(root)
        counted = self._counted(root)
        lost += sum(1 for count in counted.values() if count == 0)
        if counted != self.wanted:
            problem = problem or "an original is there twice, or not at all"
        if judge.look(root.parent / PHOTOS) != self._source:
            problem = problem or "what was to be added was changed"
        done = "Done as operation" in outcome.stdout
        partial = _left_a_folder_out(outcome)
        if not partial:
            problem = problem or self._state(now, done=done)
        if onwards and self._scenario.undoable:
            problem = problem or (self._onwards(root) if partial or self._is_after(now) else self._again(root))
        return Verdict(lost, len(judge.torn(now, self.samples)), problem)

    def _early(self, root: Path, outcome: Outcome) -> str:
        """What is wrong before `recover`."""
        if "Traceback" in outcome.stderr:
            return outcome.stderr[-400:]
        if outcome.code == 0 and not self._is_after(self._look(root)) and not _left_a_folder_out(outcome):
            return "it said it was done, and is not"
        if outcome.code == 2 and self._look(root) != self.before:
            return "it said that nothing was changed: " + judge.difference(self._look(root), self.before)
        if outcome.code not in (0, 2, 3, -9):
            return f"exit code {outcome.code}: {outcome.stderr}"
        if self._scenario.undoable and outcome.code >= 0 and not tells_truth(outcome, Journal(root), self.operation):
            return f"exit code {outcome.code}, but operation {Journal(root).pending()} waits for recover"
        return ""

    def _is_after(self, tree: Tree) -> bool:
        return self._timeless(tree) == self._timeless(self.after)

    def _timeless(self, tree: Tree) -> Tree:
        """A tree in which the times of what was made for it do not count: they are when each run made it."""
        tree = judge.without_times(tree)
        return {path: e if e.digest in self.wanted else e._replace(mtime_ns=0) for path, e in tree.items()}

    def _state(self, now: Tree, *, done: bool) -> str:
        if self._is_after(now):
            return ""
        if not self._scenario.undoable:
            return "not where the broken operation began: " + judge.difference(now, self.after)
        if now != self.before:
            return "neither before nor after: " + judge.difference(now, self.before)
        return "it is as before, though success was told" if done else ""

    def _onwards(self, root: Path) -> str:
        if self._scenario.final:
            return ""
        outcome = run(lambda: cli("undo")(root))
        now = judge.look(root)
        return "" if now == self.before else f"undo: {judge.difference(now, self.before)} {outcome.stderr}"

    def _again(self, root: Path) -> str:
        outcome = run(lambda: self._scenario.command(root))
        now = self._look(root)
        return "" if self._is_after(now) else f"once more: {judge.difference(now, self.after)} {outcome.stderr}"


def tells_truth(outcome: Outcome, journal: Journal, operation: int) -> bool:
    """Whether an exit code 3 means that there is something to recover, and any other that there is nothing.

    An operation that is done, though the disk did not confirm it, may still be taken back by a power cut: that is a 3.
    """
    pending = journal.pending() is not None
    unsure = journal.records.states().get(operation) is State.DONE
    return pending or unsure if outcome.code == 3 else not pending


def _vault(root: Path) -> Tree:
    """The user's files in the vault."""
    found = judge.look(root / judge.STATE / "vault")
    return {f"vault/{path}": entry for path, entry in found.items() if path.endswith(".jpg")}


def _left_a_folder_out(outcome: Outcome) -> bool:
    """Whether a verb said that it left out a folder of somebody else's that it could not read."""
    return outcome.code == 0 and "the folder cannot be read" in outcome.stdout
