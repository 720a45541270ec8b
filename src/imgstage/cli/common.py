"""What the commands share: options, and the way from a plan to its summary."""

from __future__ import annotations

import re
import shlex
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..dataset import Dataset
    from ..plan import Plan

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
dry_run_option = click.option("-n", "--dry-run", is_flag=True, help="Show what would be done; write nothing at all.")
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), metavar="N", help="Files to read at once. Default: one for each core."
)
trust_option = click.option(
    "--trust", type=click.Choice(["folders", "csv"]), help="Which is right where folders and splits.csv disagree."
)
all_option = click.option("--all", "show_all", is_flag=True, help="List everything, not just the first or last few.")


def refuse_beside(option: str, context: click.Context, *fitting: str) -> None:
    """Refuse options that mean nothing beside one that asks for something else.

    Args:
        option: that one, as it is written.
        context: the command's.
        fitting: the names of parameters that go with it, beside those that all commands share.

    Raises:
        UsageError: naming the others.
    """
    from click.core import ParameterSource

    from ..errors import UsageError

    fit = {option.removeprefix("--").replace("-", "_"), "dry_run", "as_json", "show_all", "threads", *fitting}
    given = {name for name in context.params if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
    if given - fit:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(given - fit))
        problem = f"{option} does something else, so it cannot go with {names}"
        raise UsageError(problem, "Give one of the two")


finished: list[str] = []
"""What this process has done, for whoever interrupts it when there is nothing left to stop."""


def open_dataset(root: str | None, *, threads: int | None = None, dry_run: bool = False) -> Dataset:
    """The dataset a command works on, with a progress bar on stderr."""
    from ..dataset import Dataset
    from ..progress import Bar

    return Dataset(root, threads=threads, progress=Bar(), remember=not dry_run)


@contextmanager
def asking(label: str) -> Iterator[None]:
    """Run a user's own code: with a bar for as long as it takes, and what it prints on stderr, beside the result."""
    from contextlib import ExitStack, redirect_stdout

    from ..progress import Bar

    bar = Bar()
    try:
        with ExitStack() as stack:
            stack.enter_context(redirect_stdout(sys.stderr))
            stack.callback(bar.finish)
            bar.start(label, 0)
            yield
    except KeyboardInterrupt:
        complain(f"imgstage: Interrupted while {label}; nothing was changed.")
        raise click.exceptions.Exit(2) from None


def complain(text: str) -> None:
    """Say something on stderr; where that cannot be written, the exit code has to do."""
    with suppress(OSError):
        click.echo(text, err=True)


def command_line(root: str | None, *words: str) -> str:
    """A command as the user may type it next."""
    return shlex.join(("imgstage", *(("-C", root) if root else ()), *words))


def carry_out(
    root: str | None,
    plan: Plan,
    render: Callable[[Plan], list[str]],
    *,
    dry_run: bool,
    as_json: bool,
    show_all: bool,
) -> None:
    """Apply a plan unless this is a dry run, then say what it changed and how to undo it."""
    from dataclasses import replace

    from ..journal.interrupts import quietly_interruptible

    with quietly_interruptible():  # once it is done, Ctrl-C has nothing to stop
        operation = None if dry_run else plan.apply()
        number = operation.number if operation else None
        if operation and operation.report:  # what was held while it was made is known only now
            plan = replace(plan, report=operation.report)
        done = f"Operation {number} is done" if number else ""
        if done:
            finished.append(done)
    with done_all_the_same(done):
        _tell(root, plan, render, number, dry_run=dry_run, as_json=as_json, show_all=show_all)


_ADVICE = re.compile(
    r"imgstage (?=(add|status|check|rename|resize|split|unsplit|hold|release|log|undo|recover|purge)\b)"
)


def advised(root: str | None, text: str) -> str:
    """A text with the commands in it as the user may type them, with his root."""
    return _ADVICE.sub(lambda _: f"{command_line(root)} ", text) if root else text


@contextmanager
def done_all_the_same(what: str) -> Iterator[None]:
    """What was done is done, though its summary cannot be written; nobody shall take it for a failure.

    Args:
        what: what was done; empty when nothing was.
    """
    try:
        yield
    except BrokenPipeError:  # the reader has seen enough
        raise
    except (OSError, KeyboardInterrupt) as error:
        if not what:
            raise
        why = getattr(error, "strerror", None) or "interrupted"
        complain(f"imgstage: {what}, but its summary could not be written ({why}).")


def _tell(
    root: str | None,
    plan: Plan,
    render: Callable[[Plan], list[str]],
    number: int | None,
    *,
    dry_run: bool,
    as_json: bool,
    show_all: bool,
) -> None:
    from ..root import is_own, show
    from .render import accounting, foreign_tables, helps, moves, print_json

    if as_json:
        body: dict[str, Any] = {"verb": plan.verb, "operation": number, "dry_run": dry_run} | plan.report.as_json()
        if dry_run:
            body["moves"] = [{"from": show(source), "to": show(target)} for source, target in plan.moves()]
        print_json(body)
        return
    lines = [advised(root, line) for line in render(plan)] + accounting(
        plan.report, show_all=show_all, dry_run=dry_run, helps=helps(root) if plan.verb != "add" else {}
    )
    lines += foreign_tables(plan.report.details)
    if dry_run:
        lines += moves(plan, show_all=show_all)
    if plan.is_empty:
        lines.append("Nothing to do; nothing was changed.")
    elif dry_run:
        lines.append("This was a dry run: nothing was changed.")
    else:
        written = sorted({place for journey in plan.journeys if is_own(place := journey.places[-1])})
        if written:
            lines.append(f"Wrote {', '.join(written)}.")
        back = "This cannot be undone." if plan.discards else f"Undo: {command_line(root, 'undo')}"
        lines.append(f"Done as operation {number}. {back}")
    click.echo("\n".join(lines))
