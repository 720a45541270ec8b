"""`imgstage hold`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .common import all_option, carry_out, command_line, dry_run_option, json_option, open_dataset, threads_option

if TYPE_CHECKING:
    from ..plan import Plan


@click.command("hold", short_help="Put samples out of the way, into held/.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--reason", default="", metavar="TEXT", help="Why; `status` shows it.")
@click.option("--troubled", is_flag=True, help="All that is held where it lies: broken, incomplete, ambiguous files.")
@dry_run_option
@json_option
@all_option
@threads_option
@click.pass_obj
def command(
    root: str | None,
    names: tuple[str, ...],
    reason: str,
    troubled: bool,
    dry_run: bool,
    as_json: bool,
    show_all: bool,
    threads: int | None,
) -> None:
    """Put samples into held/, where no other verb uses them. They keep their split for the day of their release.

    NAME is the path of a file or folder, or the key of a sample. Samples go whole; only of one that has a file too many
    does the named file go alone.
    """
    plan = open_dataset(root, threads=threads, dry_run=dry_run).plan_hold(*names, reason=reason, troubled=troubled)

    def render(made: Plan) -> list[str]:
        if troubled and not made.report.done:
            return ["Nothing that is held where it lies can go: status says what helps there"]
        line = f"{made.report.done:,} files {'would go' if dry_run else 'went'} to held/"
        return [f"{line}. Back: {command_line(root, 'release', 'NAME')}" if made.report.done else line]

    carry_out(root, plan, render, dry_run=dry_run, as_json=as_json, show_all=show_all)
