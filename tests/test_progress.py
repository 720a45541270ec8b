"""Progress bars: on terminals only, for long work only."""

from __future__ import annotations

import time

import pytest

from imgstage import progress


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> pytest.CaptureFixture[str]:
    """stderr is a terminal, and patience is short; what is written there can be read."""
    monkeypatch.setattr(progress, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(progress, "_is_terminal", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    return capsys


def wait_for(bar: progress.Bar) -> None:
    """Until the bar has appeared."""
    end = time.monotonic() + 20
    while bar._drawn is None and time.monotonic() < end:
        time.sleep(0.01)


def test_the_progress_bar_has_total_and_rate(terminal: pytest.CaptureFixture[str]) -> None:
    bar = progress.Bar()
    bar.start("Reading", 40)
    bar.advance()
    wait_for(bar)
    for _ in range(39):
        bar.advance()
    bar.finish()
    shown = terminal.readouterr().err
    assert "Reading" in shown
    assert "40/40" in shown


def test_work_of_unknown_size_shows_that_it_goes_on(terminal: pytest.CaptureFixture[str]) -> None:
    bar = progress.Bar()
    bar.start("Planning", 0)
    wait_for(bar)
    bar.finish()
    shown = terminal.readouterr().err
    assert "Planning" in shown
    assert "0/" not in shown


def test_short_work_shows_nothing(monkeypatch: pytest.MonkeyPatch, terminal: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "_PATIENCE_S", 60)
    bar = progress.Bar()
    for label in ("Reading", "Moving"):
        bar.start(label, 2)
        bar.advance()
    bar.finish()
    assert terminal.readouterr().err == ""


def test_without_a_terminal_there_is_no_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_PATIENCE_S", 0)
    bar = progress.Bar()
    bar.start("Reading", 2)
    time.sleep(0.05)
    bar.advance()
    bar.finish()
    assert capsys.readouterr().err == ""
