"""Break a verb at each system call that changes something, recover, and look at what is there."""

from __future__ import annotations

import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .expected import Expected
from .judge import Verdict
from .process import ERRORS, Call, Fault, Injection, Outcome, calls_of, run, scratch
from .scenarios import METHODS, Scenario, cli

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

_LOCK = "/.imgstage/lock"
_OWN_OUTPUT = re.compile(r"write\([12],")


@dataclass(frozen=True)
class Struck:
    """One fault and what became of it.

    Attributes:
        scenario: the name of the verb.
        method: how files were renamed, or the file system.
        fault: the kind of fault, for the table.
        injections: the faults themselves.
        hit: whether the first one happened; the others are not counted.
        verdict: what the judge says.
        outcome: how the process ended.
    """

    scenario: str
    method: str
    fault: str
    injections: tuple[Injection, ...]
    hit: bool
    verdict: Verdict
    outcome: Outcome


class Stage:
    """A scenario made ready in a folder, and what must be so before and after it.

    Args:
        scenario: the verb.
        method: how files may be renamed, one of `METHODS`.
        folder: where; it needs no more than a few megabytes.
    """

    def __init__(self, scenario: Scenario, method: str, folder: Path) -> None:
        self.scenario = scenario
        self.method = method
        self.refusals = METHODS[method]
        self._folder = folder
        self._count = 0
        self._template = folder / "template"
        self._template.mkdir(parents=True)
        home = scenario.prepare(self._template / "data")
        with self.root() as root:
            self.expected = Expected(scenario, root, self.refusals, home)
            outcome, self.calls = calls_of(lambda: scenario.command(root), self.refusals)
            assert outcome.code == 0, outcome
            self.expected.learn(root)

    @contextmanager
    def root(self) -> Iterator[Path]:
        """A fresh copy of the root as it is before."""
        self._count += 1
        folder = self._folder / str(self._count)
        shutil.copytree(self._template, folder, symlinks=True)
        try:
            yield folder / "data"
        finally:
            shutil.rmtree(folder)

    def points(self, kinds: Sequence[str] | None = None) -> list[Injection]:
        """Every single fault: death at each call; each error at each call, once and for ever.

        Args:
            kinds: only these kinds of faults; None means all of them.
        """
        refused = {injection.call for injection in self.refusals}
        found: list[Injection] = []
        at_work = not refused  # until the journal has its lock, all ways to rename are the same way
        for call in self.calls:
            at_work = at_work or _LOCK in call.line
            if call.name in refused or not at_work:
                continue
            found.append(Injection(call.name, call.number, Fault.KILL))
            if not _OWN_OUTPUT.search(call.line):  # who closes our stdout is not the disk
                for error in ERRORS:
                    found += [Injection(call.name, call.number, f"error={error}", again) for again in (False, True)]
        return [point for point in found if kinds is None or kind_of(point) in kinds]

    def strike(self, injection: Injection) -> Struck:
        """Break the verb once, recover, and judge."""
        with self.root() as root:
            outcome = run(lambda: self.scenario.command(root), [*self.refusals, injection])
            verdict = self.expected.judge(root, outcome)
        name = self.scenario.name
        return Struck(name, self.method, kind_of(injection), (injection,), outcome.hit, verdict, outcome)

    def recover_calls(self) -> list[Call]:
        """What `recover` calls after the verb was killed in the midst of its renames."""
        renames = [call for call in self.calls if call.name.startswith(("rename", "link"))]
        middle = renames[len(renames) // 2]
        with self.root() as root:
            run(
                lambda: self.scenario.command(root),
                [*self.refusals, Injection(middle.name, middle.number, Fault.KILL)],
            )
            return calls_of(lambda: cli("recover")(root), self.refusals)[1]

    def strike_twice(self, rng: random.Random, recover_calls: Sequence[Call]) -> Struck:
        """Kill the verb somewhere, break `recover` somewhere, then recover for good, and judge."""
        call = rng.choice(self.calls)
        first = Injection(call.name, call.number, Fault.KILL)
        again = rng.choice(recover_calls)
        fault = rng.choice([Fault.KILL, *(f"error={error}" for error in ERRORS)])
        second = Injection(again.name, again.number, fault, fault != Fault.KILL and rng.random() < 0.5)
        with self.root() as root:
            outcome = run(lambda: self.scenario.command(root), [*self.refusals, first])
            recovery = run(lambda: cli("recover")(root), [*self.refusals, second])
            verdict = self.expected.judge(root, outcome)
            if "Traceback" in recovery.stderr:
                verdict = Verdict(verdict.lost, verdict.torn, "recover: " + recovery.stderr[-300:])
        hit = outcome.hit and recovery.hit
        return Struck(self.scenario.name, self.method, "double", (first, second), hit, verdict, outcome)


def kind_of(injection: Injection) -> str:
    """A fault as the table calls it."""
    word = injection.fault.partition("=")[2]
    return f"{word} for ever" if injection.for_ever else word


@contextmanager
def staged(scenario: Scenario, method: str = "no-replace", place: Path | None = None) -> Iterator[Stage]:
    """A scenario ready to be broken, for as long as it is wanted.

    Args:
        scenario: the verb.
        method: how files may be renamed.
        place: the folder of a file system; None means memory.
    """
    with tempfile.TemporaryDirectory(prefix="proof-", dir=place or scratch()) as folder:
        yield Stage(scenario, method, Path(folder))
