"""A listing that was kept is used as long as it is true."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from imgstage import pairing
from imgstage.training import listing_cache
from imgstage.training.listing import list_split

from ..helpers import as_nobody, picture, write


@pytest.fixture
def detected(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many names were read each time that they were; nothing is too little to be kept, or too young."""
    monkeypatch.setattr(listing_cache, "_WORTH", 1)
    monkeypatch.setattr("imgstage.cache._TRUSTED_AGE_NS", 0)
    counts: list[int] = []
    detect = pairing.detect

    def watched(images: dict[str, str], given: object) -> object:
        counts.append(len(images))
        return detect(images, given)  # type: ignore[arg-type]

    monkeypatch.setattr(pairing, "detect", watched)
    return counts


def root_of(folder: Path) -> Path:
    for name in ("cat/1", "cat/2", "dog/sub/3"):
        write(folder / f"train/{name}.jpg", picture(1))
    return folder


def test_it_is_the_same_listing(tmp_path: Path, detected: list[int]) -> None:
    root = root_of(tmp_path)
    first = list_split(root, "train")
    assert list_split(root, "train") == first
    assert detected == [3]
    assert [type(part) for part in list_split(root, "train").entries[0]] == [str, str, tuple]
    list_split(root, "train", ["image"])
    assert detected == [3, 3], "other wishes have a listing of their own"


CHANGES: dict[str, Callable[[Path], object]] = {
    "added": lambda root: write(root / "train/dog/sub/4.jpg", picture(1)),
    "removed": lambda root: (root / "train/cat/2.jpg").unlink(),
    "renamed": lambda root: (root / "train/cat/2.jpg").rename(root / "train/cat/7.jpg"),
    "replaced": lambda root: write(root / "train/x", b"").replace(root / "train/cat/2.jpg"),
    "a folder": lambda root: write(root / "train/bird/1.jpg", picture(1)),
    "a folder renamed": lambda root: (root / "train/dog/sub").rename(root / "train/dog/more"),
    "settings": lambda root: write(root / "imgstage.toml", b'[pairing]\nimage = "{key}"\n'),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_names_is_seen(tmp_path: Path, detected: list[int], change: str) -> None:
    root = root_of(tmp_path)
    list_split(root, "train")
    CHANGES[change](root)
    found = list_split(root, "train")
    assert len(detected) == 2
    assert [path for entry in found.entries for of in entry.images for path in of] == sorted(
        path.relative_to(root).as_posix() for path in (root / "train").rglob("*.jpg")
    )
    write(root / "imgstage.toml", b'[pairing]\nimage = "{key}" # again\n')
    list_split(root, "train")
    assert len(detected) == 3


def test_a_file_that_comes_while_the_names_are_read_is_seen_the_next_time(
    tmp_path: Path, detected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = root_of(tmp_path)
    scandir = os.scandir

    def late(place: Path) -> object:
        found = scandir(place)
        entries = list(found)
        if place == root / "train/cat" and not detected:
            time.sleep(0.05)  # more than a tick of the clock of the file system
            write(root / "train/cat/9.jpg", picture(1))
        return nullcontext(entries)

    monkeypatch.setattr(os, "scandir", late)
    assert len(list_split(root, "train").entries) == 3
    assert len(list_split(root, "train").entries) == 4


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"head": 1}', b'{"head": {}, "folders": {}, "result": 1}'])
def test_what_is_damaged_is_made_anew(tmp_path: Path, detected: list[int], content: bytes) -> None:
    root = root_of(tmp_path)
    expected = list_split(root, "train")
    (kept,) = (root / ".imgstage/cache/listings").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(content)
    assert list_split(root, "train") == expected
    assert len(detected) == 2
    assert kept.read_bytes() == whole
    kept.write_bytes(whole.replace(b'"imgstage": "', b'"imgstage": "9'))
    assert list_split(root, "train") == expected
    assert len(detected) == 3


def test_folders_that_were_changed_just_now_may_change_unseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_cache, "_WORTH", 1)
    root = root_of(tmp_path)
    list_split(root, "train")
    assert not (root / ".imgstage").exists()
    time.sleep(2.1)
    list_split(root, "train")
    assert len(list((root / ".imgstage/cache/listings").iterdir())) == 1


def test_a_root_that_may_only_be_read_is_listed_each_time(tmp_path: Path, detected: list[int]) -> None:
    root = root_of(tmp_path / "set")
    with as_nobody(root):
        root.chmod(0o555)
        try:
            for _ in range(2):
                assert len(list_split(root, "train").entries) == 3
        finally:
            root.chmod(0o755)
    assert len(detected) == 2
    os.symlink(tmp_path, root / ".imgstage")
    list_split(root, "train")
    assert not (tmp_path / "cache").exists()


def test_few_files_are_not_worth_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgstage.cache._TRUSTED_AGE_NS", 0)
    root = root_of(tmp_path)
    list_split(root, "train")
    assert not (root / ".imgstage").exists()
