"""`imgstage resize`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .common import all_option, carry_out, dry_run_option, json_option, open_dataset, threads_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..geometry import Fit, Orient
    from ..plan import Plan
    from ..verbs.resizewish import Format


@click.command("resize", short_help="Give images another size; the originals are kept.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--size", metavar="HxW", help="Height x width in pixels, such as 1920x1280.")
@click.option("--long-side", type=int, metavar="N", help="Pixels of the longer side at most.")
@click.option("--scale", metavar="S", help="Both sides times S, such as 0.5, 1/3 or 50%.")
@click.option("--multiple-of", type=int, metavar="N", help="Sides that N divides; goes with --long-side and --scale.")
@click.option(
    "--fit",
    type=click.Choice(["stretch", "contain", "cover", "pad"]),
    default="stretch",
    show_default=True,
    help="An image of another aspect is stretched, stays within, is cut in the middle, or gets black edges.",
)
@click.option(
    "--orient",
    type=click.Choice(["keep", "portrait", "landscape"]),
    default="keep",
    show_default=True,
    help="Turn images that are otherwise a quarter to the left.",
)
@click.option(
    "--format",
    "image_format",
    type=click.Choice(["keep", "jpg", "png", "webp"]),
    default="keep",
    show_default=True,
    help="Of pictures. Masks become png, else they keep their own.",
)
@click.option("--quality", type=int, default=95, show_default=True, metavar="N", help="1 to 100, of jpg and webp.")
@click.option("--labels", metavar="ROLES", help="Whose values mean something, such as mask,after; none says none.")
@click.option("--enlarge", is_flag=True, help="Images may become larger than they are.")
@dry_run_option
@json_option
@all_option
@threads_option
@click.pass_obj
def command(
    root: str | None,
    names: tuple[str, ...],
    size: str | None,
    long_side: int | None,
    scale: str | None,
    multiple_of: int | None,
    fit: Fit,
    orient: Orient,
    image_format: Format,
    quality: int,
    labels: str | None,
    enlarge: bool,
    dry_run: bool,
    as_json: bool,
    show_all: bool,
    threads: int | None,
) -> None:
    """Resize images where they lie, all of a sample alike: pictures by Lanczos, masks by the nearest value.

    NAME is the path of a file or folder, or the key of a sample; without one, all are resized. The originals go to the
    vault, and an image that was resized before is made from its original again.
    """
    dataset = open_dataset(root, threads=threads, dry_run=dry_run)
    plan = dataset.plan_resize(
        *names,
        size=size,
        long_side=long_side,
        scale=scale,
        multiple_of=multiple_of,
        fit=fit,
        orient=orient,
        format=image_format,
        quality=quality,
        labels=None if labels is None else [role.strip() for role in labels.split(",") if role.strip() != "none"],
        enlarge=enlarge,
    )

    def render(made: Plan) -> list[str]:
        return list(_told(made.report.details, dry_run=dry_run))

    carry_out(root, plan, render, dry_run=dry_run, as_json=as_json, show_all=show_all)


def _told(details: Mapping[str, Any], *, dry_run: bool) -> Iterator[str]:
    from .render import amount, duration

    verb = "would be resized" if dry_run else "resized"
    made = details["images"] - details["restored"]
    pixels = f"{details['source_pixels'] / 1e6:,.1f} -> {details['pixels'] / 1e6:,.1f} megapixels"
    if not details["images"]:
        yield "Nothing to resize: all there is has that size already, or is held"
        return
    yield f"{made:,} images of {details['samples']:,} samples {verb}" + (f", {pixels}" if made else "")
    if dry_run and made:
        takes = f"about {amount(details['expected_bytes'])} to write, in about {duration(details['expected_seconds'])}"
        yield f"  {takes}; the vault would keep {amount(details['vault_bytes'])}"
    else:
        yield f"  The vault keeps what they were ({amount(details['vault_bytes'])}) until imgstage purge"
    for example in details["examples"]:
        yield f"  {example['path']}: {example['from']} -> {example['to']}"
    if details["from_originals"]:
        yield f"  {details['from_originals']:,} were resized before: they start from their originals again"
    if details["restored"]:
        yield f"  {details['restored']:,} have that size by nature: their originals come back"
    if details["stretched"]:
        worst = f"by {details['most_stretched']:g} at most"
        yield f"  {details['stretched']:,} change their aspect, {worst}; --fit cover or pad keeps it"
    if details["sidecars"]:
        yield f"  {details['sidecars']:,} sidecars stay as they are: positions in pixels in them are as before"
