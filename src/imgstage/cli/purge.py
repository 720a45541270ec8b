"""`imgstage purge`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .common import all_option, carry_out, dry_run_option, json_option, open_dataset

if TYPE_CHECKING:
    from ..plan import Plan


@click.command("purge", short_help="Empty the vault, for good.")
@click.option(
    "--older-than", metavar="AGE", help="Keep what younger operations put there, such as 30d (s, min, h, d, w)."
)
@dry_run_option
@json_option
@all_option
@click.pass_obj
def command(root: str | None, older_than: str | None, dry_run: bool, as_json: bool, show_all: bool) -> None:
    """Delete what operations took out of sight, such as originals of resized images. It cannot be undone.

    Operations that need those files to be undone then cannot be. -n says first what would be freed.
    """
    plan = open_dataset(root, dry_run=dry_run).plan_purge(older_than=older_than)

    def render(made: Plan) -> list[str]:
        from .render import amount, table

        details = made.report.details
        verb = "would be freed" if dry_run else "freed"
        lines = [f"{amount(details['bytes'])} in {made.report.done:,} files of the vault {verb}"]
        rows = [
            (f"  {one['operation']} {one['verb']}", one["started"], f"{one['files']:,} files", amount(one["bytes"]))
            for one in details["operations"]
        ]
        return lines + (table(rows) if rows else [])

    carry_out(root, plan, render, dry_run=dry_run, as_json=as_json, show_all=show_all)
