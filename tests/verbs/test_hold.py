"""`hold` and `release`: out of the way, visible, and back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from imgstage import Dataset
from imgstage.errors import DestinationError, UsageError
from imgstage.reasons import Why, why

from ..helpers import as_nobody, names, picture, snapshot, write, write_pairs

PAIR = {"github_03_before.jpg", "github_03_after.jpg"}


def reasons(dataset: Dataset) -> dict[str, str]:
    return {note.path: note.reason for note in dataset.status().report.held}


@pytest.mark.parametrize("name", ["github_03", "stage_data/github_03_after.jpg", "id"])
def test_a_sample_goes_whole_by_any_of_its_names(pairs: Dataset, name: str) -> None:
    write(pairs.root.path / "stage_data/github_03.json", b"{}")
    before = snapshot(pairs.root.path)
    if name == "id":
        name = next(sample.id for sample in pairs.samples if sample.key == "github_03")
    pairs.hold(name, reason="blurred")
    assert names(pairs.root.path, "held") == PAIR | {"github_03.json", "reasons.csv"}
    assert reasons(pairs) == {f"held/{file}": "aside: blurred" for file in PAIR | {"github_03.json"}}
    assert pairs.status().samples == {"stage_data": 24, "held": 1}
    pairs.undo()
    assert snapshot(pairs.root.path) == before


def test_paths_may_be_given_as_seen_from_here(pairs: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pairs.root.path / "stage_data")
    pairs.hold("github_03_before.jpg", pairs.root.path / "stage_data/github_04_after.jpg")
    assert pairs.status().samples["held"] == 2
    monkeypatch.chdir(pairs.root.path / "held")
    pairs.release("github_03_before.jpg")
    assert pairs.status().samples["held"] == 1


def test_a_folder_stands_for_all_in_it(empty: Dataset) -> None:
    for number in range(6):
        write(empty.root.path / f"stage_data/{'cats' if number < 4 else 'dogs/small'}/{number}.jpg", picture(number))
    empty.hold("stage_data/dogs/")
    assert names(empty.root.path, "held") == {"dogs/small/4.jpg", "dogs/small/5.jpg", "reasons.csv"}
    empty.release("held/dogs")
    assert len(names(empty.root.path, "stage_data")) == 6
    assert "reasons.csv" not in names(empty.root.path, "held")


def test_no_other_verb_uses_what_is_held(pairs: Dataset) -> None:
    pairs.hold("github_03")
    pairs.split()
    pairs.unsplit()
    assert names(pairs.root.path, "held") == PAIR | {"reasons.csv"}
    assert "github_03" not in (pairs.root.path / "splits.csv").read_text()


def test_it_keeps_its_split_and_comes_back_to_where_its_split_lies(pairs: Dataset) -> None:
    pairs.split()
    sample = next(sample for sample in pairs.samples if sample.split == "test")
    path = sample.files[0].path
    pairs.hold(path)
    assert path not in names(pairs.root.path)
    table = (pairs.root.path / "test/metadata.jsonl").read_text()
    assert sample.key not in table
    with (pairs.root.path / "splits.csv").open(newline="") as stream:
        assert {row["split"] for row in csv.DictReader(stream) if row["sample"] == sample.id} == {"test"}
    write_pairs(pairs.root.path / "stage_data", range(26, 30))
    pairs.split()  # the held ones are not missing: nothing to ask about
    pairs.release(sample.key)
    assert path in names(pairs.root.path)
    assert sample.key in (pairs.root.path / "test/metadata.jsonl").read_text()
    pairs.hold(path)
    pairs.unsplit()
    pairs.release(sample.key)
    assert f"stage_data/{path.partition('/')[2]}" in names(pairs.root.path), "where all the others are"
    pairs.split()
    assert path in names(pairs.root.path)


def test_everything_troubled_goes_with_its_reason_and_comes_back_mended(pairs: Dataset) -> None:
    stage = pairs.root.path / "stage_data"
    write(stage / "github_05_after.jpg", b"no picture")
    (stage / "github_06_before.jpg").unlink()
    pairs.hold(troubled=True)
    assert names(pairs.root.path, "held") == {
        "github_05_before.jpg",
        "github_05_after.jpg",
        "github_06_after.jpg",
        "reasons.csv",
    }
    found = reasons(pairs)
    assert found["held/github_05_before.jpg"].startswith("aside: broken: stage_data/github_05_after.jpg")
    assert found["held/github_06_after.jpg"].startswith("aside: incomplete: ")
    plan = pairs.plan_release(everything=True)
    assert {note.path for note in plan.report.held} == {"held/github_05_before.jpg", "held/github_05_after.jpg"}
    write(pairs.root.path / "held/github_05_after.jpg", picture(77))
    pairs.release(everything=True)
    assert names(pairs.root.path, "held") == set()
    assert {path for path, reason in reasons(pairs).items()} == {"stage_data/github_06_after.jpg"}


def test_of_a_sample_with_one_file_too_many_only_the_named_one_goes(pairs: Dataset) -> None:
    write(pairs.root.path / "stage_data/github_03_before.png", picture(9, "PNG"))
    assert len(reasons(pairs)) == 3
    pairs.hold("stage_data/github_03_before.png")
    assert set(reasons(pairs)) == {"held/github_03_before.png"}


def test_what_is_put_into_held_by_hand_is_held_too(pairs: Dataset) -> None:
    (pairs.root.path / "held").mkdir()
    for name in PAIR:
        (pairs.root.path / "stage_data" / name).rename(pairs.root.path / "held" / name)
    assert reasons(pairs) == {f"held/{name}": "aside: it lies in held/" for name in PAIR}


def test_half_a_known_sample_in_held_is_torn(pairs: Dataset) -> None:
    pairs.split()
    pairs.unsplit()
    (pairs.root.path / "held").mkdir()
    (pairs.root.path / "stage_data/github_03_after.jpg").rename(pairs.root.path / "held/github_03_after.jpg")
    assert set(reasons(pairs).values()) == {"torn: its files lie in held and stage_data"}


def test_the_mended_file_may_take_the_name_of_the_one_put_aside(pairs: Dataset, tmp_path: Path) -> None:
    pairs.hold("github_03")
    write_pairs(tmp_path / "in", range(300, 301), "other")
    for role in ("before", "after"):
        (tmp_path / f"in/other_300_{role}.jpg").rename(tmp_path / f"in/github_03_{role}.jpg")
    pairs.add(tmp_path / "in")
    assert pairs.status().samples == {"stage_data": 25, "held": 1}
    before = snapshot(pairs.root.path)
    with pytest.raises(
        DestinationError, match=r"held/github_03_after\.jpg would become stage_data/github_03_after\.jpg"
    ):
        pairs.release("held/github_03_before.jpg")
    assert snapshot(pairs.root.path) == before


def test_what_was_put_aside_is_not_added_once_more(pairs: Dataset, tmp_path: Path) -> None:
    write_pairs(tmp_path / "in", range(3, 4))
    pairs.hold("github_03")
    assert pairs.add(tmp_path / "in") is None


@pytest.mark.parametrize("name", ["github_99", "stage_data/none.jpg", "held", "", "splits.csv", "../x"])
def test_a_name_that_means_nothing_is_refused(pairs: Dataset, name: str) -> None:
    before = snapshot(pairs.root.path)
    for verb in (pairs.hold, pairs.release):
        with pytest.raises(UsageError, match=r"no sample that could go|names is empty"):
            verb(name)
    assert snapshot(pairs.root.path) == before


def test_somebody_must_be_named(pairs: Dataset) -> None:
    for verb in (pairs.hold, pairs.release):
        with pytest.raises(UsageError, match="No sample was named"):
            verb()
    assert pairs.hold(troubled=True) is None
    assert pairs.release(everything=True) is None


def test_the_metadata_of_everyone_else_stays(pairs: Dataset) -> None:
    pairs.split()
    before = [json.loads(line) for line in (pairs.root.path / "train/metadata.jsonl").read_text().splitlines()]
    pairs.hold(f"train/{before[0]['before_file_name']}")
    after = [json.loads(line) for line in (pairs.root.path / "train/metadata.jsonl").read_text().splitlines()]
    assert after == before[1:]


def test_a_name_that_is_a_key_and_a_folder_is_refused(empty: Dataset) -> None:
    stage = empty.root.path / "stage_data"
    write(stage / "stage_data/cats.jpg", picture(1))
    write(stage / "cats/1.jpg", picture(2))
    with pytest.raises(UsageError, match="stage_data/cats is both the key of a sample and a folder"):
        empty.hold("stage_data/cats")
    empty.hold("stage_data/cats/1.jpg")
    assert names(empty.root.path, "stage_data") == {"stage_data/cats.jpg"}


@pytest.mark.parametrize("known", [True, False])
def test_half_a_sample_in_held_is_whole_again_by_hold_or_release(pairs: Dataset, known: bool) -> None:
    """The advice that `status` gives must work."""
    root = pairs.root.path
    if known:
        pairs.split()
    place = next(sample.place for sample in pairs.samples if sample.key == "github_03")
    (root / "held").mkdir()
    (root / place / "github_03_after.jpg").rename(root / "held/github_03_after.jpg")
    assert {why(reason) for reason in reasons(pairs).values()} == ({Why.TORN} if known else {Why.ASIDE, Why.INCOMPLETE})
    pairs.hold("github_03")
    assert names(root, "held") == PAIR | {"reasons.csv"}
    pairs.release("github_03")
    assert names(root, place) >= PAIR
    assert not reasons(pairs)


def test_release_goes_to_stage_data_while_only_held_samples_lie_in_the_split(pairs: Dataset) -> None:
    """What is incomplete in a split's folder does not make that folder the place of the others."""
    root = pairs.root.path
    pairs.split()
    test = sorted(sample.key for sample in pairs.samples if sample.split == "test")
    pairs.hold(*test)
    write(root / "test/lonely_before.jpg", picture(5000))
    pairs.release(test[0])
    assert names(root, "test") == {"lonely_before.jpg"} | {name for name in names(root, "test") if "metadata" in name}
    assert f"{test[0]}_before.jpg" in names(root, "stage_data")


