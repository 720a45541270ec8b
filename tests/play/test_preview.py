"""Contact sheets and pages: what they show is what came out; the slider works in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgstage.images import decode
from imgstage.play import play
from imgstage.play.preview import MARK, contact_sheet, page, small
from imgstage.play.tasks import Outcome

from ..helpers import REQUIRE_FAULTS, photo
from .doubles import Engine, encoded, invert, make_root, network

PHOTO = photo("astronaut")


def outcome(path: str = "a<b>.png", *, after: bool = True) -> Outcome:
    shown = {"before": small(PHOTO), "output": small(255 - PHOTO), **({"after": small(PHOTO[::-1])} if after else {})}
    return Outcome(path, "a_after.png", shown=shown)


def test_small_pictures_keep_their_shape_and_are_no_larger_than_800_pixels() -> None:
    wide = np.tile(PHOTO, (1, 3, 1))
    assert decode(small(wide)).pixels.shape == (267, 800, 3)
    assert decode(small(PHOTO[:30, :40])).pixels.shape == (30, 40, 3)
    assert decode(small(photo("camera").astype(np.uint16) << 8)).pixels.shape == (512, 512)
    mask = np.zeros((10, 10), np.uint8)
    mask[5:] = 255
    assert len(np.unique(decode(small(mask, is_mask=True)).pixels.reshape(-1, 3)[::99], axis=0)) > 1


def test_a_contact_sheet_shows_before_output_and_after_side_by_side() -> None:
    with Image.open(__import__("io").BytesIO(contact_sheet([outcome(), outcome("b", after=False)]))) as image:
        assert image.info["Comment"].startswith(MARK)
        sheet = np.asarray(image.convert("RGB"), np.int64)
    middles = [sheet[120, 160 + 326 * column] for column in range(3)]
    wanted = [of[256, 256] for of in (PHOTO, 255 - PHOTO, PHOTO[::-1])]
    for seen, true in zip(middles, wanted, strict=True):
        assert np.abs(seen - true).max() < 60
    assert (sheet[300 + 120, 160 + 326 * 2] == 255).all(), "no true one is known there"


def test_a_page_needs_nothing_beside_it_and_cannot_be_broken_by_names() -> None:
    text = page("<play>", [outcome(), outcome("b", after=False)], 3).decode()
    assert "&lt;play&gt;" in text
    assert "a&lt;b&gt;.png" in text
    assert "3 others are not shown" in text
    assert not re.search(r"(src|href)='(?!data:)", text)
    assert text.count("<button") == 2


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        if REQUIRE_FAULTS:
            pytest.fail("chromium is missing")
        pytest.skip("chromium is not on this machine")
    return found


def rendered(path: Path, tmp_path: Path) -> str:
    """What a browser makes of a page, after its scripts."""
    quiet = "--disable-background-networking --disable-component-update --disable-sync --no-first-run --disable-gpu"
    command = [chromium(), "--headless", "--no-sandbox", "--disable-quic", *quiet.split(), "--virtual-time-budget=3000"]
    where = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run(
        [*command, where, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


def test_in_a_browser_the_slider_moves_and_the_button_shows_the_true_one(tmp_path: Path) -> None:
    pictures = {
        "a_before.png": encoded(Image.fromarray(PHOTO[:60, :80])),
        "a_after.png": encoded(Image.fromarray(PHOTO[60:120, :80])),
    }
    root = make_root(tmp_path / "root", pictures)
    played = play(root, network(Engine(invert)), sheet=True)
    assert played.written == ("contact-sheet.png", "index.html")
    written = root / "play_data/output/index.html"
    hand = (
        "<script>const range=document.querySelector('input'),over=document.querySelector('.over');"
        "const before=over.src;range.value=20;range.dispatchEvent(new Event('input'));"
        "document.querySelectorAll('button')[1].click();"
        "const clip=getComputedStyle(over).clipPath;"
        "document.title=[clip,over.src!==before,over.naturalWidth>0,document.images.length].join(' | ')</script>"
    )
    touched = tmp_path / "touched.html"
    touched.write_text(written.read_text() + hand)
    title = re.search("<title>(.*?)</title>", rendered(touched, tmp_path))
    assert title is not None
    clip, is_other, _, count = title[1].split(" | ")
    assert clip == "inset(0px 0px 0px 20%)"
    assert (is_other, count) == ("true", "2")
