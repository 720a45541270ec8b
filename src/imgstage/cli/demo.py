"""`imgstage demo`."""

from __future__ import annotations

import csv
import shlex
from pathlib import Path

import click


@click.command("demo", short_help="Live the life of a dataset on real photographs.")
@click.argument("folder", required=False, default="imgstage-demo")
def command(folder: str) -> int:
    """Write photographs into a new FOLDER (default: ./imgstage-demo), then stage, split, grow, unsplit and undo them.

    Needs scikit-image's photographs: pip install 'imgstage[demo]'.
    """
    from ..dataset import Dataset
    from ..demo import MORE_PAIRS, PAIRS, write_photos
    from ..sheet import contact_sheet

    place = Path(folder)
    photos = write_photos(place)
    click.echo(
        f"Wrote {PAIRS} pairs of photographs into {photos.first}/, with an orphan, a truncated file and a stray text."
    )
    root = str(place / "data")
    _say("init", root)
    _say("-C", root, "add", str(photos.first))
    _say("-C", root, "status")
    _say("-C", root, "split", "-n")
    _say("-C", root, "split")
    first = _splits(Path(root))
    _say("-C", root, "add", str(photos.more))
    _say("-C", root, "split")
    grown = _splits(Path(root))
    moved = sum(grown[sample] != split for sample, split in first.items())
    click.echo(f"\n{MORE_PAIRS} pairs came; of the {len(first)} earlier samples, {moved} changed their split.")
    dataset = Dataset(root)
    sheet = place / "contact-sheet.png"
    sheet.write_bytes(contact_sheet(dataset.root.path, dataset.samples, ("train", "val", "test")))
    _say("-C", root, "unsplit")
    _say("-C", root, "split")
    again = sum(_splits(Path(root))[sample] == split for sample, split in grown.items())
    click.echo(f"\nAfter unsplit and split, {again} of {len(grown)} samples are in the same split as before.")
    _say("-C", root, "undo")
    _say("-C", root, "log")
    click.echo(f"\nLook at {sheet}; play on in {root}.")
    return 0


def _say(*words: str) -> None:
    """Run a command line of our own, as the user would."""
    from . import group
    from .common import finished

    click.echo(f"\n$ {shlex.join(('imgstage', *words))}")
    group.main(list(words), prog_name="imgstage", standalone_mode=False)
    finished.clear()  # the demo itself goes on


def _splits(root: Path) -> dict[str, str]:
    """The split of each sample, as `splits.csv` says."""
    with (root / "splits.csv").open(newline="", encoding="utf-8") as stream:
        return {row["sample"]: row["split"] for row in csv.DictReader(stream)}