def test_only_what_lies_there_goes_by_its_own_path(pairs: Dataset) -> None:
    """Of an image of no sample, too: `release` means what is in `held/`, and `hold` what is not."""
    root = pairs.root.path
    write(root / "stage_data/odd one.jpg", picture(900))
    with pytest.raises(UsageError, match="no sample that could go"):
        pairs.release("stage_data/odd one.jpg")
    pairs.hold("stage_data/odd one.jpg")
    with pytest.raises(UsageError, match="no sample that could go"):
        pairs.hold("held/odd one.jpg")
    pairs.release("held/odd one.jpg")
    assert (root / "stage_data/odd one.jpg").exists()


def test_a_sample_whose_names_are_taken_goes_whole(pairs: Dataset) -> None:
    root = pairs.root.path
    pairs.split()
    (root / "stage_data").mkdir(exist_ok=True)
    twin = write(root / "stage_data/github_03_before.jpg", picture(900))
    twins = [path for path, reason in reasons(pairs).items() if why(reason) is Why.TWINS]
    assert twins == ["stage_data/github_03_before.jpg"]
    write(root / "stage_data/github_03_after.jpg", picture(901))
    pairs.hold("stage_data/github_03_before.jpg")
    assert not twin.exists()
    assert not (root / "stage_data/github_03_after.jpg").exists()
    assert not pairs.status().report.details["missing"]


