"""Which pictures are played, and what they are compared with, by their names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgstage import RefusedError, UsageError
from imgstage.play.sources import Gathered, of_files, of_folder
from imgstage.root import Root

from ..helpers import kit
from .doubles import make_root


def folder_of(path: Path, names: str, *, suffix: str = "_after", masks: bool = False) -> Gathered:
    root = make_root(path, dict.fromkeys(names.split(), b"x"))
    return of_folder(Root(root), suffix, masks=masks)


def read(of: Gathered) -> dict[str, tuple[str, str]]:
    """Of each picture, its result's name, and its true one's."""
    return {job.path.partition("/")[2]: (job.name, job.truth.name if job.truth else "") for job in of.jobs}


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("x.jpg", {"x.jpg": ("x_after", "")}),
        ("x_before.jpg", {"x_before.jpg": ("x_after", "")}),
        ("x_after.jpg", {"x_after.jpg": ("x_after", "")}),
        ("x_before.jpg x_after.png", {"x_before.jpg": ("x_after", "x_after.png")}),
        ("x_BEFORE.jpg x_After.jpg", {"x_BEFORE.jpg": ("x_after", "x_After.jpg")}),
        ("x.jpg x_after.jpg", {"x.jpg": ("x_after", "x_after.jpg")}),
        ("cat/x_before.jpg x_after.jpg", {"cat/x_before.jpg": ("cat/x_after", ""), "x_after.jpg": ("x_after", "")}),
        ("noisy/1.jpg clean/1.jpg", {"noisy/1.jpg": ("1_after", "1.jpg")}),
        ("1_noisy.png 1_clean.png own.jpg", {"1_noisy.png": ("1_after", "1_clean.png"), "own.jpg": ("own_after", "")}),
    ],
)
def test_names_are_read_as_people_write_them(tmp_path: Path, names: str, found: dict[str, tuple[str, str]]) -> None:
    gathered = folder_of(tmp_path / "root", names)
    assert read(gathered) == found
    assert not gathered.held + gathered.ignored
    assert len(gathered.jobs) + gathered.truths == len(names.split())


def test_the_suffix_stands_there_once(tmp_path: Path) -> None:
    gathered = folder_of(tmp_path / "root", "x_clean.png y_before.png", suffix="_clean")
    assert read(gathered) == {"x_clean.png": ("x_clean", ""), "y_before.png": ("y_clean", "")}


def test_templates_of_the_root_count_here_as_well(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", {f"{n}{end}.png": b"" for n in "abc" for end in (".in", ".zz")})
    (root / "imgstage.toml").write_text('[pairing]\nbefore = "{key}.in"\nafter = "{key}.zz"\n')
    found = of_folder(Root(root), "_after", masks=False)
    assert read(found) == {f"{n}.in.png": (f"{n}_after", f"{n}.zz.png") for n in "abc"}


def test_masks_are_true_ones_for_masks_alone(tmp_path: Path) -> None:
    names = "1.jpg 2.jpg 1_mask.png 2_mask.png"
    masks = folder_of(tmp_path / "a", names, suffix="_mask", masks=True)
    assert read(masks) == {"1.jpg": ("1_mask", "1_mask.png"), "2.jpg": ("2_mask", "2_mask.png")}
    pictures = folder_of(tmp_path / "b", names)
    assert read(pictures) == {"1.jpg": ("1_after", ""), "2.jpg": ("2_after", "")}
    assert [note.path for note in pictures.ignored] == ["play_data/1_mask.png", "play_data/2_mask.png"]


def test_two_that_would_have_one_result_are_held_and_all_others_played(tmp_path: Path) -> None:
    gathered = folder_of(tmp_path / "root", "X.jpg x.png y.jpg z_before.png z_before.jpg z_after.png")
    assert set(read(gathered)) == {"y.jpg"}
    assert {note.path for note in gathered.held} >= {"play_data/X.jpg", "play_data/x.png", "play_data/z_before.jpg"}
    assert len(gathered.jobs) + gathered.truths + len(gathered.held) + len(gathered.ignored) == 6


def test_every_other_file_has_its_reason_and_results_are_none_of_them(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", dict.fromkeys(("a.jpg", "a.txt", "b.heic", ".hidden.jpg", "c.docx"), b""))
    (root / "play_data/output/deep").mkdir(parents=True)
    (root / "play_data/output/deep/a_after.png").write_bytes(b"")
    (root / "play_data/link.jpg").symlink_to("a.jpg")
    os.mkfifo(root / "play_data/pipe.jpg")
    (root / "play_data" / os.fsdecode(b"bad\xff.jpg")).write_bytes(b"")
    gathered = of_folder(Root(root), "_after", masks=False)
    assert set(read(gathered)) == {"a.jpg"}
    kinds = {note.path.rpartition("/")[2]: note.reason.partition(":")[0] for note in gathered.held + gathered.ignored}
    assert kinds == {
        "a.txt": "other",
        "b.heic": "format",
        ".hidden.jpg": "hidden",
        "c.docx": "other",
        "link.jpg": "link",
        "pipe.jpg": "special",
        os.fsdecode(b"bad\xff.jpg"): "name",
    }


def test_real_pairs_are_read_whatever_they_are_called(tmp_path: Path) -> None:
    files = sorted(of.name for of in kit("pairs/polyu_crops").iterdir() if of.suffix == ".JPG")
    gathered = folder_of(tmp_path / "root", " ".join([*files, "own.jpg"]))
    assert gathered.truths * 2 == len(files)
    assert all(job.truth for job in gathered.jobs if job.path != "play_data/own.jpg")
    assert "{key}_real" in gathered.pairing
    assert "guess" in gathered.pairing


def test_without_a_folder_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"play_data is no folder.*name files"):
        of_folder(Root(make_root(tmp_path / "root")), "_after", masks=False)
    (tmp_path / "root/play_data").mkdir()
    (tmp_path / "root/play_data/notes.txt").write_text("none")
    with pytest.raises(RefusedError, match=r"no pictures in .*play_data"):
        of_folder(Root(tmp_path / "root"), "_after", masks=False)


def test_files_are_played_from_where_they_lie(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for name in ("x/a b 😀_before.jpg", "x/a b 😀_after.png", "c.jpg"):
        (tmp_path / name).write_bytes(b"")
    gathered = of_files(["x/a b 😀_before.jpg", "c.jpg", "c.jpg"], tmp_path, "_after", masks=False)
    assert [(job.path, job.name, job.truth) for job in gathered.jobs] == [
        ("x/a b 😀_before.jpg", "a b 😀_after", tmp_path / "x/a b 😀_after.png"),
        ("c.jpg", "c_after", None),
    ]
    assert gathered.truths == 1


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["no.jpg"], "There is no file no.jpg"),
        (["folder"], "folder is a folder"),
        (["text.txt"], "no picture that imgstage reads"),
        (["a.jpg", "folder/a.png"], "a.jpg and folder/a.png would have one result"),
    ],
)
def test_files_that_make_no_sense_are_refused_before_the_first(tmp_path: Path, files: list[str], told: str) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("a.jpg", "folder/a.png", "text.txt"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UsageError, match=told):
        of_files(files, tmp_path, "_after", masks=False)
