"""`imgstage init`."""

from __future__ import annotations

import click

from .common import command_line


@click.command("init", short_help="Make a folder a root.")
@click.argument("folder", required=False)
@click.pass_obj
def command(root: str | None, folder: str | None) -> None:
    """Make FOLDER (default: ./data) a root: a folder with stage_data/, where images wait to be split."""
    from ..dataset import Dataset
    from ..root import STAGE

    dataset = Dataset.create(folder or root or "data")
    given = folder or root
    click.echo(f"{dataset.root.path} is a root. Its images go into {STAGE}/.")
    click.echo(f"Next: {command_line(given, 'add', 'FOLDER_WITH_IMAGES')}")
