"""`split`: whole samples, exact shares, nobody moves twice."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from imgstage import Dataset
from imgstage.errors import ChangedError, DestinationError, RefusedError, UsageError
from imgstage.root import is_own

from ..helpers import as_nobody, names, picture, snapshot, stage, where, write, write_pairs


def rows(dataset: Dataset) -> list[dict[str, str]]:
    with (dataset.root.path / "splits.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_pairs_stay_together_and_counts_are_those_of_the_shares(pairs: Dataset) -> None:
    plan = pairs.plan_split()
    assert plan.report.details["samples"] == {"train": 20, "val": 3, "test": 2}
    assert (plan.report.found, plan.report.done, plan.report.changed) == (50, 50, 50)
    plan.apply()
    places = where(pairs)
    for number in range(1, 26):
        assert places[f"github_{number:02d}_before.jpg"] == places[f"github_{number:02d}_after.jpg"] != "stage_data"


def test_the_ledger_has_a_row_an_image(pairs: Dataset) -> None:
    write(stage(pairs) / "github_07.json", b"{}")
    pairs.split()
    found = rows(pairs)
    assert list(found[0]) == ["sample", "split", "group", "role", "path", "digest", "first_digest"]
    assert {row["path"] for row in found} == {name for name in names(pairs.root.path) if not is_own(name)}
    assert all(row["path"].startswith(row["split"] + "/") for row in found)
    of = {row["path"].partition("/")[2]: row for row in found}
    assert of["github_07.json"]["role"] == "sidecar"
    assert len({of[name]["sample"] for name in ("github_07.json", "github_07_before.jpg", "github_07_after.jpg")}) == 1


def test_truncation_counts_as_the_old_scripts_did(pairs: Dataset) -> None:
    assert pairs.plan_split(rounding="truncate").report.details["samples"] == {"train": 20, "val": 3, "test": 2}
    write_pairs(stage(pairs), range(26, 37))
    assert pairs.plan_split(rounding="truncate").report.details["samples"] == {"train": 28, "val": 4, "test": 4}


def test_growth_moves_nobody(pairs: Dataset) -> None:
    pairs.split()
    for step in range(1, 6):
        earlier = where(pairs)
        write_pairs(stage(pairs), range(25 + 3 * step, 28 + 3 * step))
        pairs.split()
        later = where(pairs)
        assert {name: later[name] for name in earlier} == earlier
        assert "stage_data" not in later.values()


def test_unsplit_edit_rename_and_split_again_puts_everyone_where_they_were(pairs: Dataset) -> None:
    pairs.split()
    before = where(pairs)
    pairs.unsplit()
    assert set(where(pairs).values()) == {"stage_data"}
    (stage(pairs) / "github_03_before.jpg").rename(stage(pairs) / "z_before.jpg")
    (stage(pairs) / "github_03_after.jpg").rename(stage(pairs) / "z_after.jpg")
    write(stage(pairs) / "github_04_after.jpg", picture(1000))
    plan = pairs.plan_split()
    assert plan.report.details["edited"] == ["stage_data/github_04_after.jpg"]
    plan.apply()
    after = where(pairs)
    assert after.pop("z_before.jpg") == after.pop("z_after.jpg") == before.pop("github_03_before.jpg")
    del before["github_03_after.jpg"]
    assert after == before
    edited = next(row for row in rows(pairs) if "github_04_after" in row["path"])
    assert edited["digest"] != edited["first_digest"]


def test_changed_ratios_move_nobody_and_say_what_was_reached(pairs: Dataset) -> None:
    pairs.split()
    before = where(pairs)
    plan = pairs.plan_split(ratios="40/40/20")
    assert plan.report.details["asked"] == "train=0.4,val=0.4,test=0.2"
    assert plan.report.details["reached"] == {"train": 0.8, "val": 0.12, "test": 0.08}
    plan.apply()
    assert where(pairs) == before


def test_only_reshuffle_moves_old_samples(pairs: Dataset) -> None:
    pairs.split()
    before = where(pairs)
    assert pairs.split(seed=5) is None
    assert where(pairs) == before
    pairs.split(seed=5, reshuffle=True)
    after = where(pairs)
    assert after != before
    assert sorted(after.values()) == sorted(before.values())


def test_a_second_split_changes_nothing(pairs: Dataset) -> None:
    pairs.split()
    before = snapshot(pairs.root.path)
    assert pairs.split() is None
    assert snapshot(pairs.root.path) == before


def test_a_split_with_samples_cannot_be_left_out(pairs: Dataset) -> None:
    pairs.split()
    with pytest.raises(UsageError, match=r"val \(3 samples\)"):
        pairs.split(ratios="train=0.9,test=0.1")


def test_splits_may_have_any_name(pairs: Dataset) -> None:
    pairs.split(ratios="fit=0.8,Überprüfung=0.2")
    assert set(where(pairs).values()) == {"fit", "Überprüfung"}
    pairs.unsplit()
    assert set(where(pairs).values()) == {"stage_data"}


def test_the_settings_of_the_first_split_hold_for_the_next(pairs: Dataset) -> None:
    pairs.split(ratios="60/20/20", seed=3, group=r"_(\d)")
    text = (pairs.root.path / "imgstage.toml").read_text()
    assert 'ratios = "train=0.6,val=0.2,test=0.2"' in text
    assert 'before = "{key}_before"' in text
    write_pairs(stage(pairs), range(26, 36))
    plan = pairs.plan_split()
    assert plan.report.details["asked"] == "train=0.6,val=0.2,test=0.2"
    assert plan.report.details["seed"] == 3
    plan.apply()
    assert (pairs.root.path / "imgstage.toml").read_text() == text


def test_settings_are_never_written_over(pairs: Dataset) -> None:
    (pairs.root.path / "imgstage.toml").write_text("seed = 9  # mine\n")
    pairs.split()
    assert (pairs.root.path / "imgstage.toml").read_text() == "seed = 9  # mine\n"


# -- groups -----------------------------------------------------------------------------------------------------------


def test_a_group_shares_a_split_now_and_when_it_grows(empty: Dataset) -> None:
    for patient in range(9):
        for number in range(3):
            write(stage(empty) / f"p{patient}_{number}.jpg", picture(10 * patient + number))
    empty.split(group=r"^(p\d)_")
    first = where(empty)
    assert all(len({first[f"p{p}_{n}.jpg"] for n in range(3)}) == 1 for p in range(9))
    for patient in range(9):
        write(stage(empty) / f"p{patient}_new.jpg", picture(500 + patient))
    empty.split()
    assert all(where(empty)[f"p{p}_new.jpg"] == first[f"p{p}_0.jpg"] for p in range(9))


def test_groups_may_come_from_a_table(empty: Dataset, tmp_path: Path) -> None:
    lines = ["file,patient"]
    for number in range(24):
        write(stage(empty) / f"{number}.jpg", picture(number))
        lines.append(f"{number}.jpg,P{number // 3}")
    table = write(tmp_path / "who is who.csv", "\n".join(lines).encode())
    empty.split(group_csv=f"{table}:patient")
    places = where(empty)
    assert all(len({places[f"{n}.jpg"] for n in range(3 * p, 3 * p + 3)}) == 1 for p in range(8))
    assert {row["group"] for row in rows(empty)} == {f"P{p}" for p in range(8)}
    write(stage(empty) / "new.jpg", picture(99))
    assert empty.plan_split().report.details["samples_unlisted"] == 1, "the table is remembered"
    assert empty.plan_split(unlisted="alone").report.details["samples_without_group"] == 1
    (empty.root.path / "imgstage.toml").unlink()
    with pytest.raises(ChangedError, match="--group-csv again"):
        empty.split()


def test_a_new_sample_that_ties_two_splits_is_held(empty: Dataset, tmp_path: Path) -> None:
    for number in range(20):
        write(stage(empty) / f"{number}.jpg", picture(number))
    empty.split()
    places = where(empty)
    train = next(name for name, place in places.items() if place == "train")
    test = next(name for name, place in places.items() if place == "test")
    write(stage(empty) / "bridge.jpg", picture(99))
    write(stage(empty) / "free.jpg", picture(98))
    table = write(tmp_path / "t.csv", f"file,patient\n{train},P\n{test},P\nbridge.jpg,P\n".encode())
    plan = empty.plan_split(group_csv=f"{table}:patient", unlisted="alone")
    reason = f"tied: its group P is that of {Path(test).stem} (test) and {Path(train).stem} (train)"
    assert [(note.path, note.reason) for note in plan.report.held] == [("stage_data/bridge.jpg", reason)]
    plan.apply()
    assert where(empty) | {"bridge.jpg": "stage_data"} == where(empty)
    assert {name: where(empty)[name] for name in places} == places


@pytest.mark.parametrize(
    "wish",
    [
        {"group": "("},
        {"group": "x"},
        {"group": "(zzz)"},
        {"group_csv": "nowhere.csv:patient"},
        {"group_csv": "nowhere.csv"},
        {"group": "(x)", "group_csv": "a:b"},
        {"ratios": "1/2/3"},
        {"ratios": "train=0.5,../x=0.5"},
    ],
)
def test_wishes_that_make_no_sense_change_nothing(pairs: Dataset, wish: dict[str, Any]) -> None:
    before = snapshot(pairs.root.path)
    with pytest.raises(UsageError):
        pairs.split(**wish)
    assert snapshot(pairs.root.path) == before


# -- trouble ----------------------------------------------------------------------------------------------------------


def test_what_is_not_right_is_held_and_the_rest_goes_on(pairs: Dataset) -> None:
    root = stage(pairs)
    whole = (root / "github_01_after.jpg").read_bytes()
    write(root / "github_01_after.jpg", whole[: len(whole) // 2])
    (root / "github_02_after.jpg").unlink()
    write(root / "GITHUB_03_before.jpg", picture(777))
    write(root / "notes.docx", b"x")
    write(root / "astray.txt", b"x")
    plan = pairs.plan_split()
    reasons = {note.path: note.reason for note in plan.report.held}
    assert "does not decode whole" in reasons["stage_data/github_01_before.jpg"]
    assert reasons["stage_data/github_02_before.jpg"].startswith("incomplete: ")
    assert "have one name" in reasons["stage_data/github_03_after.jpg"]
    assert {note.path for note in plan.report.ignored} == {"stage_data/notes.docx", "stage_data/astray.txt"}
    assert plan.report.found == 52 == plan.report.done + len(reasons) + 2
    plan.apply()
    assert names(root) == {Path(path).name for path in reasons} | {"notes.docx", "astray.txt"}


def test_a_new_sample_with_the_name_of_an_old_one_is_held(pairs: Dataset) -> None:
    pairs.split()
    write_pairs(stage(pairs), range(1, 2))
    write(stage(pairs) / "github_01_before.jpg", picture(4242))
    write(stage(pairs) / "github_01_after.jpg", picture(4243))
    plan = pairs.plan_split()
    assert {note.path for note in plan.report.held} == {
        "stage_data/github_01_before.jpg",
        "stage_data/github_01_after.jpg",
    }
    assert plan.is_empty


def test_a_late_sidecar_follows_its_sample(pairs: Dataset) -> None:
    pairs.split()
    write(stage(pairs) / "github_09.json", b"{}")
    pairs.split()
    place = where(pairs)["github_09_before.jpg"]
    assert (pairs.root.path / place / "github_09.json").exists()


def test_a_missing_test_image_and_an_unknown_sample_are_not_taken_for_chance(pairs: Dataset) -> None:
    """A renamed and edited test image must not slip into train."""
    pairs.split()
    pairs.unsplit()
    number = next(int(row["path"][18:20]) for row in rows(pairs) if row["split"] == "test")
    for role in ("before", "after"):
        (stage(pairs) / f"github_{number:02d}_{role}.jpg").unlink()
        write(stage(pairs) / f"better_{role}.jpg", picture(3000 + (role == "after")))
    before = snapshot(pairs.root.path)
    with pytest.raises(ChangedError, match=rf"github_{number:02d}_after.jpg \(test\).*better.*--accept-new"):
        pairs.split()
    assert snapshot(pairs.root.path) == before
    pairs.split(accept_new=True)
    gone = [row for row in rows(pairs) if row["path"].startswith("gone:")]
    assert {row["split"] for row in gone} == {"test"}
    assert len(gone) == 2


def test_an_edited_test_image_cannot_take_a_lost_train_images_name(empty: Dataset) -> None:
    for number in range(25):
        write(stage(empty) / f"im{number:02d}.jpg", picture(number))
    empty.split()
    places = where(empty)
    empty.unsplit()
    test, train = (next(name for name, place in places.items() if place == split) for split in ("test", "train"))
    (stage(empty) / test).unlink()
    write(stage(empty) / train, picture(6000))
    with pytest.raises(ChangedError, match="--accept-new"):
        empty.split()


def test_where_folder_and_ledger_disagree_the_user_says_who_is_right(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    name = next(name for name, place in where(pairs).items() if place == "test" and "before" in name)
    for role in ("before", "after"):
        (root / "test" / name.replace("before", role)).rename(root / "val" / name.replace("before", role))
    with pytest.raises(
        ChangedError, match=r"1 sample lies in another folder than splits\.csv says.*--trust"
    ) as refusal:
        pairs.split()
    key = name.removesuffix("_before.jpg")
    assert refusal.value.table == [("sample", "folder", "splits.csv"), (key, "val", "test")]
    pairs.plan_split(trust="csv").apply()
    assert where(pairs)[name] == "test"
    pairs.undo()
    pairs.plan_split(trust="folders").apply()
    assert where(pairs)[name] == "val"
    assert pairs.split() is None


def test_groups_that_come_too_late_are_told(empty: Dataset) -> None:
    for number in range(20):
        write(stage(empty) / f"p{number % 2}_{number}.jpg", picture(number))
    write(stage(empty) / "loose.jpg", picture(99))
    empty.split()
    details = empty.plan_split(group=r"^(p\d)_").report.details
    assert details["groups"] == 2
    assert details["samples_without_group"] == 1
    assert set(details["divided_groups"]) == {"p0", "p1"}


@pytest.mark.parametrize("damage", ["gone", "cut", "empty"])
def test_a_ledger_that_is_not_the_last_one_lets_nobody_be_drawn_anew(pairs: Dataset, damage: str) -> None:
    pairs.split()
    pairs.unsplit()
    table = pairs.root.path / "splits.csv"
    whole = table.read_bytes()
    lines = whole.splitlines(keepends=True)
    table.write_bytes({"gone": b"", "cut": b"".join(lines[:21]), "empty": lines[0]}[damage])
    if damage == "gone":
        table.unlink()
    before = snapshot(pairs.root.path)
    with pytest.raises(ChangedError, match=r"splits\.csv is gone, or is not the one.*--accept-new"):
        pairs.split()
    assert snapshot(pairs.root.path) == before
    table.write_bytes(whole)
    pairs.split()


def test_halves_that_were_swapped_by_hand_are_held_not_torn_by_name(pairs: Dataset) -> None:
    pairs.split()
    test, train = (
        next(name for name, place in where(pairs).items() if place == split and "after" in name)
        for split in ("test", "train")
    )
    pairs.unsplit()
    (stage(pairs) / test).rename(stage(pairs) / "aside")
    (stage(pairs) / train).rename(stage(pairs) / test)
    (stage(pairs) / "aside").rename(stage(pairs) / train)
    plan = pairs.plan_split()
    assert {Path(note.path).name for note in plan.report.held} == {
        name.replace("after", role) for name in (test, train) for role in ("before", "after")
    }
    assert "splits.csv knows them as parts of two" in plan.report.held[0].reason


def test_a_split_folder_that_cannot_be_read_refuses(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    (root / "train").chmod(0)
    with as_nobody(root):
        for verb in (pairs.split, pairs.unsplit):
            with pytest.raises(RefusedError, match="train cannot be read"):
                verb()
    (root / "train").chmod(0o755)


def test_a_ledger_that_is_a_link_is_not_replaced(pairs: Dataset) -> None:
    pairs.split()
    table = pairs.root.path / "splits.csv"
    table.rename(pairs.root.path / "real.csv")
    table.symlink_to("real.csv")
    with pytest.raises(RefusedError, match="symbolic link"):
        pairs.unsplit()


def test_a_pair_torn_by_hand_is_held(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    name = next(name for name, place in where(pairs).items() if place == "test" and "before" in name)
    (root / "test" / name).rename(root / "train" / name)
    plan = pairs.plan_split()
    assert {note.reason for note in plan.report.held} == {"torn: its files lie in test and train"}


def test_images_put_into_a_split_by_hand_stay_there_and_get_rows(pairs: Dataset) -> None:
    pairs.split()
    write_pairs(pairs.root.path / "val", range(90, 92))
    pairs.split()
    assert {where(pairs)[f"github_{n}_{role}.jpg"] for n in (90, 91) for role in ("before", "after")} == {"val"}
    assert {row["split"] for row in rows(pairs) if "github_9" in row["path"]} == {"val"}


def test_nothing_to_split_and_too_little_are_refused(empty: Dataset) -> None:
    with pytest.raises(RefusedError, match="imgstage add"):
        empty.split()
    write_pairs(stage(empty), range(1, 3))
    with pytest.raises(RefusedError, match="too few"):
        empty.split()


def test_a_folder_in_the_way_refuses_all(pairs: Dataset) -> None:
    for split in ("train", "val", "test"):
        (pairs.root.path / split / "github_01_before.jpg").mkdir(parents=True)
    before = snapshot(pairs.root.path)
    with pytest.raises(DestinationError, match="github_01_before"):
        pairs.split()
    assert snapshot(pairs.root.path) == before


def test_class_folders_survive_and_empty_ones_are_not_made(empty: Dataset) -> None:
    for number in range(30):
        write(stage(empty) / f"{'cat' if number % 2 else 'dog'}/{number}.jpg", picture(number))
    write(stage(empty) / "rare/only.jpg", picture(99))
    (stage(empty) / "cat").chmod(0o700)
    empty.split()
    for split in ("train", "val", "test"):
        folder = empty.root.path / split
        assert all(list(sub.iterdir()) for sub in folder.iterdir() if sub.is_dir())
        assert (folder / "cat").stat().st_mode & 0o777 == 0o700
    assert sum((empty.root.path / split / "rare").exists() for split in ("train", "val", "test")) == 1


@pytest.mark.parametrize("name", ["github_03_before.json", "masks/07.png"])
def test_a_sidecar_or_mask_that_is_gone_stops_no_split(pairs: Dataset, name: str) -> None:
    root = pairs.root.path
    write(root / "stage_data/github_03_before.json", b"{}")
    for number in range(20):
        write(root / f"stage_data/images/{number:02}.png", picture(500 + number, "PNG"))
        write(root / f"stage_data/masks/{number:02}.png", picture(900 + number, "PNG"))
    pairs.split()
    (gone,) = root.glob(f"*/{name}")
    gone.unlink()
    pairs.split()
    assert pairs.status().report.details["missing"][0]["path"].endswith(name)


def test_nothing_new_writes_no_settings_again(pairs: Dataset) -> None:
    pairs.split()
    (pairs.root.path / "imgstage.toml").unlink()
    assert pairs.split() is None
    assert not (pairs.root.path / "imgstage.toml").exists()


def test_a_missing_sidecar_of_a_test_sample_raises_no_doubt(pairs: Dataset) -> None:
    for number in range(1, 26):
        write(stage(pairs) / f"github_{number:02}.json", f"{number}".encode())
    pairs.split()
    name = next(path for path in (pairs.root.path / "test").glob("*.json"))
    name.unlink()
    write_pairs(stage(pairs), range(40, 42))
    assert pairs.plan_split().report.details["new_samples"] != {"train": 0, "val": 0, "test": 0}


def test_without_a_split_called_train_no_image_may_vanish_unasked(pairs: Dataset) -> None:
    wish = "check=0.2,learn=0.8"
    pairs.split(ratios=wish)
    write_pairs(stage(pairs), range(40, 42))
    for path in sorted((pairs.root.path / "learn").glob("*.jpg"))[:2]:
        path.unlink()
    with pytest.raises(ChangedError, match="Held-out images are missing"):
        pairs.plan_split(ratios=wish)


@pytest.mark.parametrize(
    "wishes",
    [
        {"seed": 2**64 - 1},
        {"ratios": "train=0.333333333333,val=0.333333333333,test=0.333333333334"},
        {"group": "^github_(\\d)\x7f?"},
    ],
)
def test_what_a_split_stores_the_next_one_reads(pairs: Dataset, wishes: dict[str, object]) -> None:
    pairs.split(**wishes)  # type: ignore[arg-type]
    assert pairs.plan_split().is_empty
    assert pairs.plan_split(**wishes).report.details["add_to_settings"] == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wishes", [{"seed": 2**64}, {"ratios": {"train": Fraction(1, 3**40), "test": 1 - Fraction(1, 3**40)}}]
)
def test_what_could_not_be_stored_is_refused(pairs: Dataset, wishes: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"more than 64 bits|more digits than"):
        pairs.split(**wishes)  # type: ignore[arg-type]
    assert not (pairs.root.path / "imgstage.toml").exists()


def test_folders_that_are_called_as_roles_are_stored_by_themselves(empty: Dataset) -> None:
    for folder, roles in (("cats", ("before", "after")), ("dogs", ("before", "after")), ("before", ("noisy", "clean"))):
        for number in range(6):
            for place, role in enumerate(roles):
                seed = 100 * len(folder) + 2 * number + place
                write(stage(empty) / f"{folder}/{number}_{role}.png", picture(seed, "PNG"))
    empty.split()
    assert empty.plan_split().is_empty


def test_what_is_not_stored_is_said(pairs: Dataset) -> None:
    pairs.split()
    told = pairs.plan_split(ratios="50/25/25", seed=3, rounding="truncate", reshuffle=True).report.details
    assert told["add_to_settings"] == ['ratios = "train=0.5,val=0.25,test=0.25"', "seed = 3", 'rounding = "truncate"']
    assert pairs.plan_split(ratios="80/12/8", seed=0).report.details["add_to_settings"] == []


def test_one_sample_can_be_for_training_alone(empty: Dataset) -> None:
    write(stage(empty) / "x.png", picture(1, "PNG"))
    with pytest.raises(RefusedError, match="such as train=1"):
        empty.split()
    empty.split(ratios="train=1")
