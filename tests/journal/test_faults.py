"""A real process, really killed (or refused by the disk) at system calls that change something."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from imgstage import Dataset
from imgstage.root import is_own

from ..helpers import snapshot, write, write_pairs

CALLS = "rename,renameat2,link,unlink,fsync,openat,write,mkdir,rmdir"
POINTS = 24
STRACE = shutil.which("strace")
COMMAND = [sys.executable, "-m", "imgstage", "-C"]

pytestmark = pytest.mark.skipif(
    STRACE is None and "IMGSTAGE_REQUIRE_FAULTS" not in os.environ, reason="strace is not on this machine"
)


def traced(root: Path, verb: str, *inject: str) -> subprocess.CompletedProcess[str]:
    """Run a verb under strace."""
    assert STRACE is not None, "IMGSTAGE_REQUIRE_FAULTS is set, but strace is not installed"
    command = [STRACE, "-f", "-qq", "-o", str(root.parent / "trace"), *inject, *COMMAND, str(root), verb]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def make(root: Path) -> Dataset:
    dataset = Dataset.create(root)
    write_pairs(root / "stage_data", range(1, 5))
    write(root / "stage_data/github_01.json", b"{}")
    write_pairs(root / "stage_data/night", range(5, 8))
    return dataset


def count_calls(root: Path, verb: str) -> dict[str, int]:
    """How often each call is made after the interpreter has started, in a run that is not disturbed."""
    traced(root, verb, "-e", f"trace={CALLS}")
    counts: dict[str, int] = {}
    for line in (root.parent / "trace").read_text().splitlines():
        found = re.match(r"\d+\s+(\w+)\(", line)
        if found:
            counts[found[1]] = counts.get(found[1], 0) + 1
    return counts


@pytest.mark.parametrize("fault", ["signal=SIGKILL", "error=ENOSPC", "error=EIO"])
@pytest.mark.parametrize("verb", ["split", "unsplit"])
def test_after_a_fault_the_state_is_before_or_after_and_no_image_is_lost(tmp_path: Path, verb: str, fault: str) -> None:
    template = tmp_path / "template" / "data"
    dataset = make(template)
    if verb == "unsplit":
        dataset.split()
    before = snapshot(template)
    shutil.copytree(template, tmp_path / "whole" / "data", symlinks=True)
    counts = count_calls(tmp_path / "whole" / "data", verb)
    after = images(tmp_path / "whole" / "data")
    assert after != images(template)
    points = [
        (call, number)
        for call in sorted(counts)
        for number in range(1, counts[call] + 1)
        if call not in ("openat", "write")
    ]
    points += [
        (call, number)
        for call in ("openat", "write")
        for number in range(max(1, counts.get(call, 0) - 30), counts.get(call, 0) + 1)
    ]
    outcomes = set()
    for call, number in random.Random(f"{verb}{fault}").sample(points, POINTS // 3):
        root = tmp_path / f"{call}{number}" / "data"
        shutil.copytree(template, root, symlinks=True)
        result = traced(root, verb, "-e", f"trace={call}", "-e", f"inject={call}:{fault}:when={number}")
        assert {entry[0] for entry in before.values() if isinstance(entry, tuple)} <= contents(root), (call, number)
        assert "Traceback" not in result.stderr, (call, number, result.stderr)
        recovered = subprocess.run([*COMMAND, str(root), "recover"], capture_output=True, text=True, check=False)
        assert recovered.returncode == 0, (call, number, recovered.stderr)
        now = snapshot(root)
        if images(root) == after:
            outcomes.add("after")
        else:
            assert now == before, (call, number)
            assert result.returncode != 0, (call, number)
            outcomes.add("before")
        if result.returncode == 0:
            assert images(root) == after, (call, number)
        shutil.rmtree(root.parent)
    assert outcomes


def contents(root: Path) -> set[bytes]:
    """The bytes of every file, the journal's own ones too."""
    return {path.read_bytes() for path in root.rglob("*") if path.is_file()}


def images(root: Path) -> dict[str, object]:
    """The snapshot without the tables, whose mtime is the time of the run."""
    return {path: entry for path, entry in snapshot(root).items() if not is_own(path)}


def test_what_must_be_durable_is_synced_in_the_order_of_the_protocol(tmp_path: Path) -> None:
    """New bytes, intent, moves, names, commit: each is on the disk before the next begins."""
    make(tmp_path / "data")
    traced(tmp_path / "data", "split", "-y", "-e", "trace=rename,renameat2,link,fsync")
    events = [line.partition(" ")[2].strip() for line in (tmp_path / "trace").read_text().splitlines()]

    def at(pattern: str, start: int = 0) -> int:
        return next(n for n in range(start, len(events)) if re.search(pattern, events[n]))

    prepared = at(r"fsync\(\d+<.*/incoming/000001-splits\.csv\.part>")
    assert prepared < at(r"fsync\(\d+<.*/incoming>")
    intent = at(r"fsync\(\d+<.*/000001\.plan\.part>", at(r"fsync\(\d+<.*/incoming>"))
    named = at(r"rename\(.*/000001\.plan\"", intent)
    known = at(r"fsync\(\d+<.*/\.imgstage/journal>", named)
    moves = [n for n, event in enumerate(events) if re.search(r"renameat2\(.*stage_data/", event)]
    assert len(moves) == 15
    assert known < moves[0]
    commit = at(r"fsync\(\d+<.*/000001\.commit\.part>")
    for folder in ("data", "data/stage_data", "data/stage_data/night", "data/train", "data/train/night"):
        assert moves[-1] < at(rf"fsync\(\d+<[^>]*/{folder}>", moves[-1]) < commit
    done = at(r"rename\(.*/000001\.commit\"", commit)
    assert at(r"fsync\(\d+<.*/\.imgstage/journal>", done)
