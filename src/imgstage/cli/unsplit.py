"""`imgstage unsplit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from .common import all_option, carry_out, dry_run_option, json_option, open_dataset, threads_option, trust_option
from .render import surprises

if TYPE_CHECKING:
    from ..plan import Plan


@click.command("unsplit", short_help="Move everything back to stage_data/.")
@dry_run_option
@json_option
@all_option
@trust_option
@threads_option
@click.pass_obj
def command(
    root: str | None,
    dry_run: bool,
    as_json: bool,
    show_all: bool,
    trust: Literal["folders", "csv"] | None,
    threads: int | None,
) -> None:
    """Move everything back to stage_data/, sub-folders kept. splits.csv remembers who was where for the next split."""
    plan = open_dataset(root, threads=threads, dry_run=dry_run).plan_unsplit(trust=trust)

    def render(made: Plan) -> list[str]:
        back = made.report.details["samples"]
        listed = ", ".join(f"{count:,} from {split}/" for split, count in back.items()) or "none"
        return [f"Samples back to stage_data/: {listed}", *surprises(made.report.details, show_all=show_all)]

    carry_out(root, plan, render, dry_run=dry_run, as_json=as_json, show_all=show_all)
