"""`imgstage sizes`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .common import all_option, asking, json_option, open_dataset, refuse_beside, threads_option
from .render import counted, print_json, table

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping, Sequence

    from ..dataset import Dataset
    from ..memory.arithmetic import SafeSizes

_ROWS, _BAR = 20, 30


@click.command("sizes", short_help="Show which sizes a network can halve, and the nearest that it can.")
@click.option("--size", metavar="HxW", help="Height x width in pixels. Default: the sizes of the root's own images.")
@click.option("--depth", type=click.IntRange(0, 16), metavar="N", help="How often the network halves. Default: 4.")
@click.option("--model", metavar="MODEL", help="A network, asked what it takes: see `imgstage memory --help`.")
@click.option("--channels", type=int, default=3, show_default=True, metavar="N", help="Of the images, for --model.")
@click.option("--plot", metavar="FILE", help="Draw the root's sizes, as a PNG.")
@json_option
@all_option
@threads_option
@click.pass_context
def command(
    ctx: click.Context,
    size: str | None,
    depth: int | None,
    model: str | None,
    channels: int,
    plot: str | None,
    as_json: bool,
    show_all: bool,
    threads: int | None,
) -> None:
    """Show how often sizes can be halved, and the nearest sizes that a network takes, by cutting or by padding.

    A U-Net that halves N times takes heights and widths that are multiples of 2 to the power of N.
    """
    from ..geometry import read_size
    from ..memory import safe_sizes

    if model is not None and depth is not None:
        refuse_beside("--model", ctx, "size", "channels", "plot")
    if size is not None:
        refuse_beside("--size", ctx, "depth", "model", "channels")
    asked = read_size(size) if size is not None else None
    divisor, refused = _ask(model, channels, asked) if model is not None else (1 << (4 if depth is None else depth), ())
    dataset = _root(ctx.obj, threads) if asked is None else None
    counts: dict[tuple[int, int], int] = {asked: 1} if asked else _of_root(dataset)
    near = {of: safe_sizes(of, divisor) for of in sorted(counts, key=lambda of: (-counts[of], of))}
    if plot is not None and dataset is not None:
        _draw(dataset, counts, divisor, plot)
    if as_json:
        rows = [{**of.as_json(), **({"images": counts[at]} if dataset else {})} for at, of in near.items()]
        print_json({"divisor": divisor, "sizes": rows, "refused": [list(of) for of in refused]})
        return
    lines = [*_about(model, divisor, refused), *_rows(near, counts if dataset else {}, show_all=show_all)]
    if not all(of.is_safe for of in near.values()):
        lines.append("Cut or padded, all other pixels stay as they are; `imgstage resize` makes every pixel anew.")
    if dataset:
        safe = sum(counts[at] for at, of in near.items() if of.is_safe)
        lines.append(f"{safe:,} of {counted(sum(counts.values()), 'image')} can go in as they are.")
        if held := sum(1 for sample in dataset.samples if sample.held):
            lines.append(f"{counted(held, 'sample')} held and not looked at; imgstage status says why.")
    click.echo("\n".join(lines))


_HEAD = ("height x width", "images", "halvings", "cut to", "padded to", "")


def _about(model: str | None, divisor: int, refused: Sequence[tuple[int, int]]) -> list[str]:
    why = f"{model} takes" if model is not None else f"A network that halves {counted(_log(divisor), 'time')} takes"
    lines = [f"{why} heights and widths that are multiples of {divisor}."]
    if refused:
        told = " and ".join(f"{h}x{w}" for h, w in refused)
        lines.append(f"It refuses {told} all the same: it wants more than multiples, such as a least size.")
    return lines


def _rows(
    near: Mapping[tuple[int, int], SafeSizes], counts: Mapping[tuple[int, int], int], *, show_all: bool
) -> list[str]:
    shown = list(near.values())[: None if show_all else _ROWS]
    lines = table([_HEAD if counts else _HEAD[:1] + _HEAD[2:], *(_row(of, counts) for of in shown)])
    if len(near) > len(shown):
        lines.append(f"… and {counted(len(near) - len(shown), 'size')} more; --all lists them")
    return lines


def _root(root: str | None, threads: int | None) -> Dataset:
    from ..errors import NotARootError

    try:
        return open_dataset(root, threads=threads)
    except NotARootError as error:
        raise NotARootError(error.problem, f"--size 1920x1280 asks without a root. {error.remedy}") from None


def _of_root(dataset: Dataset | None) -> Counter[tuple[int, int]]:
    from ..errors import RefusedError
    from ..root import show

    assert dataset is not None
    counts = dataset.image_sizes()
    if not counts:
        problem = f"{show(str(dataset.root.path))} has no images yet, so no sizes"
        raise RefusedError(problem, "Give one: imgstage sizes --size 1920x1280")
    return counts


def _ask(model: str, channels: int, size: tuple[int, int] | None) -> tuple[int, tuple[tuple[int, int], ...]]:
    """What a model's sizes are multiples of; and, of the nearest to a size, those that it refuses all the same."""
    from ..memory import safe_sizes
    from ..memory.planner import sizes_of

    with asking(f"asking {model}"):
        sizes = sizes_of(model, channels)
        if size is None:
            return sizes.divisor, ()
        near = safe_sizes(size, sizes.divisor)
        told = dict.fromkeys(of for of in (near.below, near.above) if of is not None)
        return sizes.divisor, tuple(of for of in told if not sizes.takes(of))


def _row(of: SafeSizes, counts: Mapping[tuple[int, int], int]) -> tuple[str, ...]:
    """A size, and what cutting and padding would change."""
    height, width = of.size
    area, most = height * width, max(counts.values(), default=1)
    cut = f"{of.below[0]}x{of.below[1]} (-{of.pixels_cropped / area:.1%})" if of.below else "too small"
    padded = f"{of.above[0]}x{of.above[1]} (+{of.pixels_padded / area:.1%})"
    images = (f"{counts[of.size]:,}",) if counts else ()
    bar = "#" * max(1, round(_BAR * counts[of.size] / most)) if counts else ""
    asis = ("as it is", "as it is") if of.is_safe else (cut, padded)
    return (f"{height}x{width}", *images, str(of.halvings), *asis, bar.ljust(_BAR) if counts else "")


def _draw(dataset: Dataset, counts: dict[tuple[int, int], int], divisor: int, name: str) -> None:
    from ..memory.plot import MARK, of_sizes
    from ..root import show
    from .writing import png_with, write_file

    def make() -> tuple[bytes, str]:
        drawn = of_sizes(show(dataset.root.path.name), counts, divisor)
        return drawn, f"{counted(len(counts), 'size')}; now drawn in {show(name)}"

    write_file(name, "--plot", png_with(MARK), make, among=dataset)


def _log(divisor: int) -> int:
    return divisor.bit_length() - 1
