"""Ways on which an edited held-out image once slipped into train: each is a question now, or a held sample."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgstage import Dataset
from imgstage.errors import ChangedError
from imgstage.reasons import Why, why

from ..helpers import as_nobody, picture, write, write_pairs


def lone(dataset: Dataset, suffix: str, numbers: range, seed: int) -> None:
    """Lone images, each with a label beside it."""
    for number in numbers:
        write(dataset.root.path / f"stage_data/img{number:02}.{suffix}", picture(seed + number))
        write(dataset.root.path / f"stage_data/img{number:02}.txt", f"{number}".encode())


def held_out(dataset: Dataset) -> list[str]:
    return [sample.key for sample in dataset.samples if sample.split in ("val", "test")]


def test_a_label_that_stayed_does_not_vouch_for_a_new_image(empty: Dataset) -> None:
    lone(empty, "png", range(20), 0)
    empty.split()
    empty.unsplit()
    for path in (empty.root.path / "stage_data").glob("*.png"):
        path.unlink()
    lone(empty, "jpg", range(20), 100)
    lone(empty, "webp", range(20), 200)  # of one alone, the name says that the image was converted
    with pytest.raises(ChangedError, match=r"Held-out images are missing.*--accept-new"):
        empty.split()


@pytest.mark.parametrize("away", [False, True])
def test_a_set_that_was_converted_keeps_its_splits(empty: Dataset, away: bool) -> None:
    """Also when the images had been given up for gone before they came back."""
    lone(empty, "jpg", range(20), 0)
    empty.split()
    splits = {sample.key: sample.split for sample in empty.samples}
    empty.unsplit()
    for path in (empty.root.path / "stage_data").glob("*.jpg"):
        path.unlink()
    if away:
        for number in range(9):
            write(empty.root.path / f"stage_data/other{number}.jpg", picture(700 + number))
        empty.split(accept_new=True)
    for number in range(20):
        write(empty.root.path / f"stage_data/IMG{number:02}.png", picture(900 + number, "PNG"))
    empty.split()
    found = {sample.key.lower(): sample.split for sample in empty.samples}
    assert {key: found[key] for key in splits} == splits


@pytest.mark.parametrize(
    ("original", "edit"),
    [
        ("{key}_orig.jpg", "{key}.png"),
        ("originals/{key}.jpg", "{key}.png"),
        ("{key}_orig.jpg", "{upper}.jpg"),
        ("{key}_orig.jpg", "edits/{key}.jpg"),
    ],
)
def test_an_edit_in_another_format_beside_its_original_is_asked_about(empty: Dataset, original: str, edit: str) -> None:
    lone(empty, "jpg", range(20), 0)
    empty.split()
    key = held_out(empty)[0]
    empty.unsplit()
    stage = empty.root.path / "stage_data"
    first = stage / original.format(key=key)
    first.parent.mkdir(exist_ok=True)
    (stage / f"{key}.jpg").rename(first)
    write(stage / edit.format(key=key, upper=key.upper()), picture(800))
    with pytest.raises(ChangedError, match=r"has the name of a (val|test) image .*is it an edit"):
        empty.split()


def test_the_question_names_what_is_held_for_the_answer_holds_for_it_too(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    sample = next(sample for sample in pairs.samples if sample.split == "test")
    pairs.hold(sample.key)
    for record in sample.files:
        path = root / "held" / record.path.partition("/")[2]
        path.unlink()
        write(path.with_name(f"retouched_{path.name}"), picture(len(path.name)))
    write_pairs(root / "stage_data", range(40, 43))
    with pytest.raises(ChangedError, match=f"retouched_{sample.key}"):
        pairs.split()


@pytest.mark.parametrize("kind", ["link", "name"])
def test_what_no_copy_could_be_compared_with_is_asked_about(empty: Dataset, kind: str) -> None:
    root = empty.root.path
    for number in range(20):
        write(root / f"stage_data/{number}.jpg", picture(number))
        write(root / f"train/t{number}.jpg", picture(100 + number))
    (root / "test").mkdir()
    if kind == "link":
        (root / "test/a.jpg").symlink_to("../stage_data/3.jpg")
    else:
        (root / "test" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(picture(3))
    with pytest.raises(ChangedError, match=r"may be drawn into train.*--accept-new"):
        empty.split()
    empty.split(accept_new=True)
    assert empty.split() is None, "with nothing new, there is nothing to ask"


def test_a_second_before_of_a_known_pair_is_held(empty: Dataset) -> None:
    write_pairs(empty.root.path / "stage_data", range(1, 21))
    empty.split()
    empty.unsplit()
    stage = empty.root.path / "stage_data"
    train = next(sample for sample in empty.samples if sample.split == "train")
    first = stage / Path(train.images["before"][0].path).name
    first.rename(stage / f"spare_{first.name}")
    write(first, picture(4000))
    (held,) = (sample for sample in empty.samples if sample.id == train.id)
    assert why(held.held) is Why.AMBIGUOUS
    assert len(held.images["before"]) == 2


def test_a_backup_beside_an_edited_held_out_image_is_asked_about(empty: Dataset) -> None:
    lone(empty, "png", range(20), 0)
    empty.split()
    key = held_out(empty)[0]
    empty.unsplit()
    path = empty.root.path / f"stage_data/{key}.png"
    path.rename(path.with_name(f"{key}_orig.png"))
    write(path, picture(777))
    with pytest.raises(ChangedError, match=rf"{key}\.png has the name of a (val|test) image .*is it an edit"):
        empty.split()


def test_all_doubts_are_named_before_one_answer_settles_them(empty: Dataset) -> None:
    lone(empty, "png", range(20), 0)
    empty.split(group=r"^(img\d\d)")
    (empty.root.path / "imgstage.toml").unlink()
    key = held_out(empty)[0]
    next(empty.root.path.glob(f"*/{key}.png")).unlink()
    lone(empty, "png", range(30, 34), 50)
    with pytest.raises(ChangedError, match=r"(?s)no rule says.*Held-out images are missing.*--accept-new"):
        empty.split()


@pytest.mark.parametrize("verb", ["hold", "unsplit", "release"])
def test_no_other_verb_takes_the_question_away(empty: Dataset, verb: str) -> None:
    """What tells that a test image was renamed and edited must still be there when `split` looks."""
    lone(empty, "png", range(20), 0)
    empty.split()
    key = held_out(empty)[0]
    other = next(sample.key for sample in empty.samples if sample.split == "train")
    empty.unsplit()
    if verb == "release":
        empty.hold(other)
    path = empty.root.path / f"stage_data/{key}.png"
    path.rename(path.with_name(f"{key}_orig.png"))
    write(path, picture(777))
    if verb == "unsplit":
        empty.unsplit()
    else:
        getattr(empty, verb)(other)
    with pytest.raises(ChangedError, match=rf"{key}\.png has the name of a (val|test) image .*is it an edit"):
        empty.split()


def test_an_edited_train_image_stays_a_suspect_after_another_verb(empty: Dataset) -> None:
    """An edited test image was saved over a train image's name."""
    lone(empty, "png", range(20), 0)
    empty.split()
    key = held_out(empty)[0]
    train, other = [sample.key for sample in empty.samples if sample.split == "train"][:2]
    empty.unsplit()
    stage = empty.root.path / "stage_data"
    (stage / f"{key}.png").unlink()
    write(stage / f"{train}.png", picture(777))
    empty.hold(other)
    with pytest.raises(ChangedError, match=rf"Held-out images are missing: .*{key}.*{train}"):
        empty.split()


