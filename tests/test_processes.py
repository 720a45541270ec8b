"""Real processes: two at once, and Ctrl-C at several moments. Nothing is lost, and the end is before or after."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imgstage import Dataset

from .helpers import Entry, picture, snapshot, write_pairs

COMMAND = [sys.executable, "-m", "imgstage", "-C"]
MOMENTS = 12 if "IMGSTAGE_FULL" in os.environ else 3


def start(root: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, str(root), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1 << 20
    )


def files(tree: dict[str, Entry | int]) -> dict[str, Entry]:
    """The images, without the tables, whose mtime is the time of the run."""
    return {path: entry for path, entry in tree.items() if isinstance(entry, tuple) and path.endswith(".jpg")}


def contents(tree: dict[str, Entry | int]) -> list[bytes]:
    return sorted(entry[0] for entry in files(tree).values())


@pytest.mark.parametrize("verbs", [("split", "split"), ("split", "add"), ("unsplit", "undo"), ("add", "add")])
def test_of_two_at_once_each_is_done_whole_or_refused(tmp_path: Path, verbs: tuple[str, str]) -> None:
    root = tmp_path / "data"
    write_pairs(root / "stage_data", range(1, 60))
    write_pairs(tmp_path / "photos", range(60, 90))
    if "unsplit" in verbs:
        Dataset(root).split()
    before = snapshot(root)
    running = [start(root, verb, *([str(tmp_path / "photos")] if verb == "add" else [])) for verb in verbs]
    done = 0
    for process in running:
        _, err = process.communicate(timeout=60)
        assert process.returncode in (0, 2), err
        assert "Traceback" not in err
        assert (err == "") == (process.returncode == 0)
        done += process.returncode == 0
    assert done >= 1
    dataset = Dataset(root)
    assert dataset.journal.pending() is None
    after = snapshot(root)
    added = contents(snapshot(tmp_path / "photos")) if "add" in [entry.verb for entry in dataset.log()] else []
    assert contents(after) == sorted(contents(before) + added)
    dataset.undo(1)
    first = {f"stage_data/github_{n:02d}_{role}.jpg" for n in range(1, 60) for role in ("before", "after")}
    assert set(files(snapshot(root))) == first


def wait_for(sign: Path, process: subprocess.Popen[str], seconds: float) -> None:
    """Wait until a process has made a file (or a folder's first entry), then a little longer."""
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        if sign.is_file() or (sign.is_dir() and any(sign.iterdir())):
            break
        time.sleep(0.001)
    time.sleep(seconds)


SIGNS = {"start": "", "copying": ".imgstage/incoming", "moving": ".imgstage/journal/{number:06d}.plan"}


@pytest.mark.parametrize("verb", ["add", "split", "undo"])
def test_after_ctrl_c_all_is_before_or_after(tmp_path: Path, verb: str) -> None:
    template = tmp_path / "template"
    dataset = Dataset.create(template)
    write_pairs(template / "stage_data", range(1, 160))
    for number in range(400, 420):
        (template / f"stage_data/big_{number}.bmp").write_bytes(picture(number, "BMP", (200, 300)))
    write_pairs(tmp_path / "photos", range(500, 640))
    if verb == "undo":
        dataset.split()
    dataset.status()  # so that the runs need not read everything
    words = [verb, str(tmp_path / "photos")] if verb == "add" else [verb]
    whole = tmp_path / "whole"
    shutil.copytree(template, whole)
    subprocess.run([*COMMAND, str(whole), *words], check=True, capture_output=True)
    before, after = files(snapshot(template)), files(snapshot(whole))
    assert before != after
    number = dataset.journal.next_number()
    chance = random.Random(verb)
    outcomes = set()
    for moment in range(MOMENTS):
        sign = list(SIGNS)[moment % len(SIGNS)]
        root = tmp_path / f"run {moment}"
        shutil.copytree(template, root)
        process = start(root, *words)
        where = root / SIGNS[sign].format(number=number)
        wait_for(where, process, chance.uniform(0, 0.3 if sign == "start" else 0.02))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        if sign != "start":  # while the interpreter starts, it is Python that answers
            assert "Traceback" not in err, err
            assert process.returncode in (0, 2, -signal.SIGINT), err
        recovered = subprocess.run([*COMMAND, str(root), "recover"], capture_output=True, text=True, check=False)
        assert (recovered.returncode, recovered.stderr) == (0, "")
        assert recovered.stdout.startswith("Nothing was broken off"), "one Ctrl-C goes back by itself"
        now = files(snapshot(root))
        if process.returncode == 0:
            assert now == after, (verb, sign)
        elif "everything is back where it was" in err:
            assert now == before, (verb, sign)
        else:  # so early or so late that no operation was under way
            assert now in (before, after), (verb, sign)
        outcomes.add(process.returncode)
        assert os.listdir(root / ".imgstage/incoming") == []
        shutil.rmtree(root)
    assert outcomes - {0}


@pytest.mark.parametrize("when", ["plan.apply", "_tell", "done_all_the_same"])
def test_ctrl_c_after_the_commit_comes_too_late(pairs: Dataset, when: str) -> None:
    """Whenever it is pressed from then on, the exit code says what is so."""
    code = f"""
import os, signal, sys
from imgstage import cli, plan
from imgstage.cli import common
def pressed(function):
    def call(*arguments, **named):
        try:
            return function(*arguments, **named)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
    return call
if {when!r} == "plan.apply":
    plan.Plan.apply = pressed(plan.Plan.apply)
else:
    common.{when.rpartition(".")[2]} = pressed(common.{when.rpartition(".")[2]})
cli.main(["-C", sys.argv[1], "split"])
"""
    result = subprocess.run(
        [sys.executable, "-c", code, str(pairs.root.path)], capture_output=True, text=True, check=False
    )
    assert (result.returncode, "Traceback" in result.stderr) == (0, False), result
    assert pairs.status().samples["stage_data"] == 0


def test_ctrl_c_before_the_commit_changes_nothing(pairs: Dataset) -> None:
    code = """
import os, signal, sys
from imgstage import cli, dataset
dataset.Dataset.plan_split = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)
cli.main(["-C", sys.argv[1], "split"])
"""
    result = subprocess.run(
        [sys.executable, "-c", code, str(pairs.root.path)], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr.lstrip()) == (
        2,
        "imgstage: Interrupted. See how things stand: imgstage status\n",
    )
    assert pairs.status().samples["stage_data"] == 25


@pytest.mark.parametrize("words", [["memory", "--size", "64x64"], ["sizes"], ["play"]])
def test_ctrl_c_in_the_users_own_code_is_a_sentence(pairs: Dataset, tmp_path: Path, words: list[str]) -> None:
    pytest.importorskip("torch")
    path = tmp_path / "waits.py"
    path.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n", encoding="utf-8")
    command = [sys.executable, "-m", "imgstage", "-C", str(pairs.root.path), *words, "--model", f"{path}:Net"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    said = result.stderr.rpartition("imgstage: Interrupted while ")[2]
    assert re.fullmatch(rf"\w+ {re.escape(str(path))}:Net; nothing was changed\.\n", said), result.stderr
    assert pairs.status().samples["stage_data"] == 25
