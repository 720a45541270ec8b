"""`imgstage play`."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from ..reasons import HELP, Why
from ..root import show
from .common import all_option, asking, dry_run_option, json_option
from .render import accounting, counted, print_json, table

if TYPE_CHECKING:
    from ..play import Played, Tiling
    from ..play.tasks import Outcome

_FIRST = 10
_HELPS = {
    Why.BROKEN: "put a whole file in its place",
    Why.UNREADABLE: "allow reading it (chmod), then run it again",
    Why.TWINS: "rename one of the two, or put them into folders of their own",
    Why.EARLIER: HELP[Why.EARLIER],
    Why.UNFIT: "the reason says what is in the way; another model, or a copy with 8 bits a channel, may do",
    Why.INCOMPLETE: "`imgstage check` tells what it lacks",
}


@click.command("play", short_help="Try a model on new pictures, or score it on a split.")
@click.argument("files", nargs=-1, metavar="[FILES]...")
@click.option(
    "--model",
    required=True,
    metavar="MODEL",
    help="file.py:Class, package.module:build, FILE.onnx, or what `imgstage memory --model` takes.",
)
@click.option("--weights", metavar="FILE", help="The model's weights: safetensors, or a state dict of tensors alone.")
@click.option("--split", metavar="SPLIT", help="Score a split, such as test, instead; no results are written.")
@click.option("--suffix", metavar="TEXT", help="What names of results end with. Default: _after, or _mask for masks.")
@click.option("--tile", default="auto", show_default=True, metavar="auto|HxW|none", help="How pictures are cut.")
@click.option("--overlap", type=click.IntRange(min=0), metavar="N", help="Pixels that tiles share. Default: measured.")
@click.option("--device", default="auto", show_default=True, metavar="DEVICE", help="auto, cpu, cuda or mps.")
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Images at once.")
@click.option("--channels", type=click.Choice(["RGB", "BGR", "L"]), help="What the model takes. Default: model.toml.")
@click.option("--range", "values", metavar="LOW,HIGH", help="What black and white are to it. Default: model.toml.")
@click.option("--multiple", type=int, metavar="N", help="What sides must be multiples of. Default: asked.")
@click.option("--task", type=click.Choice(["image-to-image", "segmentation", "classification"]), help="What it does.")
@click.option("--sheet", is_flag=True, help="Also write a contact sheet, and a page with a slider.")
@click.option("--overwrite", is_flag=True, help="Let new results take the place of earlier ones.")
@dry_run_option
@json_option
@all_option
@click.pass_obj
def command(
    root: str | None,
    /,
    files: tuple[str, ...],
    model: str,
    weights: str | None,
    tile: str,
    overlap: int | None,
    device: str,
    batch: int,
    channels: str | None,
    values: str | None,
    multiple: int | None,
    task: str | None,
    dry_run: bool,
    as_json: bool,
    show_all: bool,
    **how: Any,
) -> None:
    """Run a model over the pictures in play_data/, or over FILES.

    Results go to play_data/output/, sub-folders kept: x_before.jpg becomes x_after.png. Pictures may have any size.
    What is there already stays, so a run that was interrupted goes on. Where true pictures lie beside (x_after.jpg
    beside x_before.jpg), results are scored.
    """
    from ..play import open_network, play
    from ..play.engines import keep_freed_memory
    from ..progress import Bar

    keep_freed_memory()
    options = {"channels": channels, "range": _range(values), "size_multiple": multiple, "task": task}
    with asking(f"loading {model}"):
        tiling = _tiling(tile, overlap)
        network = open_network(model, weights, device=device, batch=batch, tiling=tiling, **options)
    with redirect_stdout(sys.stderr):  # what the model prints
        played = play(root, network, files=files, dry_run=dry_run, progress=Bar("images"), **how)
    if as_json:
        print_json({"verb": "play", **played.as_json()})
        return
    lines = _told(played, show_all=show_all, as_built=weights is None and network.has_parameters)
    lines += accounting(played.report, show_all=show_all, dry_run=dry_run, helps=_HELPS)
    click.echo("\n".join([*lines, *_closing(played, dry_run=dry_run, show_all=show_all)]))


def _range(text: str | None) -> tuple[float, ...] | None:
    from ..errors import UsageError

    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        problem = f"--range {text} is not two numbers"
        raise UsageError(problem, "Give what black and white are to the model, as in --range 0,1") from error


def _tiling(tile: str, overlap: int | None) -> Tiling:
    from ..geometry import read_size
    from ..play import Tiling

    if tile == "auto":
        return Tiling(None, overlap)
    return Tiling((0, 0) if tile == "none" else read_size(tile), overlap)


def _told(played: Played, *, show_all: bool, as_built: bool) -> list[str]:
    of = played.network
    lines = [f"Names were read as {played.pairing}"] if played.pairing else []
    lines.append(f"{of['model']} on {of['device']}: {of['task']}, sides in multiples of {of['size_multiple']}")
    if as_built:
        lines.append(
            f"No --weights: it has the values that {of['model']} gives it, random ones unless that loads others"
        )
    compared = [of for of in played.outcomes if of.is_compared]
    if of["split"]:  # the worst ten
        compared = played.worst if not show_all else compared
    shown = compared if show_all else compared[:_FIRST]
    if shown:
        worst = of["split"] and len(shown) < len([one for one in played.outcomes if one.is_compared])
        lines += ["", *([f"The worst {len(shown)}:"] if worst else []), *_scores(played, shown)]
        if played.identical:
            lines.append(f"{counted(played.identical, 'picture')} came out as the very true one: not in the mean of dB")
        if len(compared) > len(shown):
            lines.append(f"… and {len(compared) - len(shown):,} more; --all lists them")
        lines.append("")
    unscored = [of for of in played.outcomes if of.why_unscored]
    lines += [
        f"  not scored: {show(one.path)} -- {one.why_unscored}" for one in unscored[: None if show_all else _FIRST]
    ]
    return lines


def _scores(played: Played, shown: list[Outcome]) -> list[str]:
    total = sum(1 for of in played.outcomes if of.is_compared)
    if played.score is not None:
        rows: list[tuple[str, ...]] = [("picture", "dB before", "dB after", "SSIM before", "SSIM after")]
        rows += [_row(show(one.path), one.baseline, one.score) for one in shown]
        return table([*rows, _row(f"mean of {counted(total, 'picture')}", played.baseline, played.score)])
    assert played.confusion is not None
    if shown[0].classes:
        rows_of = [("picture", "class", "probability", "true class")]
        rows_of += [(show(one.path), one.classes[0][0], f"{one.classes[0][1]:.3f}", one.label) for one in shown]
        right = int(played.confusion.counts.trace())
        return [*table(rows_of), f"{right:,} of {counted(total, 'picture')} right ({right / total:.1%})"]
    pairs = [(show(one.path), one.confusion) for one in shown] + [
        (f"all {counted(total, 'picture')}", played.confusion)
    ]
    rows_of_masks = [("picture", "mean IoU", "pixels right")]
    rows_of_masks += [(path, _share(of.mean_iou), _share(of.accuracy)) for path, of in pairs if of is not None]
    return table(rows_of_masks)


def _row(name: str, before: Any, after: Any) -> tuple[str, ...]:
    def cell(of: Any, what: str, digits: int) -> str:
        value = getattr(of, what) if of is not None else None
        return "" if value is None else f"{value:.{digits}f}"

    return (name, *(cell(of, what, digits) for what, digits in (("psnr", 2), ("ssim", 4)) for of in (before, after)))


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _closing(played: Played, *, dry_run: bool, show_all: bool) -> list[str]:
    if dry_run:
        pairs = [f"  {show(of.path)} -> play_data/output/{show(of.result)}" for of in played.outcomes if of.is_new]
        shown = pairs if show_all else pairs[:_FIRST]
        more = [f"  … and {len(pairs) - len(shown):,} more; --all lists them"] if len(pairs) > len(shown) else []
        return [*shown, *more, "This was a dry run: nothing was written."]
    if not played.outcomes:
        return ["No picture went through, so there is no result. No original was changed."]
    count = sum(1 for of in played.outcomes if of.is_new)
    before = len(played.outcomes) - count
    rate = f", {count / played.seconds:.1f} images/s" if played.seconds > 0 and count else ""
    tiles = f"; {played.tiled:,} in tiles" if played.tiled else ""
    earlier = f"; {before:,} done before" if before else ""
    lines = [f"{counted(count, 'picture')} in {played.seconds:.1f} s{rate}{tiles}{earlier}."]
    if not played.tiles_agree:
        wish = "a larger --overlap" if played.network["only_size"] else "--tile none or a larger --overlap"
        lines.append(f"Tiles share less than this model sees, so they may show: try {wish}.")
    if played.folder is not None:
        look = f" Look at {' and '.join(played.written)} there." if played.written else ""
        near = os.path.relpath(played.folder)
        place = show(str(played.folder) if near.startswith("..") else near)
        lines.append(f"Results are in {place}.{look} No original was changed; to undo, delete them.")
    return lines
