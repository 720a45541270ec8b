"""Fixtures: a root with pairs in it, and a command line to call."""

from __future__ import annotations

import re
import signal
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from imgstage import Dataset

from .helpers import write_pairs

if TYPE_CHECKING:
    from pathlib import Path


_NEEDS_TORCH = re.compile(r"^(?:import|from) torch\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out what imports torch where that is not installed, as with `make test-core`."""
    if collection_path.suffix != ".py" or find_spec("torch") is not None:
        return None
    return True if _NEEDS_TORCH.search(collection_path.read_text(encoding="utf-8")) else None


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c() -> None:
    """A job in the background has Ctrl-C ignored; the tests press it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def empty(tmp_path: Path) -> Dataset:
    """A root without images."""
    return Dataset.create(tmp_path / "data")


@pytest.fixture
def pairs(empty: Dataset) -> Dataset:
    """A root with 25 pairs in `stage_data/`."""
    write_pairs(empty.root.path / "stage_data", range(1, 26))
    return empty
