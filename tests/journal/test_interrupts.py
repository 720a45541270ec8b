"""Ctrl-C: heard between two steps; a second one ends the process, and recover puts it right."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from imgstage.errors import BrokenOffError, RefusedError
from imgstage.journal import Journal, State, steps
from imgstage.journal.incoming import Incoming
from imgstage.journal.records import Records

from ..helpers import dying_at, snapshot
from .plans import make_plan


def test_ctrl_c_finishes_the_step_and_rolls_back(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(Path(journal.root))
    real = steps.do

    def press(*arguments: Any) -> None:
        real(*arguments)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("imgstage.journal.engine.do", press)
    with pytest.raises(RefusedError, match="interrupted"):
        journal.apply(make_plan(journal))
    assert snapshot(Path(journal.root)) == before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_leaves_it_to_recover(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(Path(journal.root))

    def press(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("imgstage.journal.engine.do", press)
    with pytest.raises(BrokenOffError, match="recover"):
        journal.apply(make_plan(journal))
    monkeypatch.undo()
    journal.recover()
    assert snapshot(Path(journal.root)) == before


def test_a_second_ctrl_c_after_the_commit_comes_too_late(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in ((Records, "write_end"), (Incoming, "clean_up")):
        real = getattr(owner, name)

        def press(*arguments: Any, real: Any = real, **named: Any) -> None:
            real(*arguments, **named)
            if journal.records.states() == {1: State.DONE}:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(owner, name, press)
    done = journal.apply(make_plan(journal))
    assert done is not None
    assert done.state is State.DONE


def test_a_second_ctrl_c_in_recover_leaves_it_to_recover(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(Path(journal.root))
    with dying_at(Records, "write_end"):
        journal.apply(make_plan(journal))

    def press(*_: object, times: int) -> None:
        for _number in range(times):
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(steps, "sync", partial(press, times=2))
        with pytest.raises(BrokenOffError, match=r"interrupted twice.*recover"):
            journal.recover()
    assert journal.pending() == 1
    with monkeypatch.context() as patch:
        patch.setattr(steps, "sync", partial(press, times=1))
        journal.recover()
    assert snapshot(Path(journal.root)) == before
