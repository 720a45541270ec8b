"""Roots made by hand, and hands in a root: halves apart, equal names, copies. No pair is torn, no test image trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgstage import Dataset
from imgstage.errors import DestinationError, UsageError

from ..helpers import as_nobody, names, picture, snapshot, stage, where, write, write_pairs

HALVES = {"github_41_before.jpg": "test", "github_41_after.jpg": "train"}


@pytest.fixture
def apart(empty: Dataset) -> Dataset:
    """A root that nobody has split yet, with one pair whose halves lie in two splits."""
    root = empty.root.path
    write_pairs(root / "train", range(10, 31))
    write_pairs(root / "val", range(31, 35))
    write_pairs(root / "test", range(41, 45))
    (root / "test/github_41_after.jpg").rename(root / "train/github_41_after.jpg")
    return empty


@pytest.mark.parametrize("first", [False, True])
def test_halves_in_two_splits_stay_until_a_hand_brings_them_together(apart: Dataset, first: bool) -> None:
    root = apart.root.path
    if first:
        apart.split()
    apart.unsplit()
    assert {name: place for name, place in where(apart).items() if name in HALVES} == HALVES
    held = {note.path: note.reason for note in apart.status().report.held}
    assert {path.partition("/")[2] for path in held} == set(HALVES)
    assert all(reason.startswith("incomplete: ") for reason in held.values())
    apart.split()
    assert {name: place for name, place in where(apart).items() if name in HALVES} == HALVES
    (root / "train/github_41_after.jpg").rename(root / "test/github_41_after.jpg")
    assert not apart.status().report.held
    apart.split()
    sample = next(sample for sample in apart.samples if sample.key == "github_41")
    assert (sample.split, len(sample.images)) == ("test", 2)


def test_halves_that_are_set_aside_come_back_to_where_they_were(apart: Dataset) -> None:
    before = snapshot(apart.root.path)
    apart.hold(troubled=True)
    assert snapshot(apart.root.path) == before, "where they lie is all that tells their split"
    apart.hold(*[f"{split}/{name}" for name, split in HALVES.items()])
    assert {where(apart)[name] for name in HALVES} == {"held"}
    apart.release(everything=True)
    apart.split()
    assert {name: place for name, place in where(apart).items() if name in HALVES} == HALVES
    assert {sample.held.partition(":")[0] for sample in apart.samples if sample.key == "github_41"} == {"incomplete"}


def test_rows_of_a_half_make_no_sample(apart: Dataset) -> None:
    """Earlier versions wrote such rows."""
    root = apart.root.path
    apart.split()
    table = root / "splits.csv"
    digests = {r.path: r.digest for s in apart.samples for r in s.files}
    rows = [
        f"{number:032d},{split},,{name.partition('_')[2][3:-4]},{split}/{name},{digests[f'{split}/{name}']},"
        f"{digests[f'{split}/{name}']}\n"
        for number, (name, split) in enumerate(HALVES.items())
    ]
    table.write_text(table.read_text() + "".join(rows))
    assert {sample.held.partition(":")[0] for sample in apart.samples if sample.key == "github_41"} == {"incomplete"}
    apart.unsplit()
    assert {sample.held.partition(":")[0] for sample in apart.samples if sample.key == "github_41"} == {"mixed"}
    apart.split()
    assert {where(apart)[name] for name in HALVES} == {"stage_data"}


@pytest.mark.parametrize("verb", ["hold", "release", "unsplit"])
def test_no_other_verb_gives_rows_to_what_names_add_to_a_known_sample(pairs: Dataset, verb: str) -> None:
    """Else the retouched test image, under the name of a train image, would come in with it."""
    pairs.hold("github_25")
    pairs.split()
    pairs.unsplit()
    by_split = {sample.split: sample.key for sample in pairs.samples if sample.split}
    train, test = by_split["train"], by_split["test"]
    first = stage(pairs) / f"{train}_before.jpg"
    first.rename(stage(pairs) / f"spare_{train}_before.jpg")
    (stage(pairs) / f"{test}_before.jpg").unlink()
    write(first, picture(4001))
    held = {note.path for note in pairs.status().report.held}
    assert f"stage_data/{train}_before.jpg" in held
    if verb == "unsplit":
        pairs.unsplit()
    elif verb == "hold":
        pairs.hold(by_split["val"])
    else:
        pairs.release("github_25")
    assert f"stage_data/{train}_before.jpg" in {note.path for note in pairs.plan_split(accept_new=True).report.held}
    pairs.split(accept_new=True)
    assert first.exists(), "it stays where it lies"


def test_equal_names_and_bytes_in_two_splits_are_two_samples(empty: Dataset) -> None:
    root = empty.root.path
    for number in range(10):
        write(root / f"train/{number}.jpg", picture(number))
    for split in ("train", "test"):
        write(root / split / "dup.jpg", picture(77))
    assert len({sample.id for sample in empty.samples}) == 12
    empty.hold("test/dup.jpg")
    (root / "train/dup.jpg").unlink()
    empty.release("held/dup.jpg")
    assert names(root, "train") == {f"{number}.jpg" for number in range(10)}
    assert [sample.split for sample in empty.samples if sample.key == "dup"] == ["test"]


@pytest.mark.parametrize("place", ["stage_data", "held"])
def test_a_copy_beside_a_test_image_takes_nothing_from_it(empty: Dataset, place: str) -> None:
    root = empty.root.path
    for number in range(20):
        write(stage(empty) / f"shot{number:02d}.jpg", picture(number))
    empty.split()
    table = (root / "splits.csv").read_text()
    name = next(path.name for path in (root / "test").iterdir() if path.suffix == ".jpg")
    write(root / place / name, (root / "test" / name).read_bytes())
    if place == "stage_data":
        empty.hold(f"stage_data/{name}")
    assert (root / "splits.csv").read_text() == table
    write(stage(empty) / "new.jpg", picture(99))
    empty.split()
    sample = next(s for s in empty.samples if s.files[0].path == f"test/{name}")
    assert (sample.held, sample.split, sample.place) == ("", "test", "test")
    assert name in (root / "test/metadata.jsonl").read_text()


def test_of_a_known_sample_only_what_is_too_many_goes_alone(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    sample = next(sample for sample in pairs.samples if sample.split == "test")
    first, spare = (root / "test" / f"{name}{sample.key}_before.jpg" for name in ("", "spare_"))
    first.rename(spare)
    write(first, picture(5000))
    held = [one for one in pairs.samples if one.held]
    assert [(one.id, one.held.partition(":")[0]) for one in held] == [(sample.id, "ambiguous")]
    pairs.hold(f"test/{first.name}")
    assert names(root, "held") == {first.name, "reasons.csv"}
    assert next(one for one in pairs.samples if one.id == sample.id).held == "", "it is whole again"
    pairs.release(everything=True)
    first = next(root.rglob(first.name))
    if first.parent.name != "test":
        first.rename(root / "test" / first.name)
    pairs.hold(f"test/{spare.name}")
    assert len(names(root, "held")) == 4, "a known file takes the others along"


def test_splits_that_each_count_from_one_are_taken_as_they_stand(empty: Dataset) -> None:
    root = empty.root.path
    for split, count in (("train", 8), ("val", 3), ("test", 3)):
        for number in range(count):
            write(root / split / f"{number:04d}.jpg", picture(100 * len(split) + number + (split == "val") * 50))
    before = where(empty)
    plan = empty.plan_split()
    assert not plan.report.held
    assert not list(plan.moves())
    plan.apply()
    assert empty.status().samples == {"stage_data": 0, "train": 8, "val": 3, "test": 3}
    assert where(empty) == before
    with pytest.raises(DestinationError, match="one name and different bytes"):
        empty.unsplit()
    write(stage(empty) / "0001.jpg", picture(7000))
    assert [note.path for note in empty.plan_split().report.held] == ["stage_data/0001.jpg"]


def test_of_splits_that_each_count_from_one_a_new_file_joins_no_sample_by_chance(empty: Dataset) -> None:
    root = empty.root.path
    for place, (split, count) in enumerate((("train", 8), ("val", 3), ("test", 3))):
        for scene in range(count):
            for view in ("view/a", "view/b", "clean"):
                write(
                    root / split / f"s{scene}/{view}.jpg",
                    picture(1000 * place + 10 * scene + len(view) + ord(view[-1])),
                )
    write(root / "imgstage.toml", b'[pairing]\nview = "{key}/view/*"\nclean = "{key}/clean"\n')
    empty.split()
    assert not empty.status().report.held
    write(stage(empty) / "s1/view/c.jpg", picture(9000))
    write(stage(empty) / "s5/view/c.jpg", picture(9001))
    plan = empty.plan_split()
    assert [note.path for note in plan.report.held] == ["stage_data/s1/view/c.jpg"]
    assert list(plan.moves()) == [("stage_data/s5/view/c.jpg", "train/s5/view/c.jpg")]


def test_names_that_differ_only_in_case_in_one_folder_are_held(empty: Dataset) -> None:
    root = empty.root.path
    for number in range(10):
        write(root / f"train/{number}.jpg", picture(number))
    write(root / "train/cat.jpg", picture(50))
    write(root / "train/CAT.jpg", picture(51))
    held = {note.path: note.reason.partition(":")[0] for note in empty.status().report.held}
    assert held == {"train/cat.jpg": "twins", "train/CAT.jpg": "twins"}


def test_a_root_that_is_taken_as_it_stands_gets_its_settings(empty: Dataset) -> None:
    write_pairs(empty.root.path / "train", range(1, 9))
    write_pairs(empty.root.path / "test", range(9, 12))
    write_pairs(empty.root.path / "val", range(12, 15))
    empty.split()
    assert "before" in (empty.root.path / "imgstage.toml").read_text()


def test_a_reshuffle_gives_no_row_to_half_a_pair(apart: Dataset) -> None:
    apart.split(reshuffle=True)
    assert "github_41" not in (apart.root.path / "splits.csv").read_text()
    assert {name: place for name, place in where(apart).items() if name in HALVES} == HALVES


def test_a_sidecar_in_another_split_makes_its_sample_torn(pairs: Dataset) -> None:
    write(stage(pairs) / "github_03.json", b"{}")
    pairs.split()
    root = pairs.root.path
    place = next(root.glob("*/github_03.json"))
    other = "test" if place.parent.name != "test" else "val"
    place.rename(root / other / place.name)
    assert {s.held.partition(":")[0] for s in pairs.samples if s.key == "github_03"} == {"torn"}


def test_a_sample_whose_sidecar_has_a_taken_name_is_held(empty: Dataset) -> None:
    root = empty.root.path
    for number in range(10):
        write(root / f"train/{number}.jpg", picture(number))
        write(root / f"train/{number}.json", b"%d" % number)
    empty.split(ratios="train=1")
    write(stage(empty) / "3.png", picture(60, "PNG"))
    write(stage(empty) / "3.json", b"other")
    assert {note.path for note in empty.plan_split().report.held} == {"stage_data/3.png", "stage_data/3.json"}


def test_a_new_format_beside_a_known_pair_does_not_mix_it(pairs: Dataset) -> None:
    pairs.split()
    pairs.unsplit()
    write(stage(pairs) / "github_03_before.png", picture(70, "PNG"))
    assert [note.path for note in pairs.status().report.held] == ["stage_data/github_03_before.png"]


def test_halves_with_equal_bytes_keep_their_rows_under_new_names(empty: Dataset) -> None:
    for number in range(10):
        for role in ("before", "after"):
            write(stage(empty) / f"{number}_{role}.jpg", picture(number))
    empty.split()
    before = {sample.id: sample.split for sample in empty.samples}
    for path in list(empty.root.path.rglob("3_*.jpg")):
        path.rename(path.with_name(f"x{path.name}"))
    assert {sample.id: sample.split for sample in empty.samples} == before
    assert not empty.status().catalog.missing


def test_what_lies_in_a_closed_folder_is_not_missing(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    (root / "test").chmod(0)
    with as_nobody(root):
        found = pairs.status()
    (root / "test").chmod(0o755)
    assert found.report.details["missing"] == []
    assert {row.split for row in found.catalog.unread} == {"test"}


def test_a_twin_of_which_a_half_cannot_be_read_does_not_go(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    write_pairs(stage(pairs), range(3, 4))
    for side in ("before", "after"):
        write(stage(pairs) / f"github_03_{side}.jpg", picture(len(side) + 80))
    (stage(pairs) / "github_03_after.jpg").chmod(0)
    with as_nobody(root), pytest.raises(UsageError, match="cannot go whole"):
        pairs.hold("stage_data/github_03_before.jpg")
    assert (stage(pairs) / "github_03_before.jpg").exists()


# -- what was assigned apart, and is one sample by the rule there is now -----------------------------------------------

RULE = b'[pairing]\nbefore = "{key}_p"\nafter = "{key}_q"\n'


def _lone_that_are_pairs(dataset: Dataset) -> None:
    for number in range(14):
        for side, role in enumerate("pq"):
            write(stage(dataset) / f"s{number:02d}_{role}.png", picture(100 * side + number, "PNG"))
    dataset.split()
    write(dataset.root.path / "imgstage.toml", RULE)


def _torn(root: Path) -> set[str]:
    return {key for key in (f"s{n:02d}" for n in range(14)) if len({p.parent for p in root.rglob(f"{key}_*.png")}) > 1}


def test_lone_images_become_pairs_where_their_split_is_one_and_a_reshuffle_tears_none(empty: Dataset) -> None:
    _lone_that_are_pairs(empty)
    root = empty.root.path
    apart = _torn(root)
    assert apart, "the draw knew of no pairs"
    by_key = {sample.key: set(sample.images) for sample in empty.samples if sample.key not in apart}
    assert by_key == {f"s{n:02d}": {"before", "after"} for n in range(14) if f"s{n:02d}" not in apart}
    before = {sample.id: sample.split for sample in empty.samples}
    empty.split()
    assert {sample.id: sample.split for sample in empty.samples} == before, "who was assigned stays"
    told = empty.status().report.details["assigned_as_lone"]
    assert {Path(path).name[:3] for path in told} == apart
    empty.split(reshuffle=True, seed=3)
    assert _torn(root) == set()
    assert empty.status().report.details["assigned_as_lone"] == []
    assert {tuple(sample.images) for sample in empty.samples} == {("before", "after")}


def test_a_sample_that_was_joined_survives_every_verb(empty: Dataset) -> None:
    _lone_that_are_pairs(empty)
    empty.split(reshuffle=True, seed=3)
    empty.split()
    known = {(sample.id, sample.split, tuple(r.digest for r in sample.files)) for sample in empty.samples}
    empty.unsplit()
    key = next(sample.key for sample in empty.samples if sample.split == "test")
    empty.hold(key)
    assert len(names(empty.root.path, "held")) == 3
    empty.release(key)
    empty.split()
    assert {(sample.id, sample.split, tuple(r.digest for r in sample.files)) for sample in empty.samples} == known


def test_halves_that_were_set_aside_are_one_sample_when_their_rows_have_one_split(apart: Dataset) -> None:
    """The advice for `mixed`."""
    root = apart.root.path
    apart.split()
    apart.hold(*[f"{split}/{name}" for name, split in HALVES.items()])
    apart.release(everything=True)
    (root / "train/github_41_after.jpg").rename(root / "test/github_41_after.jpg")
    assert {s.held.partition(":")[0] for s in apart.samples if s.key == "github_41"} == {"mixed"}
    table = root / "splits.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text(
        "".join(line.replace(",train,", ",test,") if "github_41_after" in line else line for line in lines)
    )
    sample = next(sample for sample in apart.samples if sample.key == "github_41")
    assert (sample.held, sample.split, len(sample.images)) == ("", "test", 2)
    apart.split()


# -- a root whose splits each count from one ---------------------------------------------------------------------------


@pytest.fixture
def counted(empty: Dataset) -> Dataset:
    root = empty.root.path
    for place, (split, count) in enumerate((("train", 8), ("val", 3), ("test", 3))):
        for number in range(1, count + 1):
            write(root / split / f"{number:04d}.jpg", picture(100 * place + number))
    empty.split()
    return empty


def test_an_edited_image_is_known_by_its_own_place_before_another_is_looked_for(counted: Dataset) -> None:
    root = counted.root.path
    (root / "train/0001.jpg").unlink()
    write(root / "val/0001.jpg", picture(500))
    assert [row.path for row in counted.status().catalog.missing] == ["train/0001.jpg"]
    counted.hold("val/0001.jpg")
    counted.release("held/0001.jpg")
    assert (root / "val/0001.jpg").read_bytes() == picture(500)
    assert not (root / "train/0001.jpg").exists()
