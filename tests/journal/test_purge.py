"""`purge` empties the vault for good, and nothing else does; what it freed is told wherever it lacks."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from imgstage import Dataset
from imgstage.cli import run
from imgstage.errors import BrokenOffError, ChangedError, UsageError
from imgstage.journal import engine, read_age
from imgstage.journal.records import Records

from ..helpers import dying_at, snapshot, stage, write


def vault(dataset: Dataset) -> set[str]:
    """The user's files in the vault; tables are imgstage's own."""
    base = dataset.root.path / ".imgstage/vault"
    return {str(path.relative_to(base)) for path in base.rglob("*.jpg")}


@pytest.fixture
def resized(pairs: Dataset) -> Dataset:
    """25 pairs, split, with small copies in sight and the originals in the vault."""
    pairs.split()
    pairs.resize(scale="0.5")
    return pairs


def test_it_frees_the_originals_and_keeps_what_is_in_sight(
    resized: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    before, kept = snapshot(resized.root.path), vault(resized)
    size = sum((resized.root.path / ".imgstage/vault" / path).stat().st_size for path in kept)
    plan = resized.plan_purge()
    assert (plan.report.done, plan.report.details["bytes"]) == (50, size)
    assert vault(resized) == kept
    root = str(resized.root.path)
    assert run(["-C", root, "purge", "-n"]) == 0
    assert f"{size / 1e3:,.1f} kB in 50 files of the vault would be freed" in capsys.readouterr().out
    assert vault(resized) == kept
    assert run(["-C", root, "purge"]) == 0
    assert "Done as operation 3. This cannot be undone." in capsys.readouterr().out
    assert vault(resized) == set()
    assert snapshot(resized.root.path) == before
    assert resized.purge() is None


def test_what_it_freed_cannot_be_undone_and_is_told(resized: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    resized.purge()
    before = snapshot(resized.root.path)
    with pytest.raises(UsageError, match=r"Operation 3 \(purge\) cannot be undone.*undo 2"):
        resized.undo()
    with pytest.raises(ChangedError, match="these are gone: "):
        resized.undo(2)
    assert snapshot(resized.root.path) == before
    plan = resized.plan_undo(1, without_missing=True)
    assert "operation 3 purged it" in plan.report.held[0].reason
    plan.apply()
    images = {Path(path).name: entry for path, entry in before.items() if path.endswith(".jpg")}
    assert snapshot(stage(resized)) == images, "for want of better"
    assert run(["-C", str(resized.root.path), "log"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines if " purge " in line] == ["done"]


def test_from_then_on_what_is_there_is_the_original(resized: Dataset) -> None:
    resized.purge()
    plan = resized.plan_resize(scale="0.5")
    assert plan.report.details["from_originals"] == 0
    assert plan.report.details["pixels"] == 50 * 6 * 8


def test_only_what_is_old_enough_goes(resized: Dataset) -> None:
    resized.resize(long_side=12)
    kept = vault(resized)
    assert resized.purge(older_than="1h") is None
    assert resized.plan_purge(older_than=timedelta(0)).report.done == 100
    journal = resized.root.path / ".imgstage/journal/000002.plan"
    record = resized.journal.records.read(2)
    old = record.head._replace(started="2020-01-01T00:00:00+00:00")
    journal.unlink()
    resized.journal.records.write_plan(type(record)(old, record.journeys, record.steps, record.sources, record.made))
    resized.purge(older_than="30d")
    assert vault(resized) == {path for path in kept if not path.startswith("000002/")}


def test_tables_stay_so_that_splits_can_be_undone(resized: Dataset) -> None:
    resized.purge()
    resized.split(seed=5, reshuffle=True)
    resized.purge()
    before = {sample.id: sample.split for sample in resized.samples}
    resized.undo(4)
    assert {sample.id: sample.split for sample in resized.samples} != before


@pytest.mark.parametrize("at", ["write_plan", "write_end"])
def test_one_that_dies_before_its_commit_has_done_nothing(resized: Dataset, at: str) -> None:
    kept = vault(resized)
    with dying_at(Records, at):
        resized.purge()
    resized.recover()
    assert vault(resized) == kept
    resized.undo()
    assert resized.journal.records.noted_discards() == []


def test_one_that_dies_after_its_commit_is_finished_by_whoever_comes_next(resized: Dataset) -> None:
    with dying_at(engine, "discard"):
        resized.purge()
    assert len(vault(resized)) == 50
    Dataset(resized.root.path).hold("github_01")
    assert vault(resized) == set()
    assert resized.journal.records.noted_discards() == []


def test_files_that_cannot_be_unlinked_are_told(resized: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    real, kept = os.unlink, vault(resized)

    def refuse(path: str) -> None:
        if "/vault/" in str(path) and path.endswith("9.jpg"):
            raise PermissionError(13, "Permission denied", path)
        real(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        with pytest.raises(BrokenOffError, match=r"cannot all be unlinked.*recover"):
            resized.purge()
    assert 0 < len(vault(resized)) < len(kept)
    resized.recover()
    assert vault(resized) == set()


def test_a_plan_that_says_more_than_it_may_is_not_believed(resized: Dataset) -> None:
    victim = write(resized.root.path / "train/victim.jpg", b"mine")
    plan = resized.plan_purge()
    bad = replace(plan, discards=(*plan.discards, "train/victim.jpg", ".imgstage/vault/../../train/victim.jpg"))
    with pytest.raises(BrokenOffError, match="not in the vault"):
        resized.journal.apply(bad)
    assert victim.read_bytes() == b"mine"


def test_ages_are_read() -> None:
    assert read_age("30d") == timedelta(days=30)
    assert read_age(" 2 w ") == timedelta(weeks=2)
    assert read_age("5min") == timedelta(minutes=5)
    for text in ("", "30", "d", "-1d", "1 month", "1e3d"):
        with pytest.raises(UsageError):
            read_age(text)
