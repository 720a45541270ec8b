"""The command line: parse, one call of the library, render, exit code. No logic lives here.

stdout carries the result, stderr messages and progress. Exit codes: 0 done, 1 `check` found errors, 2 wrong usage or
refused, 3 broken off.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..errors import ImgstageError
from .common import advised, complain, finished

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (
    *("init", "add", "status", "check", "rename", "resize", "split", "unsplit", "hold", "release"),
    *("log", "undo", "recover", "purge", "sizes", "memory", "play", "demo"),
)
"""In the order of a dataset's life. Each is the `command` of the module of its name."""


class LazyGroup(click.Group):
    """Loads a command's module only when it is asked for."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The names, in the order of use rather than of the alphabet."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """The command of a name."""
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f".{name}", __name__).command
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Coming from the old scripts: stage_move_imgs.py is `split`, stage_get_imgs.py is `unsplit`,"
    " stage_rename_all.py is `rename`, stage_resize.py is `resize`.",
)
@click.option(
    "-C",
    "root",
    metavar="ROOT",
    help="The data folder. Default: the current folder when it is a root, else ./data.",
)
@click.version_option(__version__, prog_name="imgstage")
@click.pass_context
def group(ctx: click.Context, root: str | None) -> None:
    """From a folder of images to train/val/test, safely.

    Nothing is overwritten, pairs stay together, and every step can be shown first (-n) and undone.
    """
    ctx.obj = root


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter of a name is no failure
    gc.disable()  # nothing here lives in cycles, and looking for them among a million small tuples takes long
    code = run(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the code is known
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the reader may have gone
            if stream is not None:
                stream.flush()
    os._exit(code)  # the system frees at once what would be taken apart one by one


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None takes those of the process.

    Returns:
        The exit code.
    """
    finished.clear()
    try:
        result: Any = group.main(arguments, prog_name="imgstage", standalone_mode=False)
    except ImgstageError as error:
        _tell(error, sys.argv[1:] if arguments is None else arguments)
        return error.exit_code
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        if finished:  # it came too late to stop anything
            return 0
        complain("imgstage: Interrupted. See how things stand: imgstage status")
        return 2
    except RuntimeError as error:
        if not isinstance(error.__cause__, KeyboardInterrupt):  # which Python wraps in the midst of making a class
            raise
        complain("imgstage: Interrupted. See how things stand: imgstage status")
        return 2
    except BrokenPipeError:  # the reader of our output has gone, as in `imgstage log | head`
        sys.stdout = None
        return 0
    except OSError as error:
        _tell_of_system(error)
        return 2
    return result if isinstance(result, int) else 0


def _tell_of_system(error: OSError) -> None:
    """The journal says itself what it could not do; so this came up while looking, or while telling."""
    if error.filename is not None:
        complain(f"imgstage: {error.filename}: {error.strerror}; nothing was changed. Mend that, then run it again.")
    elif isinstance(error, FileNotFoundError):
        complain("imgstage: The current folder is gone; nothing was changed. Go to another, then run it again.")
    else:
        complain(f"imgstage: The result could not be written ({error.strerror or error}).")


def _given_root(arguments: Sequence[str]) -> str | None:
    """The root as it was named, in one word with its option or in two."""
    for option, following in pairwise((*arguments, "")):
        if option == "-C":
            return following
        if option.startswith("-C"):
            return option[2:]
        if not option.startswith("-"):
            break
    return None


def _tell(error: ImgstageError, arguments: Sequence[str]) -> None:
    """Say on stderr what went wrong, with its table; who wants JSON gets an object on stdout too."""
    from .render import long_table, print_json

    # The library does not know how the root was named; a command that is copied from here must mean the same one.
    remedy = advised(_given_root(arguments), error.remedy)
    text = str(error).replace(error.remedy, remedy) if error.remedy else str(error)
    complain("\n".join([f"imgstage: {text}", *(long_table(error.table) if error.table else ())]))
    if "--json" in arguments:
        kind, rows = type(error).__name__, [list(row) for row in error.table]
        with suppress(OSError):
            print_json({"error": kind, "problem": error.problem, "remedy": remedy, "table": rows})