def test_the_original_of_an_edited_test_image_goes_where_the_edit_is(empty: Dataset, tmp_path: Path) -> None:
    """Retouched after the split, and then the untouched ones come once more under other names."""
    lone(empty, "png", range(40), 0)
    empty.split()
    splits = {sample.key: sample.split for sample in empty.samples}
    keys = held_out(empty)
    empty.unsplit()
    for number, key in enumerate(keys):
        path = empty.root.path / f"stage_data/{key}.png"
        write(tmp_path / f"again/copy_{key}.png", path.read_bytes())
        write(path, picture(1000 + number))
    empty.split()
    empty.add(tmp_path / "again")
    empty.split()
    found = {sample.key: sample.split for sample in empty.samples if sample.key.startswith("copy_")}
    assert found == {f"copy_{key}": splits[key] for key in keys}


def test_the_names_that_the_advice_for_mixed_halves_speaks_of_stay_in_the_ledger(empty: Dataset) -> None:
    """`give the files their old names (splits.csv has them)`."""
    write_pairs(empty.root.path / "stage_data", range(1, 26))
    empty.split()
    empty.unsplit()
    stage = empty.root.path / "stage_data"
    one, two = stage / "github_01_before.jpg", stage / "github_02_before.jpg"
    one.rename(stage / "aside")
    two.rename(one)
    (stage / "aside").rename(two)
    rows = {line for line in (empty.root.path / "splits.csv").read_text().splitlines() if "_before" in line}
    empty.split()
    after = set((empty.root.path / "splits.csv").read_text().splitlines())
    assert {row for row in rows if "github_01" in row or "github_02" in row} <= after


