"""`imgstage recover`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .common import done_all_the_same, finished, json_option, open_dataset
from .render import print_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..journal import Recovery


@click.command("recover", short_help="Put things right after a crash.")
@click.option("--without-missing", is_flag=True, help="Leave out files that are gone or were changed since.")
@json_option
@click.pass_obj
def command(root: str | None, without_missing: bool, as_json: bool) -> None:
    """Take back the operation that a crash, a power cut or a second Ctrl-C broke off. Otherwise nothing changes."""
    from ..journal.interrupts import quietly_interruptible

    dataset = open_dataset(root)
    with quietly_interruptible():
        recovery = dataset.recover(without_missing=without_missing)
        restored = recovery.restored
        done = f"The {recovery.verb} was taken back" if recovery.operation is not None or restored.kept else ""
        if done:
            finished.append(done)
    with done_all_the_same(done):
        if as_json:
            body = {"verb": "recover", "operation": recovery.operation, "of": recovery.verb}
            print_json(body | {"changed": restored.returned + restored.removed} | restored._asdict())
        elif done:
            click.echo("\n".join(_told(recovery, dataset.root.path)))
        else:
            click.echo("Nothing was broken off; nothing was changed.")


def _told(recovery: Recovery, root: Path) -> Iterator[str]:
    returned, removed, kept, vault, left = recovery.restored
    parts = [f"{returned:,} files went back to where they were"] if returned or not removed else []
    parts += [f"{removed:,} copies were taken away again"] if removed else []
    if recovery.operation is None:
        yield f"An {recovery.verb} stopped while it copied; nothing had come into stage_data/ yet."
    else:
        yield f"Operation {recovery.operation} ({recovery.verb}) was taken back: {' and '.join(parts)}."
    yield from (f"  left out: {path}" for path in left)
    if kept:
        yield (
            f"Sources of these copies are gone or were changed, so all {kept:,} are kept in {root / vault}/: copy that"
            " folder out of the root, and add it."
        )
    yield "Run the command again when you like."
