"""`imgstage log`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .common import all_option, json_option, open_dataset
from .render import operations, print_json, table

if TYPE_CHECKING:
    from ..dataset import Dataset


def _tell_history(dataset: Dataset, name: str, *, as_json: bool) -> None:
    from ..root import show

    found = [passage._replace(source=show(passage.source)) for passage in dataset.history(name)]
    if as_json:
        print_json({"file": show(name), "passages": [passage._asdict() for passage in found]})
    elif found:
        rows = [[str(one.operation), one.verb, one.started, one.source, show(one.target)] for one in found]
        lines = table([["operation", "verb", "when", "from", "to"], *rows])
        click.echo("\n".join([*lines, f"It is now {show(found[-1].target)}"]))
    else:
        click.echo(f"No operation has moved {show(name)}.")


@click.command("log", short_help="List the operations.")
@click.option("--file", "name", metavar="NAME", help="Tell where a file is and has been, by any name it had.")
@json_option
@all_option
@click.pass_obj
def command(root: str | None, name: str | None, as_json: bool, show_all: bool) -> None:
    """List every operation, oldest first. `undo N` takes back operation N and everything after it."""
    if name is not None:
        _tell_history(open_dataset(root), name, as_json=as_json)
        return
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
