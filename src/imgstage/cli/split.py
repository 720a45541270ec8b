"""`imgstage split`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from .common import (
    all_option,
    carry_out,
    command_line,
    dry_run_option,
    json_option,
    open_dataset,
    refuse_beside,
    threads_option,
    trust_option,
)
from .render import counted, pairing, surprises
from .splittext import NOT_COMPARED, groups, labels, lookalikes, redrawn, splits

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..plan import Plan

_FIRST = 10


@click.command("split", short_help="Move samples from stage_data/ into train, val and test.")
@click.option("--ratios", metavar="RATIOS", help="80/12/8 (the default), or named: train=0.8,val=0.12,test=0.08.")
@click.option("--seed", type=int, help="Seeds the draw. Default: 0.")
@click.option(
    "--group", metavar="REGEX", help="Samples share a split when the first bracket matches the same in their keys."
)
@click.option(
    "--group-csv", metavar="FILE:COLUMN", help="Samples share a split when this column of a table is the same."
)
@click.option(
    "--near-duplicates",
    type=click.Choice(["tie", "ignore"]),
    help="Whether samples share a split when they look nearly the same. Default: tie.",
)
@click.option(
    "--max-group",
    type=click.IntRange(min=1),
    metavar="N",
    help="Ties by look that would make a group of more samples are cut, the weakest first.",
)
@click.option(
    "--label",
    metavar="SOURCE",
    help="Labels to spread evenly: folder (the default), voc or yolo annotations, or FILE:COLUMN.",
)
@click.option("--label-separator", metavar="TEXT", help="What stands between several labels in one cell.")
@click.option(
    "--unlisted",
    type=click.Choice(["hold", "alone"]),
    help="Whether new samples that a table of groups or labels leaves out stay where they are. Default: hold.",
)
@click.option("--folds", type=int, metavar="K", help="K equal splits, fold_1 and so on; --ratios names others beside.")
@click.option(
    "--rounding", type=click.Choice(["remainder", "truncate"]), help="How shares become counts. Default: remainder."
)
@click.option("--reshuffle", is_flag=True, help="Draw all samples anew; test images may become train images.")
@click.option("--accept-new", is_flag=True, help="Unknown samples are new although held-out images are missing.")
@trust_option
@click.option(
    "--manifest", is_flag=True, help="Move nothing; write splits.csv and one SPLIT.metadata.jsonl a split instead."
)
@click.option("--fix-leaks", is_flag=True, help="Draw nothing; set aside the fewest samples that leak between splits.")
@dry_run_option
@json_option
@all_option
@threads_option
@click.pass_obj
def command(
    root: str | None,
    ratios: str | None,
    seed: int | None,
    group: str | None,
    group_csv: str | None,
    near_duplicates: Literal["tie", "ignore"] | None,
    max_group: int | None,
    label: str | None,
    label_separator: str | None,
    unlisted: Literal["hold", "alone"] | None,
    folds: int | None,
    rounding: str | None,
    reshuffle: bool,
    accept_new: bool,
    trust: Literal["folders", "csv"] | None,
    manifest: bool,
    fix_leaks: bool,
    dry_run: bool,
    as_json: bool,
    show_all: bool,
    threads: int | None,
) -> None:
    """Move whole samples from stage_data/ into train/, val/ and test/.

    A sample that was assigned once keeps its split, however the set grows. What is not given comes from imgstage.toml.
    """
    dataset = open_dataset(root, threads=threads, dry_run=dry_run)
    if fix_leaks:
        refuse_beside("--fix-leaks", click.get_current_context())
        plan, render = dataset.plan_fix_leaks(), _fixed(root, compared=dataset.compares)
        carry_out(root, plan, render, dry_run=dry_run, as_json=as_json, show_all=show_all)
        return
    plan = dataset.plan_split(
        ratios=ratios,
        seed=seed,
        group=group,
        group_csv=group_csv,
        near_duplicates=near_duplicates,
        max_group=max_group,
        label=label,
        label_separator=label_separator,
        unlisted=unlisted,
        folds=folds,
        rounding=rounding,
        reshuffle=reshuffle,
        accept_new=accept_new,
        trust=trust,
        manifest=manifest,
    )
    carry_out(root, plan, _render(show_all), dry_run=dry_run, as_json=as_json, show_all=show_all)


def _render(show_all: bool) -> Callable[[Plan], list[str]]:
    def render(plan: Plan) -> list[str]:
        details = plan.report.details
        told = (
            *pairing(details),
            *splits(details),
            *redrawn(details),
            *labels(details),
            *groups(details),
            *lookalikes(details),
        )
        return [*told, *surprises(details, show_all=show_all)]

    return render


def _fixed(root: str | None, *, compared: bool) -> Callable[[Plan], list[str]]:
    def render(plan: Plan) -> list[str]:
        details = plan.report.details
        aside, left = details["set_aside"], details["leaks_left"]
        leaks, gone = counted(details["leaks"], "leak"), counted(len(aside), "sample")
        lines = [f"{leaks} between splits; ended by setting aside {gone} in held/"]
        lines += [f"  {one['sample']} ({one['split']}): {one['reason']}" for one in aside[:_FIRST]]
        if len(aside) > _FIRST:
            lines.append(f"  … and {len(aside) - _FIRST:,} more; held/reasons.csv has them all")
        if left:
            lines.append(f"  {len(left):,} cannot go, such as {left[0]}; `imgstage check` tells more")
        if not compared:
            lines.append(NOT_COMPARED)
        if aside:
            lines.append(f"One comes back with: {command_line(root, 'release', 'NAME')}")
        return lines

    return render
