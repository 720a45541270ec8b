"""Roots, settings, ratios and names."""

from __future__ import annotations

import unicodedata
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgstage.errors import NotARootError, RefusedError, UsageError
from imgstage.root import Root, check_new_root, find_root, fold, format_ratios, images_astray, parse_ratios, show

from .strategies import ratios


@pytest.mark.parametrize("made", ["stage_data", ".imgstage", "train", "test"])
def test_a_root_is_known_by_its_folders(tmp_path: Path, made: str) -> None:
    (tmp_path / made).mkdir()
    assert find_root(tmp_path).path == tmp_path


def test_without_a_name_the_current_folder_goes_before_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotARootError, match="imgstage init data"):
        find_root(None)
    (tmp_path / "data/stage_data").mkdir(parents=True)
    assert find_root(None).path == tmp_path / "data"
    (tmp_path / "stage_data").mkdir()
    assert find_root(None).path == tmp_path


def test_what_is_no_root_says_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotARootError, match=r"is a file.*imgstage init"):
        find_root(tmp_path / "file")
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(NotARootError, match="Make one with: imgstage init"):
            find_root(path)


def test_a_root_may_be_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "data/stage_data").mkdir(parents=True)
    (tmp_path / "link").symlink_to("data")
    assert find_root(tmp_path / "link").path == tmp_path / "data"


def test_a_root_inside_a_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "stage_data").mkdir()
    with pytest.raises(RefusedError, match="lies inside the root"):
        check_new_root(tmp_path / "stage_data" / "inner")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80/12/8", (80, 12, 8)),
        ("80%/12%/8%", (80, 12, 8)),
        ("0.8/0.12/0.08", (80, 12, 8)),
        ("100/0/0", (100, 0, 0)),
        ("train=0.8, val=0.12, test=0.08", (80, 12, 8)),
        ("test=8,train=80,val=12", (80, 12, 8)),
    ],
)
def test_ratios_are_exact(text: str, expected: tuple[int, int, int]) -> None:
    shares = parse_ratios(text)
    assert tuple(shares[name] for name in ("train", "val", "test")) == tuple(Fraction(n, 100) for n in expected)


@pytest.mark.parametrize(
    "text",
    ["", "80", "80/20", "80/12/9", "-80/172/8", "a/b/c", "train=2", "train=.5,train=.5", "train=1/0", "1e400/0/0",
     "../x=1", "stage_data=1", "held=.5,train=.5", ".hidden=1", "a/b=1", "train=.5,Train=.5", "train=nan,val=1"],
)  # fmt: skip
def test_ratios_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_ratios(text)


@given(ratios())
def test_ratios_survive_being_written_and_read(shares: dict[str, Fraction]) -> None:
    assert parse_ratios(format_ratios(shares)) == shares


@given(st.text())
def test_names_that_fold_alike_are_one_name_in_any_normal_form(name: str) -> None:
    assert fold(name) == fold(unicodedata.normalize("NFD", name)) == fold(fold(name))


@given(st.text())
def test_what_is_shown_is_printable(name: str) -> None:
    assert show(name).isprintable()


def settings(tmp_path: Path, text: str) -> object:
    (tmp_path / "imgstage.toml").write_text(text)
    return Root(tmp_path).settings()


def test_settings_are_read(tmp_path: Path) -> None:
    text = 'ratios = "70/20/10"\nseed = 4\n[pairing]\nbefore = "{key}_b"\n[pairing."cats"]\nimage = "{key}"\n'
    found = settings(tmp_path, text)
    assert found == Root(tmp_path).settings()
    assert Root(tmp_path).settings().seed == 4
    assert Root(tmp_path).settings().pairing == {"": {"before": "{key}_b"}, "cats": {"image": "{key}"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sed = 1", "Did you mean 'seed'"),
        ("seed = 'x'", "whole number"),
        ("seed = true", "whole number"),
        ("ratios = [1]", "quotation marks"),
        ("ratios = '1/1/1'", "sum to 3"),
        ("rounding = 'up'", "rounding"),
        ("pairing = 3", "table"),
        ("[pairing]\nbefore = 3", "template"),
        ("[pairing.cats]\nseed = 3", 'pairing."cats".*seed is 3'),
        ("seed = ", "TOML"),
        ("\x00", "TOML"),
    ],
)
def test_settings_that_make_no_sense_name_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        settings(tmp_path, text)
    assert "imgstage.toml" in str(error.value)
    assert "Nothing was changed" in str(error.value)


def test_a_folder_of_photographs_is_told_from_a_folder_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "photos/day 1").mkdir(parents=True)
    with pytest.raises(NotARootError, match=r"imgstage init"):
        find_root(tmp_path / "photos")
    (tmp_path / "photos/day 1/x.JPG").touch()
    with pytest.raises(NotARootError, match=r"holds images.*imgstage init data, then imgstage -C data add"):
        find_root(tmp_path / "photos")
    assert images_astray(tmp_path / "photos") == "day 1/x.JPG"
    (tmp_path / "photos").joinpath("day 1").rename(tmp_path / "photos/stage_data")
    assert images_astray(tmp_path / "photos") == ""
