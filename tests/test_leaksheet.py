"""The page of leaks: whole in itself, whatever names and pictures there are; nothing of the user's is lost to it."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from imgstage import Dataset
from imgstage.bonds import Kind
from imgstage.cli import run
from imgstage.leaks import Leak, Side
from imgstage.leaksheet import MARK, render

from .helpers import picture, write


class Page(HTMLParser):
    """The pictures and captions of a page, and what it asks for from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pictures: list[bytes] = []
        self.captions: list[str] = []
        self.elsewhere: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        if tag == "figcaption":
            self.captions.append("")
        for name, value in attrs:
            if name in ("src", "href") and value is not None:
                head, _, data = value.partition("base64,")
                if head == "data:image/jpeg;":
                    self.pictures.append(base64.b64decode(data))
                else:
                    self.elsewhere.append(value)

    def handle_data(self, data: str) -> None:
        if self.captions and self._inside in ("figcaption", "b"):
            self.captions[-1] += data


@pytest.fixture
def leaking(empty: Dataset) -> Dataset:
    """A root with a copy in two splits, under names that HTML takes for its own."""
    for place, number in (("train/<b>&amp;'x'", 1), ("test/one", 1), ("train/two", 2), ("val/three", 3)):
        write(empty.root.path / f"{place}.png", picture(number, "PNG", (48, 64)))
    return empty


def test_it_shows_both_sides_and_asks_for_nothing(leaking: Dataset) -> None:
    page = Page(render(leaking.root.path, leaking.leaks().listed()))
    assert [caption.strip() for caption in page.captions] == ["train train/<b>&amp;'x'.png", "test test/one.png"]
    assert page.elsewhere == []
    assert [Image.open(io.BytesIO(data)).size for data in page.pictures] == [(64, 48)] * 2


def test_a_picture_that_is_gone_is_said(tmp_path: Path) -> None:
    leak = Leak(Kind.ALIKE, 12, Side("train/a.png", "1", "train"), Side("test/b.png", "2", "test"))
    text = render(tmp_path, [leak])
    assert "nearly alike: 12 of 256 bits differ" in text
    assert Page(text).pictures == []
    assert len(Page(text).captions) == 2


def test_so_many_leaks_that_a_browser_would_choke_are_counted(tmp_path: Path) -> None:
    leak = Leak(Kind.GROUP, 0, Side("train/a.png", "1", "train"), Side("test/b.png", "2", "test"), "g")
    text = render(tmp_path, [leak] * 2000)
    assert "2,000 pairs of samples leak" in text
    assert text.count("<section>") == 300


def test_the_command_writes_it_over_nothing_but_itself(
    leaking: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, report = str(leaking.root.path), tmp_path / "my report.html"
    assert run(["-C", root, "check", "--report", str(report), "-n"]) == 1
    assert not report.exists()
    assert run(["-C", root, "check", "--report", str(report)]) == 1
    assert f"1 leak between splits; now in {report}" in capsys.readouterr().err
    assert report.read_text().startswith(MARK)
    assert re.search("the same picture", report.read_text())
    leaking.fix_leaks()
    assert run(["-C", root, "check", "--report", str(report)]) == 0
    assert "Nothing leaks between splits" in report.read_text()
    mine = write(tmp_path / "mine.html", b"my own page")
    for name in (str(mine), str(tmp_path), str(tmp_path / "no/such/folder.html"), "a\0b"):
        assert run(["-C", root, "check", "--report", name]) == 2
    assert mine.read_bytes() == b"my own page"
