"""`check`: each kind of fault is found, where it is, and nothing else."""

from __future__ import annotations

import io
import json
import os
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageCms

from imgstage import Dataset
from imgstage.cache import Cache, Content
from imgstage.cli import run
from imgstage.journal.records import Records

from .helpers import as_nobody, dying_at, kit, names, picture, snapshot, stage, where, write, write_pairs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def found(dataset: Dataset, *, depth: int = 0, digests: bool = False) -> set[tuple[str, str, str]]:
    """(severity, code, path) of each finding."""
    return {(one.severity, one.code, one.path) for one in dataset.check(depth=depth, digests=digests)}


def pair(size: tuple[int, int]) -> Callable[[Path], object]:
    """Gives one pair images of (height, width)."""

    def make(root: Path) -> None:
        for number, role in enumerate(("before", "after")):
            write(root / f"github_03_{role}.jpg", picture(700 + number, size=size))

    return make


def encoded(mode: str = "RGB", size: tuple[int, int] = (24, 32), image_format: str = "PNG", **options: object) -> bytes:
    """An image of (height, width) in a mode."""
    noise = np.random.default_rng(len(mode) + size[0]).integers(0, 255, (*size, 4), np.uint8)
    image = Image.fromarray(noise[..., :3]) if mode != "RGBA" else Image.fromarray(noise)
    image = Image.fromarray(noise[..., 0].astype(np.uint16)) if mode == "I;16" else image.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def turned(content: bytes) -> bytes:
    """The same picture with an EXIF orientation that turns it."""
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(io.BytesIO(content)).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_a_sound_set_has_no_findings(pairs: Dataset) -> None:
    assert found(pairs, depth=3) == set()
    pairs.split()
    assert found(pairs, depth=3, digests=True) == set()


