"""What `resize` says."""

from __future__ import annotations

import json

import pytest

from imgstage import Dataset
from imgstage.cli.render import amount, duration

from ..helpers import picture, snapshot, stage, write
from .calls import call


def test_a_dry_run_says_what_it_would_take(pairs: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    write(stage(pairs) / "github_01.json", b"{}")
    before = snapshot(pairs.root.path)
    code, out, _ = call(capsys, "-C", str(pairs.root.path), "resize", "--size", "20x20", "--orient", "portrait", "-n")
    assert code == 0
    assert "50 images of 25 samples would be resized, 0.0 -> 0.0 megapixels" in out
    assert "to write, in about 1 s; the vault would keep" in out
    assert "stage_data/github_01_after.jpg: 24x32 -> 20x20, turned" in out
    assert "50 change their aspect, by 1.33 at most; --fit cover or pad keeps it" in out
    assert "1 sidecars stay as they are" in out
    assert out.rstrip().endswith("This was a dry run: nothing was changed.")
    assert snapshot(pairs.root.path) == before


def test_it_says_what_it_did_and_where_the_originals_are(pairs: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "-C", str(pairs.root.path), "resize", "--scale", "50%")
    assert code == 0
    assert "50 images of 25 samples resized" in out
    assert "until imgstage -C" in out.replace("\n", " ")
    assert "Done as operation 1. Undo: imgstage -C" in out
    _, out, _ = call(capsys, "-C", str(pairs.root.path), "resize", "--scale", "50%")
    assert "Nothing to resize: all there is has that size already, or is held" in out
    assert "Nothing to do; nothing was changed." in out
    _, out, _ = call(capsys, "-C", str(pairs.root.path), "resize", "--long-side", "20")
    assert "50 were resized before: they start from their originals again" in out
    _, out, _ = call(capsys, "-C", str(pairs.root.path), "resize", "--long-side", "32")
    assert "50 have that size by nature: their originals come back" in out


def test_json_tells_what_was_held(pairs: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    write(stage(pairs) / "github_01_after.jpg", picture(1, size=(24, 40)))
    code, out, _ = call(capsys, "-C", str(pairs.root.path), "resize", "--scale", "0.5", "--json")
    told = json.loads(out)
    assert (code, told["operation"], told["found"], told["done"], told["changed"], told["held"]) == (
        0,
        1,
        50,
        48,
        48,
        2,
    )
    assert told["held_files"][0]["path"] == "stage_data/github_01_after.jpg"
    assert told["held_files"][0]["reason"].startswith("unfit: its images have different shapes")
    assert told["images"] == 48


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "No new size was asked for"),
        (("--size", "0x10"), "leaves no pixels"),
        (("--size", "-5x10"), "leaves no pixels"),
        (("--size", "100000x100000"), "more than the 200,000,000 pixels"),
        (("--size", "big"), "is no size"),
        (("--scale", "2"), "would enlarge the images"),
        (("--scale", "0"), "leaves no pixels"),
        (("--long-side", "-1"), "leaves no pixels"),
        (("--size", "5x5", "--scale", "0.5"), "More than one new size"),
        (("--size", "5x5", "--quality", "0"), "no quality 0"),
        (("nowhere", "--size", "5x5"), "no sample that could go"),
        (("--size", "5x5", "--labels", "maks"), "No sample has the role maks"),
    ],
)
def test_bad_wishes_are_a_sentence(
    pairs: Dataset, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], problem: str
) -> None:
    before = snapshot(pairs.root.path)
    code, out, err = call(capsys, "-C", str(pairs.root.path), "resize", *words)
    assert (code, out) == (2, "")
    assert problem in err
    assert "Nothing was changed" in err
    assert snapshot(pairs.root.path) == before


def test_too_little_space_is_told_before_the_first_image(
    pairs: Dataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    class Tight:
        f_frsize, f_bavail, f_files, f_favail = 4096, 3, 0, 0

    monkeypatch.setattr(os, "statvfs", lambda _: Tight)
    before = snapshot(pairs.root.path)
    code, _, err = call(capsys, "-C", str(pairs.root.path), "resize", "--scale", "0.5")
    assert code == 2
    assert "MB free, and resize needs" in err
    assert snapshot(pairs.root.path) == before
    assert list((pairs.root.path / ".imgstage/incoming").iterdir()) == []


def test_amounts_and_times_are_easy_to_read() -> None:
    assert [amount(size) for size in (0, 999, 1500, 2_500_000, 7e9)] == [
        "0 bytes",
        "999 bytes",
        "1.5 kB",
        "2.5 MB",
        "7.0 GB",
    ]
    assert [duration(seconds) for seconds in (0, 0.4, 59, 119, 130, 7300)] == [
        "1 s",
        "1 s",
        "59 s",
        "119 s",
        "2 min",
        "2 h",
    ]
