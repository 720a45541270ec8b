"""Dataset: the public API, and what happens when somebody else's hand is in the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import imgstage
from imgstage import ChangedError, Dataset, NotARootError, PendingError, RefusedError, UsageError
from imgstage.journal import steps
from imgstage.journal.records import Records

from ..helpers import as_nobody, names, picture, snapshot, write, write_pairs


def test_the_public_names_are_these() -> None:
    assert imgstage.__all__ == sorted(imgstage.__all__)
    for name in imgstage.__all__:
        assert getattr(imgstage, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = imgstage.nothing_of_this_name


def test_samples_have_roles_sizes_and_places(pairs: Dataset) -> None:
    write(pairs.root.path / "stage_data/github_03.json", b"{}")
    sample = next(sample for sample in pairs.samples if sample.key == "github_03")
    assert list(sample.images) == ["before", "after"]
    (before,) = sample.images["before"]
    assert before.image is not None
    assert (before.path, before.image.height, before.image.width) == ("stage_data/github_03_before.jpg", 24, 32)
    assert [record.path for record in sample.sidecars] == ["stage_data/github_03.json"]
    assert (sample.split, sample.place, sample.held) == ("", "stage_data", "")


def test_a_plan_changes_nothing_until_it_is_applied(pairs: Dataset) -> None:
    root = pairs.root.path
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    plan = Dataset(root, remember=False).plan_split()
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert len(list(plan.moves())) == 50
    operation = plan.apply()
    assert operation.number == 1
    with pytest.raises(ChangedError):
        plan.apply()


def test_undo_of_everything_brings_the_first_tree_back(pairs: Dataset) -> None:
    root = pairs.root.path
    write(root / "stage_data/cats/x.jpg", picture(7000))
    first = snapshot(root)
    pairs.split()
    write_pairs(root / "stage_data", range(50, 56))
    with_more = snapshot(root)
    pairs.split()
    pairs.unsplit()
    pairs.split(seed=3, reshuffle=True)
    pairs.undo(2)
    assert snapshot(root) == with_more
    for number in range(50, 56):
        for role in ("before", "after"):
            (root / f"stage_data/github_{number}_{role}.jpg").unlink()
    pairs.undo(1)
    assert snapshot(root) == first


def test_undo_makes_folders_that_are_gone_with_the_modes_of_the_others(pairs: Dataset) -> None:
    root = pairs.root.path
    write(root / "stage_data/cats/x.jpg", picture(7000))
    pairs.split()
    (root / "stage_data/cats").rmdir()
    pairs.undo()
    assert (root / "stage_data/cats").stat().st_mode == (root / "stage_data").stat().st_mode


def test_undo_moves_an_edited_file_as_it_is_and_lists_it(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    name = min(names(root, "train"))
    write(root / "train" / name, picture(4000))
    plan = pairs.plan_undo()
    assert plan.report.details["edited"] == [f"train/{name}"]
    plan.apply()
    assert (root / "stage_data" / name).read_bytes() == picture(4000)


def test_undo_refuses_while_files_are_gone_unless_they_are_left_out(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    name = min(names(root, "train"))
    (root / "train" / name).unlink()
    before = snapshot(root)
    with pytest.raises(ChangedError, match=f"{name}.*--without-missing"):
        pairs.undo()
    assert snapshot(root) == before
    pairs.undo(without_missing=True)
    assert len(names(root, "stage_data")) == 49


def test_undo_never_takes_an_edit_out_of_sight(empty: Dataset, tmp_path: Path) -> None:
    write_pairs(tmp_path / "in", range(1, 5))
    empty.add(tmp_path / "in")
    write(empty.root.path / "stage_data/github_01_after.jpg", picture(5000))
    before = snapshot(empty.root.path)
    with pytest.raises(ChangedError, match="github_01_after"):
        empty.undo()
    assert snapshot(empty.root.path) == before


def test_undo_refuses_to_replace_an_edited_ledger(pairs: Dataset) -> None:
    pairs.split()
    table = pairs.root.path / "splits.csv"
    table.write_text(table.read_text().replace("train", "TRAIN", 1))
    before = snapshot(pairs.root.path)
    with pytest.raises(ChangedError, match=r"splits\.csv"):
        pairs.undo()
    assert snapshot(pairs.root.path) == before


def test_undo_leaves_settings_that_were_edited(pairs: Dataset) -> None:
    before = snapshot(pairs.root.path)
    pairs.split()
    settings = pairs.root.path / "imgstage.toml"
    settings.write_text("seed = 5\n")
    plan = pairs.plan_undo()
    assert plan.report.details["edited"] == ["imgstage.toml"]
    plan.apply()
    assert settings.read_text() == "seed = 5\n"
    settings.unlink()
    assert snapshot(pairs.root.path) == before
    pairs.undo()
    assert pairs.status().samples["train"] == 20


def test_undo_refuses_when_an_old_name_is_taken(pairs: Dataset) -> None:
    pairs.split()
    write(pairs.root.path / "stage_data/github_01_after.jpg", picture(1))
    before = snapshot(pairs.root.path)
    with pytest.raises(imgstage.DestinationError, match="github_01_after"):
        pairs.undo()
    assert snapshot(pairs.root.path) == before


@pytest.mark.parametrize("number", [0, -1, 2, 99])
def test_an_operation_that_never_was_cannot_be_undone(pairs: Dataset, number: int) -> None:
    with pytest.raises(UsageError, match="Nothing was done"):
        pairs.undo()
    pairs.split()
    with pytest.raises(UsageError, match="never done"):
        pairs.undo(number)


def test_what_broke_off_must_be_recovered_first(pairs: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(pairs.root.path)

    def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Records, "write_end", die)
        with pytest.raises(SystemExit):
            pairs.split()
    assert pairs.status().pending == 1
    for verb in (Dataset.split, Dataset.unsplit, Dataset.undo, Dataset.add):
        with pytest.raises(PendingError, match="recover"):
            verb(pairs)
    assert pairs.recover().restored.returned == 50
    assert snapshot(pairs.root.path) == before
    assert pairs.status().pending is None


def test_a_root_made_by_hand_needs_no_init(tmp_path: Path) -> None:
    write_pairs(tmp_path / "stage_data", range(1, 12))
    before = snapshot(tmp_path)
    dataset = Dataset(tmp_path)
    assert dataset.status().samples["stage_data"] == 11
    assert snapshot(tmp_path) == before
    assert [path.name for path in (tmp_path / ".imgstage").iterdir()] == ["cache"]
    dataset.split()
    dataset.undo()
    assert snapshot(tmp_path) == before


def test_the_same_input_gives_the_same_plan_whatever_the_order_and_threads(tmp_path: Path) -> None:
    reports = []
    for name, order, threads in (("one", range(1, 31), 1), ("two", range(30, 0, -1), 7)):
        root = tmp_path / name
        for number in order:
            write_pairs(root / "stage_data", range(number, number + 1))
        reports.append(Dataset(root, threads=threads).plan_split().report.as_json())
    assert reports[0] == reports[1]


def test_a_stage_folder_that_is_a_link_is_ignored_with_its_reason(tmp_path: Path) -> None:
    write_pairs(tmp_path / "elsewhere", range(1, 5))
    (tmp_path / "data/train").mkdir(parents=True)
    (tmp_path / "data/stage_data").symlink_to(tmp_path / "elsewhere")
    (note,) = Dataset(tmp_path / "data").status().report.ignored
    assert (note.path, note.reason) == ("stage_data", "link: a symbolic link; only the file itself is staged")
    before = snapshot(tmp_path)
    with pytest.raises(RefusedError, match=r"stage_data is a symbolic link.*Put the folder itself there"):
        Dataset(tmp_path / "data").split()
    assert snapshot(tmp_path) == before


def test_no_link_inside_a_root_is_followed(pairs: Dataset, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside/x_before.jpg", picture(1))
    (pairs.root.path / "stage_data/linked").symlink_to(outside.parent)
    (pairs.root.path / "stage_data/x_after.jpg").symlink_to(outside)
    report = pairs.plan_split().report
    assert {(note.path, note.reason) for note in report.ignored} == {
        ("stage_data/linked", "link: a symbolic link; only the file itself is staged"),
        ("stage_data/x_after.jpg", "link: a symbolic link; only the file itself is staged"),
    }


@pytest.mark.parametrize("locked", ["stage_data", ".imgstage/journal", "."])
def test_a_folder_that_cannot_be_written_refuses_all(pairs: Dataset, locked: str) -> None:
    root = pairs.root.path
    before = snapshot(root)
    (root / locked).chmod(0o500)
    with as_nobody(root), pytest.raises(imgstage.DestinationError, match=r"cannot be written|Permission denied"):
        pairs.split()
    (root / locked).chmod(0o755)
    assert {path: entry for path, entry in snapshot(root).items() if path != f"{locked}/"} == {
        path: entry for path, entry in before.items() if path != f"{locked}/"
    }


@pytest.mark.parametrize("mode", [0o000, 0o300])
def test_what_cannot_be_read_is_held_or_ignored_with_its_reason(pairs: Dataset, mode: int) -> None:
    root = pairs.root.path
    write(root / "stage_data/secret/x.jpg", picture(1))
    (root / "stage_data/github_01_after.jpg").chmod(0o000)
    (root / "stage_data/secret").chmod(mode)
    with as_nobody(root):
        report = pairs.status().report
    assert "unreadable: it cannot be read (Permission denied)" in {note.reason for note in report.held}
    assert ("stage_data/secret", "closed: the folder cannot be read (Permission denied)") in {
        (note.path, note.reason) for note in report.ignored
    }


def test_no_root_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(NotARootError):
        Dataset(tmp_path)


def test_status_tells_what_broke_off_though_the_names_make_no_sense_then(
    empty: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the midst of an `add`, half of the pairs are torn."""
    write_pairs(tmp_path / "photos", range(1, 11))
    real = steps.do
    done = 0

    def die(*arguments: Any) -> None:
        nonlocal done
        done += 1
        if done > 14:
            raise SystemExit
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("imgstage.journal.engine.do", die)
        with pytest.raises(SystemExit):
            empty.add(tmp_path / "photos")
    with pytest.raises(PendingError, match=r"broke off .*recover"):
        empty.status()
    empty.recover()
    assert empty.status().pending is None