@pytest.mark.parametrize("verb", ["hold", "unsplit"])
def test_an_unknown_image_put_into_train_by_hand_gets_no_row_by_the_way(empty: Dataset, verb: str) -> None:
    """A test image was moved to train, renamed and edited."""
    lone(empty, "png", range(20), 0)
    empty.split()
    key = next(sample.key for sample in empty.samples if sample.split == "test")
    other = next(sample.key for sample in empty.samples if sample.split == "train")
    (empty.root.path / f"test/{key}.png").unlink()
    write(empty.root.path / "train/q.png", picture(777))
    with pytest.raises(ChangedError, match=rf"{key}.*unknown samples have appeared: q"):
        empty.split()
    if verb == "unsplit":
        with pytest.raises(ChangedError, match=rf"{key}.*unknown samples have appeared: q.*split --accept-new"):
            empty.unsplit()
    else:
        empty.hold(other)
    with pytest.raises(ChangedError, match=rf"{key}.*unknown samples have appeared: q"):
        empty.split()
    empty.split(accept_new=True)
    empty.unsplit()


def test_renumbering_and_editing_all_at_once_is_asked_about(empty: Dataset) -> None:
    """Every name has moved on by one, and every byte is new: the names alone would carry test images into train."""
    for number in range(20):
        write(empty.root.path / f"stage_data/img{number:02}.png", picture(number))
    empty.split()
    first = empty.root.path / "stage_data/img00.png"
    assert next(sample.split for sample in empty.samples if sample.key == "img00") == "train", "no test image is gone"
    empty.unsplit()
    for number in reversed(range(20)):
        (empty.root.path / f"stage_data/img{number:02}.png").unlink()
        write(empty.root.path / f"stage_data/img{number + 1:02}.png", picture(1000 + number))
    assert not first.exists()
    with pytest.raises(ChangedError, match=r"img00\.png.*img20"):
        empty.split()


def test_a_retouched_image_whose_original_is_held_does_not_come_in_as_new(empty: Dataset, tmp_path: Path) -> None:
    """Hold what is too dark, brighten it, add it: the split of the original must not be forgotten."""
    lone(empty, "png", range(40), 0)
    empty.split()
    keys = held_out(empty)
    empty.hold(*keys)
    for number, key in enumerate(keys):
        write(tmp_path / f"bright/{key}.png", picture(7000 + number))
    assert len(empty.plan_add(tmp_path / "bright").report.held) == len(keys)
    for number, key in enumerate(keys):  # and by hand
        write(empty.root.path / f"stage_data/{key}.png", picture(7000 + number))
    empty.split()
    assert not {key for key in keys if (empty.root.path / f"train/{key}.png").exists()}


def test_copies_of_any_state_of_an_edited_image_follow_it(empty: Dataset) -> None:
    root = empty.root.path
    lone(empty, "png", range(40), 0)
    empty.split()
    key = held_out(empty)[0]
    path = next(root / sample.files[0].path for sample in empty.samples if sample.key == key)
    states = [path.read_bytes(), picture(8001), picture(8002)]
    write(path, states[1])
    empty.split()  # the second state is what the ledger knows now
    write(path, states[2])
    for number in range(6):
        write(root / f"stage_data/copy{number}.png", states[number % 3])
    empty.split()
    assert {sample.split for sample in empty.samples if sample.key.startswith("copy")} == {path.parent.name}


def test_the_first_bytes_of_a_missing_image_tie_too(empty: Dataset) -> None:
    root = empty.root.path
    lone(empty, "png", range(40), 0)
    empty.split()
    was = {sample.key: root / sample.files[0].path for sample in empty.samples if sample.split in ("val", "test")}
    first = {key: path.read_bytes() for key, path in was.items()}
    for number, path in enumerate(was.values()):
        write(path, picture(8001 + number))
    empty.split()
    for key, path in was.items():
        path.unlink()
        for number in range(2):  # two, so that neither is taken for the missing one
            write(root / f"stage_data/{key}_copy{number}.png", first[key])
    empty.split(accept_new=True)
    copies = {sample.key: sample.split for sample in empty.samples if "copy" in sample.key}
    assert copies == {f"{key}_copy{number}": path.parent.name for key, path in was.items() for number in range(2)}


