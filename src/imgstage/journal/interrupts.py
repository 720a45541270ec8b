"""What stops an operation: Ctrl-C, heard between two steps (a second one ends the process), and failing calls."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from errno import ENOSPC
from typing import TYPE_CHECKING

from ..errors import DestinationError, RefusedError
from ..root import show

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


class InterruptedStepError(Exception):
    """The user pressed Ctrl-C once, and the next step was not begun."""


@contextmanager
def reported(verb: str) -> Iterator[None]:
    """Turn what stopped an operation into an error that says so; the state is as before."""
    try:
        yield
    except InterruptedStepError:
        problem = f"{verb} was interrupted, and everything is back where it was"
        raise RefusedError(problem, "Run the command again when you like") from None
    except OSError as error:
        where = error.filename2 or error.filename  # of a rename, the name that the file was to get
        at = f" at {show(where)}" if isinstance(where, str) else ""
        problem = f"{verb} could not go on{at}: {error.strerror}; everything is back where it was"
        way = "Make room (.imgstage/cache/ may be deleted at any time)" if error.errno == ENOSPC else "Mend that"
        raise DestinationError(problem, f"{way}, then run the command again") from error
