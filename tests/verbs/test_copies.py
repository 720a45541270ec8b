"""Copies of a picture share a split; what they are called, and whether one is missing, changes nothing."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgstage import Dataset
from imgstage.cli import run

from ..helpers import as_nobody, names, photo, picture, snapshot, stage, where, write, write_pairs


def test_a_copy_of_a_test_image_never_becomes_a_train_image(pairs: Dataset) -> None:
    """Under another name, in a sub-folder, as half of another pair, and put into train by hand."""
    pairs.split()
    root = pairs.root.path
    name = next(name for name, place in where(pairs).items() if place == "test" and "after" in name)
    data = (root / "test" / name).read_bytes()
    for number in range(30):
        write(stage(pairs) / f"copy{number}_after.jpg", data)
        write(stage(pairs) / f"copy{number}_before.jpg", picture(8000 + number))
    plan = pairs.plan_split()
    assert plan.report.details["samples_sharing_a_picture"] == 31
    plan.apply()
    assert {place for file, place in where(pairs).items() if file.startswith("copy")} == {"test"}
    write(root / "train/hand_after.jpg", data)
    write(root / "train/hand_before.jpg", picture(9000))
    write(stage(pairs) / "late_after.jpg", data)
    write(stage(pairs) / "late_before.jpg", picture(9001))
    held = {note.path: note.reason for note in pairs.plan_split().report.held}
    key = min("copy0", name.removesuffix("_after.jpg"))
    assert held == dict.fromkeys(
        ("stage_data/late_after.jpg", "stage_data/late_before.jpg"),
        f"tied: its picture is, or looks like, that of {key} (test) and hand (train)",
    )


def test_copies_share_a_split_at_the_first_draw_and_equal_masks_do_not(empty: Dataset) -> None:
    for number in range(20):
        write(stage(empty) / f"images/{number}.jpg", picture(number))
        write(stage(empty) / f"images/copy{number}.jpg", picture(number))
        for name in (f"{number}", f"copy{number}"):
            write(stage(empty) / f"masks/{name}.png", picture(99, "PNG"))
    plan = empty.plan_split()
    assert plan.report.details["samples"] == {"train": 32, "val": 4, "test": 4}
    plan.apply()
    places = where(empty)
    assert all(places[f"{number}.jpg"] == places[f"copy{number}.jpg"] for number in range(20))


def test_copies_that_lay_in_two_splits_before_are_told(empty: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    root = empty.root.path
    write_pairs(root / "train", range(1, 7))
    for role in ("before", "after"):
        write(root / f"test/x_1_{role}.jpg", (root / f"train/github_01_{role}.jpg").read_bytes())
    assert run(["-C", str(root), "split"]) == 0
    told = capsys.readouterr().out
    assert "share a picture with one in another split" in told
    assert "github_01 (train)" in told
    assert "x_1 (test)" in told
    assert "not divided" not in told


def test_equal_masks_of_a_role_of_ones_own_tie_nothing(empty: Dataset) -> None:
    """`label = ...` in the settings; every label is the same empty picture."""
    (empty.root.path / "imgstage.toml").write_text('[pairing]\nphoto = "{key}_p"\nhand_label = "{key}_l"\n')
    for number in range(25):
        write(stage(empty) / f"{number:02}_p.png", picture(number, "PNG"))
        write(stage(empty) / f"{number:02}_l.png", picture(0, "PNG", (9, 9)))
    report = empty.plan_split().report
    assert report.details["samples"] == {"train": 20, "val": 3, "test": 2}
    assert report.details["samples_sharing_a_picture"] == 0


def test_the_bytes_of_a_missing_test_image_tie_their_copy_to_its_split(pairs: Dataset) -> None:
    """It may come under any name while the row says that the image is gone."""
    pairs.split()
    root = pairs.root.path
    name = next(name for name, place in where(pairs).items() if place == "test" and "after" in name)
    key = name.removesuffix("_after.jpg")
    data = (root / "test" / name).read_bytes()
    for half in (root / "test").glob(f"{key}_*"):
        half.unlink()
    for number in range(4):
        write(stage(pairs) / f"new{number}_after.jpg", data)
        write(stage(pairs) / f"new{number}_before.jpg", picture(8000 + number))
    pairs.plan_split(accept_new=True).apply()
    assert {place for file, place in where(pairs).items() if file.startswith("new")} == {"test"}


def test_a_copy_of_a_missing_image_and_of_one_in_another_split_is_held(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    places = where(pairs)
    gone = next(name for name, place in places.items() if place == "test" and "after" in name)
    there = next(name for name, place in places.items() if place == "train" and "before" in name)
    for number in range(2):  # of a single copy, the row itself would say that it is the missing one
        write(stage(pairs) / f"new{number}_after.jpg", (root / "test" / gone).read_bytes())
        write(stage(pairs) / f"new{number}_before.jpg", (root / "train" / there).read_bytes())
    for half in (root / "test").glob(f"{gone.removesuffix('_after.jpg')}_*"):
        half.unlink()
    held = {note.reason for note in pairs.plan_split(accept_new=True).report.held}
    first = there.removesuffix("_before.jpg")
    assert held == {f"tied: its picture is, or looks like, that of test/{gone} (test) and {first} (train)"}


@pytest.mark.parametrize("what", ["copy", "group", "name"])
def test_an_image_that_cannot_be_read_ties_all_the_same(empty: Dataset, what: str) -> None:
    """Its row says what it held, to which group it belongs, and what it is called."""
    root = empty.root.path
    for number in range(20):
        write(stage(empty) / f"p{number:02d}_1.jpg", picture(number))
    empty.split(ratios="40/20/40", group=r"^(p\d+)_")
    shut = [path for path in sorted((root / "test").iterdir()) if path.suffix == ".jpg"]
    for number, path in enumerate(shut):
        if what == "copy":  # of a single one, the row would say that it is the one that cannot be read
            write(stage(empty) / f"new{number}_1.jpg", path.read_bytes())
            write(stage(empty) / f"new{number}_2.jpg", path.read_bytes())
        elif what == "group":
            write(stage(empty) / f"{path.name[:3]}_2.jpg", picture(100 + number))
        else:
            write(stage(empty) / f"{path.stem}.png", picture(200 + number, "PNG"))
        path.chmod(0)
    for number in range(60):  # enough that not all would come into the right split because it lacks some
        write(stage(empty) / f"q{number}_1.jpg", picture(1000 + number))
    with as_nobody(root):
        empty.split(group=r"^(p\d+|new\d+|q\d+)_")
    for path in shut:
        path.chmod(0o644)
    fresh = {"copy": "new*.jpg", "group": "*_2.jpg", "name": "*.png"}[what]
    found = [path.parent.name for path in root.rglob(fresh)]
    assert found == ["test"] * (2 * len(shut) if what == "copy" else len(shut))


def _scenes(dataset: Dataset) -> tuple[str, str]:
    """Scenes with several views each, split; the keys of one in test and of one in train."""
    for scene in range(20):
        for view in ("a", "b"):
            write(stage(dataset) / f"s{scene}/view/{view}.jpg", picture(10 * scene + ord(view)))
        write(stage(dataset) / f"s{scene}/clean.jpg", picture(5000 + scene))
    table = '[pairing]\nview = "{key}/view/*"\nclean = "{key}/clean"\n'
    write(dataset.root.path / "imgstage.toml", table.encode())
    dataset.split()
    by_split = {sample.split: sample.key for sample in dataset.samples}
    return by_split["test"], by_split["train"]


@pytest.mark.parametrize("original", ["as it was", "held", "edited"])
def test_a_copy_of_a_test_picture_joins_no_train_sample(empty: Dataset, original: str) -> None:
    test, train = _scenes(empty)
    root = empty.root.path
    first = root / "test" / test / "view/a.jpg"
    data = first.read_bytes()
    if original == "held":
        empty.hold(test)
    elif original == "edited":
        write(first, picture(9001))
        empty.split()
    fresh = f"stage_data/{train}/view/c.jpg"
    write(root / fresh, data)
    write(stage(empty) / f"{train}/view/d.jpg", picture(9000))
    plan = empty.plan_split()
    held = {note.path: note.reason for note in plan.report.held if note.path.startswith("stage")}
    assert held == {
        fresh: f"tied: its name is that of {train} (train), its picture that of {test} (test)",
    }
    plan.apply()
    assert names(root, f"train/{train}/view") == {"a.jpg", "b.jpg", "d.jpg"}
    empty.unsplit()
    assert fresh not in (root / "splits.csv").read_text(), "its place in stage_data/ is nobody's word"
    empty.split()
    assert (root / fresh).exists()


@pytest.mark.parametrize("original", ["held", "edited"])
def test_a_copy_over_a_train_image_is_told(pairs: Dataset, original: str) -> None:
    pairs.split()
    root = pairs.root.path
    by_split = {sample.split: sample for sample in pairs.samples}
    test, train = (root / by_split[split].files[0].path for split in ("test", "train"))
    data = test.read_bytes()
    if original == "held":
        pairs.hold(by_split["test"].key)
    else:
        write(test, picture(9002))
        pairs.split()
    write(train, data)
    copies = pairs.plan_split().report.details["divided_copies"]
    assert {"sample": by_split["train"].key, "split": "train"} in copies


def test_a_copy_of_an_image_of_no_sample_stays_with_it(empty: Dataset) -> None:
    root = empty.root.path
    write_pairs(root / "train", range(1, 30))
    write(root / "test/odd.jpg", picture(9003))
    write_pairs(root / "test", range(30, 34))
    empty.split()
    for number in range(40, 60):
        write(stage(empty) / f"github_{number}_before.jpg", picture(9003))
        write(stage(empty) / f"github_{number}_after.jpg", picture(number * 2 + 1))
    empty.split()
    assert {where(empty)[f"github_{number}_before.jpg"] for number in range(40, 60)} == {"test"}


def test_a_picture_that_comes_to_samples_of_two_splits_at_once_joins_neither(empty: Dataset) -> None:
    test, train = _scenes(empty)
    for key in (test, train):
        write(stage(empty) / f"{key}/view/c.jpg", picture(9100))
    plan = empty.plan_split()
    assert {note.path for note in plan.report.held} == {f"stage_data/{key}/view/c.jpg" for key in (test, train)}
    assert not list(plan.moves())


@pytest.mark.parametrize("life", ["edited and restored", "edited and gone"])
def test_every_picture_that_an_image_has_been_ties(empty: Dataset, life: str) -> None:
    root = empty.root.path
    for number in range(20):
        write(stage(empty) / f"{number}.jpg", picture(number))
    empty.split()
    path = next(path for path in (root / "test").iterdir() if path.suffix == ".jpg")
    first = path.read_bytes()
    write(path, picture(300))
    empty.split()
    if life == "edited and restored":
        write(path, first)
    else:
        path.unlink()
    for number in range(6):
        write(stage(empty) / f"new{number}.jpg", picture(300))
        write(stage(empty) / f"other{number}.jpg", picture(400 + number))
    empty.split(accept_new=True)
    found = [file.parent.name for file in root.rglob("new*.jpg")]
    assert found.count("test") >= 5, "of several copies, one may be taken for the image itself"
    assert "train" not in found


def test_names_tie_whatever_their_case(empty: Dataset) -> None:
    for number in range(12):
        write(stage(empty) / f"IMG_{number}.jpg", picture(number))
        write(stage(empty) / f"img_{number}.png", picture(100 + number, "PNG"))
    empty.split(ratios="50/25/25")
    root = empty.root.path
    for number in range(12):
        assert len({path.parent for path in root.rglob("*") if path.stem.lower() == f"img_{number}"}) == 1


@pytest.mark.parametrize("gone", [False, True])
def test_a_group_of_old_ties_new_samples_though_the_rule_does_not_find_it_again(empty: Dataset, gone: bool) -> None:
    """The new table of groups names only the new images; `splits.csv` has the groups of the old ones."""
    root = empty.root.path
    for patient in range(10):
        for number in range(2):
            write(stage(empty) / f"p{patient}_{number}.jpg", picture(10 * patient + number))
    empty.split(group=r"^(p\d)_")
    held_out = sorted({path.name[:2] for path in (*root.glob("val/*.jpg"), *root.glob("test/*.jpg"))})
    before = {path.name[:2]: path.parent.name for path in root.rglob("p*.jpg")}
    lines = ["file,patient"]
    for patient in range(10):
        write(stage(empty) / f"new{patient}.jpg", picture(500 + patient))
        lines.append(f"new{patient}.jpg,p{patient}")
    write(root.parent / "t.csv", "\n".join(lines).encode())
    if gone:
        for name in held_out:
            for path in root.rglob(f"{name}_*.jpg"):
                path.unlink()
    empty.split(group_csv=f"{root.parent / 't.csv'}:patient", accept_new=gone)
    after = {f"p{path.stem[3:]}": path.parent.name for path in root.rglob("new*.jpg")}
    assert after == before


def test_who_is_trusted_says_too_where_a_group_belongs(empty: Dataset) -> None:
    root = empty.root.path
    for number in range(20):
        write(stage(empty) / f"p{number:02d}_1.jpg", picture(number))
    rule = r"^(p\d+)_"
    empty.split(group=rule)
    moved = sorted((root / "train").glob("*.jpg"))[:6]
    for path in moved:
        path.rename(root / "test" / path.name)
        write(stage(empty) / f"{path.name[:3]}_2.jpg", picture(100 + int(path.name[1:3])))
    empty.split(group=rule, trust="folders")
    assert {path.parent.name for path in root.rglob("p*_2.jpg")} == {"test"}


def formats(folder: Path, numbers: range, suffix: str, shift: int = 0) -> None:
    """Pairs in a format of their own."""
    image_format = {"jpg": "JPEG", "png": "PNG"}[suffix]
    for number in numbers:
        for side, role in enumerate(("before", "after")):
            seed = 2 * number + side + shift
            write(folder / f"p_{number:02d}_{role}.{suffix}", picture(seed, image_format))


@pytest.mark.parametrize("shift", [0, 1000])
def test_pairs_in_two_formats_are_two_pairs_in_one_split(empty: Dataset, shift: int) -> None:
    formats(stage(empty), range(30), "jpg")
    formats(stage(empty), range(20), "png", shift)
    (stage(empty) / "p_03.json").write_text("{}")
    empty.split()
    samples = empty.samples
    assert len(samples) == 50
    assert {tuple(sample.images) for sample in samples} == {("before", "after")}
    assert all(len({r.path.rpartition(".")[2] for of in s.images.values() for r in of}) == 1 for s in samples)
    splits: dict[str, set[str]] = {}
    for sample in samples:
        splits.setdefault(sample.key.partition(".")[0], set()).add(sample.split)
    assert {len(of) for of in splits.values()} == {1}
    assert [s.key for s in samples if s.sidecars] == ["p_03.jpg"]
    assert not [one for one in empty.check() if one.is_error]


def test_another_format_of_known_pairs_comes_beside_them(empty: Dataset) -> None:
    formats(stage(empty), range(30), "jpg")
    empty.split()
    known = {sample.id: sample.split for sample in empty.samples}
    formats(stage(empty), range(10, 11), "png", 1000)
    empty.split()
    assert not [sample.key for sample in empty.samples if sample.held]
    assert {sample.id: sample.split for sample in empty.samples}.items() > known.items()
    assert len({sample.split for sample in empty.samples if sample.key.startswith("p_10")}) == 1
    before = snapshot(empty.root.path)
    empty.rename(prefix="q_")
    assert len(empty.samples) == 31
    empty.undo()
    assert snapshot(empty.root.path) == before


def test_a_pair_whose_halves_have_two_formats_each_way_is_not_guessed(empty: Dataset) -> None:
    formats(stage(empty), range(30), "jpg")
    write(stage(empty) / "p_03_before.png", picture(7, "PNG"))
    held = [sample for sample in empty.samples if sample.held]
    assert [sample.key for sample in held] == ["p_03"]
    assert held[0].held.startswith("ambiguous")


@pytest.mark.parametrize("operation", [3, 4])
def test_originals_that_come_back_past_a_conversion_leave_it_no_way_into_train(empty: Dataset, operation: int) -> None:
    """An undo brings originals back under their old names; what a hand made of their small copies looks like them."""
    for number in range(12):
        for role, image in (("before", photo("coffee")), ("after", photo("chelsea"))):
            cut = np.ascontiguousarray(np.roll(image, 41 * number, (0, 1))[:240, :360])
            buffer = io.BytesIO()
            Image.fromarray(cut).save(buffer, "JPEG", quality=92)
            write(stage(empty) / f"u{number:02d}_{role}.jpg", buffer.getvalue())
    empty.split(ratios="40/30/30")
    held_out = {sample.id for sample in empty.samples if sample.split != "train"}
    empty.unsplit()
    empty.rename(prefix="p_")
    empty.resize(scale="0.5", format="webp")
    for sample in empty.samples:
        for record in sample.files if sample.id in held_out else ():
            path = empty.root.path / record.path
            with Image.open(path) as small:
                small.save(path.with_suffix(".png"))
            path.unlink()
    empty.undo(operation, without_missing=True)
    empty.split()
    copies = [sample for sample in empty.samples if sample.files[0].path.endswith(".png")]
    assert len(copies) == len(held_out)
    assert not [sample.key for sample in copies if sample.split == "train"]


def test_a_sidecar_with_the_key_of_a_pair_in_two_formats_follows(empty: Dataset) -> None:
    formats(stage(empty), range(12), "jpg")
    formats(stage(empty), range(12), "png", 1000)
    (stage(empty) / "p_02.json").write_text("{}")
    empty.split()
    split = next(sample.split for sample in empty.samples if sample.key == "p_02.jpg")
    empty.rename(prefix="p_", start=2, width=2)
    owner = next(sample for sample in empty.samples if sample.sidecars)
    assert [record.path for record in owner.sidecars] == [f"{split}/p_04.json"]
    assert owner.files[0].path == f"{split}/p_04_before.jpg"
