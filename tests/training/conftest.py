"""These tests need torch; `make test-core` goes without."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the extra imgstage[torch] is not installed")
