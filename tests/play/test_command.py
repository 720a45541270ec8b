"""`imgstage play`: what it says, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from imgstage.cli import run

from ..helpers import kit, photo
from .doubles import encoded, make_root, outputs
from .test_engines import EXAMPLE, example

MODEL = """
import torch
from torch import nn

print("loading", flush=True)

class Invert(nn.Module):
    def forward(self, images):
        print("running", flush=True)
        return 1 - images

class Learns(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, images):
        return images * self.gain

class Breaks(nn.Module):
    def forward(self, images):
        if images.shape[-1] == 120:
            raise RuntimeError("boom")
        return images
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL)
    pictures = {
        "a_before.png": encoded(Image.fromarray(photo("astronaut")[:90, :120])),
        "a_after.png": encoded(Image.fromarray(photo("astronaut")[1:91, :120])),
        "b.jpg": encoded(Image.fromarray(photo("coffee")[:70, :110]), "JPEG"),
    }
    return make_root(tmp_path / "data", pictures)


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    found = run(["play", *words])
    out, err = capsys.readouterr()
    assert found == code, err
    assert "Traceback" not in err
    return err if code else out


def test_it_says_what_it_did_and_how_to_undo_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "--model", "model.py:Invert", "--sheet")
    assert "loading" not in out
    assert "running" not in out
    assert 'Names were read as before = "{key}_before", after = "{key}_after"' in out
    assert "model.py:Invert on cpu: image-to-image, sides in multiples of 1" in out
    assert "mean of 1 picture" in out
    assert "3 files found: 3 done (2 changed now), 0 held, 0 ignored" in out
    assert "contact-sheet.png and index.html" in out
    assert "to undo, delete them" in out
    assert set(outputs(root)) == {"a_after.png", "b_after.png", "contact-sheet.png", "index.html"}
    again = said(capsys, "--model", "model.py:Invert")
    assert "3 done (0 changed now)" in again
    assert re.search(r"^0 pictures in [\d.]+ s; 2 done before\.$", again, re.MULTILINE)


def test_where_nothing_went_through_it_says_so(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "play_data/b.jpg").unlink()
    out = said(capsys, "--model", "model.py:Breaks")
    assert out.endswith("No picture went through, so there is no result. No original was changed.\n")
    assert "1 held" in out or "2 held" in out


@pytest.mark.usefixtures("root")
def test_a_network_that_nobody_gave_weights_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = "No --weights: it has the values that model.py:Learns gives it, random ones unless that loads others"
    assert told in said(capsys, "--model", "model.py:Learns", "-n")
    torch.save({"gain": torch.ones(1)}, "learnt.pt")
    assert "No --weights" not in said(capsys, "--model", "model.py:Learns", "--weights", "learnt.pt", "-n")
    assert "No --weights" not in said(capsys, "--model", "model.py:Invert", "-n"), "it has nothing to learn"


def test_json_is_one_object_whatever_the_model_prints(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body: dict[str, Any] = json.loads(said(capsys, "--model", "model.py:Invert", "--json"))
    assert (body["verb"], body["found"], body["done"], body["changed"]) == ("play", 3, 3, 2)
    assert body["scores"]["compared"] == 1
    assert body["scores"]["baseline"]["psnr_db"] > body["scores"]["psnr_db"]
    assert [of["result"] for of in body["pictures"]] == ["a_after.png", "b_after.png"]
    assert outputs(root)


def test_a_dry_run_shows_what_would_be(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "--model", "model.py:Invert", "-n")
    assert "play_data/b.jpg -> play_data/output/b_after.png" in out
    assert "nothing was written" in out
    assert not (root / "play_data/output").exists()


def test_files_go_to_the_same_folder(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine 😀.png").write_bytes(encoded(Image.fromarray(photo("coffee")[:9, :9])))
    said(capsys, "--model", "model.py:Invert", "--suffix", "_new", "mine 😀.png")
    assert set(outputs(root)) == {"mine 😀_new.png"}


def test_one_picture_that_the_model_refuses_is_held(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "--model", "model.py:Breaks")
    assert "held: play_data/a_before.png -- unfit: the network refuses it (RuntimeError: boom)" in out
    assert set(outputs(root)) == {"b_after.png"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model", "model.py:Nothing"], "model.py has no Nothing"),
        (["--model", "none.py:X"], "none.py is no file"),
        (["--model", "model.py:Invert", "--range", "0"], "two numbers"),
        (["--model", "model.py:Invert", "--range", "a,b"], "is not two numbers"),
        (["--model", "model.py:Invert", "--tile", "x"], "x"),
        (["--model", "model.py:Invert", "--multiple", "0"], "size_multiple = 0 makes no sense"),
        (["--model", "model.py:Invert", "--split", "test"], "holds no images of the split 'test'"),
        (["--model", "model.py:Invert", "--device", "gpu"], "'gpu' is no device"),
        (["--model", "unet"], "random weights"),
        (["--model", "model.py:Invert", "no.png"], "There is no file no.png"),
    ],
)
def test_wrong_wishes_are_a_sentence_and_nothing_is_written(
    root: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    err = said(capsys, *words, code=2)
    assert told in err
    assert not (root / "play_data/output").exists()


def test_without_a_root_it_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL)
    assert "imgstage init" in said(capsys, "--model", "model.py:Invert", code=2)


def test_every_nasty_file_is_accounted_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = kit("nasty")
    root = make_root(tmp_path / "root")
    count = 0
    for path in sorted(source.rglob("*")):
        if path.is_file() and (path.stat().st_size < 200_000):
            target = root / "play_data" / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
            count += 1
    weights, _ = example(tmp_path)
    words = ["-C", str(root), "play", "--model", EXAMPLE, "--weights", str(weights), "--json"]
    assert run(words) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["found"] == count == body["done"] + body["held"] + body["ignored"]
    assert body["changed"] == len(outputs(root)) > 500
    told = {of["path"] for of in (*body["held_files"], *body["ignored_files"], *body["pictures"])}
    assert len(told) == count - (body["done"] - len(body["pictures"]))
