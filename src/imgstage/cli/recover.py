"""`imgstage recover`."""

from __future__ import annotations

import click

from .common import json_option, open_dataset
from .render import print_json


@click.command("recover", short_help="Put things right after a crash.")
@click.option("--without-missing", is_flag=True, help="Leave out files that are gone or were changed since.")
@json_option
@click.pass_obj
def command(root: str | None, without_missing: bool, as_json: bool) -> None:
    """Take back the operation that a crash, a power cut or a second Ctrl-C broke off. Otherwise nothing changes."""
    recovery = open_dataset(root).recover(without_missing=without_missing)
    if as_json:
        print_json({"verb": "recover", "operation": recovery.operation, "of": recovery.verb, "changed": recovery.files})
    elif recovery.operation is None:
        click.echo("Nothing was broken off; nothing was changed.")
    else:
        click.echo(
            f"Operation {recovery.operation} ({recovery.verb}) was taken back: {recovery.files:,} files went back to"
            " where they were. Run the command again when you like."
        )
