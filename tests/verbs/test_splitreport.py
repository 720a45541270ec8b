"""`splits.json` tells what a split came to; `check` looks whether that is still so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imgstage import Dataset, RefusedError, UsageError
from imgstage.cli import splittext
from imgstage.likeness import alike
from imgstage.verbs.splitreport import contradictions

from ..helpers import picture, snapshot, stage, write
from ..lookalikes import cuts, encoded


def report(dataset: Dataset) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((dataset.root.path / "splits.json").read_text(encoding="utf-8"))
    return found


def codes(dataset: Dataset) -> list[str]:
    return [finding.code for finding in dataset.check()]


def classes(dataset: Dataset, each: int = 10) -> None:
    for number in range(each):
        for seed, label in enumerate(("cats", "dogs")):
            write(stage(dataset) / f"{label}/{label}{number}.png", picture(2 * number + seed, "PNG"))


def test_it_tells_what_was_asked_and_reached(empty: Dataset) -> None:
    classes(empty)
    empty.split(ratios="train=0.6,test=0.4", seed=7)
    told = report(empty)
    assert told["asked"] == {"train": "0.6", "test": "0.4"}
    assert told["reached"] == {"train": 0.6, "test": 0.4}
    assert told["samples"] == told["targets"] == {"train": 12, "test": 8}
    assert told["labels"] == {"cats": {"train": 6, "test": 4}, "dogs": {"train": 6, "test": 4}}
    assert (told["seed"], told["size_deviation"], told["label_error"]) == (7, 0, 0)
    assert told["versions"]["imgstage"]
    assert codes(empty) == []


def test_the_nearest_pair_across_splits_is_named(empty: Dataset) -> None:
    for number, image in enumerate(cuts(4)):
        write(stage(empty) / f"{number}.png", encoded(image))
    empty.split(ratios="train=0.5,val=0.5")
    nearest = report(empty)["search"]["nearest_across_splits"]
    assert 31 < nearest["bits"] <= 160
    assert all((empty.root.path / path).is_file() for path in nearest["pictures"])
    assert {path.partition("/")[0] for path in nearest["pictures"]} == {"train", "val"}


def test_what_was_not_looked_for_is_not_claimed(empty: Dataset) -> None:
    classes(empty)
    empty.split(near_duplicates="ignore")
    assert report(empty)["search"].keys() == {"method", "cannot_see"}
    assert report(empty)["search"]["method"] == ""


def test_the_same_split_has_the_same_report_and_undo_takes_it_back(empty: Dataset) -> None:
    classes(empty)
    before = snapshot(empty.root.path)
    empty.split()
    assert empty.plan_split().is_empty
    empty.undo()
    assert snapshot(empty.root.path) == before


def test_check_tells_when_it_is_not_true_any_more(empty: Dataset) -> None:
    classes(empty)
    empty.split()
    name = next((empty.root.path / "train/cats").iterdir())
    empty.hold(name)
    (finding,) = empty.check()
    assert (finding.code, finding.path) == ("split-report", "splits.json")
    assert "samples in train" in finding.sentence
    empty.split()
    assert codes(empty) == []


def test_check_tells_of_labels_that_changed(empty: Dataset) -> None:
    classes(empty)
    empty.split()
    path = empty.root.path / "splits.json"
    told = report(empty)
    told["labels"]["cats"]["train"] += 1
    path.write_text(json.dumps(told))
    assert codes(empty) == ["split-report"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"samples": 3, "labels": {}}', '{"samples": {}, "labels": {"a": 1}}']
)
def test_what_is_no_report_is_told_and_stays(empty: Dataset, text: str) -> None:
    assert contradictions(text.encode(), {"samples": {"train": 1}, "labels": {}}) == [
        "it is not the report that imgstage wrote"
    ]
    classes(empty)
    path = empty.root.path / "splits.json"
    path.write_text(text)
    plan = empty.plan_split()
    assert plan.report.details["foreign_tables"] == ["splits.json"]
    plan.apply()
    assert path.read_text() == text
    assert codes(empty) == ["split-report"]


def test_a_manifest_has_one_too(empty: Dataset) -> None:
    classes(empty)
    empty.split(manifest=True, ratios="train=0.5,test=0.5")
    assert report(empty)["samples"] == {"train": 10, "test": 10}
    assert codes(empty) == []


def test_folds_are_equal_and_beside_them_what_is_named(empty: Dataset) -> None:
    classes(empty, 25)
    empty.split(folds=5, near_duplicates="ignore")
    told = report(empty)
    assert told["samples"] == {f"fold_{number}": 10 for number in range(1, 6)}
    assert {label: set(of.values()) for label, of in told["labels"].items()} == {"cats": {5}, "dogs": {5}}
    assert (empty.root.path / "fold_5/cats").is_dir()
    assert empty.plan_split().is_empty, "the folds are remembered"


def test_folds_leave_out_a_test_split(empty: Dataset) -> None:
    classes(empty, 25)
    plan = empty.plan_split(folds=4, ratios="test=0.2", near_duplicates="ignore")
    assert plan.report.details["samples"] == {**{f"fold_{n}": 10 for n in range(1, 5)}, "test": 10}
    percent = empty.plan_split(folds=4, ratios="test=20", near_duplicates="ignore")
    assert percent.report.details["samples"] == plan.report.details["samples"]


def test_many_folds_sort_by_their_numbers(empty: Dataset) -> None:
    classes(empty, 10)
    names = list(empty.plan_split(folds=10, near_duplicates="ignore").report.details["samples"])
    assert names == sorted(names) == [f"fold_{number:02d}" for number in range(1, 11)]


def test_groups_are_not_divided_between_folds(empty: Dataset) -> None:
    for number in range(60):
        write(stage(empty) / f"p{number % 13:02d}_{number:02d}.png", picture(number, "PNG"))
    empty.split(folds=3, group="^(p..)_", near_duplicates="ignore")
    homes: dict[str, set[str]] = {}
    for sample in empty.samples:
        homes.setdefault(Path(sample.key).name[:3], set()).add(sample.split)
    assert len(homes) == 13
    assert all(len(of) == 1 for of in homes.values())


@pytest.mark.parametrize(
    ("folds", "ratios"),
    [(1, None), (0, None), (-3, None), (3, "test=1"), (3, "80/12/8"), (3, "test=x"), (3, "test=-1")],
)
def test_folds_that_make_no_sense_are_refused(empty: Dataset, folds: int, ratios: str | None) -> None:
    classes(empty)
    with pytest.raises(UsageError):
        empty.plan_split(folds=folds, ratios=ratios)


def test_deviations_are_those_of_the_counts(empty: Dataset) -> None:
    for number in range(9):
        write(stage(empty) / f"g{min(number, 6)}_{number}.png", picture(number, "PNG"))
    empty.split(ratios="train=0.5,val=0.5", group="^(g.)_", near_duplicates="ignore")
    told = report(empty)
    assert told["rules"] == ['group = "^(g.)_"']
    assert told["size_deviation"] == max(abs(told["samples"][name] - told["targets"][name]) for name in told["samples"])
    for number in range(3):
        write(stage(empty) / f"x{number}/x{number}.png", picture(50 + number, "PNG"))
    empty.split()
    told = report(empty)
    errors = [abs(n - 0.5 * sum(of.values())) for of in told["labels"].values() for n in of.values()]
    assert told["label_error"] == pytest.approx(sum(errors))
    assert told["label_error"] > 0


@pytest.mark.parametrize("quick", [0, 2000])
def test_what_is_cut_across_splits_is_told(empty: Dataset, quick: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "_QUICK", quick)
    for number, quality in enumerate((95, 90, 85, 80, 75, 70)):
        write(stage(empty) / f"{number}.jpg", encoded(cuts(1)[0], "JPEG", quality=quality))
    empty.split(ratios="train=0.5,val=0.5", max_group=1)
    search = report(empty)["search"]
    assert search["cut"] == 15
    for one in (*search["nearest_cut"], search["nearest_across_splits"]):
        assert one["bits"] <= 31
        assert all((empty.root.path / path).is_file() for path in one["pictures"])


def test_nothing_is_said_of_pictures_that_were_not_compared(empty: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        write(stage(empty) / f"{number}.png", encoded(Image.new("RGB", (200 + number, 200))))
    empty.split(ratios="train=0.5,val=0.5")
    assert report(empty)["search"]["nearest_across_splits"] is None
    assert report(empty)["search"]["too_flat"] == 6
    monkeypatch.setattr(alike, "_QUICK", 0)
    assert empty.plan_split().report.details["search"]["nearest_across_splits"] == "more than 31 bits apart"


@pytest.mark.parametrize(
    ("text", "share"), [("test=0.5%", 1 / 200), ("test=1%", 1 / 100), ("test=10%", 1 / 10), ("test=0.5", 1 / 2)]
)
def test_a_share_beside_folds_is_read_as_it_is_written(empty: Dataset, text: str, share: float) -> None:
    classes(empty)
    shares = empty.plan_split(folds=2, ratios=text).report.details["shares"]
    assert shares["test"] == pytest.approx(share)
    assert shares["fold_1"] == shares["fold_2"] == pytest.approx((1 - share) / 2)
    with pytest.raises(UsageError, match="is one of the 2 folds"):
        empty.plan_split(folds=2, ratios="fold_1=0.2")


def test_folds_keep_the_test_split_that_is_there(empty: Dataset) -> None:
    classes(empty, 25)
    empty.split(near_duplicates="ignore")
    held_out = {sample.id for sample in empty.samples if sample.split == "test"}
    with pytest.raises(UsageError, match=r"--reshuffle; beside --folds, a split that --ratios names keeps its samples"):
        empty.plan_split(folds=3, ratios="test=0.2")
    plan = empty.plan_split(folds=3, ratios="test=0.2", reshuffle=True)
    assert set(plan.report.details["redrawn"]) == {"val"}
    plan.apply()
    now = {sample.id: sample.split for sample in empty.samples}
    assert all(now[name] == "test" for name in held_out)
    assert set(now.values()) == {"fold_1", "fold_2", "fold_3", "test"}
    assert codes(empty) == []


def test_who_is_tied_to_a_test_split_that_stays_goes_there(empty: Dataset) -> None:
    for number in range(30):
        write(stage(empty) / f"p{number % 10}_{number}.png", picture(number, "PNG"))
    empty.split(group="^(p.)_", near_duplicates="ignore")
    tested = {sample.key[:2] for sample in empty.samples if sample.split == "test"}
    for number in range(30, 60):
        write(stage(empty) / f"p{number % 10}_{number}.png", picture(number, "PNG"))
    empty.split(folds=3, ratios="test=0.1", reshuffle=True)
    assert tested
    assert all((sample.split == "test") == (sample.key[:2] in tested) for sample in empty.samples)


def test_what_was_held_out_and_is_drawn_anew_is_told(empty: Dataset) -> None:
    classes(empty, 25)
    empty.split(near_duplicates="ignore")
    plan = empty.plan_split(folds=3, reshuffle=True)
    assert plan.report.details["redrawn"] == {"test": 4, "val": 6}
    assert "10 samples that had been held out" in splittext.redrawn(plan.report.details)[0]
    assert splittext.redrawn(empty.plan_split().report.details) == []


def test_a_manifest_does_not_contradict_the_folders(empty: Dataset) -> None:
    classes(empty)
    empty.split(near_duplicates="ignore")
    with pytest.raises(RefusedError, match=r"--manifest moves nothing.*imgstage unsplit"):
        empty.plan_split(folds=3, reshuffle=True, manifest=True)
    empty.unsplit()
    empty.split(folds=3, reshuffle=True, manifest=True)
    assert codes(empty) == []


def test_a_copy_that_was_set_aside_divides_nothing_any_more(empty: Dataset) -> None:
    for split, names in (("train", "abc"), ("test", "ade")):
        for name in names:
            write(empty.root.path / split / f"{split}{name}.png", picture(ord(name), "PNG"))
    empty.fix_leaks()
    plan = empty.plan_split(ratios="train=0.5,test=0.5")
    assert plan.report.details["divided_copies"] == []
    plan.apply()
    assert report(empty)["groups"]["same_picture"]["divided"] == []
    assert codes(empty) == []
