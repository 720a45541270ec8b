"""Other ways to split a folder, through the same faults: killed at each system call, and a name that is taken.

They have no journal and nothing to recover with, so what lies there when they die is what their user has.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import splitfolders

from . import judge
from .judge import Verdict
from .process import Fault, Injection, calls_of, run, scratch
from .scenarios import cli, picture, write

if TYPE_CHECKING:
    from collections.abc import Callable

_PAIRS = 8
_ROLES = ("before", "after")


def make(folder: Path) -> None:
    """Eight pairs in one class folder, for tools that want one."""
    for number in range(_PAIRS):
        for side, role in enumerate(_ROLES):
            seed = 2 * number + side
            write(folder / f"data/stage_data/one/github_{number:02d}_{role}.jpg", picture(seed), seed)


def move_in_a_loop(root: Path) -> int:
    """The way of the old scripts: shuffle the pairs, and move one file after the other."""
    names = sorted(path.name for path in (root / "stage_data/one").glob("*_before.jpg"))
    random.Random(0).shuffle(names)
    first, second = int(0.8 * len(names)), int(0.8 * len(names)) + int(0.12 * len(names))
    for number, name in enumerate(names):
        split = "train" if number < first else "val" if number < second else "test"
        (root / split / "one").mkdir(parents=True, exist_ok=True)
        for half in (name, name.replace("_before", "_after")):
            shutil.move(str(root / "stage_data/one" / half), str(root / split / "one" / half))
    return 0


def split_folders(root: Path) -> int:
    """split-folders, told to move and to keep pairs together."""
    source, shares = str(root / "stage_data"), (0.8, 0.12, 0.08)
    splitfolders.ratio(source, output=str(root), seed=0, ratio=shares, group=_pairs, move=True)
    return 0


def _pairs(files: list[Path]) -> list[tuple[Path, ...]]:
    names = sorted(files)
    return list(zip(names[::2], names[1::2], strict=True))


@dataclass(frozen=True)
class Peer:
    """A way to split a folder.

    Attributes:
        name: for the table.
        command: what is run.
        recovers: whether it has a command that puts things right.
    """

    name: str
    command: Callable[[Path], int]
    recovers: bool = False


PEERS = (
    Peer("a loop of shutil.move", move_in_a_loop),
    Peer(f"split-folders {version('split-folders')}, move", split_folders),
    Peer(f"imgstage {version('imgstage')}", cli("split", "--threads", "1"), recovers=True),
)


def killed(peer: Peer) -> list[tuple[Injection, Verdict]]:
    """Kill a peer at each call that changes something."""
    found: list[tuple[Injection, Verdict]] = []
    with tempfile.TemporaryDirectory(prefix="proof-", dir=scratch()) as name:
        root = Path(name, "data")
        before, samples = _fresh(root)
        outcome, calls = calls_of(lambda: peer.command(root))
        assert outcome.code == 0, outcome
        after = judge.look(root)
        for call in calls:
            _fresh(root)
            point = Injection(call.name, call.number, Fault.KILL)
            outcome = run(lambda: peer.command(root), [point])
            if peer.recovers:
                run(lambda: cli("recover")(root))
            if outcome.hit:
                found.append((point, _verdict(root, before, after, samples)))
    return found


def taken(peer: Peer) -> Verdict:
    """Let a peer meet another picture under the name that one of its own is to get."""
    with tempfile.TemporaryDirectory(prefix="proof-", dir=scratch()) as name:
        root = Path(name, "data")
        _fresh(root)
        run(lambda: peer.command(root))
        goal = next(path for path in judge.look(root) if path.startswith("test/") and path.endswith(".jpg"))
        before, samples = _fresh(root)
        write(root / goal, picture(777), 777)
        before = judge.look(root)
        run(lambda: peer.command(root))
        lost = len(judge.originals(before).keys() - judge.kept(root).keys())
        return Verdict(lost, len(judge.torn(judge.look(root), samples)))


def _fresh(root: Path) -> tuple[judge.Tree, dict[str, str]]:
    shutil.rmtree(root, ignore_errors=True)
    make(root.parent)
    before = judge.look(root)
    samples = {entry.digest: path.rpartition("_")[0] for path, entry in before.items() if entry.digest}
    return before, samples


def _verdict(root: Path, before: judge.Tree, after: judge.Tree, samples: dict[str, str]) -> Verdict:
    now = judge.look(root)
    lost = len(judge.originals(before).keys() - judge.kept(root).keys())

    def files(tree: judge.Tree) -> judge.Tree:
        return {path: entry for path, entry in judge.without_times(tree).items() if entry.digest}

    between = "" if files(now) in (files(before), files(after)) else "in between"
    return Verdict(lost, len(judge.torn(now, samples)), between)
