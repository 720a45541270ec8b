"""`imgstage status`."""

from __future__ import annotations

import click

from .common import advised, all_option, command_line, json_option, open_dataset, threads_option
from .render import accounting, helps, pairing, print_json, surprises


@click.command("status", short_help="Show what is where, what is held and why.")
@json_option
@all_option
@threads_option
@click.pass_obj
def command(root: str | None, as_json: bool, show_all: bool, threads: int | None) -> None:
    """Show what is in the root: samples by place, how names are read, what is held and why, what changed by hand."""
    status = open_dataset(root, threads=threads).status()
    if as_json:
        print_json(status.as_json())
        return
    report = status.report
    where = ", ".join(f"{count:,} in {place}/" for place, count in status.samples.items())
    lines = [f"Samples: {where}"]
    if status.unassigned and status.pending is None:
        words = ("split", "--manifest", "-n") if report.details["manifest"] else ("split", "-n")
        lines.append(f"{status.unassigned:,} of them have no split yet. Next: {command_line(root, *words)}")
    lines += pairing(report.details)
    lines += accounting(report, show_all=show_all, helps=helps(root))
    lines += [advised(root, line) for line in surprises(report.details, show_all=show_all)]
    if status.pending is not None:
        lines.append(f"Operation {status.pending} broke off. Next: {command_line(root, 'recover')}")
    elif status.last is not None:
        back = f" Undo: {command_line(root, 'undo')}" if status.last.verb != "purge" else ""
        lines.append(f"Last operation: {status.last.number} ({status.last.verb}).{back}")
    click.echo("\n".join(lines))
