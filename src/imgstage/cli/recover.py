"""`imgstage recover`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .common import json_option, open_dataset
from .render import print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..journal import Recovery


@click.command("recover", short_help="Put things right after a crash.")
@click.option("--without-missing", is_flag=True, help="Leave out files that are gone or were changed since.")
@json_option
@click.pass_obj
def command(root: str | None, without_missing: bool, as_json: bool) -> None:
    """Take back the operation that a crash, a power cut or a second Ctrl-C broke off. Otherwise nothing changes."""
    recovery = open_dataset(root).recover(without_missing=without_missing)
    if as_json:
        restored = recovery.restored
        body = {"verb": "recover", "operation": recovery.operation, "of": recovery.verb}
        print_json(body | {"changed": restored.returned + restored.removed} | restored._asdict())
    elif recovery.operation is None:
        click.echo("Nothing was broken off; nothing was changed.")
    else:
        click.echo("\n".join(_told(recovery)))


def _told(recovery: Recovery) -> Iterator[str]:
    returned, removed, kept, vault = recovery.restored
    parts = [f"{returned:,} files went back to where they were"] if returned or not removed else []
    parts += [f"{removed:,} copies were taken away again"] if removed else []
    yield f"Operation {recovery.operation} ({recovery.verb}) was taken back: {' and '.join(parts)}."
    if kept:
        yield (
            f"The sources of {kept:,} copies are gone or were changed, so these are kept in {vault}/ of the root: copy"
            " them out of there, and add them again."
        )
    yield "Run the command again when you like."
