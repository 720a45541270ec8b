"""`add`: into `stage_data/`, nothing twice, nothing overwritten, sources untouched."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from imgstage import Dataset
from imgstage.cli import run
from imgstage.errors import ChangedError, DestinationError, PairingError, RefusedError, UsageError
from imgstage.journal import steps, system
from imgstage.journal.records import Records
from imgstage.plan import Identity

from ..helpers import dying_at, names, picture, snapshot, stage, write, write_pairs


def test_bytes_times_modes_and_sub_folders_come_along(empty: Dataset, tmp_path: Path) -> None:
    source = tmp_path / "photos"
    write_pairs(source / "day one", range(1, 5))
    write(source / "day one" / "github_01.json", b"{}", 1_222_222_222, 0o600)
    before = snapshot(source)
    plan = empty.plan_add(source)
    assert (plan.report.found, plan.report.done, plan.report.changed) == (9, 9, 9)
    plan.apply()
    copied = {path: entry for path, entry in snapshot(stage(empty)).items() if not path.endswith("/")}
    assert copied == {path: entry for path, entry in before.items() if not path.endswith("/")}
    assert snapshot(source) == before


def test_a_single_file_and_a_folder_of_its_own(empty: Dataset, tmp_path: Path) -> None:
    empty.add(write(tmp_path / "x.jpg", picture(1)), into="cats/indoor")
    assert names(stage(empty)) == {"cats/indoor/x.jpg"}


def test_what_is_there_already_is_not_added_again(empty: Dataset, tmp_path: Path) -> None:
    source = tmp_path / "photos"
    write_pairs(source, range(1, 5))
    empty.add(source)
    plan = empty.plan_add(source)
    assert plan.is_empty
    assert (plan.report.found, plan.report.done, plan.report.changed) == (8, 8, 0)
    empty.split()
    assert empty.plan_add(source).is_empty, "nor when it lies in a split by now"


def test_a_known_sample_under_another_name_is_reported_not_added(empty: Dataset, tmp_path: Path) -> None:
    write_pairs(tmp_path / "one", range(1, 5))
    write_pairs(tmp_path / "two", range(1, 5), prefix="renamed")
    empty.add(tmp_path / "one")
    plan = empty.plan_add(tmp_path / "two")
    assert plan.is_empty
    assert plan.report.details["files_already_there"] == 8


def test_single_files_are_never_compared(empty: Dataset, tmp_path: Path) -> None:
    """Equal masks, empty sidecars, and one image with two labels are valid."""
    source = tmp_path / "set"
    for number in range(4):
        write(source / f"images/{number}.jpg", picture(number))
        write(source / f"masks/{number}.png", picture(99, "PNG"))
        write(source / f"images/{number}.txt", b"")
    write(source / "cat/x.jpg", picture(50))
    write(source / "dog/x.jpg", picture(50))
    plan = empty.plan_add(source)
    assert plan.report.details["samples_added"] == 6
    assert (plan.report.changed, plan.report.held, plan.report.ignored) == (14, (), ())


def test_a_new_sidecar_of_a_known_sample_is_added(empty: Dataset, tmp_path: Path) -> None:
    source = tmp_path / "photos"
    write_pairs(source, range(1, 5))
    empty.add(source)
    write(source / "github_02.json", b"{}")
    empty.add(source)
    assert "github_02.json" in names(stage(empty))


def test_an_orphan_comes_in_when_its_partner_does(empty: Dataset, tmp_path: Path) -> None:
    write_pairs(tmp_path / "photos", range(1, 12))
    late = (tmp_path / "photos/github_03_after.jpg").rename(tmp_path / "late.jpg")
    plan = empty.plan_add(tmp_path / "photos")
    assert [(Path(note.path).name, note.reason) for note in plan.report.held] == [
        ("github_03_before.jpg", "incomplete: github_03_before.jpg has no after beside it")
    ]
    plan.apply()
    late.rename(tmp_path / "photos/github_03_after.jpg")
    assert empty.plan_add(tmp_path / "photos").report.details["samples_added"] == 1


def test_trouble_in_the_source_holds_only_its_sample(empty: Dataset, tmp_path: Path) -> None:
    source = tmp_path / "photos"
    write_pairs(source, range(1, 12))
    whole = (source / "github_01_after.jpg").read_bytes()
    write(source / "github_01_after.jpg", whole[: len(whole) // 2])
    write(source / "github_02_before.jpg", b"text")
    write(source / "notes.docx", b"x")
    report = empty.plan_add(source).report
    assert sorted(Path(note.path).name for note in report.held) == sorted(
        f"github_0{n}_{role}.jpg" for n in (1, 2) for role in ("before", "after")
    )
    assert [(Path(note.path).name, note.reason) for note in report.ignored] == [
        ("notes.docx", "other: not an image, not a sidecar")
    ]
    assert report.found == 23 == report.done + 4 + 1


@pytest.mark.parametrize("name", ["x.jpg", "X.JPG"])
@pytest.mark.parametrize("split", [False, True])
def test_a_name_taken_by_other_bytes_refuses_all(empty: Dataset, tmp_path: Path, name: str, split: bool) -> None:
    for number, own in enumerate(("x.jpg", "y.jpg", "z.jpg")):
        write(stage(empty) / own, picture(number))
    if split:
        empty.split()
    write(tmp_path / "in" / name, picture(9))
    write(tmp_path / "in" / "fine.jpg", picture(10))
    before = snapshot(empty.root.path)
    with pytest.raises(DestinationError, match=r"other bytes.*Nothing was changed"):
        empty.add(tmp_path / "in")
    assert snapshot(empty.root.path) == before


def test_two_sources_with_one_name_refuse(empty: Dataset, tmp_path: Path) -> None:
    write(tmp_path / "a/x.jpg", picture(1))
    write(tmp_path / "b/x.jpg", picture(2))
    with pytest.raises(DestinationError, match=r"a/x\.jpg"):
        empty.add(tmp_path / "a", tmp_path / "b")
    write(tmp_path / "b/x.jpg", picture(1))
    empty.add(tmp_path / "a", tmp_path / "b")
    assert names(stage(empty)) == {"x.jpg"}


def test_names_that_read_two_ways_refuse_with_the_lines_to_write(empty: Dataset, tmp_path: Path) -> None:
    write_pairs(tmp_path / "in", range(1, 5))
    for number in range(8):
        write(tmp_path / f"in/IMG_{number}.jpg", picture(100 + number))
    with pytest.raises(PairingError, match=r'before = "\{key\}_before"'):
        empty.add(tmp_path / "in")
    (empty.root.path / "imgstage.toml").write_text('[pairing]\nimage = "{key}"\n')
    empty.add(tmp_path / "in")
    assert len(names(stage(empty))) == 16


def test_sources_that_cannot_be_meant_are_refused(pairs: Dataset, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    for source in (tmp_path / "nowhere", tmp_path / "nothing"):
        with pytest.raises(UsageError):
            pairs.add(source)
    for source in (tmp_path, stage(pairs), pairs.root.path):
        with pytest.raises(RefusedError, match="overlaps"):
            pairs.add(source)
    for into in ("../x", "/x", ".imgstage", "a/../../b"):
        with pytest.raises(UsageError):
            pairs.add(write(tmp_path / "x.jpg", picture(1)), into=into)


def test_undo_takes_the_copies_out_of_sight_and_back(empty: Dataset, tmp_path: Path) -> None:
    write_pairs(tmp_path / "photos/cats", range(1, 5))
    before = snapshot(empty.root.path)
    empty.add(tmp_path / "photos")
    after = snapshot(empty.root.path)
    empty.undo()
    assert snapshot(empty.root.path) == before
    empty.undo()
    assert snapshot(empty.root.path) == after


def test_sidecars_for_samples_that_are_there_are_not_called_samples(empty: Dataset, tmp_path: Path) -> None:
    write_pairs(tmp_path / "photos", range(1, 5))
    empty.add(tmp_path / "photos")
    write(tmp_path / "photos/github_01.json", b"{}")
    write_pairs(tmp_path / "photos", range(5, 6))
    details = empty.plan_add(tmp_path / "photos").report.details
    assert (details["samples_added"], details["files_joined"]) == (1, 1)


def test_what_is_held_in_the_root_does_not_count_as_there(pairs: Dataset, tmp_path: Path) -> None:
    """A sample whose half is broken in the root is not the whole one that comes."""
    write_pairs(tmp_path / "photos", range(1, 2), prefix="again")
    pairs.add(tmp_path / "photos")
    assert "again_01_before.jpg" not in names(stage(pairs)), "the same bytes as github_01"
    write(stage(pairs) / "github_01_b_before.jpg", picture(9))
    write(stage(pairs) / "github_01_before.jpg", b"broken")
    pairs.add(tmp_path / "photos")
    assert {"again_01_before.jpg", "again_01_after.jpg"} <= names(stage(pairs))


def copies_broken_off(dataset: Dataset, source: Path) -> None:
    """An `add` that died when all of its copies were in place."""
    with dying_at(Records, "write_end"):
        dataset.add(source)


def test_recover_keeps_copies_whose_source_is_gone_or_was_changed(
    empty: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a kill somebody sees the copies, takes the originals off the card, and only then runs recover."""
    source = tmp_path / "card"
    write_pairs(source, range(1, 5))
    write_pairs(source / "day 2", range(5, 6))
    before = snapshot(empty.root.path)
    originals = snapshot(source)
    copies_broken_off(empty, source)
    (source / "day 2/github_05_before.jpg").unlink()
    (source / "github_02_after.jpg").write_bytes(b"formatted")
    assert run(["-C", str(empty.root.path), "recover"]) == 0
    out = capsys.readouterr().out
    assert "10 copies were taken away again." in out
    kept = empty.root.path / ".imgstage/vault/000001"
    assert f"so all 10 are kept in {kept}/: copy that folder out of the root, and add it." in out
    assert snapshot(empty.root.path) == before
    assert snapshot(kept) == originals, "whole samples, for a half would come back as a lone image"
    assert not list((empty.root.path / ".imgstage/incoming").iterdir())
    shutil.copytree(kept, tmp_path / "out")
    empty.add(tmp_path / "out")
    assert len(empty.samples) == 5
    assert not any(sample.held for sample in empty.samples)


