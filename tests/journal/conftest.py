"""A journal of a small root, in each way to rename."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgstage.journal import Journal
from imgstage.journal.system import RenameMethod

from .plans import make_root


@pytest.fixture(params=RenameMethod)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    make_root(tmp_path)
    return Journal(tmp_path, request.param)