FAULTS: dict[str, tuple[Callable[[Path], object], set[tuple[str, str, str]]]] = {
    "broken": (
        lambda root: write(root / "github_03_after.jpg", picture(7)[:-30]),
        {("error", "broken", f"github_03_{role}.jpg") for role in ("before", "after")},
    ),
    "empty": (
        lambda root: write(root / "github_03_after.jpg", b""),
        {("error", "empty", f"github_03_{role}.jpg") for role in ("before", "after")},
    ),
    "orphan": (lambda root: (root / "github_03_after.jpg").unlink(), {("error", "incomplete", "github_03_before.jpg")}),
    "extension": (
        lambda root: write(root / "github_03_after.jpg", encoded()),
        {("warning", "extension", "github_03_after.jpg")},
    ),
    "size": (
        lambda root: write(root / "github_03_after.jpg", picture(7, size=(24, 40))),
        {("error", "size-differs", "github_03_after.jpg")},
    ),
    "orientation": (
        lambda root: write(root / "github_03_after.jpg", picture(7, size=(32, 24))),
        {("error", "orientation-differs", "github_03_after.jpg"), ("warning", "aspect-outlier", "github_03_after.jpg")},
    ),
    "EXIF orientation": (
        lambda root: write(root / "github_03_after.jpg", turned(picture(7))),
        {("error", "orientation-differs", "github_03_after.jpg"), ("warning", "aspect-outlier", "github_03_after.jpg")},
    ),
    "forgotten edit": (
        lambda root: write(root / "github_03_after.jpg", (root / "github_03_before.jpg").read_bytes()),
        {("warning", "identical-halves", "github_03_after.jpg")},
    ),
    "duplicate": (
        lambda root: write(root / "github_03_after.jpg", (root / "github_07_after.jpg").read_bytes()),
        {("warning", "duplicate", "github_07_after.jpg")},
    ),
    "grey": (
        lambda root: write(root / "github_03_after.jpg", encoded("L", image_format="JPEG")),
        {("warning", "mode", "github_03_after.jpg")},
    ),
    "CMYK": (
        lambda root: write(root / "github_03_after.jpg", encoded("CMYK", image_format="JPEG")),
        {("warning", "mode", "github_03_after.jpg")},
    ),
    "profile": (
        lambda root: write(root / "github_03_after.jpg", encoded(image_format="JPEG", icc_profile=srgb())),
        {("warning", "profile", "github_03_after.jpg")},
    ),
    "aspect": (
        lambda root: [
            write(root / f"github_03_{r}.jpg", picture(7 + len(r), size=(24, 64))) for r in ("before", "after")
        ],
        {("warning", "aspect-outlier", f"github_03_{role}.jpg") for role in ("before", "after")},
    ),
    "large": (
        lambda root: [
            write(root / f"github_03_{r}.jpg", picture(7 + len(r), size=(48, 64))) for r in ("before", "after")
        ],
        {("warning", "size-outlier", f"github_03_{role}.jpg") for role in ("before", "after")},
    ),
    "indivisible": (
        lambda root: [
            write(root / f"github_03_{r}.jpg", picture(7 + len(r), size=(23, 32))) for r in ("before", "after")
        ],
        {("warning", "indivisible", f"github_03_{role}.jpg") for role in ("before", "after")},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_and_nothing_else(pairs: Dataset, fault: str) -> None:
    make, expected = FAULTS[fault]
    make(stage(pairs))
    assert found(pairs, depth=3) == {(severity, code, f"stage_data/{name}") for severity, code, name in expected}


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16"])
def test_one_mode_among_others_is_told(empty: Dataset, mode: str) -> None:
    for number in range(12):
        write(stage(empty) / f"{number}.png", encoded(size=(24 + number % 2, 32)))
    write(stage(empty) / "odd.png", encoded(mode))
    assert ("warning", "mode", "stage_data/odd.png") in found(empty)


def test_copies_in_two_splits_and_drift_from_the_ledger_are_errors(pairs: Dataset) -> None:
    pairs.split()
    root = pairs.root.path
    by_split = {sample.split: sample for sample in pairs.samples}
    test, train = (root / by_split[split].images["after"][0].path for split in ("test", "train"))
    write(train, test.read_bytes())
    assert ("warning", "edited", str(train.relative_to(root))) in found(pairs)
    assert {code for severity, code, _ in found(pairs) if severity == "error"} == {"duplicate-across-splits"}
    for record in by_split["val"].files:
        (root / record.path).rename(root / "train" / record.path.partition("/")[2])
    test.unlink()
    codes = {(severity, code) for severity, code, _ in found(pairs)}
    assert {("error", "disagrees"), ("error", "missing")} <= codes


def test_bytes_that_changed_by_themselves_are_found_by_reading_all_again(
    pairs: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing disk changes no time, which a hand cannot help: so the cache is told another digest."""
    path = "stage_data/github_05_before.jpg"
    for record in sorted(stage(pairs).iterdir()):
        os.utime(record)
    real = Cache.get

    def get(cache: Cache, status: os.stat_result, *, is_image: bool) -> Content | None:
        content = real(cache, status, is_image=is_image)
        rotten = status.st_ino == (pairs.root.path / path).stat().st_ino
        return content._replace(digest="0" * 64) if content and rotten else content

    pairs.check()
    time.sleep(2.1)
    pairs.check()  # what is older than two seconds is remembered
    monkeypatch.setattr(Cache, "get", get)
    assert found(pairs) == set()
    assert {one for one in found(pairs, digests=True) if one[1] == "rot"} == {("error", "rot", path)}


def test_the_command_says_what_mends_it_and_how_bad_it_is(pairs: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(pairs.root.path)
    assert run(["-C", root, "check"]) == 0
    assert "0 errors, 0 warnings" in capsys.readouterr().out
    write(stage(pairs) / "github_03_after.jpg", encoded())
    assert run(["-C", root, "check"]) == 0
    assert run(["-C", root, "check", "--strict"]) == 1
    write(stage(pairs) / "github_04_after.jpg", b"no picture")
    capsys.readouterr()
    assert run(["-C", root, "check"]) == 1
    told = capsys.readouterr().out
    assert "error: stage_data/github_04_after.jpg -- broken" in told
    assert f"imgstage -C {root} hold NAME" in told
    assert run(["-C", root, "check", "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert (result["errors"], len(result["findings"])) == (2, 3)


def test_what_has_errors_is_set_aside_with_its_reason_and_comes_back(
    pairs: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    root = pairs.root.path
    write(stage(pairs) / "github_03_after.jpg", picture(7, size=(24, 40)))
    write(stage(pairs) / "github_04_after.jpg", b"no picture")
    write(stage(pairs) / "github_05_after.jpg", encoded())
    before = snapshot(root)
    assert run(["-C", str(root), "check", "--hold", "-n"]) == 0
    assert snapshot(root) == before
    assert run(["-C", str(root), "check", "--hold"]) == 0
    aside = {f"github_{n}_{role}.jpg" for n in ("03", "04") for role in ("before", "after")}
    assert names(root, "held") == aside | {"reasons.csv"}
    assert {place for name, place in where(pairs).items() if name in aside} == {"held"}
    reasons = {note.path: note.reason for note in pairs.status().report.held}
    assert reasons["held/github_03_before.jpg"].startswith("aside: size-differs: the sizes differ")
    capsys.readouterr()
    assert run(["-C", str(root), "check", "--strict"]) == 1, "a wrong extension is left"
    pairs.undo()
    assert snapshot(root) == before


@pytest.mark.parametrize("name", ["pairs/kodak24_seedstyle", "classes/clothing_cc0"])
def test_real_sets_have_no_errors(empty: Dataset, name: str) -> None:
    empty.add(kit(name))
    assert [one for one in empty.check() if one.is_error] == []


def test_a_hundred_findings_do_not_flood(empty: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    write_pairs(stage(empty), range(1, 60))
    for number in range(1, 30):
        write(stage(empty) / f"github_{number:02d}_after.jpg", b"no picture")
    assert run(["-C", str(empty.root.path), "check"]) == 1
    assert len(capsys.readouterr().out.splitlines()) < 12


def test_sizes_that_differ_everywhere_alike_are_the_sets_way(empty: Dataset) -> None:
    """Super-resolution: the one pair that has another scale is the fault."""
    for number in range(14):
        write(stage(empty) / f"{number:02d}_lr.png", picture(number, "PNG", (8, 12)))
        write(stage(empty) / f"{number:02d}_hr.png", picture(100 + number, "PNG", (33, 48) if number else (16, 24)))
    errors = {(code, path) for severity, code, path in found(empty) if severity == "error"}
    assert errors == {("size-differs", "stage_data/00_hr.png")}


def test_what_cannot_go_stays_and_the_rest_goes(empty: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    """A stray and half a pair in a split, whose place is all that tells their split; and a name that is taken."""
    root = empty.root.path
    write_pairs(root / "train", range(1, 20))
    write_pairs(root / "test", range(20, 24))
    write(root / "test/odd.jpg", picture(900))
    (root / "train/github_03_after.jpg").unlink()
    write(root / "train/github_04_after.jpg", b"no picture")
    write(root / "train/github_05_after.jpg", b"no picture either")
    write(root / "held/github_05_before.jpg", picture(901))
    assert run(["-C", str(root), "check", "--hold"]) == 1
    assert "4 errors left" in capsys.readouterr().out
    aside = {"github_04_before.jpg", "github_04_after.jpg", "github_05_before.jpg", "reasons.csv"}
    assert names(root, "held") == aside
    assert (root / "train/github_05_before.jpg").exists(), "its sample stays whole"


def test_of_a_few_pairs_none_is_the_sets_way(empty: Dataset) -> None:
    for number in range(3):
        write(stage(empty) / f"{number}_before.png", picture(number, "PNG", (8, 12)))
        write(stage(empty) / f"{number}_after.png", picture(100 + number, "PNG", (16, 24) if number else (8, 12)))
    assert {path for _, code, path in found(empty) if code == "size-differs"} == {
        f"stage_data/{number}_after.png" for number in (1, 2)
    }


def test_an_operation_that_broke_off_is_all_that_is_found(pairs: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    with dying_at(Records, "write_end"):
        pairs.split()
    assert found(pairs) == {("error", "broken-off", ".imgstage/journal/000001.plan")}
    assert run(["-C", str(pairs.root.path), "check"]) == 1
    assert f"imgstage -C {pairs.root.path} recover" in capsys.readouterr().out


def test_a_lost_table_of_splits_is_found(pairs: Dataset) -> None:
    pairs.split()
    assert found(pairs) == set()
    table = pairs.root.path / "splits.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[: len(lines) // 2]))
    assert ("error", "ledger", "splits.csv") in found(pairs)
    table.unlink()
    assert ("error", "ledger", "splits.csv") in found(pairs)


def test_a_closed_folder_is_found(pairs: Dataset) -> None:
    pairs.split()
    with as_nobody(pairs.root.path):
        (pairs.root.path / "val").chmod(0)
        try:
            seen = found(Dataset(pairs.root.path))
        finally:
            (pairs.root.path / "val").chmod(0o755)
    assert ("error", "closed", "val") in seen


def test_of_copies_in_several_splits_the_held_out_one_stays(empty: Dataset) -> None:
    for place, number in (("train/a", 1), ("train/b", 1), ("test/c", 1), ("val/d", 2), ("train/e", 3)):
        write(empty.root.path / f"{place}.png", picture(number, "PNG"))
    told, plan = empty.plan_check()
    assert {(one.code, one.path, one.sentence) for one in told if one.is_error} == {
        ("duplicate-across-splits", f"train/{name}.png", "it is, or was, the same picture as test/c.png (test)")
        for name in "ab"
    }
    assert {source for source, _ in plan.moves()} == {"train/a.png", "train/b.png"}


def test_equal_images_of_one_sample_are_named_and_no_others(empty: Dataset) -> None:
    templates = ('clean = "{key}/clean"', 'first = "{key}/noisy_1"', 'second = "{key}/noisy_2"')
    (empty.root.path / "imgstage.toml").write_text("\n".join(("[pairing]", *templates)))
    for scene in range(3):
        for number, name in enumerate(("clean", "noisy_1", "noisy_2")):
            seed = 10 * scene + (1 if scene == 0 and number else number)
            write(stage(empty) / f"s{scene}/{name}.png", picture(seed, "PNG"))
    told = [one for one in empty.check() if one.code == "identical-halves"]
    assert [(one.path, one.sentence) for one in told] == [
        (
            "stage_data/s0/noisy_2.png",
            "it has the same bytes as stage_data/s0/noisy_1.png: a forgotten edit",
        )
    ]


def test_a_copy_that_waits_is_no_error(empty: Dataset) -> None:
    for place, number in (("train/a", 1), ("test/b", 2), ("val/c", 3), ("stage_data/copy", 2)):
        write(empty.root.path / f"{place}.png", picture(number, "PNG"))
    assert found(empty) == {("warning", "duplicate", "stage_data/copy.png")}


def test_halves_that_differ_by_a_row_in_some_pairs_are_told(empty: Dataset) -> None:
    for number in range(12):
        write(stage(empty) / f"{number}_before.png", picture(2 * number, "PNG"))
        size = (24, 32) if number < 7 else (23, 32)
        write(stage(empty) / f"{number}_after.png", picture(2 * number + 1, "PNG", size))
    assert sum(code == "size-differs" for _, code, _ in found(empty)) == 5


def test_an_edit_is_no_rot(pairs: Dataset) -> None:
    pairs.split()
    path = next(sample for sample in pairs.samples if sample.split == "train").files[0].path
    edited = pairs.root.path / path
    before = edited.stat()
    pairs.check()
    time.sleep(2.1)
    pairs.check()
    write(edited, picture(999), int(before.st_mtime) + 1)
    assert found(pairs, digests=True) == {("warning", "edited", path)}


def test_a_folder_that_is_a_link_is_told(pairs: Dataset) -> None:
    (pairs.root.path / "test").symlink_to(stage(pairs))
    assert ("error", "closed", "test") in found(pairs)


def test_a_table_that_is_gone_and_knew_no_others_is_a_warning(pairs: Dataset) -> None:
    pairs.split(ratios="train=1")
    table = pairs.root.path / "splits.csv"
    table.write_bytes(table.read_bytes() + b"\n")
    assert {severity for severity, code, _ in found(pairs) if code == "ledger"} == {"warning"}
    table.unlink()
    assert {severity for severity, code, _ in found(pairs) if code == "ledger"} == {"error"}


def test_two_kinds_that_are_both_common_are_one_finding(empty: Dataset) -> None:
    for number in range(23):
        image = Image.fromarray(np.random.default_rng(number).integers(0, 255, (8, 8, 3), np.uint8))
        buffer = io.BytesIO()
        (image.convert("L") if number < 11 else image).save(buffer, "PNG")
        write(stage(empty) / f"{number:02d}.png", buffer.getvalue())
    assert [(one.code, one.path, one.sentence) for one in empty.check()] == [
        ("mode", "stage_data/00.png", "it and 10 more have pixels L, most image images RGB")
    ]


def test_strict_holds_what_has_warnings_and_says_what_it_found(
    pairs: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = (stage(pairs) / "github_01_before.jpg").read_bytes()
    write(stage(pairs) / "github_01_after.jpg", copy)
    assert run(["-C", str(pairs.root.path), "check", "--hold", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["verb"], told["operation"], told["errors_left"]) == ("check", None, 0)
    assert [one["code"] for one in told["findings"]] == ["identical-halves"]
    assert run(["-C", str(pairs.root.path), "check", "--strict", "--hold", "-n"]) == 0
    assert "2 files would go to held/" in capsys.readouterr().out
    assert run(["-C", str(pairs.root.path), "check", "--strict", "--hold"]) == 0
    assert names(pairs.root.path, "held") == {"github_01_before.jpg", "github_01_after.jpg", "reasons.csv"}
