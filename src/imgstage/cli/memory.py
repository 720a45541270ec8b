"""`imgstage memory`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click

from .common import asking, json_option, refuse_beside
from .render import print_json, table

if TYPE_CHECKING:
    from ..memory import MemoryPlan, Solution, Training
    from ..memory.gpus import Range

_GIB = 1 << 30
_WORDS = {"fits": "it fits", "risky": "it may fit or not", "no": "it does not fit"}


@click.command("memory", short_help="Tell what a training takes on a GPU, before its first step.")
@click.option("--size", metavar="HxW", help="Height x width of the images in pixels, such as 1920x1280.")
@click.option("--batch", type=int, default=1, show_default=True, metavar="N", help="Images a step.")
@click.option("--channels", type=int, default=3, show_default=True, metavar="N", help="Of an image.")
@click.option(
    "--dtype",
    type=click.Choice(["uint8", "float16", "bfloat16", "float32", "float64"]),
    default="float32",
    show_default=True,
    help="Of the input, without --model.",
)
@click.option(
    "--model",
    metavar="MODEL",
    help="unet, unet:32 (its width), timm:NAME, torchvision:NAME, package.module:build or file.py:Class.",
)
@click.option("--amp", type=click.Choice(["none", "bf16", "fp16"]), default="none", show_default=True)
@click.option("--optimizer", type=click.Choice(["sgd", "adam", "adamw"]), default="adam", show_default=True)
@click.option("--loss", type=click.Choice(["l1", "mse", "ce"]), default="l1", show_default=True)
@click.option("--channels-last", is_flag=True, help="Images and weights lie pixel by pixel.")
@click.option("--checkpoint", is_flag=True, help="Each block computes its activations again instead of keeping them.")
@click.option("--expandable", is_flag=True, help="As with PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True.")
@click.option("--gpu", metavar="GPU", help="Such as rtx4090, h100 or 24GiB.")
@click.option("--solve", type=click.Choice(["batch", "size"]), help="Find the largest that fits the GPU.")
@click.option("--plot", metavar="FILE", help="Draw memory over one step, as a PNG.")
@click.option("--calibrate", is_flag=True, help="Measure this machine's GPU, and keep what was found for later.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    size: str | None,
    batch: int,
    channels: int,
    dtype: str,
    model: str | None,
    gpu: str | None,
    solve: Literal["batch", "size"] | None,
    plot: str | None,
    calibrate: bool,
    as_json: bool,
    **how: Any,
) -> int | None:
    """Tell how much GPU memory a batch of images, or the training of a model, takes. No GPU is needed.

    Without --model: the input alone, channels x height x width x bytes of a value x batch. With it, the training step
    is traced on tensors without values, and PyTorch's allocator is simulated: as low, mid and high.
    """
    from click.core import ParameterSource

    from ..errors import UsageError
    from ..geometry import read_size

    if calibrate:
        refuse_beside("--calibrate", ctx)
        return _calibrate(as_json=as_json)
    if size is None:
        problem = "The size of the images is missing"
        raise UsageError(problem, "Give --size, as in 1920x1280")
    if model is None:
        _refuse_without_model(ctx)
        _tell_input(read_size(size), batch, channels, dtype, as_json=as_json)
        return None
    if ctx.get_parameter_source("dtype") is not ParameterSource.DEFAULT:
        problem = "--dtype is that of the input alone"
        raise UsageError(problem, "Give --amp for a training's precision")
    from ..memory import Training

    training = Training(read_size(size), batch, channels, **how)
    if solve is not None:
        _solve(model, training, gpu, solve, plot, as_json=as_json)
        return None
    plan = _estimate(model, training, gpu)
    if plot is not None:
        _draw(plan, plot)
    if as_json:
        print_json(plan.as_json())
    else:
        click.echo("\n".join([*_told(plan), *_next(plan), *_assumed(plan)]))
    return None


def _refuse_without_model(ctx: click.Context) -> None:
    from click.core import ParameterSource

    from ..errors import UsageError

    for name in ("gpu", "solve", "plot", "amp", "optimizer", "loss", "channels_last", "checkpoint", "expandable"):
        if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT:
            problem = f"--{name.replace('_', '-')} says something of a training, and no model is named"
            raise UsageError(problem, "Name one with --model, such as --model unet")


def _tell_input(size: tuple[int, int], batch: int, channels: int, dtype: str, *, as_json: bool) -> None:
    from ..memory import input_bytes
    from ..memory.arithmetic import DTYPE_BYTES

    nbytes = input_bytes(size, batch, channels=channels, dtype=dtype)
    if as_json:
        shape = {"size": list(size), "batch": batch, "channels": channels, "dtype": dtype}
        print_json({**shape, "input_bytes": nbytes, "pairs_bytes": 2 * nbytes})
        return
    formula = f"{batch} x {channels} x {size[0]} x {size[1]} x {DTYPE_BYTES[dtype]} bytes ({dtype})"
    click.echo(
        f"Input alone: {formula} = {nbytes:,} bytes ({_unit(nbytes)}); of pairs, before and after: {2 * nbytes:,} bytes"
        f" ({_unit(2 * nbytes)}).\nHow large the files are makes no difference. What a model takes beside it is far"
        f" more: --model tells."
    )


def _estimate(model: str, training: Training, gpu: str | None) -> MemoryPlan:
    from ..memory import estimate

    with asking(f"tracing {model}"):
        return estimate(model, gpu=gpu, **training._asdict())


def _solve(
    model: str, training: Training, gpu: str | None, what: Literal["batch", "size"], plot: str | None, *, as_json: bool
) -> None:
    from ..errors import UsageError
    from ..memory import solve

    if gpu is None:
        problem = "What fits depends on the GPU, and none is named"
        raise UsageError(problem, "Give --gpu, such as rtx4090 or 24GiB")
    with asking(f"tracing {model}"):
        found = solve(model, what=what, gpu=gpu, **training._asdict())
    if plot is not None:
        _draw(found.plan, plot)
    if as_json:
        print_json(found.as_json())
        return
    click.echo("\n".join([*_solved(found, what), *_told(found.plan), *_helping(found), *_assumed(found.plan)]))


def _solved(found: Solution, what: str) -> list[str]:
    how = found.plan.training
    assert found.plan.gpu is not None
    if not found.fits:
        doubt = "" if found.plan.verdict == "no" else " for certain"
        return [f"Nothing fits {found.plan.gpu.name}{doubt}; the least that was tried:", ""]
    best = f"{how.batch}" if what == "batch" else f"{how.size[0]}x{how.size[1]} (height x width)"
    return [f"The largest {what} that fits {found.plan.gpu.name}: {best}", ""]


def _told(plan: MemoryPlan) -> list[str]:
    how = plan.training
    words = [how.optimizer, how.loss, "float32" if how.amp == "none" else f"amp {how.amp}"]
    words += ["channels last"] * how.channels_last + ["checkpointed"] * how.checkpoint
    words += ["expandable segments"] * how.expandable
    title = f"{plan.model}, {plan.parameters:,} parameters learn; images {how.size[0]}x{how.size[1]} (height x width)"
    lines = [f"{title}, batch {how.batch}, {', '.join(words)}"]
    unit, name = (_GIB, "GiB") if plan.process_bytes.high >= 2 * _GIB else (1 << 20, "MiB")
    rows: list[tuple[str, ...]] = [(f"{name} at the peak", "low", "mid", "high")]
    rows += [
        _row("allocated", plan.allocated_bytes, unit),
        _row("reserved by PyTorch", plan.reserved_bytes, unit),
        _row("the process, with CUDA's context", plan.process_bytes, unit),
    ]
    lines += table(rows)
    if plan.gpu is not None and plan.verdict is not None:
        doubt = "" if plan.gpu.calibration else " (unverified: imgstage was never measured on such a GPU)"
        usable = f"{plan.gpu.usable_bytes / _GIB:.2f} GiB"
        lines.append(f"On {plan.gpu.name}, which has {usable} for it, {_WORDS[plan.verdict]}{doubt}.")
        if plan.releases_cache:
            lines.append("It does so because PyTorch gives back what it keeps cached when memory runs out.")
    else:
        lines.append("Whether that fits, --gpu tells.")
    lines += ["", f"The most is allocated in the {plan.peak_phase} ({plan.peak_operation}):"]
    parts = sorted(plan.breakdown_bytes.items(), key=lambda part: -part[1])
    lines += ["  " + line for line in table([(name, _unit(nbytes)) for name, nbytes in parts if nbytes])]
    return lines


def _row(name: str, of: Range, unit: int) -> tuple[str, ...]:
    return name, *(f"{nbytes / unit:,.2f}" for nbytes in of)


def _next(plan: MemoryPlan) -> list[str]:
    if plan.verdict in (None, "fits"):
        return []
    return ["", "What would fit: add --solve batch, or --solve size"]


def _helping(found: Solution) -> list[str]:
    if not found.advice:
        return []
    lines = ["", "What would help next, and what the process takes then:"]
    rows = []
    for of in found.advice:
        assert of.plan.verdict is not None
        process = f"{of.plan.process_bytes.mid / _GIB:,.2f} GiB"
        rows.append((of.change, process, f"{of.saved_bytes / _GIB:,.2f} GiB less", _WORDS[of.plan.verdict]))
    return [*lines, *("  " + line for line in table(rows))]


def _assumed(plan: MemoryPlan) -> list[str]:
    return ["", "Taken for granted:", *(f"  {line}" for line in plan.assumptions)]


def _unit(nbytes: int) -> str:
    """Bytes in powers of 1024, as GPUs are sold."""
    for unit, factor in (("GiB", _GIB), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if nbytes >= factor:
            return f"{nbytes / factor:,.2f} {unit}"
    return f"{nbytes:,} bytes"


def _draw(plan: MemoryPlan, name: str) -> None:
    from ..memory.plot import MARK, of_step
    from ..root import show
    from .writing import png_with, write_file

    write_file(name, "--plot", png_with(MARK), lambda: (of_step(plan), f"One step; now drawn in {show(name)}"))


def _calibrate(*, as_json: bool) -> int:
    from ..memory.calibration import calibrate
    from ..progress import Bar
    from ..root import show

    result = calibrate(Bar())
    if as_json:
        print_json(result.as_json())
        return 0
    rows = [("GiB", "predicted", "measured", "off")]
    for name, predicted, measured in result.compared:
        off = f"{predicted / measured - 1:+.1%}"
        rows.append((name, f"{predicted / _GIB:,.2f}", f"{measured / _GIB:,.2f}", off))
    click.echo("\n".join([*table(rows), f"Kept in {show(str(result.path))}; delete it to undo."]))
    return 0
