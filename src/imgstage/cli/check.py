"""`imgstage check`."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from .common import (
    advised,
    all_option,
    carry_out,
    dry_run_option,
    json_option,
    open_dataset,
    refuse_beside,
    threads_option,
)
from .render import counted, print_json
from .splittext import NOT_COMPARED
from .writing import png_with, write_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..bonds import Cluster
    from ..checks import Finding
    from ..dataset import Dataset
    from ..plan import Plan

_FIRST = 5


@click.command("check", short_help="Find what is wrong or odd.")
@click.option("--depth", type=click.IntRange(0, 16), default=0, metavar="N", help="Sides must divide by 2^N.")
@click.option("--digests", is_flag=True, help="Read every byte again, to find files that changed by themselves.")
@click.option("--strict", is_flag=True, help="Warnings are errors.")
@click.option("--hold", "hold", is_flag=True, help="Put the samples that have errors into held/.")
@click.option("--report", metavar="FILE", help="Write what leaks between splits as a page, side by side.")
@click.option("--plot", metavar="FILE", help="Draw how labels are spread over the splits, as a PNG.")
@click.option("--groups", is_flag=True, help="List instead which samples must share a split, and why.")
@dry_run_option
@json_option
@all_option
@threads_option
@click.pass_context
def command(
    ctx: click.Context,
    depth: int,
    digests: bool,
    strict: bool,
    hold: bool,
    report: str | None,
    plot: str | None,
    groups: bool,
    dry_run: bool,
    as_json: bool,
    show_all: bool,
    threads: int | None,
) -> int:
    """Look for broken files, halves that do not fit, copies, odd sizes and colours, and drift from splits.csv.

    Exits with 1 when there are errors. With --hold, their samples go into held/; then it does so when some are left.
    """
    root: str | None = ctx.obj
    dataset = open_dataset(root, threads=threads, dry_run=dry_run)
    if groups:
        refuse_beside("--groups", ctx)
        _show_groups(dataset.groups(), as_json=as_json, show_all=show_all)
        return 0
    if report is not None:
        _write_report(dataset, report, dry_run=dry_run)
    if plot is not None:
        _write_plot(dataset, plot, dry_run=dry_run)
    if hold:
        findings, plan = dataset.plan_check(depth=depth, digests=digests, strict=strict)
        left: int = plan.report.details["errors_left"]
        shown = {**plan.report.details, "compared": dataset.compares, "findings": _shown(findings)}

        def render(made: Plan) -> list[str]:
            went = "would go" if dry_run else "went"
            lines = [
                *_told(dataset, findings, root, show_all=show_all),
                f"{counted(made.report.done, 'file')} {went} to held/",
            ]
            return [*lines, f"{counted(left, 'error')} left"] if left else lines

        plan = replace(plan, report=replace(plan.report, details=shown))
        carry_out(root, plan, render, dry_run=dry_run, as_json=as_json, show_all=show_all)
        return 1 if left else 0
    findings = dataset.check(depth=depth, digests=digests)
    if as_json:
        errors = sum(finding.is_error or strict for finding in findings)
        body = {"errors": errors, "compared": dataset.compares, "findings": _shown(findings)}
        print_json({"verb": "check"} | body)
    else:
        click.echo("\n".join(_told(dataset, findings, root, show_all=show_all)))
        if strict and findings:
            click.echo("With --strict, warnings are errors")
    return 1 if any(finding.is_error or strict for finding in findings) else 0


def _shown(findings: Sequence[Finding]) -> list[dict[str, str]]:
    from ..root import show

    return [finding._replace(path=show(finding.path))._asdict() for finding in findings]


def _told(dataset: Dataset, findings: Sequence[Finding], root: str | None, *, show_all: bool) -> Iterator[str]:
    errors = sum(finding.is_error for finding in findings)
    yield f"{counted(errors, 'error')}, {counted(len(findings) - errors, 'warning')}"
    times = Counter((finding.severity, finding.code) for finding in findings)
    told: Counter[tuple[str, str]] = Counter()
    for finding, shown in zip(findings, _shown(findings), strict=True):
        kind = finding.severity, finding.code
        told[kind] += 1
        if show_all or told[kind] <= _FIRST:
            yield f"  {finding.severity}: {shown['path']} -- {finding.code}: {finding.sentence}"
        elif told[kind] == _FIRST + 1:
            yield f"  {finding.severity}: … and {times[kind] - _FIRST:,} more of {finding.code}; --all lists them"
        if told[kind] == times[kind]:
            yield f"    {finding.code}: {advised(root, finding.remedy)}"
    if not dataset.compares:
        yield NOT_COMPARED
    elif dataset.max_group is not None:
        yield f"Look ties {dataset.max_group} samples at most (max_group): pictures that are alike may be divided"


def _show_groups(clusters: Sequence[Cluster], *, as_json: bool, show_all: bool) -> None:
    from ..root import show

    if as_json:
        told = [
            {
                "samples": [{"sample": show(key), "split": split} for key, split in cluster.samples],
                "bonds": [
                    {**bond._asdict(), "left": show(bond.left), "right": show(bond.right)} for bond in cluster.bonds
                ],
            }
            for cluster in clusters
        ]
        print_json({"verb": "check", "groups": told})
        return
    count = sum(len(cluster.samples) for cluster in clusters)
    lines = [f"{count:,} samples must share a split with others, in {len(clusters):,} groups"]
    for cluster in clusters if show_all else clusters[:_FIRST]:
        splits = Counter(split or "no split yet" for _, split in cluster.samples)
        where = ", ".join(
            f"{times:,} in {split}" if split != "no split yet" else f"{times:,} without a split"
            for split, times in sorted(splits.items())
        )
        lines.append(f"  {len(cluster.samples):,} samples ({where}):")
        bonds = cluster.bonds if show_all else cluster.bonds[:_FIRST]
        lines += [f"    {bond.sentence}" for bond in bonds]
        if len(cluster.bonds) > len(bonds):
            lines.append(f"    … and {len(cluster.bonds) - len(bonds):,} more; --all lists them")
    if len(clusters) > _FIRST and not show_all:
        lines.append(f"  … and {len(clusters) - _FIRST:,} smaller groups; --all lists them")
    click.echo("\n".join(lines))


def _write_report(dataset: Dataset, name: str, *, dry_run: bool) -> None:
    """Write the page of leaks."""
    from ..leaksheet import MARK, render
    from ..root import show

    def make() -> tuple[bytes, str]:
        leaks = dataset.leaks().listed()
        page = b"" if dry_run else render(dataset.root.path, leaks).encode()
        return page, f"{counted(len(leaks), 'leak')} between splits; {'would be' if dry_run else 'now'} in {show(name)}"

    write_file(name, "--report", re.escape(MARK.encode()), make, among=dataset, dry_run=dry_run)


def _write_plot(dataset: Dataset, name: str, *, dry_run: bool) -> None:
    """Draw the labels."""
    from ..errors import UsageError
    from ..labelplot import MARK, draw
    from ..root import show

    def make() -> tuple[bytes, str]:
        counts = dataset.label_counts()
        if not counts["samples"]:
            problem = f"No sample of {show(str(dataset.root.path))} has a split yet, so there is nothing to draw"
            raise UsageError(problem, "Split first: imgstage split")
        drawn = draw(dataset.root.path.name, counts["samples"], counts["labels"])
        labels = counted(len(counts["labels"]), "label")
        return drawn, f"{labels}; {'would be' if dry_run else 'now'} drawn in {show(name)}"

    write_file(name, "--plot", png_with(MARK), make, among=dataset, dry_run=dry_run)
