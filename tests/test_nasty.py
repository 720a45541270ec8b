"""The real nasty images, in a process of its own: each is accounted for, in time, in bounded memory, without noise."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imgstage.images import DefectError, inspect, quiet_codecs
from imgstage.index import Kind, scan

from .helpers import kit, snapshot

MEMORY = """
import re, sys
from pathlib import Path
from imgstage.cli import run
code = run(sys.argv[1:])
# What getrusage tells counts the memory of the process that this one was forked from.
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1], file=sys.stderr)
sys.exit(code)
"""
SECONDS_A_FILE = 5


def count_entries(folder: Path) -> int:
    """Files and links below a folder, by another way than imgstage's own; no hidden folders are in the set."""
    listed = subprocess.run(["find", str(folder), "-not", "-type", "d"], check=True, capture_output=True).stdout
    return listed.count(b"\n")


@pytest.mark.parametrize("way", ["copied", "linked", "added"])
def test_every_nasty_file_is_accounted_for_in_bounded_memory_without_noise(tmp_path: Path, way: str) -> None:
    source = kit("nasty")
    total = count_entries(source)
    assert total > 1000
    root = tmp_path / "data"
    root.mkdir()
    if way == "added":
        (root / "stage_data").mkdir()
        words = ["add", str(source)]
    else:
        copy = os.link if way == "linked" and source.stat().st_dev == root.stat().st_dev else shutil.copy2
        shutil.copytree(source, root / "stage_data", symlinks=True, copy_function=copy)
        words = ["status"]
    before = snapshot(root)
    command = [sys.executable, "-c", MEMORY, "-C", str(root), *words, "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr[-2000:]
    *noise, kilobytes = result.stderr.splitlines()
    assert noise == []
    assert int(kilobytes) < 1 << 20
    found = json.loads(result.stdout)
    assert found["found"] == found["done"] + found["held"] + found["ignored"] == total
    assert len(found["held_files"]) == found["held"] > 50
    assert len(found["ignored_files"]) == found["ignored"] > 50
    assert found["done"] > 500
    if way != "added":
        assert snapshot(root) == before


def test_no_nasty_file_takes_long(tmp_path: Path) -> None:
    source = kit("nasty")
    slow: dict[str, float] = {}
    images = [record for record in scan(source).files if record.kind is Kind.IMAGE]
    assert len(images) > 800
    with quiet_codecs():
        for record in images:
            data = (source / record.path).read_bytes()
            begin = time.monotonic()
            try:
                inspect(data)
            except DefectError:
                assert record.trouble
            else:
                assert not record.trouble
            if (took := time.monotonic() - begin) > SECONDS_A_FILE:
                slow[record.path] = took
    assert slow == {}
    assert not list(tmp_path.iterdir())


def test_the_nasty_set_lives_the_whole_life(tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(kit("nasty"), root / "stage_data", symlinks=True)
    before = snapshot(root)
    for words in (["split"], ["unsplit"], ["undo"], ["undo", "1"]):
        command = [sys.executable, "-m", "imgstage", "-C", str(root), *words, "--json"]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert (result.returncode, result.stderr) == (0, ""), words
    assert snapshot(root) == before
