"""From pictures to results: all are accounted for, and one that cannot be played stops no other."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgstage import Dataset, RefusedError, UsageError
from imgstage.play import Tiling, play
from imgstage.play.scores import score
from imgstage.play.store import Files

from ..helpers import photo, picture
from .doubles import (
    PHOTO,
    Engine,
    Numbers,
    accounted,
    blur,
    classifier,
    colours,
    encoded,
    invert,
    make_root,
    network,
    outputs,
    pixels,
)


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
        "identical": 0,
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


@pytest.mark.parametrize("multiple", [1, 20])
@pytest.mark.parametrize("batch", [1, 2, 3, 8])
def test_pictures_of_one_size_go_in_together(tmp_path: Path, batch: int, multiple: int) -> None:
    root = make_root(tmp_path / "root", {f"{number}.png": picture(number, "PNG") for number in range(7)})
    engine = Engine(invert, multiple=multiple)  # they have 24x32 pixels
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
    with pytest.raises(RefusedError, match="not as --sheet wrote it"):
        play(root, network(Engine(invert)), sheet=True)
    assert (root / "play_data/output/index.html").read_text() == "my own"


def test_pictures_cut_into_columns_alone_count_as_tiled(tmp_path: Path) -> None:
    wide = np.tile(photo("astronaut")[:100], (1, 3, 1))
    root = make_root(tmp_path / "root", {"wide.png": encoded(Image.fromarray(wide))})
    engine = Engine(lambda images: images - images.mean(axis=(1, 2), keepdims=True))
    played = play(root, network(engine, Tiling((512, 512))))
    assert (played.tiled, played.tiles_agree) == (1, False)


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


def test_dry_runs_tell_what_would_be_kept(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", colours("red blue"))
    played = play(root, network(Engine(classifier)), dry_run=True)
    assert {of.result for of in played.outcomes} == {"classes.csv"}
    play(root, network(Engine(invert)))
    assert play(root, network(Engine(invert)), dry_run=True).report.changed == 0
    assert play(root, network(Engine(invert)), dry_run=True, overwrite=True).report.changed == 2
    (root / "play_data/output/red_after.png").write_bytes(picture(1, "PNG"))
    assert play(root, network(Engine(invert)), dry_run=True, overwrite=True).report.changed == 1, "one is no result"


def test_a_sheet_of_a_split_shows_the_worst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr("imgstage.play.api._WORST", 2)
    root = make_root(tmp_path / "root")
    (root / "test").mkdir()
    for number, off in enumerate((9, 60, 3, 90, 30)):
        for role, level in (("before", 100), ("after", 100 + off)):
            Image.new("RGB", (16, 16), (level,) * 3).save(root / f"test/{number}_{role}.png")
    played = play(root, network(Engine(lambda images: images)), split="test", sheet=True)
    text = (root / "play_data/output/test.html").read_text()
    assert [f"test/{number}_before.png" in text for number in range(5)] == [False, True, False, True, False]
    assert [of.path for of in played.worst] == ["test/3_before.png", "test/1_before.png"]


def test_no_more_results_wait_than_there_are_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may be large."""
    root = make_root(tmp_path / "root", {f"{number:02}.png": picture(number, "PNG") for number in range(20)})
    asked, most = 0, 0

    def ask(images: Numbers) -> Numbers:
        nonlocal asked, most
        if images.shape[1:3] == (24, 32):
            asked += 1
            most = max(most, asked - len(list((root / "play_data/output").glob("*.png"))))
        return 1 - images

    keep = Files.keep

    def keep_slowly(*what: Any) -> None:
        time.sleep(0.03)
        keep(*what)

    monkeypatch.setattr(Files, "keep", keep_slowly)
    monkeypatch.setattr("imgstage.play.run.default_threads", lambda: 2)
    play(root, network(Engine(ask)))
    assert asked == 20
    assert most <= 4


def test_files_of_a_pair_are_one_picture_and_its_true_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "play_data")
    played = play(root, network(Engine(invert)), files=["a_after.png", "a_before.png"])
    assert [of.path for of in played.outcomes] == ["a_before.png"]
    assert played.score is not None


def test_a_page_shows_the_first_and_says_how_many_others_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgstage.play.preview.MOST", 3)
    root = make_root(tmp_path / "root", {f"{number}.png": picture(number, "PNG") for number in range(9)})
    play(root, network(Engine(invert)), sheet=True)
    text = (root / "play_data/output/index.html").read_text()
    assert [f"play_data/{number}.png" in text for number in range(9)] == [True] * 3 + [False] * 6
    assert "6 others are not shown" in text
