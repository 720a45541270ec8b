"""`imgstage undo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .common import all_option, carry_out, command_line, dry_run_option, json_option, open_dataset
from .render import surprises

if TYPE_CHECKING:
    from ..plan import Plan


@click.command("undo", short_help="Take back the last operation, or all since operation N.")
@click.argument("operation", type=int, required=False, metavar="[N]")
@click.option("--without-missing", is_flag=True, help="Leave out files that are gone, instead of refusing.")
@dry_run_option
@json_option
@all_option
@click.pass_obj
def command(
    root: str | None, operation: int | None, without_missing: bool, dry_run: bool, as_json: bool, show_all: bool
) -> None:
    """Take back operation N and everything after it; without N, the last operation. An undo can be undone as well."""
    plan = open_dataset(root, dry_run=dry_run).plan_undo(operation, without_missing=without_missing)

    def render(made: Plan) -> list[str]:
        listed = ", ".join(map(str, made.undoes))
        verb = "would go back" if dry_run else "went back"
        lines = [f"Operations taken back, newest first: {listed}; {made.report.done:,} files {verb} to where they were"]
        again = made.report.details["in_force_again"]
        if again and not dry_run:
            further = f". Further back: {command_line(root, 'undo', str(again[0]))}"
            lines.append(f"  That was an undo: {', '.join(map(str, again))} are in force again{further}")
        return lines + surprises(made.report.details, show_all=show_all)

    carry_out(root, plan, render, dry_run=dry_run, as_json=as_json, show_all=show_all)
