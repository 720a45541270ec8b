"""The plot of labels by split shows what is counted."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from imgstage import Dataset
from imgstage.labelplot import MARK, draw

from .cli.calls import call
from .helpers import picture, stage, write

BLUE, ORANGE = (0, 114, 178), (230, 159, 0)


def colours(png: bytes) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def share(row: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> float:
    """How much of a bar is blue."""
    blue, orange = ((row == colour).all(-1).sum() for colour in (BLUE, ORANGE))
    return float(blue / (blue + orange))


def test_bars_are_as_long_as_the_counts() -> None:
    drawn = colours(draw("set", {"train": 30, "test": 10}, {"cat": {"train": 10, "test": 10}, "dog": {"train": 20}}))
    bars = [y for y in range(60, drawn.shape[0]) if ((drawn[y] == BLUE).all(-1).sum() > 30)]
    rows = [of[len(of) // 2] for of in np.split(np.array(bars), np.nonzero(np.diff(bars) > 1)[0] + 1)]
    assert len(rows) == 3, "all samples, and two labels"
    assert [round(share(drawn[y]), 2) for y in rows] == [0.75, 0.5, 1.0]


def test_many_labels_are_added_up_and_long_names_are_cut() -> None:
    labels = {f"label {number:03d} {'long ' * 20}": {"train": 1} for number in range(200)}
    drawn = colours(draw("set", {"train": 200}, labels))
    assert drawn.shape[0] == 2 * 12 + (2 + 1 + 60 + 1) * 26, "all samples, sixty labels, and the rarer ones"
    assert (drawn[66:, :10] == 255).all(), "no name runs out of the picture"
    assert (drawn[66:, 12:205] != 255).any(), "names there are"
    assert colours(draw("", {}, {})).ndim == 3


def test_lines_show_where_all_samples_are_cut() -> None:
    drawn = colours(draw("set", {"train": 75, "test": 25}, {"a": {"train": 50}, "b": {"train": 25, "test": 25}}))
    dark = (drawn[64:] < 60).all(-1).sum(0)
    assert dark[12 + 200 + 360] > 60, "a line at three quarters of the bars"


def test_many_splits_fit_into_the_picture() -> None:
    splits = {f"fold_{number:02d}": 10_000 for number in range(1, 21)}
    drawn = colours(draw("set", splits, {"a": splits}))
    assert (drawn[:, -4:] == 255).all()


def test_it_overwrites_nothing_but_an_earlier_plot(empty: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(6):
        write(stage(empty) / f"{'ab'[number % 2]}/{number}.png", picture(number, "PNG"))
    empty.split(ratios="train=0.5,val=0.5", near_duplicates="ignore")
    root, target = str(empty.root.path), empty.root.path.parent / "labels.png"
    for _ in range(2):
        code, _, told = call(capsys, "-C", root, "check", "--plot", str(target))
        assert code == 0
        assert "2 labels; now drawn in" in told
        assert MARK.encode() in target.read_bytes()
    inside = empty.root.path / "train/labels.png"
    code, _, told = call(capsys, "-C", root, "check", "--plot", str(inside))
    assert (code, inside.exists()) == (2, False)
    assert "would lie among the images" in told
    target.unlink()
    assert call(capsys, "-C", root, "check", "--plot", str(target), "-n")[0] == 0
    assert not target.exists()
    target.write_bytes(b"a note: " + MARK.encode())
    assert call(capsys, "-C", root, "check", "--plot", str(target))[0] == 2
    target.write_bytes(picture(1, "PNG"))
    code, _, told = call(capsys, "-C", root, "check", "--plot", str(target))
    assert code == 2
    assert "is not what --plot wrote" in told
    assert target.read_bytes() == picture(1, "PNG")
