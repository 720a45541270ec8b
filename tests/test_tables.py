"""imgstage's own text files."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgstage import tables
from imgstage.errors import RefusedError, UsageError
from imgstage.root import Layout, Root


def test_only_what_is_there_is_found_and_recognised_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "valid").mkdir()
    (tmp_path / "valid/metadata.jsonl").write_bytes(b"one")
    (tmp_path / "test.metadata.jsonl").write_bytes(b"two")
    found = tables.find(Root(tmp_path), Layout({"val": "valid"}), ["train", "val", "test"])
    assert {path: identity.size for path, identity in found.items()} == {
        "valid/metadata.jsonl": 3,
        "test.metadata.jsonl": 3,
    }
    assert len({identity.digest for identity in found.values()}) == 2


def test_a_folder_in_place_of_a_table_is_refused(tmp_path: Path) -> None:
    """Such as a class of that name."""
    (tmp_path / "train/metadata.jsonl").mkdir(parents=True)
    with pytest.raises(RefusedError, match=r"train/metadata\.jsonl is a folder"):
        tables.find(Root(tmp_path), Layout(), ["train"])


def test_a_table_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train/metadata.jsonl").symlink_to("elsewhere")
    with pytest.raises(RefusedError, match=r"train/metadata\.jsonl is a symbolic link"):
        tables.find(Root(tmp_path), Layout(), ["train"])


def test_reasons_survive_being_written_and_read(tmp_path: Path) -> None:
    reasons = {"held/a, b.jpg": 'too "dark",\nreally', "held/ü.jpg": ""}
    (tmp_path / "held").mkdir()
    (tmp_path / "held/reasons.csv").write_bytes(tables.write_reasons(reasons))
    assert tables.read_reasons(Root(tmp_path)) == reasons


@pytest.mark.parametrize("content", [b"", b"why\n", b"path,reason\n1,2,3\n", b"\xff"])
def test_a_table_of_reasons_that_is_not_ours_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "held").mkdir()
    (tmp_path / "held/reasons.csv").write_bytes(content)
    with pytest.raises(UsageError, match=r"held/reasons\.csv"):
        tables.read_reasons(Root(tmp_path))


@given(st.lists(st.lists(st.text('ab,"\r\n é'), min_size=2, max_size=2)))
def test_a_table_is_what_the_csv_module_writes(rows: list[list[str]]) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows([["one", "two"], *rows])
    assert tables.write_csv(["one", "two"], rows).decode() == buffer.getvalue()
