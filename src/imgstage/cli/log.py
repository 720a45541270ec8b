"""`imgstage log`."""

from __future__ import annotations

import click

from .common import all_option, json_option, open_dataset
from .render import operations, print_json


@click.command("log", short_help="List the operations.")
@json_option
@all_option
@click.pass_obj
def command(root: str | None, as_json: bool, show_all: bool) -> None:
    """List every operation, oldest first. `undo N` takes back operation N and everything after it."""
    log = open_dataset(root).log()
    if as_json:
        entries = [
            {
                "operation": operation.number,
                "verb": operation.verb,
                "started": operation.started,
                "state": str(operation.state),
                "files": operation.files,
                "undoes": list(operation.undoes),
            }
            for operation in log
        ]
        print_json({"operations": entries})
    else:
        click.echo("\n".join(operations(log, show_all=show_all)) if log else "Nothing was done here yet.")