def test_a_reason_is_of_what_was_named_and_not_of_all_that_is_troubled(pairs: Dataset) -> None:
    write(pairs.root.path / "stage_data/github_05_after.jpg", b"no picture")
    write(pairs.root.path / "stage_data/github_06_after.jpg", b"no picture either")
    pairs.hold("github_05", reason="blurred", troubled=True)
    found = reasons(pairs)
    assert {found[f"held/github_05_{role}.jpg"] for role in ("before", "after")} == {"aside: blurred"}
    assert found["held/github_06_before.jpg"].startswith("aside: broken: ")


@pytest.mark.parametrize("place", ["stage_data", "test"])
@pytest.mark.parametrize("shut", ["github_03_after.jpg", "github_03.json"])
def test_a_sample_of_which_a_file_cannot_be_read_does_not_go_in_part(pairs: Dataset, place: str, shut: str) -> None:
    root = pairs.root.path
    write(root / "stage_data/github_03.json", b"{}")
    if place == "test":
        (root / "test").mkdir()
        for path in (root / "stage_data").glob("github_03*"):
            path.rename(root / "test" / path.name)
        pairs.split()
    (root / place / shut).chmod(0)
    before = names(root)
    with as_nobody(root):
        held = {note.path: note.reason for note in pairs.status().report.held}
        assert pairs.plan_hold(troubled=True).report.changed == 0
        for name in ("github_03", f"{place}/github_03_before.jpg"):
            with pytest.raises(UsageError, match=r"github_03 cannot go whole .*cannot be read.*chmod"):
                pairs.hold(name)
        pairs.split()
        unsplit = pairs.plan_unsplit().report
    assert held[f"{place}/github_03_before.jpg"] == f"unreadable: {place}/{shut}: it cannot be read (Permission denied)"
    assert names(root, place) & {path.name for path in root.glob(f"{place}/github_03*")} == {
        path.removeprefix(f"{place}/") for path in before if "github_03" in path
    }
    assert unsplit.found == unsplit.done + len(unsplit.held)
    (root / place / shut).chmod(0o644)
    pairs.hold("github_03")
    (root / "held" / shut).chmod(0)
    with as_nobody(root):
        plan = pairs.plan_release(everything=True)
        assert plan.is_empty
        assert {note.path for note in plan.report.held} == {
            f"held/{name}" for name in ("github_03_after.jpg", "github_03_before.jpg", "github_03.json") if name != shut
        }
    (root / "held" / shut).chmod(0o644)
    pairs.release(everything=True)
    assert not names(root, "held")


def test_case_twins_go_one_by_one_and_hinder_no_other_trouble(empty: Dataset) -> None:
    root = empty.root.path
    for number in range(9):
        write(root / f"stage_data/{number}.jpg", picture(number))
    write(root / "stage_data/shot.jpg", picture(50))
    write(root / "stage_data/SHOT.jpg", picture(51))
    write(root / "stage_data/broken.jpg", b"no picture")
    empty.hold(troubled=True)
    assert names(root, "held") == {"broken.jpg", "reasons.csv"}
    empty.hold("stage_data/SHOT.jpg")
    assert names(root, "held") == {"broken.jpg", "SHOT.jpg", "reasons.csv"}
    assert {note.path for note in empty.status().report.held} == {"held/broken.jpg", "held/SHOT.jpg"}
