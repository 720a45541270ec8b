"""What a network's answer comes to: pictures, masks, classes, each beside what is true."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from imgstage import BrokenOffError, RefusedError, UsageError
from imgstage.play import play

from ..helpers import photo
from .doubles import PHOTO, Engine, Numbers, accounted, classifier, colours, encoded, invert, make_root, network, pixels


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


def test_pictures_to_be_classified_need_no_names_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a table are told apart by paths."""
    red, blue = (colours(name)[f"{name}.png"] for name in ("red", "blue"))
    names = ("a.png", "A.png", "a.bmp", "x_before.png", "x_after.png", "contact-sheet.png")
    root = make_root(tmp_path / "root", dict.fromkeys(names, red) | {"sub/a.png": blue})
    assert play(root, network(Engine(classifier)), dry_run=True).report.changed == 7
    assert accounted(play(root, network(Engine(classifier)))) == (7, 7, 0, 0)
    assert play(root, network(Engine(classifier)), dry_run=True).report.changed == 0
    (root / "play_data/b.png").write_bytes(blue)
    assert play(root, network(Engine(classifier)), dry_run=True).report.changed == 1
    assert play(root, network(Engine(classifier)), dry_run=True, overwrite=True).report.changed == 8
    monkeypatch.chdir(root / "play_data")
    played = play(root, network(Engine(classifier)), files=["a.png", "sub/a.png", "x_before.png", "x_after.png"])
    assert accounted(played) == (4, 4, 0, 0)
    with pytest.raises(UsageError, match=r"--suffix is for results that are files.*Leave it out"):
        play(root, network(Engine(classifier)), suffix="_class")


def test_a_class_that_the_model_does_not_know_is_not_scored_and_told(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    root = make_root(tmp_path / "root")
    for name in ("red", "dog"):
        (root / "test" / name).mkdir(parents=True)
        (root / f"test/{name}/{name}.png").write_bytes(colours("red")["red.png"])
    played = play(root, network(Engine(classifier), classes=("red", "lime", "blue")), split="test")
    assert [of.why_unscored for of in played.outcomes] == ["the model has no class 'dog'", ""]
    assert played.confusion is not None
    assert played.confusion.counts.sum() == 1


def test_rows_are_written_while_others_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is killed loses the last few alone."""
    root = make_root(tmp_path / "root", colours("red1 red2 red3 red4 red11 red12 red13 red14"))
    table = root / "play_data/output/classes.csv"
    written = []

    def ask(images: Numbers) -> Numbers:
        written.append(table.exists())
        return classifier(images)

    asked = network(Engine(ask))
    monkeypatch.setattr("imgstage.play.store._FLUSH_S", 0.0)
    monkeypatch.setattr("imgstage.play.run.default_threads", lambda: 1)
    play(root, asked)
    assert written[-1]


@pytest.mark.parametrize(
    "hand",
    [
        lambda table: table + b"# my notes\n",
        lambda table: table.replace(b"png,red,", b"png,blue,"),
        lambda table: table.replace(b"\n", b",remark\n"),
        lambda table: table.rstrip(b"\n").rpartition(b",")[0] + b"\n",
        lambda table: table[:-1] + b",remark\n",
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_table_that_a_hand_changed_stays(tmp_path: Path, hand: Callable[[bytes], bytes], overwrite: bool) -> None:
    root = make_root(tmp_path / "root", colours("red blue"))
    names = ("red", "lime", "blue")
    play(root, network(Engine(classifier), classes=names))
    table = root / "play_data/output/classes.csv"
    changed = hand(table.read_bytes())
    assert changed != table.read_bytes()
    table.write_bytes(changed)
    (root / "play_data/lime.png").write_bytes(colours("lime")["lime.png"])
    for engine in (Engine(classifier), Engine(classifier, name="another")):
        with pytest.raises(RefusedError, match="no table of classes as imgstage wrote it"):
            play(root, network(engine, classes=names), overwrite=overwrite)
    assert table.read_bytes() == changed


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_table_that_comes_to_be_there_meanwhile_stays(tmp_path: Path, overwrite: bool) -> None:
    root = make_root(tmp_path / "root", colours("red blue"))
    table = root / "play_data/output/classes.csv"

    def somebody_comes(images: Numbers) -> Numbers:
        if table.parent.is_dir():
            table.write_bytes(b"mine")
        return classifier(images)

    with pytest.raises(
        BrokenOffError, match=r"classes.csv cannot be written \(it was changed meanwhile, and stays so\)"
    ):
        play(root, network(Engine(somebody_comes)), overwrite=overwrite)
    assert table.read_bytes() == b"mine"


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


def test_whether_255_is_unknown_is_told_by_all_masks_together(tmp_path: Path) -> None:
    """A mask of a picture without the object has no 1."""
    some, none = np.zeros((90, 120), np.uint8), np.zeros((90, 120), np.uint8)
    some[40:] = 1
    some[:10] = none[:10] = 255
    made = {1: (some == 1), 2: (none == 1)}

    def perfect(images: Numbers) -> Numbers:
        which = 1 if images.max() > 0.9 else 2
        return (
            made[which][None, ..., None].astype(np.float32) - 0.5 if images.shape[1:3] == (90, 120) else images[..., :1]
        )

    pictures = {f"{n}.png": encoded(Image.new("RGB", (120, 90), level)) for n, level in ((1, "white"), (2, "black"))}
    masks = {f"{n}_mask.png": encoded(Image.fromarray(of)) for n, of in ((1, some), (2, none))}
    root = make_root(tmp_path / "root", pictures | masks)
    played = play(root, network(Engine(perfect), task="segmentation"))
    assert [of.confusion.accuracy for of in played.outcomes if of.confusion] == [1, 1]
    assert played.confusion is not None
    assert played.confusion.mean_iou == 1
    (root / "play_data/1_mask.png").write_bytes(encoded(Image.fromarray(some // some.max() * 255)))
    alone = play(root, network(Engine(perfect), task="segmentation"))
    assert alone.confusion is not None
    assert alone.confusion.accuracy != 1, "without a 1 anywhere, 255 is the object"


def test_pictures_alone_are_nothing_to_score_a_network_of_pictures_by(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    root = make_root(tmp_path / "root")
    (root / "test/cat").mkdir(parents=True)
    (root / "test/cat/red.png").write_bytes(colours("red")["red.png"])
    for asked in (network(Engine(invert)), network(Engine(lambda images: images[..., :1]), task="segmentation")):
        with pytest.raises(UsageError, match="single pictures, with nothing beside them"):
            play(root, asked, split="test")
