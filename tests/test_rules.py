"""Where groups and labels come from: given or stored; what a table leaves out is told."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from imgstage import Dataset, Plan, RefusedError, UsageError

from .helpers import kit, picture, stage, write
from .test_labels import voc


def lone(dataset: Dataset, count: int, folder: str = "") -> None:
    for number in range(count):
        write(stage(dataset) / folder / f"{number:02d}.png", picture(number, "PNG"))


def table(dataset: Dataset, rows: dict[str, str], name: str = "labels.csv") -> str:
    path = dataset.root.path / name
    path.write_text("file,what\n" + "".join(f"{key},{value}\n" for key, value in rows.items()), encoding="utf-8")
    return str(path)


def metadata(dataset: Dataset, split: str) -> list[str]:
    return (dataset.root.path / split / "metadata.jsonl").read_text().splitlines()


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
    write(stage(empty) / "unknown.png", picture(98, "PNG"))
    for reshuffle in (False, True):
        plan = empty.plan_split(label=f"{table(empty, of)}:what", reshuffle=reshuffle)
        assert held(plan) == ["stage_data/unknown.png"]
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
    plan.apply()
    assert empty.check() == []
    assert empty.plan_split().is_empty
    empty.hold("images/00")
    told = (json.loads(line) for name in ("train", "val") for line in metadata(empty, name))
    assert {line["label"] for line in told} == {"cell", "platelet", ""}


def test_a_sample_of_which_the_annotation_cannot_be_read_is_held(empty: Dataset) -> None:
    lone(empty, 4)
    write(stage(empty) / "00.xml", b"<annotation>")
    write(stage(empty) / "01.xml", voc("dog"))
    plan = empty.plan_split(label="voc", ratios="train=1", near_duplicates="ignore")
    assert held(plan) == ["stage_data/00.png", "stage_data/00.xml"]
    (told,) = plan.report.details["unread_annotations"]
    assert told["path"] == "stage_data/00.xml"
    assert "no XML" in told["reason"]
    empty.split(label="voc", ratios="train=1", near_duplicates="ignore", unlisted="alone")
    assert [(one.code, one.path) for one in empty.check()] == [("annotation", "train/00.xml")]


def test_images_come_back_though_the_table_of_labels_is_gone(empty: Dataset) -> None:
    lone(empty, 10)
    where = table(empty, {f"{number:02d}.png": "a" for number in range(10)})
    empty.split(label=f"{where}:what", near_duplicates="ignore")
    Path(where).unlink()
    assert empty.unsplit() is not None
    assert len(list(stage(empty).iterdir())) == 10


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


@pytest.mark.parametrize("source", ["voc", "yolo"])
def test_without_any_annotation_there_is_nothing_to_read_labels_from(empty: Dataset, source: str) -> None:
    lone(empty, 4)
    with pytest.raises(UsageError, match="No image has an annotation"):
        empty.plan_split(label=source)


def test_a_stored_table_that_is_gone_is_found_by_check(empty: Dataset) -> None:
    lone(empty, 10)
    where = table(empty, {f"{number:02d}.png": "a" for number in range(10)})
    empty.split(label=f"{where}:what", ratios="train=1", near_duplicates="ignore")
    Path(where).unlink()
    assert [one.code for one in empty.check()] == ["label-rule"]
    with pytest.raises(UsageError, match=r"or by label in imgstage\.toml"):
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


def test_both_halves_of_a_pair_may_have_an_annotation(empty: Dataset) -> None:
    for role, label in (("before", "dog"), ("after", "cat")):
        write(stage(empty) / f"x_{role}.png", picture(len(role), "PNG"))
        write(stage(empty) / f"x_{role}.xml", voc(label))
    plan = empty.plan_split(label="voc", ratios="train=1", near_duplicates="ignore")
    assert counts(plan) == {"cat": {"train": 1}, "dog": {"train": 1}}


def test_whole_paths_tell_apart_what_has_one_name_in_two_splits(empty: Dataset) -> None:
    """Where each split counts from one, as many published sets do."""
    rows: dict[str, str] = {}
    for place, split in enumerate(("train", "val")):
        for number in range(4):
            write(empty.root.path / f"{split}/{number:04d}.png", picture(10 * place + number, "PNG"))
            rows[f"{split}/{number:04d}.png"] = f"{split}{number}"
    where = f"{table(empty, rows)}:what"
    plan = empty.plan_split(label=where, group_csv=where, near_duplicates="ignore")
    assert counts(plan)["train0"] == {"train": 1, "val": 0, "test": 0}
    assert plan.report.details["divided_groups"] == {}
    plan.apply()
    assert empty.check() == []
    assert empty.plan_fix_leaks().is_empty


def test_rename_keeps_what_a_table_of_labels_looks_for(empty: Dataset) -> None:
    lone(empty, 6)
    where = table(empty, {f"{number:02d}.png": "ab"[number % 2] for number in range(6)})
    empty.split(label=f"{where}:what", ratios="train=1", near_duplicates="ignore")
    with pytest.raises(UsageError, match="reads groups or labels from names"):
        empty.plan_rename(prefix="new_")
    table(
        empty,
        {f"{number:02d}.png": "ab"[number % 2] for number in range(6)}
        | {f"new_0{n}.png": "ab"[1 - n % 2] for n in range(1, 7)},
    )
    empty.rename(prefix="new_")
    assert empty.check() == []


def test_rename_gives_no_sample_the_labels_of_another(empty: Dataset) -> None:
    """By numbers that begin elsewhere, each name would be found, in the row of another image."""
    for number in range(1, 7):
        write(stage(empty) / f"x_0{number}.png", picture(number, "PNG"))
    where = table(empty, {f"x_0{number}.png": "ab"[number % 2] for number in range(1, 8)})
    empty.split(label=f"{where}:what", ratios="train=1", near_duplicates="ignore")
    with pytest.raises(UsageError, match="reads groups or labels from names"):
        empty.plan_rename(prefix="x_", start=2)


def test_where_too_few_are_left_it_is_said_what_is_held(empty: Dataset) -> None:
    lone(empty, 12)
    where = table(empty, {"00.png": "a"})
    with pytest.raises(RefusedError, match=r"11 more are held, .*--unlisted alone"):
        empty.plan_split(label=f"{where}:what")


def test_a_separator_goes_with_its_table(empty: Dataset) -> None:
    lone(empty, 10)
    where = table(empty, {f"{number:02d}.png": "a|b" for number in range(10)})
    given = {"ratios": "train=1", "near_duplicates": "ignore"}
    empty.split(label=f"{where}:what", label_separator="|", **given)  # type: ignore[arg-type]
    (empty.root.path / "imgstage.toml").write_text('near_duplicates = "ignore"\nratios = "train=1"\n')
    assert set(counts(empty.plan_split())) == {"a", "b"}, "that of the last split"
    assert empty.plan_split().report.details["add_to_settings"] == [], "which need not be stored"
    assert set(counts(empty.plan_split(label=f"{where}:what"))) == {"a|b"}, "another table may mean something else"
    (empty.root.path / "imgstage.toml").write_text('near_duplicates = "ignore"\nlabel_separator = "|"\n')
    assert set(counts(empty.plan_split(label=f"{where}:what"))) == {"a", "b"}


def test_labels_that_settings_do_not_name_are_those_of_the_last_split(empty: Dataset) -> None:
    """`imgstage.toml` is never written over, so `splits.json` must do."""
    (empty.root.path / "imgstage.toml").write_text('near_duplicates = "ignore"\n')
    lone(empty, 10)
    for number in range(10):
        write(stage(empty) / f"{number:02d}.xml", voc("dog"))
    plan = empty.plan_split(label="voc", ratios="train=1")
    assert 'label = "voc"' in plan.report.details["add_to_settings"]
    plan.apply()
    assert empty.check() == []
    empty.hold("00")
    assert all(json.loads(line)["label"] == "dog" for line in metadata(empty, "train"))
    (empty.root.path / "imgstage.toml").write_text('near_duplicates = "ignore"\nlabel = "voc"\n')
    assert 'label = "folder"' in empty.plan_split(label="folder").report.details["add_to_settings"]
    with pytest.raises(UsageError, match="no source of labels ''"):
        empty.plan_split(label="")


def test_other_words_than_the_stored_ones_are_told(empty: Dataset) -> None:
    lone(empty, 10)
    empty.split(near_duplicates="ignore")
    told = empty.plan_split(near_duplicates="tie", unlisted="alone", rounding="truncate").report.details[
        "add_to_settings"
    ]
    assert set(told) == {'near_duplicates = "tie"', 'unlisted = "alone"', 'rounding = "truncate"'}
    assert empty.plan_split(near_duplicates="ignore").report.details["add_to_settings"] == []


def test_a_table_may_name_samples_by_their_keys(empty: Dataset) -> None:
    for number in range(6):
        for role in ("before", "after"):
            write(stage(empty) / f"day/{number}_{role}.png", picture(10 * number + len(role), "PNG"))
    where = table(empty, {f"day/{number}": "ab"[number % 2] for number in range(6)})
    plan = empty.plan_split(label=f"{where}:what", ratios="train=1", near_duplicates="ignore")
    assert counts(plan) == {"a": {"train": 3}, "b": {"train": 3}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file;what\n0.png;a\n", "seems to be divided by ';'"),
        ("file\twhat\n0.png\ta\n", "seems to be divided by"),
        ("file,what,what\n0.png,a,b\n", "2 columns called 'what'"),
    ],
)
def test_a_table_of_another_kind_is_refused(empty: Dataset, text: str, message: str) -> None:
    lone(empty, 3)
    path = write(empty.root.path / "t.csv", text.encode())
    with pytest.raises(UsageError, match=message):
        empty.plan_split(label=f"{path}:what")
