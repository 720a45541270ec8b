"""A root with photographs."""

from __future__ import annotations

import pytest

from imgstage import Dataset

from ..helpers import stage
from .photos import write_photos


@pytest.fixture
def photos(empty: Dataset) -> Dataset:
    """A root with twelve pairs of 120 x 80 pixels in `stage_data/`."""
    write_photos(stage(empty), 12)
    return empty
