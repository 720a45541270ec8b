"""From pictures to results: all are accounted for, each is written whole or not at all, and a second run goes on."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from imgstage import Dataset, RefusedError, UsageError
from imgstage.errors import BrokenOffError, LockedError
from imgstage.images import encode_png, png_comment
from imgstage.journal.results import open_results
from imgstage.play import Played, Tiling, play
from imgstage.play.scores import score

from ..helpers import photo, picture
from .doubles import Engine, Numbers, blur, invert, make_root, network
from .test_pixels import encoded

PHOTO = photo("astronaut")[:90, :120]


def pixels(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image)


def outputs(root: Path) -> dict[str, bytes]:
    folder = root / "play_data/output"
    return {
        of.relative_to(folder).as_posix(): of.read_bytes()
        for of in sorted(folder.rglob("*"))
        if of.is_file() and of.name != ".imgstage-lock"
    }


def accounted(played: Played) -> tuple[int, int, int, int]:
    of = played.report
    assert of.found == of.done + len(of.held) + len(of.ignored)
    return of.done, of.changed, len(of.held), len(of.ignored)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    pictures = {
        "a_before.png": encoded(Image.fromarray(PHOTO)),
        "a_after.png": encoded(Image.fromarray(255 - PHOTO)),
        "deep/er/b c 😀.jpg": picture(1),
        "broken.png": encoded(Image.fromarray(PHOTO))[:500],
        "notes.txt": b"x",
    }
    return make_root(tmp_path / "root", pictures)


def test_results_lie_under_their_names_and_every_file_is_accounted_for(root: Path) -> None:
    before = {of: of.read_bytes() for of in (root / "play_data").rglob("*") if of.is_file()}
    played = play(root, network(Engine(invert)))
    assert set(outputs(root)) == {"a_after.png", "deep/er/b c 😀_after.png"}
    assert np.array_equal(pixels(root / "play_data/output/a_after.png"), 255 - PHOTO)
    assert accounted(played) == (3, 2, 1, 1)
    assert played.report.held[0].path == "play_data/broken.png"
    assert played.report.held[0].reason.startswith("broken: ")
    assert {of: of.read_bytes() for of in before} == before


def test_scores_are_of_the_pixels_and_beside_those_of_what_went_in(root: Path) -> None:
    played = play(root, network(Engine(blur(3))))
    made = pixels(root / "play_data/output/a_after.png")
    assert played.score == score(made, 255 - PHOTO)
    assert played.baseline == score(PHOTO, 255 - PHOTO)
    body = json.loads(json.dumps(played.as_json()))
    one = next(of for of in body["pictures"] if of["path"] == "play_data/a_before.png")
    assert (one["result"], one["new"], one["psnr_db"]) == ("a_after.png", True, played.score.psnr)
    assert body["scores"] == {
        "compared": 1,
        **played.score.as_json(),
        "baseline": played.baseline.as_json(),
    }
    assert (body["found"], body["changed"], body["size_multiple"]) == (5, 2, 1)


def test_a_true_picture_of_another_size_is_told(tmp_path: Path) -> None:
    pictures = {"a_before.png": encoded(Image.fromarray(PHOTO)), "a_after.png": encoded(Image.fromarray(PHOTO[:50]))}
    played = play(make_root(tmp_path / "root", pictures), network(Engine(invert)))
    assert played.score is None
    assert played.outcomes[0].why_unscored == (
        "the true picture is 50x120 (height x width), and the result 90x120 (height x width)"
    )


def test_a_second_run_goes_on_and_makes_nothing_twice(root: Path) -> None:
    first = play(root, network(Engine(invert)))
    there = outputs(root)
    (root / "play_data/new.png").write_bytes(picture(2, "PNG"))
    engine = Engine(invert)
    asked = network(engine)
    engine.shapes.clear()
    second = play(root, asked)
    assert engine.shapes == [(1, 24, 32, 3)]
    assert accounted(second) == (4, 1, 1, 1)
    assert second.score == first.score, "what was there is scored as well"
    assert there.items() < outputs(root).items()


def test_results_of_another_model_or_picture_stay_unless_they_may_go(root: Path) -> None:
    play(root, network(Engine(invert)))
    there = outputs(root)
    other = play(root, network(Engine(blur(3), name="another")))
    assert accounted(other) == (0 + 1, 0, 3, 1)
    assert outputs(root) == there
    replaced = play(root, network(Engine(blur(3), name="another")), overwrite=True)
    assert accounted(replaced) == (3, 2, 1, 1)
    assert outputs(root).keys() == there.keys()
    assert all(outputs(root)[name] != data for name, data in there.items())
    (root / "play_data/a_before.png").write_bytes(picture(5, "PNG"))
    changed = play(root, network(Engine(blur(3), name="another")))
    assert [note.path for note in changed.report.held if note.reason.startswith("earlier")] == [
        "play_data/a_before.png"
    ]


def test_what_somebody_else_put_there_is_never_overwritten_without_being_asked(root: Path) -> None:
    own = root / "play_data/output/a_after.png"
    own.parent.mkdir()
    own.write_bytes(b"mine")
    assert accounted(play(root, network(Engine(invert)))) == (2, 1, 2, 1)
    assert own.read_bytes() == b"mine"


def test_one_picture_that_the_network_refuses_is_held_and_the_rest_goes_on(root: Path) -> None:
    def choosy(images: Numbers) -> Numbers:
        if images.shape[2] == 32:
            message = "not this one"
            raise RuntimeError(message)
        return images

    played = play(root, network(Engine(choosy)))
    assert [note.reason for note in played.report.held if "😀" in note.path] == [
        "unfit: the network refuses it (RuntimeError: not this one)"
    ]
    assert set(outputs(root)) == {"a_after.png"}


@pytest.mark.parametrize("batch", [1, 2, 3, 8])
def test_pictures_of_one_size_go_in_together(tmp_path: Path, batch: int) -> None:
    root = make_root(tmp_path / "root", {f"{number}.png": picture(number, "PNG") for number in range(7)})
    engine = Engine(invert)
    asked = network(engine, batch=batch)
    engine.shapes.clear()
    played = play(root, asked)
    assert [shape[0] for shape in engine.shapes] == [batch] * (7 // batch) + [7 % batch] * (7 % batch > 0)
    assert [of.path for of in played.outcomes] == [f"play_data/{number}.png" for number in range(7)]
    for number in range(7):
        given = pixels(root / f"play_data/{number}.png")
        assert np.array_equal(pixels(root / f"play_data/output/{number}_after.png"), 255 - given)


def test_one_that_is_refused_does_not_take_others_of_its_batch_with_it(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", {f"{number}.png": picture(number, "PNG") for number in range(4)})
    Image.new("RGB", (32, 24), "white").save(root / "play_data/2.png")

    def choosy(images: Numbers) -> Numbers:
        if images.min() == 1:
            message = "nothing to see"
            raise RuntimeError(message)
        if any(of.min() == 1 for of in images):
            message = "one of them is white"
            raise RuntimeError(message)
        return images

    played = play(root, network(Engine(choosy), batch=4))
    assert [note.path for note in played.report.held] == ["play_data/2.png"]
    assert set(outputs(root)) == {"0_after.png", "1_after.png", "3_after.png"}


def test_depth_opacity_and_profile_are_kept(tmp_path: Path) -> None:
    deep = (photo("camera")[:60, :50].astype(np.uint16) << 8) + 3
    clear = np.dstack([PHOTO, photo("camera")[:90, :120]])
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pictures = {
        "deep.png": encoded(Image.fromarray(deep)),
        "clear.png": encoded(Image.fromarray(clear), icc_profile=profile),
        "grey.jpg": encoded(Image.fromarray(photo("camera")[:60, :50]), "JPEG"),
        "grey clear.png": encoded(Image.fromarray(clear[..., 2:], "LA")),
    }
    root = make_root(tmp_path / "root", pictures)
    play(root, network(Engine(invert)))
    made = root / "play_data/output"
    assert np.array_equal(pixels(made / "deep_after.png"), 65535 - deep)
    assert np.array_equal(pixels(made / "clear_after.png"), np.dstack([255 - clear[..., :3], clear[..., 3]]))
    with Image.open(made / "clear_after.png") as image:
        assert image.info["icc_profile"] == profile
    assert pixels(made / "grey_after.png").shape == (60, 50)
    assert np.array_equal(pixels(made / "grey clear_after.png")[..., 0], 255 - clear[..., 2])
    assert np.array_equal(pixels(made / "grey clear_after.png")[..., 1], clear[..., 3])


def test_a_dry_run_writes_nothing_and_asks_for_no_picture(root: Path) -> None:
    before = sorted(root.rglob("*"))
    engine = Engine(invert)
    asked = network(engine)
    engine.shapes.clear()
    played = play(root, asked, sheet=True, dry_run=True)
    assert (sorted(root.rglob("*")), engine.shapes) == (before, [])
    assert accounted(played) == (4, 3, 0, 1)
    assert [of.result for of in played.outcomes] == ["a_after.png", "broken_after.png", "deep/er/b c 😀_after.png"]


# --- masks and classes ---


def test_masks_are_palettes_and_compared_by_class(tmp_path: Path) -> None:
    truth = (PHOTO[..., 0] > 100).astype(np.uint8)
    pictures = {
        "1.png": encoded(Image.fromarray(PHOTO)),
        "1_mask.png": encoded(Image.fromarray(truth * 255)),
        "2.png": encoded(Image.fromarray(PHOTO[::-1])),
        "2_mask.png": encoded(Image.fromarray(np.zeros_like(truth))),
    }
    root = make_root(tmp_path / "root", pictures)
    engine = Engine(lambda images: np.concatenate([0.0 * images[..., :1], images[..., :1] - 100.5 / 255], axis=3))
    played = play(root, network(engine), sheet=True)
    assert np.array_equal(pixels(root / "play_data/output/1_mask.png"), truth)
    with Image.open(root / "play_data/output/1_mask.png") as image:
        assert image.mode == "P"
        colours = image.getpalette("RGB")
        assert colours is not None
        assert colours[:3] == [0, 0, 0] != colours[3:6]
    by_path = {of.path: of for of in played.outcomes}
    first, second = (by_path[f"play_data/{number}.png"].confusion for number in (1, 2))
    assert first is not None
    assert second is not None
    assert first.mean_iou == 1
    assert second.mean_iou == pytest.approx((truth == 0).mean() / 2)
    assert played.worst[0].path == "play_data/2.png"
    assert accounted(play(root, network(engine))) == (4, 0, 0, 0), "those are found again"


def test_of_one_channel_what_is_above_zero_is_the_mask(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", {"1.png": encoded(Image.fromarray(PHOTO))})
    engine = Engine(lambda images: images[..., 1:2] - 102.5 / 255)
    play(root, network(engine, task="segmentation"))
    assert np.array_equal(pixels(root / "play_data/output/1_mask.png"), PHOTO[..., 1] > 102)


def classifier(images: Numbers) -> Numbers:
    made: Numbers = 20 * images.mean(axis=(1, 2))
    return made


def colours(names: str) -> dict[str, bytes]:
    return {f"{name}.png": encoded(Image.new("RGB", (8, 8), name.rstrip("1234"))) for name in names.split()}


def test_classes_go_into_one_table(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", colours("red blue"))
    played = play(root, network(Engine(classifier), classes=("r", "g", "b")))
    table = (root / "play_data/output/classes.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(table.splitlines()))
    assert [(row["path"], row["class"]) for row in rows] == [("play_data/blue.png", "b"), ("play_data/red.png", "r")]
    assert float(rows[0]["probability"]) == float(rows[0]["b"]) == pytest.approx(1, abs=1e-6)
    assert sum(float(rows[0][name]) for name in "rgb") == pytest.approx(1, abs=1e-5)
    assert accounted(played) == (2, 2, 0, 0)
    engine = Engine(classifier)
    (root / "play_data/lime.png").write_bytes(colours("lime")["lime.png"])
    again = network(engine, classes=("r", "g", "b"))
    engine.shapes.clear()
    assert accounted(play(root, again)) == (3, 1, 0, 0)
    assert len(engine.shapes) == 1
    with pytest.raises(RefusedError, match="tells other classes apart"):
        play(root, network(Engine(classifier), classes=("x", "g", "b")))
    assert accounted(play(root, network(Engine(classifier, name="2"), classes=("r", "g", "b")))) == (0, 0, 3, 0)
    assert accounted(play(root, network(Engine(classifier), classes=("x", "g", "b")), overwrite=True)) == (3, 3, 0, 0)


def test_a_table_of_somebody_else_is_never_written_over(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", colours("red"))
    (root / "play_data/output").mkdir()
    for text in ("name;class\n", "", "\xff"):
        (root / "play_data/output/classes.csv").write_text(text, encoding="latin-1")
        with pytest.raises(RefusedError, match="no table of classes"):
            play(root, network(Engine(classifier)), overwrite=True)


# --- splits ---


def test_a_split_of_pairs_is_scored_without_being_touched(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    root = Dataset.create(tmp_path / "root").root.path
    (root / "test/cat").mkdir(parents=True)
    for number in range(12):
        shown = photo("astronaut")[number * 9 :, :][:90, :120]
        (root / f"test/cat/{number}_before.png").write_bytes(encoded(Image.fromarray(shown)))
        wrong = np.clip(shown.astype(int) + number, 0, 255).astype(np.uint8)
        (root / f"test/cat/{number}_after.png").write_bytes(encoded(Image.fromarray(wrong)))
    (root / "test/cat/13_before.png").write_bytes(picture(1, "PNG"))
    before = {of: of.read_bytes() for of in sorted(root.rglob("*")) if of.is_file()}
    played = play(root, network(Engine(lambda images: images)), split="test")
    assert {of: of.read_bytes() for of in sorted(root.rglob("*")) if of.is_file()} == before
    assert [of.path for of in played.worst] == [f"test/cat/{number}_before.png" for number in range(11, 1, -1)]
    assert played.score == played.baseline
    assert accounted(played) == (24, 0, 1, 0)
    shown_too = play(root, network(Engine(lambda images: images)), split="test", sheet=True)
    assert shown_too.written == ("test-contact-sheet.png", "test.html")
    assert (root / "play_data/output/test.html").read_text().count("<section>") == 10
    with pytest.raises(UsageError, match="roles before, after"):
        play(root, network(Engine(lambda images: images), task="segmentation"), split="test")


def test_class_folders_of_a_split_are_what_is_true(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    root = make_root(tmp_path / "root")
    for split in ("train", "test"):
        for name, data in colours("red lime blue red1 blue1").items():
            place = root / split / {"r": "1 red", "l": "2 lime", "b": "3 blue"}[name[0]]
            place.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(data)
    (root / "test/1 red/wrong.png").write_bytes(colours("blue")["blue.png"])
    played = play(root, network(Engine(classifier)), split="test")
    assert played.confusion is not None
    assert played.confusion.counts.tolist() == [[2, 0, 1], [0, 1, 0], [0, 0, 2]]
    assert played.worst[0].path == "test/1 red/wrong.png"
    assert played.as_json()["scores"]["accuracy"] == 5 / 6


# --- what goes wrong ---


def test_who_is_interrupted_keeps_what_is_done_and_goes_on(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", {f"{number}.png": picture(number, "PNG") for number in range(20)})
    asked = 0

    def slow(images: Numbers) -> Numbers:
        nonlocal asked
        asked += images.shape[1:3] == (24, 32)
        if asked == 6 and images.shape[1:3] == (24, 32):
            os.kill(os.getpid(), signal.SIGINT)
        return 1 - images

    with pytest.raises(BrokenOffError, match="interrupted after 6 of 20 pictures, whose results stay"):
        play(root, network(Engine(slow)))
    assert len(outputs(root)) == 6
    assert accounted(play(root, network(Engine(slow)))) == (20, 14, 0, 0)


def test_a_disk_that_is_full_is_told_with_what_is_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (root / "play_data/output").mkdir()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BrokenOffError, match=r"No space left on device.*what was written stays.*Make room"):
        play(root, network(Engine(invert)))
    monkeypatch.undo()
    assert outputs(root) == {}
    assert accounted(play(root, network(Engine(invert)))) == (3, 2, 1, 1)


def test_two_at_once_do_not_write_to_one_folder(root: Path) -> None:
    with open_results(root / "play_data/output"), pytest.raises(LockedError, match="at work"):
        play(root, network(Engine(invert)))
    assert outputs(root) == {}


def test_wishes_that_make_no_sense_are_refused(root: Path) -> None:
    with pytest.raises(UsageError, match="cannot end the name of a file"):
        play(root, network(Engine(invert)), suffix="/x")
    with pytest.raises(UsageError, match="no files can be named beside it"):
        play(root, network(Engine(invert)), split="test", files=["a.png"])
    with pytest.raises(UsageError, match="nothing to be seen"):
        play(root, network(Engine(classifier)), sheet=True)
    with pytest.raises(UsageError, match="names 2 classes, and double tells 3 apart"):
        play(root, network(Engine(classifier), classes=("a", "b")))
    (root / "play_data/output").mkdir()
    (root / "play_data/output/index.html").write_text("my own")
    with pytest.raises(RefusedError, match="not what --sheet wrote"):
        play(root, network(Engine(invert)), sheet=True)
    assert (root / "play_data/output/index.html").read_text() == "my own"


def test_each_result_says_what_it_was_made_of(root: Path) -> None:
    play(root, network(Engine(invert)))
    first = png_comment(outputs(root)["a_after.png"])
    assert first.startswith("imgstage play ")
    play(root, network(Engine(invert)), overwrite=True)
    assert png_comment(outputs(root)["a_after.png"]) == first
    play(root, network(Engine(invert), range=(0.0, 255.0)), overwrite=True)
    assert png_comment(outputs(root)["a_after.png"]) != first
    assert png_comment(encode_png(PHOTO)) == ""


def test_pictures_cut_into_columns_alone_count_as_tiled(tmp_path: Path) -> None:
    wide = np.tile(photo("astronaut")[:100], (1, 3, 1))
    root = make_root(tmp_path / "root", {"wide.png": encoded(Image.fromarray(wide))})
    engine = Engine(lambda images: images - images.mean(axis=(1, 2), keepdims=True))
    played = play(root, network(engine, Tiling((512, 512))))
    assert (played.tiled, played.tiles_agree) == (1, False)


def test_answers_that_are_probabilities_are_taken_as_such(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", {"1.png": encoded(Image.fromarray(PHOTO))})
    engine = Engine(lambda images: images[..., 1:2])
    play(root, network(engine, task="segmentation", outputs="probabilities"))
    assert np.array_equal(pixels(root / "play_data/output/1_mask.png"), PHOTO[..., 1] > 127)
    low = network(Engine(lambda images: 0 * images.mean(axis=(1, 2))[:, :1] + 0.02), outputs="probabilities")
    names, shares = zip(*play(root, low).outcomes[0].classes, strict=True)
    assert names == ("0", "1")
    assert shares == pytest.approx((0.98, 0.02))


def test_of_two_classes_what_nobody_knows_is_not_counted(tmp_path: Path) -> None:
    truth = np.zeros((90, 120), np.uint8)
    truth[:30], truth[60:] = 1, 255
    unsigned = encoded(Image.fromarray(truth.astype(np.int32) - np.int32(256) * (truth == 255)), "TIFF")
    pictures = {"1.png": encoded(Image.fromarray(PHOTO)), "1_mask.png": encoded(Image.fromarray(truth))}
    pictures |= {"2.png": encoded(Image.fromarray(PHOTO)), "2_mask.tif": unsigned}
    engine = Engine(lambda images: 0 * images[..., :1] + 1)
    played = play(make_root(tmp_path / "root", pictures), network(engine, task="segmentation"))
    assert [of.confusion.accuracy for of in played.outcomes if of.confusion] == [0.5, 0.5]


def test_a_link_in_the_folder_of_results_holds_that_picture_alone(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / "play_data/output").mkdir()
    (root / "play_data/output/deep").symlink_to(tmp_path / "elsewhere")
    played = play(root, network(Engine(invert)))
    assert any("leads out" in note.reason for note in played.report.held)
    assert set(outputs(root)) == {"a_after.png"}
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_result_that_cannot_be_encoded_holds_its_picture_alone(root: Path) -> None:
    classes = 300
    engine = Engine(lambda images: np.repeat(images[..., :1], classes, axis=3))
    played = play(root, network(engine))
    assert {note.reason.partition(":")[0] for note in played.report.held} == {"unfit", "broken"}
    assert outputs(root) == {}


def test_a_picture_never_has_the_name_of_a_sheet(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", {"contact-sheet.png": picture(1, "PNG"), "b.png": picture(2, "PNG")})
    played = play(root, network(Engine(invert)), suffix="", sheet=True)
    assert [note.path for note in played.report.held] == ["play_data/contact-sheet.png"]
    assert set(outputs(root)) == {"b.png", "contact-sheet.png", "index.html"}


def test_a_full_disk_leaves_the_table_as_far_as_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_root(tmp_path / "root", colours("red blue"))
    fine = network(Engine(classifier))

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("imgstage.play.tasks.Classes.rank", fail)
    with pytest.raises(BrokenOffError, match="what was written stays"):
        play(root, fine)
    monkeypatch.undo()
    assert len((root / "play_data/output/classes.csv").read_text().splitlines()) == 3


def test_dry_runs_tell_what_would_be_kept(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", colours("red blue"))
    played = play(root, network(Engine(classifier)), dry_run=True)
    assert {of.result for of in played.outcomes} == {"classes.csv"}
    play(root, network(Engine(invert)))
    assert play(root, network(Engine(invert)), dry_run=True).report.changed == 0
    assert play(root, network(Engine(invert)), dry_run=True, overwrite=True).report.changed == 2


def test_a_large_profile_does_not_hide_what_a_result_was_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    noise = np.random.default_rng(0).integers(0, 256, 3_000_000, np.uint8).tobytes()
    large = (len(profile) + len(noise)).to_bytes(4, "big") + profile[4:] + noise
    monkeypatch.setattr("PIL.PngImagePlugin.MAX_TEXT_CHUNK", 1 << 24)  # profiles too are text chunks to Pillow
    root = make_root(tmp_path / "root", {"a.png": encoded(Image.fromarray(PHOTO), icc_profile=large)})
    assert accounted(play(root, network(Engine(invert)))) == (1, 1, 0, 0)
    assert accounted(play(root, network(Engine(invert)))) == (1, 0, 0, 0)


def test_files_of_a_pair_are_one_picture_and_its_true_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "play_data")
    played = play(root, network(Engine(invert)), files=["a_after.png", "a_before.png"])
    assert [of.path for of in played.outcomes] == ["a_before.png"]
    assert played.score is not None


def test_one_result_that_cannot_have_its_name_does_not_stop_the_others(tmp_path: Path) -> None:
    long = "x" * 249 + ".png"
    pictures = {long: picture(1, "PNG"), "sub/a.png": picture(2, "PNG"), "z.png": picture(3, "PNG")}
    root = make_root(tmp_path / "root", pictures)
    (root / "play_data/output").mkdir()
    (root / "play_data/output/sub").write_bytes(b"a file")
    played = play(root, network(Engine(invert)))
    assert sorted(note.path.rpartition("/")[2] for note in played.report.held) == ["a.png", long]
    assert all("its result cannot be called" in note.reason for note in played.report.held)
    assert set(outputs(root)) == {"sub", "z_after.png"}


def test_a_page_shows_the_first_and_says_how_many_others_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgstage.play.preview.MOST", 3)
    root = make_root(tmp_path / "root", {f"{number}.png": picture(number, "PNG") for number in range(9)})
    play(root, network(Engine(invert)), sheet=True)
    text = (root / "play_data/output/index.html").read_text()
    assert [f"play_data/{number}.png" in text for number in range(9)] == [True] * 3 + [False] * 6
    assert "6 others are not shown" in text
