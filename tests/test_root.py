"""Roots and names."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgstage.errors import NotARootError, RefusedError
from imgstage.root import (
    DEFAULT_RATIOS,
    check_new_root,
    find_layout,
    find_root,
    fold,
    images_astray,
    is_own,
    show,
    show_apart,
)


@pytest.mark.parametrize("made", ["stage_data", ".imgstage", "train", "test", "valid", "TEST", "Val"])
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


@given(st.text())
def test_names_that_fold_alike_are_one_name_in_any_normal_form(name: str) -> None:
    assert fold(name) == fold(unicodedata.normalize("NFD", name)) == fold(fold(name))


@given(st.text())
def test_what_is_shown_is_printable(name: str) -> None:
    assert show(name).isprintable()


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


@pytest.mark.parametrize("made", ["test", "val"])
def test_one_held_out_folder_is_a_root_only_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: str
) -> None:
    """A program's `test/` is no training set."""
    (tmp_path / made).mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotARootError):
        find_root(None)
    assert find_root(tmp_path).path == tmp_path
    (tmp_path / "validation").mkdir()
    assert find_root(None).path == tmp_path


def test_a_made_root_goes_before_what_only_looks_like_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train").mkdir()
    assert find_root(None).path == tmp_path
    (tmp_path / "data/train").mkdir(parents=True)
    assert find_root(None).path == tmp_path / "data"
    (tmp_path / ".imgstage").mkdir()
    assert find_root(None).path == tmp_path


@pytest.mark.parametrize("place", ["stage_data", "held", "train", "valid"])
def test_a_root_that_was_moved_among_the_images_of_another_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / ".imgstage").mkdir()
    inner = tmp_path / place / "inner"
    (inner / "stage_data").mkdir(parents=True)
    with pytest.raises(RefusedError, match=rf"{place}/inner lies inside the root .*imgstage -C"):
        find_root(inner)


def test_a_root_beside_the_images_of_another_is_fine(tmp_path: Path) -> None:
    (tmp_path / ".imgstage").mkdir()
    (tmp_path / "other/stage_data").mkdir(parents=True)
    assert find_root(tmp_path / "other").path == tmp_path / "other"


def test_names_that_look_alike_are_told_apart() -> None:
    composed, decomposed = "a/\u00e9.jpg", "a/e\u0301.jpg"
    assert show_apart(composed, decomposed) == [r"a/\xe9.jpg", r"a/e\u0301.jpg"]
    assert show_apart(composed, "b") == [composed, "b"]
    assert show_apart(composed, composed) == [composed, composed], "one and the same name twice is no riddle"


def test_two_folders_for_one_split_are_refused_in_the_same_words_whatever_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("valid", "Val"):
        (tmp_path / name).mkdir()
    entries = sorted(tmp_path.iterdir())
    for listed in (entries, entries[::-1]):
        monkeypatch.setattr(Path, "iterdir", lambda _, listed=listed: iter(listed))
        with pytest.raises(RefusedError, match=r"/Val and .*/valid both stand for val"):
            find_layout(tmp_path, ["val"])


def test_imgstages_own_files_are_told_by_their_places() -> None:
    own = ["splits.csv", "imgstage.toml", "held/reasons.csv", "train/metadata.jsonl", "train.metadata.jsonl"]
    assert all(map(is_own, own))
    others = ["held/metadata.jsonl", "stage_data/metadata.jsonl", "stage_data/splits.csv", "train/reasons.csv", "x.csv"]
    assert not any(map(is_own, others))


def test_a_file_called_as_a_split_is_no_folder_of_it(tmp_path: Path) -> None:
    (tmp_path / "valid").mkdir()
    (tmp_path / "Val").write_bytes(b"")
    assert find_layout(tmp_path, DEFAULT_RATIOS).folder("val") == "valid"


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("\u1f52\u0323", "\u1f52\u0323".upper()),  # case folding takes marks apart, in an order that is not canonical
        ("\u03b1\u0345\u0301", "\u1fb4"),  # a mark that folds to a letter, out of order
    ],
)
def test_names_fold_alike_whatever_the_order_of_their_marks(name: str, other: str) -> None:
    assert fold(name) == fold(other)
