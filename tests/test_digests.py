"""Digests."""

from __future__ import annotations

from pathlib import Path

import pytest
from blake3 import blake3

from imgstage.digests import digest_of


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, 3 << 20])
def test_a_digest_is_that_of_all_bytes(tmp_path: Path, size: int) -> None:
    data = bytes(n % 251 for n in range(size))
    (tmp_path / "x").write_bytes(data)
    assert digest_of(tmp_path / "x") == blake3(data).hexdigest()


def test_a_link_has_no_digest(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    (tmp_path / "link").symlink_to("x")
    with pytest.raises(OSError, match="symbolic"):
        digest_of(tmp_path / "link")
