"""`imgstage release`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .common import all_option, carry_out, dry_run_option, json_option, open_dataset, threads_option

if TYPE_CHECKING:
    from ..plan import Plan


@click.command("release", short_help="Bring samples back from held/.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--everything", is_flag=True, help="All that lies in held/.")
@dry_run_option
@json_option
@all_option
@threads_option
@click.pass_obj
def command(
    root: str | None,
    names: tuple[str, ...],
    everything: bool,
    dry_run: bool,
    as_json: bool,
    show_all: bool,
    threads: int | None,
) -> None:
    """Bring samples back from held/: into their split when others of it lie in its folder, else into stage_data/.

    NAME is the path of a file or folder, or the key of a sample. What still does not decode stays in held/.
    """
    plan = open_dataset(root, threads=threads, dry_run=dry_run).plan_release(*names, everything=everything)

    def render(made: Plan) -> list[str]:
        back = made.report.details["samples"]
        listed = ", ".join(f"{count:,} to {place}/" for place, count in back.items()) or "none"
        return [f"Samples back from held/: {listed}"]

    carry_out(root, plan, render, dry_run=dry_run, as_json=as_json, show_all=show_all)
