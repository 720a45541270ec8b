"""`split --fix-leaks`: the fewest samples go to `held/`, test stays as it is, and undo brings all back."""

from __future__ import annotations

import json

import pytest

from imgstage import Dataset
from imgstage.cli import run

from ..helpers import names, picture, snapshot, write
from ..lookalikes import cuts, encoded, small_copy


@pytest.fixture
def leaking(empty: Dataset) -> Dataset:
    """A root that was split by hand, with copies, and pictures that look alike, in several splits."""
    root = empty.root.path
    images = cuts(30)
    for number, image in enumerate(images):
        split = "train" if number < 20 else "val" if number < 25 else "test"
        write(root / f"{split}/{number:02d}.png", encoded(image))
    write(root / "train/same_as_26.png", encoded(images[26]))
    write(root / "train/like_27.jpg", small_copy(images[27]))
    write(root / "val/like_27_too.png", encoded(images[27].resize((400, 400))))
    write(root / "val/like_3.jpg", small_copy(images[3]))
    for number in (4, 5):
        write(root / f"val/like_{number}.jpg", small_copy(images[number]))
    write(root / "train/again_5.png", encoded(images[5].resize((450, 450))))
    write(root / "train/again_5_too.png", encoded(images[5].resize((350, 350))))
    return empty


def errors(dataset: Dataset) -> list[tuple[str, str]]:
    return [(one.code, one.path) for one in dataset.check() if one.is_error]


def test_what_leaks_is_an_error_of_the_one_that_may_go(leaking: Dataset) -> None:
    assert errors(leaking) == [
        ("near-duplicate-across-splits", "train/03.png"),
        ("near-duplicate-across-splits", "train/04.png"),
        ("near-duplicate-across-splits", "train/05.png"),
        ("near-duplicate-across-splits", "train/again_5.png"),
        ("near-duplicate-across-splits", "train/again_5_too.png"),
        ("near-duplicate-across-splits", "train/like_27.jpg"),
        ("duplicate-across-splits", "train/same_as_26.png"),
        ("near-duplicate-across-splits", "val/like_27_too.png"),
    ]


def test_the_fewest_go_and_test_stays(leaking: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    before, test = snapshot(leaking.root.path), names(leaking.root.path, "test")
    leaking.split()
    assert run(["-C", str(leaking.root.path), "split", "--fix-leaks", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["verb"], told["leaks"], told["leaks_left"]) == ("split", 9, [])
    assert {one["sample"] for one in told["set_aside"]} == {
        "03",
        "04",
        "like_5",
        "like_27",
        "like_27_too",
        "same_as_26",
    }
    assert names(leaking.root.path, "test") - {"metadata.jsonl"} == test
    assert errors(leaking) == []
    assert leaking.fix_leaks() is None
    leaking.undo(1)
    assert snapshot(leaking.root.path) == before


def test_it_says_what_went_and_how_it_comes_back(leaking: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(leaking.root.path)
    assert run(["-C", root, "split", "--fix-leaks", "-n"]) == 0
    out = capsys.readouterr().out
    assert "9 leaks between splits; ended by setting aside 6 samples in held/" in out
    assert "  same_as_26 (train): it is, or was, the same picture as test/26.png (test)" in out
    assert "One comes back with: imgstage" in out
    assert "This was a dry run: nothing was changed." in out
    assert run(["-C", root, "split", "--fix-leaks", "--seed", "3"]) == 2
    assert "--fix-leaks does something else, so it cannot go with --seed" in capsys.readouterr().err


def test_where_nothing_leaks_there_is_nothing_to_do(pairs: Dataset) -> None:
    pairs.split()
    assert pairs.plan_fix_leaks().is_empty


def test_a_group_over_two_splits_is_a_leak(empty: Dataset) -> None:
    for number in range(9):
        split = ("train", "train", "val", "test")[number % 4]
        write(empty.root.path / f"{split}/p{number // 5}_{number}.png", picture(number, "PNG"))
    write(empty.root.path / "imgstage.toml", b"group = '^(p.)_'\n")
    found = [one for one in empty.check() if one.code == "group-across-splits"]
    assert {one.path for one in found} == {f"{s}/p{n // 5}_{n}.png" for n, s in _places() if s != "test"}
    assert "it is of the group p0, as is test/p0_3.png (test)" in {one.sentence for one in found}
    empty.fix_leaks()
    assert not [one for one in empty.check() if one.is_error]


def _places() -> list[tuple[int, str]]:
    return [(number, ("train", "train", "val", "test")[number % 4]) for number in range(9)]


def test_a_group_rule_that_cannot_be_read_is_a_finding(pairs: Dataset) -> None:
    pairs.split()
    table = pairs.root.path / "imgstage.toml"
    table.write_text("group_csv = 'gone.csv:patient'\n" + table.read_text())
    assert [(one.code, one.path) for one in pairs.check() if one.is_error] == [("group-rule", "imgstage.toml")]


def test_pictures_are_not_compared_where_that_is_turned_off(leaking: Dataset) -> None:
    write(leaking.root.path / "imgstage.toml", b'near_duplicates = "ignore"\n')
    assert errors(leaking) == [("duplicate-across-splits", "train/same_as_26.png")]
    leaking.fix_leaks()
    assert errors(leaking) == []


def test_in_a_manifest_the_rows_tell_the_splits(empty: Dataset) -> None:
    images = cuts(20)
    for number, image in enumerate(images):
        write(empty.root.path / f"stage_data/{number:02d}.png", encoded(image))
    empty.split(manifest=True)
    place = {sample.key: sample.split for sample in empty.samples}
    test, train = (next(key for key in sorted(place) if place[key] == split) for split in ("test", "train"))
    write(empty.root.path / f"stage_data/{train}.png", encoded(images[int(test)].resize((300, 300))))
    assert errors(empty) == [("near-duplicate-across-splits", f"stage_data/{train}.png")]
    plan = empty.plan_fix_leaks()
    assert [one["sample"] for one in plan.report.details["set_aside"]] == [train]


def test_of_byte_copies_too_the_fewest_go(empty: Dataset) -> None:
    pairs = {"train/a": (1, 2), "train/c": (3, 4), "train/d": (7, 8), "val/b": (1, 4), "test/e": (9, 10)}
    for name, seeds in pairs.items():
        for role, seed in zip(("before", "after"), seeds, strict=True):
            write(empty.root.path / f"{name}_{role}.png", picture(seed, "PNG"))
    plan = empty.plan_fix_leaks()
    assert [one["sample"] for one in plan.report.details["set_aside"]] == ["b"]


def test_that_pictures_were_not_compared_is_said(leaking: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    write(leaking.root.path / "imgstage.toml", b'near_duplicates = "ignore"\n')
    root = str(leaking.root.path)
    for words in (["check"], ["split", "--fix-leaks", "-n"]):
        run(["-C", root, *words])
        assert "Not looked for: pictures that look nearly the same" in capsys.readouterr().out
    run(["-C", root, "check", "--json"])
    assert json.loads(capsys.readouterr().out)["compared"] is False
