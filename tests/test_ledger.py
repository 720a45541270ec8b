"""`splits.csv`: rows and their files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgstage import ledger
from imgstage.errors import UsageError
from imgstage.index import FileRecord, Kind
from imgstage.ledger import Row
from imgstage.root import Root

from .strategies import file_names


def row(path: str, digest: str, first: str = "", split: str = "train", sample: str = "") -> Row:
    return Row(sample or path, split, "", "image", path, digest, first or digest)


def match(rows: list[Row], files: dict[str, str]) -> dict[str, str]:
    """The first digest of the row that each file gets."""
    records = {path: FileRecord(path, Kind.IMAGE, 1, 1, 0o644, 1, 1, digest) for path, digest in files.items()}
    found = ledger.match(rows, records, {path: path.partition("/")[2] for path in files})
    return {path: matched.path for path, matched in found.items()}


def test_a_file_that_did_not_change_keeps_its_row() -> None:
    assert match([row("train/a", "A")], {"train/a": "A"}) == {"train/a": "train/a"}


def test_a_renamed_file_is_known_by_its_content() -> None:
    assert match([row("train/a", "A")], {"stage_data/new": "A"}) == {"stage_data/new": "train/a"}


def test_an_edited_file_is_known_by_its_path() -> None:
    assert match([row("train/a", "A")], {"train/a": "B"}) == {"train/a": "train/a"}


def test_an_edited_file_is_known_after_it_was_put_back_by_hand() -> None:
    assert match([row("train/a", "A")], {"stage_data/a": "B"}) == {"stage_data/a": "train/a"}


def test_a_file_put_back_to_its_first_content_under_another_name_is_known() -> None:
    assert match([row("train/a", "B", first="A")], {"stage_data/z": "A"}) == {"stage_data/z": "train/a"}


def test_two_files_that_swapped_their_names_keep_their_splits() -> None:
    """By path alone, a test image would slip into train."""
    rows = [row("stage_data/a", "A", split="train"), row("stage_data/b", "B", split="test")]
    assert match(rows, {"stage_data/a": "B", "stage_data/b": "A"}) == {
        "stage_data/a": "stage_data/b",
        "stage_data/b": "stage_data/a",
    }


def test_a_test_image_that_took_a_train_images_name_stays_a_test_image() -> None:
    rows = [row("stage_data/a", "A", split="train"), row("stage_data/b", "B", split="test")]
    assert match(rows, {"stage_data/a": "B"}) == {"stage_data/a": "stage_data/b"}


def test_a_copy_is_new_while_the_original_is_there() -> None:
    assert match([row("train/a", "A")], {"train/a": "A", "stage_data/copy": "A"}) == {"train/a": "train/a"}


def test_equal_contents_are_told_apart_by_their_names() -> None:
    """Empty sidecars and equal masks: many rows have one digest."""
    rows = [row(f"train/{n}.txt", "0") for n in range(5)]
    files = {f"stage_data/{n}.txt": "0" for n in range(5)}
    assert match(rows, files) == {f"stage_data/{n}.txt": f"train/{n}.txt" for n in range(5)}


def test_where_contents_and_names_leave_a_choice_nothing_is_guessed() -> None:
    rows = [row("train/a", "0"), row("test/b", "0", split="test")]
    assert match(rows, {"stage_data/c": "0", "stage_data/d": "0"}) == {}


rows_of_any_name = st.lists(
    st.builds(Row, st.text("0123456789abcdef", min_size=1), *(file_names for _ in range(6))),
    max_size=8,
    unique_by=lambda row: row.path,
).map(lambda rows: [row._replace(split=f"split of {row.sample}") for row in rows])


@given(rows_of_any_name)
def test_rows_survive_being_written_and_read(rows: list[Row]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "splits.csv").write_bytes(ledger.write(rows))
        assert sorted(map(str, ledger.read(Root(Path(folder))))) == sorted(map(str, rows))


def test_the_order_of_the_rows_does_not_depend_on_the_split() -> None:
    """So that a text diff of two ledgers shows only what changed."""
    first = ledger.write([row("train/a", "A"), row("val/b", "B"), row("train/c", "C")]).decode().splitlines()
    assert [line.split(",")[4] for line in first[1:]] == ["train/a", "val/b", "train/c"]


@pytest.mark.parametrize(
    "content", [b"a,b,c\n", b"\xff\xfe\x00", b"sample,split\n1,2\n", b"x" * 99, ledger.write([]) + b"1,2\n"]
)
def test_a_table_that_is_not_ours_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "splits.csv").write_bytes(content)
    with pytest.raises(UsageError, match=r"splits\.csv.*Nothing was changed"):
        ledger.read(Root(tmp_path))


def test_a_sample_in_two_splits_is_refused(tmp_path: Path) -> None:
    rows = [row("train/a", "A", sample="s"), row("test/b", "B", split="test", sample="s")]
    (tmp_path / "splits.csv").write_bytes(ledger.write(rows))
    with pytest.raises(UsageError, match="one sample in train and in test, such as test/b"):
        ledger.read(Root(tmp_path))


def test_two_rows_for_one_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "splits.csv").write_bytes(ledger.write([row("train/a", "A"), row("train/a", "A", split="test")]))
    with pytest.raises(UsageError, match="two rows for train/a"):
        ledger.read(Root(tmp_path))


def test_no_table_is_an_empty_one(tmp_path: Path) -> None:
    assert ledger.read(Root(tmp_path)) == ()


def test_the_id_of_a_sample_depends_on_key_and_contents_only() -> None:
    assert ledger.sample_id("x", ["A", "B"]) == ledger.sample_id("x", ["B", "A"])
    assert len({ledger.sample_id(*of) for of in (("x", ["A"]), ("y", ["A"]), ("x", ["B"]), ("x", ["A", "A"]))}) == 4


def test_of_two_edited_files_of_one_name_the_first_in_order_has_the_row() -> None:
    rows = [row("val/a", "old")]
    assert match(rows, {"train/a": "new", "stage_data/a": "new2"}) == {"stage_data/a": "val/a"}


@pytest.mark.parametrize("lost", ["missing:", "gone:"])
def test_a_file_that_comes_back_is_known_by_where_it_was(lost: str) -> None:
    """By its bytes under any name, by its old path when it was edited too, and by its first bytes."""
    gone = row(f"{lost}test/a", "B", first="A", split="test")
    for files in ({"stage_data/new": "B"}, {"test/a": "C"}, {"stage_data/a": "C"}, {"stage_data/new": "A"}):
        assert match([gone], files) == dict.fromkeys(files, gone.path)
    assert gone.last_path == "test/a"
    assert gone.is_acknowledged == (lost == "gone:")


def test_bytes_go_before_the_path_and_the_path_before_first_bytes() -> None:
    rows = [row("train/a", "B", first="A"), row("test/b", "C", first="D", split="test")]
    assert match(rows, {"train/a": "C", "test/b": "B"}) == {"train/a": "test/b", "test/b": "train/a"}
    assert match(rows, {"train/a": "X", "stage_data/z": "A"}) == {"train/a": "train/a"}


def test_an_edited_file_is_known_in_its_own_place_first() -> None:
    assert match([row("train/a", "A")], {"stage_data/a": "X", "train/a": "Y"}) == {"train/a": "train/a"}


@pytest.mark.parametrize("lost", ["missing:", "gone:"])
def test_two_that_are_gone_may_have_had_one_path(tmp_path: Path, lost: str) -> None:
    rows = [row(f"{lost}train/a", "A"), row(f"{lost}train/a", "B")]
    (tmp_path / "splits.csv").write_bytes(ledger.write(rows))
    assert ledger.read(Root(tmp_path)) == tuple(rows)


@pytest.mark.parametrize("column", ["sample", "split", "role", "path"])
def test_a_row_that_lacks_what_makes_it_one_is_refused(tmp_path: Path, column: str) -> None:
    """A blank split would count as a new sample, and be drawn."""
    lacking = row("train/a.jpg", "A")._replace(**{column: ""})
    (tmp_path / "splits.csv").write_bytes(ledger.write([lacking]))
    with pytest.raises(UsageError, match="lacks its sample, split, role or path"):
        ledger.read(Root(tmp_path))
