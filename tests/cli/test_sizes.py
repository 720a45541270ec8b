"""What `sizes` says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imgstage import Dataset

from ..helpers import picture, snapshot, stage, write
from .calls import call


@pytest.fixture
def root(empty: Dataset) -> str:
    """Images of three sizes: three that can go in, one that cannot, one too small, and a broken one."""
    for number, size in enumerate([(32, 64), (32, 64), (32, 64), (50, 100), (8, 8)]):
        write(stage(empty) / f"a_{number}.png", picture(number, "PNG", size))
    write(stage(empty) / "broken.png", b"\x89PNG\r\n")
    return str(empty.root.path)


def test_of_one_size(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "sizes", "--size", "1920x1280", "--depth", "7")
    assert code == 0
    assert out.splitlines()[0].endswith("halves 7 times takes heights and widths that are multiples of 128.")
    assert out.splitlines()[2].split() == ["1920x1280", "7", "as", "it", "is", "as", "it", "is"]
    _, out, _ = call(capsys, "sizes", "--size", "375x500")
    assert out.splitlines()[-1].startswith("Cut or padded")
    assert out.splitlines()[2].split() == ["375x500", "0", "368x496", "(-2.7%)", "384x512", "(+4.9%)"]


def test_of_the_roots_own_images(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(Path(root))
    code, out, _ = call(capsys, "-C", root, "sizes")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert rows[2][:3] == ["32x64", "3", "5"]
    assert len(rows[2][-1]) == 30
    assert rows[3][:5] == ["8x8", "1", "3", "too", "small"]
    assert len(rows[3][-1]) == 10
    assert rows[4][:5] == ["50x100", "1", "1", "48x96", "(-7.8%)"]
    assert out.splitlines()[-2] == "3 of 5 images can go in as they are."
    assert out.splitlines()[-1] == "1 sample held and not looked at; imgstage status says why."
    assert {name for name in snapshot(Path(root)) if "cache" not in name} == {
        name for name in before if "cache" not in name
    }


def test_as_json(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "-C", root, "sizes", "--depth", "1", "--json")
    told = json.loads(out)
    assert told["divisor"] == 2
    assert [(of["size"], of["images"], of["is_safe"]) for of in told["sizes"]] == [
        ([32, 64], 3, True),
        ([8, 8], 1, True),
        ([50, 100], 1, True),
    ]


def test_they_are_drawn(root: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "sizes.png"
    for _ in range(2):  # an earlier plot may be drawn over
        code, _, err = call(capsys, "-C", root, "sizes", "--plot", str(place))
        assert code == 0
        assert "3 sizes; now drawn in" in err
    assert place.read_bytes().startswith(b"\x89PNG")
    other = tmp_path / "mine.png"
    write(other, picture(1, "PNG"))
    kept = other.read_bytes()
    code, _, err = call(capsys, "-C", root, "sizes", "--plot", str(other))
    assert (code, other.read_bytes()) == (2, kept)
    assert "is not what --plot wrote" in err
    code, _, err = call(capsys, "-C", root, "sizes", "--plot", f"{root}/stage_data/plot.png")
    assert code == 2
    assert "among the images" in err


def test_many_sizes_are_cut_short(empty: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    for width in range(10, 32):
        write(stage(empty) / f"a_{width}.png", picture(width, "PNG", (20, width)))
    _, out, _ = call(capsys, "-C", str(empty.root.path), "sizes")
    assert "… and 2 sizes more; --all lists them" in out
    _, out, _ = call(capsys, "-C", str(empty.root.path), "sizes", "--all")
    assert "more" not in out
    assert len(out.splitlines()) == 2 + 22 + 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--size", "12"], "is no size"),
        (["--size", "0x5"], "height 0 makes no sense"),
        (["--size", "5x5", "--plot", "x.png"], "cannot go with --plot"),
        (["--depth", "3", "--model", "unet", "--size", "5x5"], "cannot go with --depth"),
    ],
)
def test_wishes_that_make_no_sense(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "sizes", *words)
    assert code == 2
    assert sentence in err


def test_without_a_root_it_says_what_needs_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "-C", str(tmp_path / "none"), "sizes")
    assert code == 2
    assert "--size 1920x1280 asks without a root. Make one with: imgstage" in err


def test_a_root_without_images_says_so(empty: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "-C", str(empty.root.path), "sizes")
    assert code == 2
    assert "has no images yet" in err
