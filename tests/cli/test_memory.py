"""What `memory` says of a batch alone; `tests/memory/test_command.py` has what needs torch."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from .calls import call


def test_the_input_alone(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "memory", "--size", "960x640", "--batch", "32")
    assert code == 0
    assert "Input alone: 32 x 3 x 960 x 640 x 4 bytes (float32) = 235,929,600 bytes (225.00 MiB)" in out
    assert "of pairs, before and after: 471,859,200 bytes (450.00 MiB)" in out


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "memory", "--size", "960x640", "--json")
    told = json.loads(out)
    assert (told["input_bytes"], told["pairs_bytes"]) == (7_372_800, 14_745_600)
    _, out, _ = call(capsys, "memory", "--size", "10x20", "--channels", "1", "--dtype", "uint8", "--json")
    assert json.loads(out)["input_bytes"] == 200


@pytest.mark.parametrize(
    "words",
    [
        ["memory", "--model", "unet", "--size", "64x64"],
        ["sizes", "--model", "unet", "--size", "8x8"],
        ["memory", "--calibrate"],
    ],
)
def test_without_torch_it_says_what_to_install(words: list[str]) -> None:
    code = f"import sys; sys.modules['torch'] = None; from imgstage.cli import run; sys.exit(run({words!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip().endswith("Run: pip install 'imgstage[torch]'.")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "The size of the images is missing"),
        (["--size", "big"], "is no size"),
        (["--size", "-4x4"], "height -4 makes no sense"),
        (["--size", "4x4", "--batch", "0"], "batch 0 makes no sense"),
        (["--size", "4x4", "--gpu", "h100"], "no model is named"),
        (["--size", "4x4", "--amp", "bf16"], "--amp says something of a training"),
        (["--size", "4x4", "--solve", "batch"], "no model is named"),
        (["--size", "4x4", "--model", "unet", "--dtype", "uint8"], "--dtype is that of the input alone"),
        (["--calibrate", "--size", "4x4"], "cannot go with --size"),
        (["--size", "4x4", "--dtype", "float33"], "float33"),
    ],
)
def test_wishes_that_make_no_sense(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "memory", *words)
    assert code == 2
    assert sentence in err