@pytest.mark.parametrize("verb", ["hold", "unsplit"])
def test_an_unknown_image_in_train_gets_no_row_by_going_elsewhere(empty: Dataset, verb: str) -> None:
    root = empty.root.path
    lone(empty, "png", range(40), 0)
    empty.split()
    path = next(root / sample.files[0].path for sample in empty.samples if sample.split == "test")
    path.unlink()
    write(root / "train/odd.png", picture(9000))
    with pytest.raises(ChangedError, match="Held-out images are missing"):
        empty.hold("train/odd.png") if verb == "hold" else empty.unsplit()


def test_an_ambiguous_sample_in_train_gets_no_row_by_unsplit(pairs: Dataset) -> None:
    root = pairs.root.path
    pairs.split()
    for record in next(sample for sample in pairs.samples if sample.split == "test").files:
        (root / record.path).unlink()
    for name in ("x_before.jpg", "x_before.png", "x_after.jpg"):
        write(root / "train" / name, picture(len(name) + ord(name[-1]), "PNG" if name.endswith("png") else "JPEG"))
    with pytest.raises(ChangedError, match="Held-out images are missing"):
        pairs.unsplit()


def test_renumbering_downwards_while_all_are_edited_is_asked_about(empty: Dataset) -> None:
    """No name is new then: each image has that of another."""
    root = empty.root.path
    for number in range(20):
        write(root / f"stage_data/{number:02}.png", picture(number))
    empty.split()
    gone = next(sample.key for sample in empty.samples if sample.split == "train")
    empty.unsplit()
    (root / f"stage_data/{gone}.png").unlink()
    for number in range(int(gone) + 1, 20):
        (root / f"stage_data/{number:02}.png").rename(root / f"stage_data/{number - 1:02}.png")
    for number, path in enumerate(sorted((root / "stage_data").iterdir())):
        write(path, picture(500 + number))
    with pytest.raises(ChangedError, match=r"if files were renumbered.*--accept-new"):
        empty.split()


def test_an_image_that_became_a_text_file_stops_nobody(empty: Dataset) -> None:
    root = empty.root.path
    lone(empty, "png", range(20), 0)
    empty.split()
    path = next(root / sample.files[0].path for sample in empty.samples if sample.split == "train")
    write(path, picture(8001))
    empty.split()
    path.with_suffix(".txt").unlink()
    path.rename(path.with_suffix(".txt"))
    empty.split()
    assert len(empty.samples) == 19


@pytest.mark.parametrize("known", [True, False])
def test_names_that_differ_in_the_suffix_alone_share_a_split(empty: Dataset, known: bool) -> None:
    """The same pictures in another format: imgstage computes one key for both, and must not part them."""
    lone(empty, "jpg", range(20), 0)
    if known:
        empty.split()
    for number in range(20):
        write(empty.root.path / f"stage_data/img{number:02}.png", picture(100 + number, "PNG"))
    empty.split()
    split_of = {sample.files[0].path.rpartition("/")[2]: sample.split for sample in empty.samples}
    assert all(split_of[f"img{number:02}.jpg"] == split_of[f"img{number:02}.png"] for number in range(20))
    assert set(split_of.values()) == {"train", "val", "test"}


@pytest.mark.parametrize("role", ["before", "after"])
def test_an_edited_train_pair_may_be_a_test_pair_whichever_half_was_edited(pairs: Dataset, role: str) -> None:
    pairs.split()
    root = pairs.root.path
    by_split = {sample.split: sample for sample in pairs.samples}
    for record in by_split["test"].files:
        (root / record.path).unlink()
    write(root / by_split["train"].images[role][0].path, picture(4242))
    with pytest.raises(ChangedError, match=f"unknown samples have appeared: .*{by_split['train'].key}"):
        pairs.split()


def test_one_unknown_image_makes_its_sample_unknown(pairs: Dataset) -> None:
    """A retouched half of a test pair may have joined a train pair whose own half was taken away."""
    pairs.split()
    root = pairs.root.path
    by_split = {sample.split: sample for sample in pairs.samples}
    for record in by_split["test"].files:
        (root / record.path).unlink()
    table = root / "splits.csv"
    half = by_split["train"].images["after"][0].path
    table.write_text("".join(line for line in table.read_text().splitlines(keepends=True) if f",{half}," not in line))
    with pytest.raises(ChangedError):
        pairs.split()


