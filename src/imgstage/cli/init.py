"""`imgstage init`."""

from __future__ import annotations

from pathlib import Path

import click

from .common import command_line, done_all_the_same


@click.command("init", short_help="Make a folder a root.")
@click.argument("folder", required=False)
@click.pass_obj
def command(root: str | None, folder: str | None) -> None:
    """Make FOLDER (default: ./data) a root: a folder with stage_data/, where images wait to be split."""
    from ..dataset import Dataset
    from ..root import STAGE, images_astray, show

    given = next((name for name in (folder, root) if name is not None), "data")
    Dataset.create(given)
    with done_all_the_same(f"{given} is a root"):
        click.echo(f"{given} is a root. Its images go into {given}/{STAGE}/.")
        astray = images_astray(Path(given))
        if astray:
            click.echo(
                f"It holds images outside of that, such as {show(astray)}; no command sees them there: move them in."
            )
        click.echo(f"Next: {command_line(given, 'add', 'FOLDER_WITH_IMAGES')}")
