"""What `add` is given: read, or refused with the path."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgstage import Dataset
from imgstage.errors import RefusedError, UsageError
from imgstage.index import scan
from imgstage.root import Root
from imgstage.sources import read_sources
from imgstage.verbs.add import Source

from .helpers import as_nobody, picture, write


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Dataset.create(tmp_path / "data").root


def read(root: Root, given: str | Path) -> Source:
    return read_sources(root, [given], scan)[0]


def test_a_folder_is_read_with_its_sub_folders_and_a_file_alone(root: Root, tmp_path: Path) -> None:
    write(tmp_path / "in/a.jpg", picture(1))
    write(tmp_path / "in/b/c.jpg", picture(2))
    assert [record.path for record in read(root, tmp_path / "in").index.files] == ["a.jpg", "b/c.jpg"]
    alone = read(root, tmp_path / "in/b/c.jpg")
    assert (alone.base, [record.path for record in alone.index.files]) == (tmp_path / "in/b", ["c.jpg"])


@pytest.mark.parametrize("given", ["", "nowhere", "in", "loop"])
def test_what_is_no_source_is_refused(root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Path("loop").symlink_to("loop")
    with pytest.raises(UsageError):
        read(root, given)


@pytest.mark.parametrize("given", [".", "data", "data/stage_data"])
def test_a_source_that_overlaps_the_root_is_refused(
    root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RefusedError, match="overlaps the root"):
        read(root, given)


def test_a_folder_that_is_closed_is_refused(root: Root, tmp_path: Path) -> None:
    write(tmp_path / "in/a.jpg", picture(1))
    (tmp_path / "in").chmod(0)
    with as_nobody(tmp_path), pytest.raises(UsageError, match="cannot be read"):
        read(root, tmp_path / "in")
    (tmp_path / "in").chmod(0o755)


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        (("train", "test"), "in"),
        (("ds/train", "ds/val"), "in/ds"),
        (("a/b/Training", "a/b/Testing"), "in/a/b"),
        (("images/train", "images/val", "labels/train"), "in/images"),
    ],
)
def test_a_set_that_is_split_already_is_refused_at_any_depth(
    root: Root, tmp_path: Path, folders: tuple[str, ...], said: str
) -> None:
    for number, folder in enumerate(folders):
        write(tmp_path / "in" / folder / "x.jpg", picture(number))
    with pytest.raises(RefusedError, match="is split already") as raised:
        read(root, tmp_path / "in")
    assert str(tmp_path / said) in str(raised.value)


def test_so_it_is_when_its_folders_are_named_together(root: Root, tmp_path: Path) -> None:
    for name in ("train", "test"):
        write(tmp_path / name / f"{name}.jpg", picture(len(name)))
    with pytest.raises(RefusedError, match="is split already"):
        read_sources(root, [tmp_path / "train", tmp_path / "test"], scan)
    assert read(root, tmp_path / "test").index.files, "one at a time is a wish"


def test_a_class_that_is_called_train_is_no_split(root: Root, tmp_path: Path) -> None:
    for name in ("train", "bus", "car"):
        write(tmp_path / "in" / name / "x.jpg", picture(len(name)))
    (tmp_path / "in" / "test").mkdir()
    assert len(read(root, tmp_path / "in").index.files) == 3
