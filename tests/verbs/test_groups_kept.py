"""The rule of groups is remembered; losses that were acknowledged are not asked about again."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from imgstage import Dataset
from imgstage.errors import ChangedError, UsageError

from ..helpers import picture, write

if TYPE_CHECKING:
    from collections.abc import Callable


def fill(dataset: Dataset, numbers: range) -> None:
    for number in numbers:
        write(dataset.root.path / f"stage_data/p{number % 8}_{number:03d}.jpg", picture(number))


def groups(dataset: Dataset) -> dict[str, set[str]]:
    with (dataset.root.path / "splits.csv").open(newline="") as stream:
        found: dict[str, set[str]] = {}
        for row in csv.DictReader(stream):
            found.setdefault(row["group"], set()).add(row["split"])
    return found


def write_table(dataset: Dataset, numbers: range, place: str = "patients.csv") -> None:
    lines = [f"p{number % 8}_{number:03d}.jpg,{number % 8}\n" for number in numbers]
    (dataset.root.path / place).write_text("image,patient\n" + "".join(lines))


def test_a_table_of_groups_is_kept_by_its_path_in_the_root(empty: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(empty, range(40))
    write_table(empty, range(60))
    monkeypatch.chdir(empty.root.path.parent)
    empty.split(group_csv="data/patients.csv:patient")
    assert 'group_csv = "patients.csv:patient"' in (empty.root.path / "imgstage.toml").read_text()
    fill(empty, range(40, 60))
    monkeypatch.chdir("/")
    empty.split()
    found = groups(empty)
    assert set(found) == {str(number) for number in range(8)}
    assert all(len(splits) == 1 for splits in found.values())


def test_the_line_to_add_is_told_where_settings_are_there_already(empty: Dataset) -> None:
    fill(empty, range(40))
    (empty.root.path / "imgstage.toml").write_text("seed = 3\n")
    plan = empty.plan_split(group=r"^(p\d+)")
    assert plan.report.details["add_to_settings"] == [r'group = "^(p\\d+)"']
    plan.apply()
    assert (empty.root.path / "imgstage.toml").read_text() == "seed = 3\n"
    (empty.root.path / "imgstage.toml").write_text('seed = 3\ngroup = "^(p\\\\d+)"\n')
    assert empty.plan_split(group=r"^(p\d+)").report.details["add_to_settings"] == []
    assert empty.plan_split().report.details["add_to_settings"] == []


def test_two_rules_in_the_settings_are_refused(empty: Dataset) -> None:
    fill(empty, range(40))
    (empty.root.path / "imgstage.toml").write_text('group = "(x)"\ngroup_csv = "a.csv:b"\n')
    with pytest.raises(UsageError, match=r"imgstage\.toml: both group and group_csv"):
        empty.split()


def test_a_reshuffle_takes_held_members_of_a_group_along(empty: Dataset) -> None:
    fill(empty, range(40))
    empty.split(group=r"^(p\d+)")
    held = next(sample for sample in empty.samples if sample.split == "test")
    empty.hold(held.files[0].path)
    moved = False
    for seed in range(1, 9):
        empty.split(reshuffle=True, seed=seed, ratios="train=0.4,val=0.3,test=0.3")
        assert all(len(splits) == 1 for splits in groups(empty).values())
        moved |= groups(empty)[held.key[:2]] != {"test"}
    assert moved


def test_a_loss_that_was_acknowledged_is_not_asked_about_again(pairs: Dataset) -> None:
    pairs.split()
    lost = [record for sample in pairs.samples if sample.split == "test" for record in sample.files][:2]
    content = {record.path: (pairs.root.path / record.path).read_bytes() for record in lost}
    for path in content:
        (pairs.root.path / path).unlink()
    for number, seed in ((50, 0), (51, 1)):
        write(pairs.root.path / f"stage_data/x{number}_before.jpg", picture(1000 + seed))
        write(pairs.root.path / f"stage_data/x{number}_after.jpg", picture(2000 + seed))
        if number == 50:
            with pytest.raises(ChangedError, match="--accept-new"):
                pairs.split()
            pairs.split(accept_new=True)
        else:
            pairs.split()
    assert pairs.status().report.details["missing"] == []
    for path, data in content.items():  # what comes back after all is known by its content
        write(pairs.root.path / "stage_data" / path.rpartition("/")[2], data)
    pairs.split()
    assert all((pairs.root.path / path).read_bytes() == data for path, data in content.items())


def test_labels_are_spread_over_old_and_new_together(empty: Dataset) -> None:
    """A class that is in train only so far is made up for by the next images of it."""
    for number in range(20):
        write(empty.root.path / f"train/rare/{number}.jpg", picture(number))
    for number in range(20, 120):
        label = "rare" if number < 60 else "common"
        write(empty.root.path / f"stage_data/{label}/{number}.jpg", picture(number))
    empty.split(ratios="train=0.5,val=0.5")
    found = empty.plan_split().report.details["labels"]["rare"]
    assert abs(found["train"] - found["val"]) <= 2, found


def test_a_group_stays_where_its_missing_member_was(empty: Dataset) -> None:
    """The only picture of a patient in test is gone; the patient's next one still belongs there."""
    fill(empty, range(12))
    empty.split(group=r"p(\d+)")
    sample = next(sample for sample in empty.samples if sample.split == "test")
    members = [other for other in empty.samples if other.group == sample.group]
    for member in members:
        (empty.root.path / member.files[0].path).unlink()
    for number in range(3):
        write(empty.root.path / f"stage_data/p{sample.group}_new{number}.jpg", picture(7000 + number))
    empty.split(group=r"p(\d+)", accept_new=True)
    found = {other.split for other in empty.samples if "_new" in other.key}
    assert found == {"test"}


WAYS_OUT: dict[str, Callable[[Dataset, str], object]] = {
    "held": lambda dataset, path: dataset.hold(path),
    "broken": lambda dataset, path: write(dataset.root.path / path, b"no picture"),
    "gone": lambda dataset, path: (dataset.root.path / path).rename(dataset.root.path.parent / "away"),
}


@pytest.mark.parametrize("way", WAYS_OUT)
@pytest.mark.parametrize("reshuffle", [False, True])
def test_a_rule_that_comes_later_holds_for_what_is_out_of_the_way_too(
    empty: Dataset, way: str, *, reshuffle: bool
) -> None:
    """Its group must not be drawn into train while it is held, broken or gone, and will come back."""
    root = empty.root.path
    for number in range(40):
        write(root / f"stage_data/p{number:02}_a.png", picture(number, "PNG"))
    empty.split()
    sample = next(sample for sample in empty.samples if sample.split == "test")
    path, patient = sample.files[0].path, sample.key[:3]
    content = (root / path).read_bytes()
    WAYS_OUT[way](empty, path)
    for number, scan in enumerate("bcdef"):
        write(root / f"stage_data/{patient}_{scan}.png", picture(100 + number, "PNG"))
    empty.split(group=r"^(p\d+)_", accept_new=True, reshuffle=reshuffle and way != "gone", seed=3)
    if way == "held":
        empty.release(everything=True)
    else:
        write(root / path, content)
    empty.split(group=r"^(p\d+)_", trust="csv")  # where it was mended, it may lie in its old folder
    homes = {sample.split for sample in empty.samples if sample.key.startswith(patient)}
    assert len(homes) == 1
    assert homes == {"test"} or reshuffle
