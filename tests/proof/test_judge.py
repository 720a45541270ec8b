"""The judge sees what is lost, doubled, torn, changed or in between."""

from __future__ import annotations

from pathlib import Path

from proof import judge

from ..helpers import write


def test_a_tree_knows_bytes_times_and_modes(tmp_path: Path) -> None:
    path = write(tmp_path / "train/a.jpg", b"1")
    write(tmp_path / ".imgstage/lock", b"")
    before = judge.look(tmp_path)
    assert set(before) == {"train/", "train/a.jpg"}
    path.chmod(0o600)
    assert judge.difference(judge.look(tmp_path), before) == "train/a.jpg"


def test_only_the_times_of_tables_do_not_count(tmp_path: Path) -> None:
    for time in (1_500_000_000, 1_600_000_000):
        write(tmp_path / str(time) / "splits.csv", b"x", time)
        write(tmp_path / str(time) / "train/a.jpg", b"y", time)
    one, two = (judge.without_times(judge.look(folder)) for folder in sorted(tmp_path.iterdir()))
    assert judge.difference(one, two) == "train/a.jpg"


def test_what_lies_in_the_vault_is_not_lost_and_what_is_there_twice_is_counted(tmp_path: Path) -> None:
    write(tmp_path / "train/a.jpg", b"1")
    write(tmp_path / ".imgstage/vault/000001/000001.jpg", b"1")
    write(tmp_path / ".imgstage/incoming/hop-1", b"2")
    write(tmp_path / ".imgstage/journal/000001.plan", b"3")
    assert sorted(judge.kept(tmp_path).values()) == [1, 2]


def test_a_sample_in_two_places_is_torn(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / name, name.encode()) for name in ("train/a_before.jpg", "test/a_after.jpg", "train/b.jpg")
    ]
    samples = {judge.digest_of(path): path.stem[0] for path in paths}
    assert judge.torn(judge.look(tmp_path), samples) == ["a"]
