"""Files that the user asks a verb for, such as a plot: where the user wants them, over nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..root import show
from .common import complain

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..dataset import Dataset

_HEAD = 1000  # bytes by which a file is recognised


def png_with(mark: str) -> bytes:
    """How a PNG with a comment begins, as a regular expression."""
    return b"\x89PNG.{0,200}" + re.escape(mark.encode())


def write_file(
    name: str,
    option: str,
    beginning: bytes,
    make: Callable[[], tuple[bytes, str]],
    *,
    among: Dataset | None = None,
    dry_run: bool = False,
) -> None:
    """Write a file where the user wants it.

    Args:
        name: of the file.
        option: that asks for it.
        beginning: a regular expression: nothing is overwritten but an earlier one, which begins so.
        make: the file's content, and what to say of it.
        among: no such file may lie among its images.
        dry_run: write nothing.

    Raises:
        UsageError: something else has that name, it would lie among the images, or it cannot be written.
    """
    path, told = Path(name), show(name) or "an empty name"
    try:
        if path.exists() and not (path.is_file() and re.match(beginning, path.read_bytes()[:_HEAD], re.DOTALL)):
            problem = f"{told} exists, and is not what {option} wrote"
            raise UsageError(problem, f"Choose another name for {option}")
        if among is not None and among.keeps(path):
            problem = f"{told} would lie among the images of {show(str(among.root.path))}"
            raise UsageError(problem, f"Choose another place for {option}, such as the root itself")
        content, sentence = make()
        if not dry_run:
            path.write_bytes(content)
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        problem = f"{told} cannot be written ({getattr(error, 'strerror', None) or error})"
        raise UsageError(problem, f"Choose another place for {option}") from error
    complain(sentence)
