"""Which samples a split has: by names, by `splits.csv` where nothing moved, in ImageFolder's order."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgstage import Dataset, PairingError, RefusedError, UsageError
from imgstage.training.listing import Listing, list_split

from ..helpers import picture, stage, write, write_pairs


def keys(listing: Listing) -> list[str]:
    return [entry.key for entry in listing.entries]


def test_a_split_lists_whole_pairs_and_counts_the_rest(pairs: Dataset) -> None:
    pairs.split()
    write(pairs.root.path / "train/orphan_before.jpg", picture(999))
    found = list_split(pairs.root.path, "train")
    assert found.roles == ("before", "after")
    assert len(found.entries) == 20
    assert found.left_out == 1
    assert set(keys(found)) == {sample.key for sample in pairs.samples if sample.split == "train" and not sample.held}
    assert all((found.folder / path).is_file() for entry in found.entries for of in entry.images for path in of)
    assert all(
        "_before." in before and "_after." in after for entry in found.entries for (before,), (after,) in [entry.images]
    )


def test_a_manifest_is_read_where_nothing_moved(pairs: Dataset) -> None:
    pairs.split(manifest=True)
    found = list_split(pairs.root.path, "val")
    assert set(keys(found)) == {sample.key for sample in pairs.samples if sample.split == "val"}
    assert all(path.startswith("stage_data/") for entry in found.entries for of in entry.images for path in of)


def test_plain_folders_will_do_and_valid_is_val(tmp_path: Path) -> None:
    write_pairs(tmp_path / "set/valid", range(1, 4))
    assert keys(list_split(tmp_path / "set", "val")) == ["github_01", "github_02", "github_03"]
    assert {path.name for path in (tmp_path / "set").iterdir()} == {"valid"}, "nothing is written"


def test_what_is_hidden_or_no_image_is_not_listed(tmp_path: Path) -> None:
    for name in ("a/1.jpg", "a/.2.jpg", ".b/3.jpg", "a/4.txt", "a/5.JPG"):
        write(tmp_path / "train" / name, picture(1))
    assert keys(list_split(tmp_path, "train")) == ["a/1", "a/5"]


def test_wanted_roles_come_in_the_wanted_order(tmp_path: Path) -> None:
    write_pairs(tmp_path / "train", range(1, 4))
    assert list_split(tmp_path, "train", ("after", "before")).roles == ("after", "before")
    (images,) = {
        entry.images for entry in list_split(tmp_path, "train", ("after",)).entries if entry.key == "github_02"
    }
    assert images == (("train/github_02_after.jpg",),)
    with pytest.raises(UsageError, match="no sample has the roles mask"):
        list_split(tmp_path, "train", ("mask",))


def test_samples_of_several_kinds_need_a_choice(tmp_path: Path) -> None:
    for number in range(6):
        write(tmp_path / f"train/pairs/{number}_before.jpg", picture(number))
        write(tmp_path / f"train/pairs/{number}_after.jpg", picture(50 + number))
        write(tmp_path / f"train/lone/x{number}.jpg", picture(100 + number))
    with pytest.raises(UsageError, match=r"several kinds: 6 with .*; 6 with"):
        list_split(tmp_path, "train")
    assert len(list_split(tmp_path, "train", ("before", "after")).entries) == 6
    assert len(list_split(tmp_path, "train", ("image",)).entries) == 6


def test_a_split_that_is_not_there_says_how_to_make_it(pairs: Dataset) -> None:
    with pytest.raises(RefusedError, match=r"holds no images of the split 'train'.*Make it with: imgstage -C .* split"):
        list_split(pairs.root.path, "train")
    (pairs.root.path / "train").mkdir()
    with pytest.raises(RefusedError, match="holds no images"):
        list_split(pairs.root.path, "train")


def test_a_split_by_another_name_is_told_of_those_there_are(pairs: Dataset) -> None:
    pairs.split()
    with pytest.raises(RefusedError, match=r"'tset'.*Did you mean 'test'\?"):
        list_split(pairs.root.path, "tset")


def test_a_folder_that_is_no_root_is_told_how_to_make_one(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", picture(1))
    with pytest.raises(RefusedError, match="imgstage init data, then imgstage -C data add"):
        list_split(tmp_path, "train")


def test_names_that_can_be_read_in_two_ways_are_refused(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path / f"train/{number}_before.jpg", picture(number))
        write(tmp_path / f"train/{number}_after.jpg", picture(40 + number))
        write(tmp_path / f"train/other{number}.jpg", picture(80 + number))
        write(tmp_path / f"train/another{number}.jpg", picture(120 + number))
    with pytest.raises(PairingError, match=r"imgstage\.toml"):
        list_split(tmp_path, "train")
    (tmp_path / "imgstage.toml").write_text('[pairing]\nbefore = "{key}_before"\nafter = "{key}_after"\n')
    found = list_split(tmp_path, "train")
    assert (len(found.entries), found.left_out) == (4, 8)


def test_only_orphans_are_no_split(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / f"train/{number}_before.jpg", picture(number))
    (tmp_path / "imgstage.toml").write_text('[pairing."."]\nbefore = "{key}_before"\nafter = "{key}_after"\n')
    with pytest.raises(RefusedError, match="no sample is whole"):
        list_split(tmp_path, "train")


def test_several_masks_of_a_sample_are_all_listed(empty: Dataset) -> None:
    for number in range(4):
        write(stage(empty) / f"{number}/images/{number}.png", picture(number, "PNG"))
        for part in range(number + 1):
            write(stage(empty) / f"{number}/masks/{part}.png", picture(60 + 10 * number + part, "PNG"))
    empty.split(ratios="train=1")
    found = list_split(empty.root.path, "train")
    masks = found.roles.index(next(role for role in found.roles if "mask" in role))
    assert sorted(len(entry.images[masks]) for entry in found.entries) == [1, 2, 3, 4]
