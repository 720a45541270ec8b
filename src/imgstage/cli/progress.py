"""Progress bars on stderr, for anything that takes more than a second."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE_S = 1.0


class Bar:
    """A bar with total, rate and remaining time; nothing at all when stderr is no terminal or the work is short."""

    def __init__(self) -> None:
        self._label = ""
        self._total = self._done = 0
        self._started = 0.0
        self._drawn: tuple[Progress, TaskID] | None = None

    def start(self, label: str, total: int) -> None:
        """A piece of work begins."""
        self._label, self._total, self._done, self._started = label, total, 0, time.monotonic()

    def advance(self) -> None:
        """One more item is done."""
        self._done += 1
        if self._drawn is not None:
            self._drawn[0].update(self._drawn[1], completed=self._done)
        elif time.monotonic() - self._started > _PATIENCE_S and sys.stderr.isatty():
            self._drawn = self._draw()

    def finish(self) -> None:
        """The work is over."""
        if self._drawn is not None:
            self._drawn[0].stop()
            self._drawn = None

    def _draw(self) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
        from rich.text import Text

        class Rate(ProgressColumn):
            def render(self, task: Task) -> Text:
                return Text(f"{task.speed:,.0f} files/s" if task.speed else "")

        progress = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            Rate(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        progress.start()
        return progress, progress.add_task(self._label, total=self._total, completed=self._done)
