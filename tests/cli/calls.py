"""The command line, called in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgstage.cli import run

if TYPE_CHECKING:
    import pytest


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = run(list(words))
    captured = capsys.readouterr()
    return code, captured.out, captured.err