def test_the_longest_name_is_kept_and_a_second_recover_has_nothing_to_do(empty: Dataset, tmp_path: Path) -> None:
    source = write(tmp_path / "card" / f"{'n' * 251}.jpg", picture(1))
    copies_broken_off(empty, source.parent)
    source.unlink()
    assert empty.recover().restored.kept == 1
    assert (empty.root.path / ".imgstage/vault/000001" / source.name).exists()
    assert empty.recover().operation is None


def test_an_add_that_is_taken_back_at_once_says_where_last_copies_are(
    empty: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody puts a file in the way while another hand empties the card."""
    write_pairs(tmp_path / "card", range(1, 4))
    real = steps.do
    done = 0

    def meanwhile(*arguments: Any) -> None:
        nonlocal done
        done += 1
        if done == 4:
            shutil.rmtree(tmp_path / "card")
            write(stage(empty) / "github_02_before.jpg", b"in the way")
        real(*arguments)

    monkeypatch.setattr("imgstage.journal.engine.do", meanwhile)
    with pytest.raises(ChangedError, match=r"All 6 copies are kept in .*/\.imgstage/vault/000001: copy them out"):
        empty.add(tmp_path / "card")
    assert len(list((empty.root.path / ".imgstage/vault/000001").iterdir())) == 6


def test_recover_twice_keeps_the_last_copies_too(empty: Dataset, tmp_path: Path) -> None:
    """Killed after they were kept, and before the end was written down."""
    source = tmp_path / "card"
    write_pairs(source, range(1, 3))
    originals = snapshot(source)
    copies_broken_off(empty, source)
    for path in source.iterdir():
        path.unlink()
    with dying_at(Records, "write_end"):
        empty.recover()
    assert tuple(empty.recover().restored) == (0, 0, 4, ".imgstage/vault/000001", ())
    assert snapshot(empty.root.path / ".imgstage/vault/000001") == originals


def test_recover_keeps_no_copy_of_what_is_still_there(empty: Dataset, tmp_path: Path) -> None:
    write_pairs(tmp_path / "card", range(1, 5))
    copies_broken_off(empty, tmp_path / "card")
    assert empty.recover().restored.kept == 0
    assert not list((empty.root.path / ".imgstage/vault").iterdir())


def test_a_source_that_is_written_to_between_plan_and_copy_refuses(empty: Dataset, tmp_path: Path) -> None:
    """Same size, same time: the bytes that were copied are not those that were looked at."""
    source = write(tmp_path / "x.jpg", picture(1))
    before = snapshot(empty.root.path)
    plan = empty.plan_add(source)
    status = source.stat()
    source.write_bytes(source.read_bytes()[:-1] + b"x")
    os.utime(source, ns=(status.st_mtime_ns, status.st_mtime_ns))
    with pytest.raises(ChangedError, match=r"x\.jpg changed while it was copied"):
        plan.apply()
    assert snapshot(empty.root.path) == before


def test_copies_of_an_add_that_died_before_it_had_a_plan_are_kept_too(
    empty: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The card was emptied after the kill: other verbs refuse, and recover keeps what was copied."""
    write_pairs(tmp_path / "card", range(1, 5))
    write_pairs(tmp_path / "other", range(10, 12))
    originals = snapshot(tmp_path / "card")
    with dying_at(Records, "write_plan"):
        empty.add(tmp_path / "card")
    shutil.move(tmp_path / "card", tmp_path / "gone")
    with pytest.raises(RefusedError, match=r"To keep the copies, run: imgstage .*recover"):
        empty.add(tmp_path / "other")
    assert run(["-C", str(empty.root.path), "recover"]) == 0
    kept = empty.root.path / ".imgstage/vault/000001"
    assert f"so all 8 are kept in {kept}/" in capsys.readouterr().out
    assert snapshot(kept) == originals
    assert empty.add(tmp_path / "other").number == 2  # type: ignore[union-attr]
    assert run(["-C", str(empty.root.path), "recover"]) == 0
    assert "Nothing was broken off" in capsys.readouterr().out


def test_copies_without_a_plan_are_cleared_away_while_their_sources_are_there(empty: Dataset, tmp_path: Path) -> None:
    write_pairs(tmp_path / "card", range(1, 5))
    with dying_at(Records, "write_plan"):
        empty.add(tmp_path / "card")
    assert len(list((empty.root.path / ".imgstage/incoming").iterdir())) == 8
    assert empty.recover().restored.kept == 0
    assert not list((empty.root.path / ".imgstage/incoming").iterdir())
    assert not list((empty.root.path / ".imgstage/journal").iterdir())


def test_a_source_of_the_same_size_but_another_time_was_changed(empty: Dataset, tmp_path: Path) -> None:
    source = write(tmp_path / "card/x.jpg", picture(1))
    copies_broken_off(empty, source.parent)
    write(source, source.read_bytes()[::-1], 1_600_000_001)
    assert empty.recover().restored.kept == 1


@pytest.mark.parametrize("error", [errno.ENOENT, errno.EIO, errno.ENOSPC])
def test_copies_are_not_cleared_away_when_the_card_is_pulled_out_meanwhile(
    empty: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """Copying fails as the sources vanish: what was copied is the last there is of it."""
    write_pairs(tmp_path / "card", range(1, 5))
    originals = snapshot(tmp_path / "card")
    real = system.copy_durable
    done: list[str] = []

    def copy(source: str, target: str, identity: Identity) -> str:
        if len(done) == 5:
            shutil.rmtree(tmp_path / "card")
            raise OSError(error, os.strerror(error), source)
        done.append(source)
        return real(source, target, identity)

    monkeypatch.setattr("imgstage.journal.incoming.copy_durable", copy)
    with pytest.raises(RefusedError, match=r"sources of its copies are gone.*recover"):
        empty.add(tmp_path / "card")
    monkeypatch.undo()
    assert empty.recover().restored.kept == 5
    kept = snapshot(empty.root.path / ".imgstage/vault/000001")
    assert kept == {Path(path).name: originals[Path(path).name] for path in done}


def test_what_is_twice_in_the_sources_is_added_once(empty: Dataset, tmp_path: Path) -> None:
    write_pairs(tmp_path / "in", range(1, 4))
    write_pairs(tmp_path / "again", range(1, 4), "copy")
    plan = empty.plan_add(tmp_path / "in", tmp_path / "again")
    assert len(list(plan.moves())) == 6


def test_a_set_that_is_split_already_is_not_drawn_anew(empty: Dataset, tmp_path: Path) -> None:
    for number, split in enumerate(("train", "Valid", "test")):
        write_pairs(tmp_path / "in" / split, range(10 * number, 10 * number + 2), split)
    with pytest.raises(RefusedError, match="is split already"):
        empty.plan_add(tmp_path / "in")
    for folder in (tmp_path / "in").iterdir():
        assert len(list(empty.plan_add(folder).moves())) == 4
