"""Fixtures: a root with pairs in it, and a command line to call."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from imgstage import Dataset

from .helpers import write_pairs

if TYPE_CHECKING:
    from pathlib import Path


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
