"""Progress bars on stderr, for anything that takes more than a second."""

from __future__ import annotations

import sys
from threading import Lock, Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE_S = 1.0


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


class Bar:
    """A bar with total, rate and remaining time; nothing at all when stderr is no terminal or the work is short.

    It appears after a second even when nothing was done by then. Work of an unknown size (a total of 0) pulses.

    Args:
        unit: what is counted.
    """

    def __init__(self, unit: str = "files") -> None:
        self._unit = unit
        self._label = ""
        self._total = self._done = 0
        self._lock = Lock()  # between the timer and the end of the work
        self._timer: Timer | None = None
        self._drawn: tuple[Progress, TaskID] | None = None

    def start(self, label: str, total: int) -> None:
        """A piece of work begins."""
        self.finish()
        self._label, self._total, self._done = label, total, 0
        if _is_terminal():
            self._timer = Timer(_PATIENCE_S, self._appear)
            self._timer.daemon = True
            self._timer.start()

    def advance(self) -> None:
        """One more item is done."""
        self._done += 1
        drawn = self._drawn
        if drawn is not None:
            drawn[0].update(drawn[1], completed=self._done)

    def finish(self) -> None:
        """The work is over."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._drawn is not None:
                self._drawn[0].stop()
                self._drawn = None

    def _appear(self) -> None:
        with self._lock:
            if self._timer is not None and self._drawn is None:  # else the work was over just now
                self._drawn = self._draw()

    def _draw(self) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
        from rich.text import Text

        unit = self._unit

        class Rate(ProgressColumn):
            def render(self, task: Task) -> Text:
                speed = task.speed or 0.0
                return Text(f"{speed:,.{int(speed < 10)}f} {unit}/s" if speed else "")

        counted = (MofNCompleteColumn(), Rate(), TimeRemainingColumn()) if self._total else ()
        progress = RichProgress(
            TextColumn("{task.description}"), BarColumn(), *counted, console=Console(stderr=True), transient=True
        )
        progress.start()
        return progress, progress.add_task(self._label, total=self._total or None, completed=self._done)
