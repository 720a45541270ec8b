"""The digest by which a file's content is known."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from blake3 import blake3

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = 1 << 20


def digest_of(path: str | Path) -> str:
    """blake3 of a file's content, 64 hex digits.

    Raises:
        OSError: it cannot be read, or is a symbolic link.
    """
    hasher = blake3()
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        while block := os.read(descriptor, _BLOCK):
            hasher.update(block)
    finally:
        os.close(descriptor)
    return hasher.hexdigest()
