"""What earlier scans learned. How scans use it is in test_index.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgstage.cache import Cache, Content, Stamp, keep, read_fingerprints, recall
from imgstage.formats import ImageInfo

OLD = 1_500_000_000_000_000_000
INFO = ImageInfo("PNG", 3, 4, "I;16", 6)


def status(inode: int = 7, device: int = 2, size: int = 10, mtime: int = OLD - 1) -> os.stat_result:
    """A status as `os.stat` gives it, of any inode."""
    plain = (0o100644, inode, device, 1, 0, 0, size, 0, mtime // 10**9, OLD // 10**9)
    times = {"st_atime_ns": 0, "st_mtime_ns": mtime, "st_ctime_ns": OLD}
    return os.stat_result(plain, times)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / ".imgstage").mkdir()
    return tmp_path / ".imgstage/cache/index.sqlite"


def remember(path: Path, found: os.stat_result, content: Content) -> None:
    with Cache(path, write=True) as cache:
        cache.put(Stamp.of(found), content)


@pytest.mark.parametrize("inode", [1, 2**63 - 1, 2**63, 2**64 - 1])
def test_inodes_of_any_size_are_remembered(path: Path, inode: int) -> None:
    remember(path, status(inode, device=2**63 + 5), Content("d", INFO))
    with Cache(path, write=False) as cache:
        assert cache.get(status(inode, device=2**63 + 5), is_image=True) == Content("d", INFO)
        assert cache.get(status(inode ^ 1, device=2**63 + 5), is_image=True) is None


def test_where_times_are_coarse_only_the_content_is_remembered(path: Path) -> None:
    """FAT and exFAT give inode numbers anew at each mount."""
    remember(path, status(mtime=OLD), Content("d", INFO))
    with Cache(path, write=False) as cache:
        assert cache.get(status(mtime=OLD), is_image=True) is None
        assert cache.image("d") == Content("d", INFO)


@pytest.mark.parametrize("change", [{"size": 11}, {"mtime": OLD + 1}, {"device": 3}])
def test_any_change_of_the_file_is_seen(path: Path, change: dict[str, int]) -> None:
    remember(path, status(), Content("d", INFO))
    with Cache(path, write=False) as cache:
        assert cache.get(status(**change), is_image=True) is None


def test_a_defect_is_remembered_too(path: Path) -> None:
    remember(path, status(), Content("d", None, "broken: it is bent"))
    with Cache(path, write=False) as cache:
        assert cache.get(status(), is_image=True) == Content("d", None, "broken: it is bent")


def test_what_was_a_sidecar_is_decoded_when_it_becomes_an_image_and_not_the_other_way_round(path: Path) -> None:
    remember(path, status(), Content("text"))
    remember(path, status(8), Content("picture", INFO))
    with Cache(path, write=False) as cache:
        assert cache.get(status(), is_image=True) is None
        assert cache.image("text") is None
        assert cache.get(status(8), is_image=False) == Content("picture")
        assert cache.image("picture") == Content("picture", INFO)


def test_of_a_file_touched_just_now_only_the_content_is_remembered(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: OLD + 10**9)
    remember(path, status(), Content("d", INFO))
    with Cache(path, write=False) as cache:
        assert cache.get(status(), is_image=True) is None
        assert cache.image("d") == Content("d", INFO)


def test_a_cache_that_is_a_link_is_not_written_through(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere.sqlite")
    remember(path, status(), Content("d", INFO))
    assert not (tmp_path / "elsewhere.sqlite").exists()


def test_fingerprints_are_remembered_by_the_content(path: Path) -> None:
    remember(path, status(1), Content("d", INFO, "", b"print"))
    remember(path, status(2), Content("e", INFO))  # known by its bytes, so it was not decoded again
    assert dict(read_fingerprints(path)) == {"d": b"print"}


def test_where_nothing_is_remembered_there_are_no_fingerprints(path: Path) -> None:
    assert dict(read_fingerprints(path)) == {}
    path.parent.mkdir()
    path.write_bytes(b"not a database, however long one looks at it")
    assert dict(read_fingerprints(path)) == {}


def test_of_results_the_last_is_kept(path: Path) -> None:
    assert recall(path, "a") is None
    keep(path, "a", b"first")
    assert recall(path, "a") == b"first"
    keep(path, "b", b"second")
    assert (recall(path, "a"), recall(path, "b")) == (None, b"second")


def test_a_result_of_which_a_bit_has_flipped_is_none(path: Path) -> None:
    keep(path, "a", b"a long result that nobody could tell from another")
    content = path.read_bytes()
    assert content.count(b"long result") == 1
    path.write_bytes(content.replace(b"long result", b"lonf result"))
    assert recall(path, "a") is None
