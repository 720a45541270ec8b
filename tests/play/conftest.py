"""A root to play; `make test-core` goes without torch, which some need though they do not import it themselves."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from ..helpers import picture
from .doubles import PHOTO, encoded, make_root

collect_ignore_glob = [] if find_spec("torch") else ["test_killed.py"]


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
