"""`imgstage add`."""

from __future__ import annotations

import click

from .common import all_option, carry_out, dry_run_option, json_option, open_dataset, threads_option
from .render import pairing


@click.command("add", short_help="Copy images and sidecars into stage_data/.")
@click.argument("sources", nargs=-1, required=True, metavar="SRC...")
@click.option("--into", default="", metavar="FOLDER", help="Sub-folder of stage_data/ to add to.")
@dry_run_option
@json_option
@all_option
@threads_option
@click.pass_obj
def command(
    root: str | None,
    sources: tuple[str, ...],
    into: str,
    dry_run: bool,
    as_json: bool,
    show_all: bool,
    threads: int | None,
) -> None:
    """Copy images and sidecars into stage_data/. Of a folder, what it holds is added, its sub-folders kept.

    The sources are never changed. Incomplete samples and files that do not decode stay where they are. A sample that
    lies at its place in the root already is not added twice.
    """
    plan = open_dataset(root, threads=threads, dry_run=dry_run).plan_add(*sources, into=into)
    details = plan.report.details

    def render(_: object) -> list[str]:
        added, joined, there = (details[key] for key in ("samples_added", "files_joined", "files_already_there"))
        line = f"{added:,} samples {'to add' if dry_run else 'added'} to stage_data/"
        line += f"; {joined:,} files for samples that are there" if joined else ""
        lines = [
            *pairing(details),
            line + (f"; {there:,} files belong to samples that are there already" if there else ""),
        ]
        return [*lines, "What is held stays where it was: mend it there, and add again."] if plan.report.held else lines

    carry_out(root, plan, render, dry_run=dry_run, as_json=as_json, show_all=show_all)