@pytest.mark.parametrize("way", ["over it", "under its name", "converted", "manifest"])
def test_a_copy_that_takes_a_train_images_name_is_asked_about(empty: Dataset, way: str) -> None:
    for number in range(20):
        write(empty.root.path / f"stage_data/{number:02d}.jpg", picture(number))
    empty.split()
    root = empty.root.path
    train, test = (next(iter(sorted((root / split).glob("*.jpg")))) for split in ("train", "test"))
    data = test.read_bytes()
    if way == "over it":
        empty.unsplit()
        write(root / "stage_data" / train.name, data)
    else:
        train.unlink()
        suffix = "jpeg" if way == "converted" else "jpg"
        write(root / f"stage_data/{train.stem}.{suffix}", data)
    with pytest.raises(ChangedError, match="of train hold the bytes of held-out images"):
        empty.split(manifest=way == "manifest")


@pytest.mark.parametrize("what", ["a copy", "an edit"])
def test_what_lies_in_held_under_a_train_images_name_comes_back_only_when_it_is_certain(
    pairs: Dataset, what: str
) -> None:
    pairs.split()
    root = pairs.root.path
    by_split = {sample.split: sample for sample in pairs.samples}
    pairs.hold(by_split["train"].key)
    held = root / "held" / Path(by_split["train"].files[0].path).name
    if what == "a copy":
        write(held, (root / by_split["test"].files[0].path).read_bytes())
    else:
        write(held, picture(8100))
        for record in by_split["test"].files:
            (root / record.path).unlink()
    with pytest.raises(ChangedError):
        pairs.release(everything=True)
    assert held.exists()


def test_a_group_of_which_all_images_are_gone_is_not_forgotten(empty: Dataset) -> None:
    root = empty.root.path
    write(root / "imgstage.toml", b"seed = 0\n")
    for number in range(12):
        write(root / f"stage_data/p{number}_a.jpg", picture(number))
    empty.split(group=r"^(p\d+)_")
    gone = next((root / "test").glob("*.jpg"))
    gone.unlink()
    for number in range(6):
        write(root / f"stage_data/{gone.name.partition('_')[0]}_new{number}.jpg", picture(100 + number))
    for path in root.rglob("p*_a.jpg"):
        path.unlink()
    with pytest.raises(ChangedError, match="Earlier samples have groups"):
        empty.split()


@pytest.mark.parametrize("what", ["copy", "group"])
def test_an_image_without_a_row_that_cannot_be_read_is_asked_about_or_ties(empty: Dataset, what: str) -> None:
    root = empty.root.path
    for number in range(10):
        write(root / f"train/t{number}_1.jpg", picture(number))
    shut = write(root / "test/p1_1.jpg", picture(50))
    write(root / "test/p2_1.jpg", picture(51))
    for number in range(6):
        write(root / f"stage_data/{'p1' if what == 'group' else 'c'}_{number + 5}.jpg", picture(60 + number))
    shut.chmod(0)
    with as_nobody(root):
        with pytest.raises(ChangedError, match="cannot be read, so copies of them may be drawn into train"):
            empty.split(ratios="train=0.7,test=0.3", group=r"^(\w+?)_")
        empty.split(ratios="train=0.7,test=0.3", group=r"^(\w+?)_", accept_new=True)
    shut.chmod(0o644)
    if what == "group":
        assert len(list((root / "test").glob("p1_*"))) == 7


def test_a_group_reaches_an_image_of_no_sample(empty: Dataset) -> None:
    root = empty.root.path
    for number in range(12):
        write_pairs(root / "train", range(number, number + 1), f"p{90 + number}")
    write_pairs(root / "test", range(1), "p70")
    write(root / "test/p1_a.jpg", picture(7000))
    for number in range(20, 26):
        write_pairs(root / "stage_data", range(number, number + 1), "p1")
    empty.split(ratios="train=0.9,test=0.1", group=r"^(p\d+)_")
    assert {path.parent.name for path in root.rglob("p1_*")} == {"test"}


def test_a_set_that_a_hand_split_is_not_drawn_anew_from_stage_data(empty: Dataset) -> None:
    for number in range(24):
        folder = ("train", "val", "test")[number % 3]
        write(empty.root.path / f"stage_data/ds/{folder}/{number}.png", picture(number, "PNG"))
    with pytest.raises(ChangedError, match="stage_data/ds holds a set that is split already"):
        empty.split()
    empty.split(accept_new=True)
    assert all(sample.split for sample in empty.samples)
