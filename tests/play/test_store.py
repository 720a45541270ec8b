"""Results beside those that lie there already: nothing is made twice, and nothing goes without being asked."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from imgstage import RefusedError, UsageError
from imgstage.errors import BrokenOffError, LockedError
from imgstage.images import encode_png, png_comment
from imgstage.journal.results import open_results
from imgstage.play import Tiling, play

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


@pytest.mark.parametrize("mine", [b"mine", encoded(Image.fromarray(PHOTO)), None])
def test_what_play_did_not_write_stays_though_results_may_go(root: Path, tmp_path: Path, mine: bytes | None) -> None:
    own = root / "play_data/output/a_after.png"
    own.parent.mkdir()
    if mine is None:
        own.symlink_to(tmp_path / "nowhere")
    else:
        own.write_bytes(mine)
    played = play(root, network(Engine(invert)), overwrite=True)
    assert accounted(played) == (2, 1, 2, 1)
    assert any(
        "a_after.png is there, and imgstage play did not write it so; move it" in of.reason for of in played.report.held
    )
    assert own.is_symlink() if mine is None else own.read_bytes() == mine


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_result_that_was_retouched_is_no_result_any_more(root: Path, overwrite: bool) -> None:
    """Programs keep the comment that tells what it was made of."""
    play(root, network(Engine(invert)))
    own = root / "play_data/output/a_after.png"
    with Image.open(own) as image:
        comment = image.info["Comment"]
        retouched = encode_png(np.asarray(image) // 2, comment=comment)
    own.write_bytes(retouched)
    played = play(root, network(Engine(invert)), overwrite=overwrite)
    assert accounted(played) == (2, int(overwrite), 2, 1)
    assert [of.path for of in played.report.held if "did not write it so" in of.reason] == ["play_data/a_before.png"]
    assert played.score is None
    assert own.read_bytes() == retouched


def test_sheets_that_a_hand_changed_or_put_there_meanwhile_stay(root: Path) -> None:
    play(root, network(Engine(invert)), sheet=True)
    play(root, network(Engine(invert)), sheet=True)
    folder = root / "play_data/output"
    for name in ("index.html", "contact-sheet.png"):
        data = (folder / name).read_bytes()
        if name == "index.html":
            changed = data.replace(b"<h1>", b"<p>my notes</p><h1>")
        else:
            with Image.open(folder / name) as image:
                changed = encode_png(255 - np.asarray(image), comment=image.info["Comment"])
        (folder / name).write_bytes(changed)
        with pytest.raises(RefusedError, match=f"{name} is there, and not as --sheet wrote it"):
            play(root, network(Engine(invert)), sheet=True)
        assert (folder / name).read_bytes() == changed
        (folder / name).unlink()

    def somebody_comes(images: Numbers) -> Numbers:
        (folder / "index.html").write_bytes(b"mine")
        return 1 - images

    asked = network(Engine(somebody_comes, name="another"))
    (folder / "index.html").unlink()
    with pytest.raises(BrokenOffError, match=r"index.html came to be there meanwhile.*Move it away"):
        play(root, asked, sheet=True, overwrite=True)
    assert (folder / "index.html").read_bytes() == b"mine"


def test_what_comes_to_be_there_meanwhile_stays_too(root: Path) -> None:
    own = root / "play_data/output/a_after.png"

    def somebody_comes(images: Numbers) -> Numbers:
        if images.shape[1:3] == PHOTO.shape[:2] and not own.exists():
            own.write_bytes(b"mine")
        return 1 - images

    asked = network(Engine(somebody_comes))
    assert accounted(play(root, asked, overwrite=True)) == (2, 1, 2, 1)
    assert own.read_bytes() == b"mine"


def test_results_are_not_played_themselves(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a picture of the user's own, put there, might be its own result."""
    play(root, network(Engine(invert)))
    there = outputs(root)
    monkeypatch.chdir(root)
    (root / "link").symlink_to(root / "play_data/output")
    for name in ("play_data/output/a_after.png", str(root / "play_data/output/deep/er/b c 😀_after.png"), "link/x.png"):
        with pytest.raises(UsageError, match="among the results"):
            play(root, network(Engine(blur(3), name="another")), files=[name], suffix="", overwrite=True)
    assert outputs(root) == there


def test_a_folder_that_is_a_link_gets_no_results(root: Path) -> None:
    (root / "train").mkdir()
    (root / "train/a.png").write_bytes(picture(1, "PNG"))
    (root / "play_data").rename(root / "elsewhere")
    (root / "play_data").symlink_to(root / "train")
    ways: list[dict[str, Any]] = [{}, {"files": [root / "elsewhere/a_before.png"]}, {"split": "train", "sheet": True}]
    for way in ways:
        with pytest.raises(RefusedError, match="play_data is a link"):
            play(root, network(Engine(invert)), **way)
    assert os.listdir(root / "train") == ["a.png"]


def test_ctrl_c_does_not_wait_for_all_tiles_of_a_picture(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", {"a.png": encoded(Image.fromarray(photo("astronaut")[:320, :320]))})
    tiles = 0

    def ask(images: Numbers) -> Numbers:
        nonlocal tiles
        if images.shape[1:3] == (64, 64):
            tiles += 1
            if tiles == 1:
                os.kill(os.getpid(), signal.SIGINT)
        return 1 - images

    with pytest.raises(BrokenOffError, match="interrupted after 0 of 1"):
        play(root, network(Engine(ask), Tiling((64, 64), 0)))
    assert tiles == 1
    assert outputs(root) == {}


def test_each_result_says_what_it_was_made_of(root: Path) -> None:
    play(root, network(Engine(invert)))
    first = png_comment(outputs(root)["a_after.png"])
    assert first.startswith("imgstage play ")
    play(root, network(Engine(invert)), overwrite=True)
    assert png_comment(outputs(root)["a_after.png"]) == first
    play(root, network(Engine(invert), range=(0.0, 255.0)), overwrite=True)
    assert png_comment(outputs(root)["a_after.png"]) != first
    assert png_comment(encode_png(PHOTO)) == ""


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


def test_a_link_in_the_folder_of_results_holds_that_picture_alone(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / "play_data/output").mkdir()
    (root / "play_data/output/deep").symlink_to(tmp_path / "elsewhere")
    played = play(root, network(Engine(invert)))
    assert any("leads out" in note.reason for note in played.report.held)
    assert set(outputs(root)) == {"a_after.png"}
    assert not list((tmp_path / "elsewhere").iterdir())


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


def test_a_table_of_somebody_else_is_never_written_over(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", colours("red"))
    (root / "play_data/output").mkdir()
    for text in ("name;class\n", "", "\xff"):
        (root / "play_data/output/classes.csv").write_text(text, encoding="latin-1")
        with pytest.raises(RefusedError, match="no table of classes"):
            play(root, network(Engine(classifier)), overwrite=True)


# --- splits ---


def test_two_at_once_do_not_write_to_one_folder(root: Path) -> None:
    with open_results(root / "play_data/output"), pytest.raises(LockedError, match="at work"):
        play(root, network(Engine(invert)))
    assert outputs(root) == {}
