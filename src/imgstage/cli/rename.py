"""`imgstage rename`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .common import all_option, carry_out, dry_run_option, json_option, open_dataset, threads_option

if TYPE_CHECKING:
    from ..plan import Plan


@click.command("rename", short_help="Give samples numbered names.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--prefix", default="", metavar="TEXT", help="What every name begins with, such as github_")
@click.option("--start", default=1, show_default=True, metavar="N", help="The first number.")
@click.option("--width", type=int, metavar="N", help="Digits of a number. Default: those of the last one, 2 at least.")
@click.option(
    "--template",
    metavar="TEXT",
    help="Such as {prefix}{n}_{role}{ext}; also {key}, {folder}, {i}. Default: only what the names of a sample have in"
    " common changes.",
)
@dry_run_option
@json_option
@all_option
@threads_option
@click.pass_obj
def command(
    root: str | None,
    names: tuple[str, ...],
    prefix: str,
    start: int,
    width: int | None,
    template: str | None,
    dry_run: bool,
    as_json: bool,
    show_all: bool,
    threads: int | None,
) -> None:
    """Rename whole samples where they lie, numbered in natural order. Their splits and sub-folders stay.

    NAME is the path of a file or folder, or the key of a sample; without one, all are renamed.
    """
    dataset = open_dataset(root, threads=threads, dry_run=dry_run)
    plan = dataset.plan_rename(*names, prefix=prefix, start=start, width=width, template=template)

    def render(made: Plan) -> list[str]:
        details = made.report.details
        verb = "would be renamed" if dry_run else "renamed"
        lines = [f"{details['samples']:,} samples ({made.report.changed:,} files) {verb}"]
        if details["stale_rules"]:
            lines.append("  [pairing] in imgstage.toml fits no new name: take it out, so that rules are found anew")
        shown = [] if dry_run else details["examples"]  # a dry run lists the moves
        return lines + [f"  {example['from']} -> {example['to']}" for example in shown]

    carry_out(root, plan, render, dry_run=dry_run, as_json=as_json, show_all=show_all)
