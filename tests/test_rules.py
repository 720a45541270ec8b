"""Where groups and labels come from: given or stored; what a table leaves out is told."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from imgstage import Dataset, Plan, UsageError

from .helpers import kit, picture, stage, write
from .test_labels import voc


def lone(dataset: Dataset, count: int, folder: str = "") -> None:
    for number in range(count):
        write(stage(dataset) / folder / f"{number:02d}.png", picture(number, "PNG"))


def table(dataset: Dataset, rows: dict[str, str], name: str = "labels.csv") -> str:
    path = dataset.root.path / name
    path.write_text("file,what\n" + "".join(f"{key},{value}\n" for key, value in rows.items()), encoding="utf-8")
    return str(path)


def counts(plan: Plan) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = plan.report.details["labels"]
    return found


def held(plan: Plan) -> list[str]:
    return [note.path for note in plan.report.held if note.reason.startswith("unlisted: ")]


def test_labels_of_a_table_are_spread(empty: Dataset) -> None:
    lone(empty, 40)
    of = {f"{number:02d}.png": "ab"[number % 4 == 0] for number in range(40)}
    plan = empty.plan_split(label=f"{table(empty, of)}:what", ratios="train=0.5,val=0.5", near_duplicates="ignore")
    assert counts(plan) == {"a": {"train": 15, "val": 15}, "b": {"train": 5, "val": 5}}
    assert held(plan) == []


def test_several_labels_in_a_cell(empty: Dataset) -> None:
    lone(empty, 40)
    of = {f"{number:02d}.png": "|".join("xyz"[: 1 + number % 3]) if number else "" for number in range(40)}
    given = {"label": f"{table(empty, of)}:what", "label_separator": "|"}
    plan = empty.plan_split(ratios="train=0.5,val=0.5", near_duplicates="ignore", **given)  # type: ignore[arg-type]
    assert {name: sum(each.values()) for name, each in counts(plan).items()} == {"x": 39, "y": 26, "z": 13}
    assert all(abs(each["train"] - each["val"]) <= 1 for each in counts(plan).values())
    assert plan.report.details["samples_without_label"] == 1, "its cell is empty, so it is listed"
    assert held(plan) == []
    plan.apply()
    stored = tomllib.loads((empty.root.path / "imgstage.toml").read_text())
    assert (stored["label"], stored["label_separator"]) == ("labels.csv:what", "|")
    lines = (empty.root.path / "train/metadata.jsonl").read_text().splitlines()
    assert all(isinstance(json.loads(line)["label"], list) for line in lines)
    again = empty.plan_split()
    assert again.is_empty, "what is stored does the same"


def test_what_a_table_leaves_out_is_held_until_it_is_wished_otherwise(empty: Dataset) -> None:
    lone(empty, 12)
    of = {f"{number:02d}.png": "ab"[number % 2] for number in range(10)}
    where = f"{table(empty, of)}:what"
    for rule in ({"label": where}, {"group_csv": where}):
        ratios = "train=0.5,val=0.5"
        plan = empty.plan_split(ratios=ratios, near_duplicates="ignore", **rule)  # type: ignore[arg-type]
        assert held(plan) == ["stage_data/10.png", "stage_data/11.png"]
        assert plan.report.details["samples_unlisted"] == 2
        assert "labels.csv gives it no what" in plan.report.held[0].reason
        alone = empty.plan_split(ratios=ratios, near_duplicates="ignore", unlisted="alone", **rule)  # type: ignore[arg-type]
        assert held(alone) == []
        assert sum(alone.report.details["samples"].values()) == 12
    empty.split(ratios="train=1", near_duplicates="ignore", label=where, unlisted="alone")
    assert 'unlisted = "alone"' in (empty.root.path / "imgstage.toml").read_text()
    lone(empty, 0)
    write(stage(empty) / "new.png", picture(99, "PNG"))
    assert held(empty.plan_split()) == []


def test_who_has_a_split_is_not_held(empty: Dataset) -> None:
    lone(empty, 10)
    empty.split(ratios="train=0.5,val=0.5", near_duplicates="ignore")
    of = {"00.png": "a", "new.png": "b"}
    write(stage(empty) / "new.png", picture(99, "PNG"))
    plan = empty.plan_split(label=f"{table(empty, of)}:what")
    assert held(plan) == []
    assert sum(plan.report.details["samples"].values()) == 11


def test_voc_annotations_beside_or_in_a_parallel_folder(empty: Dataset) -> None:
    lone(empty, 20, "JPEGImages")
    for number in range(20):
        write(stage(empty) / f"Annotations/{number:02d}.xml", voc("dog", *["cat"] * (number % 2)))
    plan = empty.plan_split(label="voc", ratios="train=0.5,val=0.5", near_duplicates="ignore")
    assert counts(plan) == {"cat": {"train": 5, "val": 5}, "dog": {"train": 10, "val": 10}}


def test_yolo_annotations_with_names(empty: Dataset) -> None:
    lone(empty, 20, "images")
    write(stage(empty) / "labels/classes.txt", b"cell\nplatelet\n")
    for number in range(19):
        write(stage(empty) / f"labels/{number:02d}.txt", b"%d 0.5 0.5 0.1 0.1\n" % (number % 2))
    plan = empty.plan_split(label="yolo", ratios="train=0.5,val=0.5", near_duplicates="ignore")
    assert {name: sum(of.values()) for name, of in counts(plan).items()} == {"cell": 10, "platelet": 9}
    assert plan.report.details["samples_without_label"] == 1, "a picture of nothing"


def test_an_annotation_that_cannot_be_read_is_told_and_its_labels_do_not_count(empty: Dataset) -> None:
    lone(empty, 4)
    write(stage(empty) / "00.xml", b"<annotation>")
    write(stage(empty) / "01.xml", voc("dog"))
    plan = empty.plan_split(label="voc", ratios="train=1", near_duplicates="ignore")
    (told,) = plan.report.details["unread_annotations"]
    assert told["path"] == "stage_data/00.xml"
    assert "no XML" in told["reason"]
    plan.apply()
    assert [(one.code, one.path) for one in empty.check()] == [("annotation", "train/00.xml")]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("coco", "no source of labels 'coco'"),
        (":x", "does not say which column"),
        ("nowhere.csv:x", "nowhere.csv cannot be read"),
    ],
)
def test_what_is_no_source_is_refused(empty: Dataset, label: str, message: str) -> None:
    lone(empty, 4)
    with pytest.raises(UsageError, match=message):
        empty.plan_split(label=label)


def test_a_stored_table_that_is_gone_is_found_by_check(empty: Dataset) -> None:
    lone(empty, 10)
    where = table(empty, {f"{number:02d}.png": "a" for number in range(10)})
    empty.split(label=f"{where}:what", ratios="train=1", near_duplicates="ignore")
    Path(where).unlink()
    assert [one.code for one in empty.check()] == ["label-rule"]
    with pytest.raises(UsageError, match=r"that of label in imgstage\.toml"):
        empty.plan_hold("00")


def test_the_order_of_a_table_does_not_matter(empty: Dataset) -> None:
    lone(empty, 30)
    of = {f"{number:02d}.png": "abc"[number % 3] for number in range(30)}
    first = empty.plan_split(label=f"{table(empty, of)}:what", near_duplicates="ignore")
    turned = table(empty, dict(reversed(of.items())))
    assert list(empty.plan_split(label=f"{turned}:what", near_duplicates="ignore").moves()) == list(first.moves())


def test_a_real_set_with_annotations_is_spread_as_well_as_can_be(empty: Dataset) -> None:
    source = kit("multilabel/bccd")
    for path in source.rglob("*"):
        if path.is_file():
            target = stage(empty) / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target) if path.stat().st_dev == target.parent.stat().st_dev else write(
                target, path.read_bytes()
            )
    plan = empty.plan_split(label="voc")
    shares = plan.report.details["shares"]
    for of in counts(plan).values():
        assert all(abs(number - sum(of.values()) * shares[name]) < 1 for name, number in of.items())
