"""Ctrl-C while an operation is at work: the first one is heard between two steps, the second ends the process."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def quietly_interruptible() -> Iterator[Callable[[], bool]]:
    """Between two steps, tell whether Ctrl-C was pressed; a second Ctrl-C ends the process at once.

    Only the main thread may set a signal handler; elsewhere nothing interrupts.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set
        return
    previous = signal.getsignal(signal.SIGINT)
    if previous is None or previous is signal.SIG_IGN:  # nohup and background jobs: it is not for us to listen
        yield pressed.is_set
        return

    def press(_number: int, _frame: object) -> None:
        if pressed.is_set():
            signal.signal(signal.SIGINT, previous)
            raise KeyboardInterrupt
        pressed.set()

    signal.signal(signal.SIGINT, press)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, previous)
