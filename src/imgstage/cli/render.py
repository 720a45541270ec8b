"""Reports as text or JSON."""

from __future__ import annotations

import json
import math
import shlex
from typing import TYPE_CHECKING, Any

import click

from ..reasons import HELP, Why, why
from ..root import show

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..journal import Operation
    from ..plan import Note, Plan, Report

_FIRST = 5


def print_json(body: Mapping[str, Any]) -> None:
    """One JSON object on stdout."""
    click.echo(json.dumps(body, indent=2, ensure_ascii=False))


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def amount(size: float) -> str:
    """A number of bytes, in the unit that suits it."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size:,.0f} bytes"


def duration(seconds: float) -> str:
    """A span of time, in the unit that suits it."""
    for unit, factor in (("h", 3600), ("min", 60)):
        if seconds >= 2 * factor:
            return f"{seconds / factor:,.0f} {unit}"
    return f"{max(1, round(seconds))} s"


def helps(root: str | None) -> Mapping[Why, str]:
    """What helps a file that lies in the root, with commands as the user may type them."""
    given = shlex.join(("imgstage", "-C", root)) if root else "imgstage"
    return {kind: text.replace("`imgstage", f"`{given}") for kind, text in HELP.items()}


def accounting(report: Report, *, show_all: bool, dry_run: bool = False, helps: Mapping[Why, str]) -> list[str]:
    """The sums, then what is held and ignored, by kind of reason, and what helps a file that lies in the root."""
    done = f"{report.done:,} done ({report.changed:,} {'to change' if dry_run else 'changed now'})"
    lines = [
        f"{counted(report.found, 'file')} found: {done}, {len(report.held):,} held, {len(report.ignored):,} ignored"
    ]
    for what, of in (("held", report.held), ("ignored", report.ignored)):
        lines += notes(what, of, show_all=show_all, helps=helps)
    return lines


def counted(number: int, what: str) -> str:
    """A number of things: `1 file`, `2 files`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def notes(what: str, of: Sequence[Note], *, show_all: bool, helps: Mapping[Why, str]) -> list[str]:
    """Files by kind of reason: the first few of each unless all are wanted, and what helps."""
    kinds: dict[Why, list[Note]] = {}
    for note in of:
        kinds.setdefault(why(note.reason), []).append(note)
    lines: list[str] = []
    for kind, members in kinds.items():
        shown = members if show_all or len(members) <= _FIRST else members[: _FIRST - 2]
        lines += [f"  {what}: {show(note.path)} -- {note.reason}" for note in shown]
        if len(members) > len(shown):
            lines.append(f"  {what}: … and {len(members) - len(shown):,} more that are {kind}; --all lists them")
        if kind in helps:
            lines.append(f"    {kind}: {helps[kind]}")
    return lines


def moves(plan: Plan, *, show_all: bool) -> list[str]:
    """Where each file would go, the first few unless all are wanted."""
    pairs = [f"  {show(source)} -> {show(target)}" for source, target in plan.moves() if source != target]
    shown = pairs if show_all else pairs[:_FIRST]
    more = [f"  … and {len(pairs) - len(shown):,} more; --all lists them"] if len(pairs) > len(shown) else []
    return shown + more


def pairing(details: Mapping[str, Any]) -> list[str]:
    """How names were read, one line a rule."""
    lines = []
    for rule in details.get("pairing", ()):
        if not rule["images"]:
            where = f" in {' + '.join(rule['folders'])}/" if rule["folders"] else ""
            lines.append(f"  imgstage.toml: {_templates(rule['templates'])} fits no image{where}, so it is not used")
            continue
        folders = [f"{folder}/" if folder != "." else "stage_data/" for folder in rule["folders"]]
        where = " + ".join(folders) if len(folders) < 4 else f"{len(folders)} folders ({folders[0]} … {folders[-1]})"
        lines.append(f"Pairing in {where}: {_rule(rule)}{' (from imgstage.toml)' if rule['given'] else ''}")
    return lines


def _rule(rule: Mapping[str, Any]) -> str:
    if len(rule["templates"]) == 1:
        passed = f"; few match {_templates(rule['passed_over'])}, so that was not used" if rule["passed_over"] else ""
        return f"lone images, {rule['images']:,}{passed}"
    share = f"{rule['explained']:,} of {rule['images']:,} images ({floor_percent(rule['coverage'])})"
    guess = (
        "; which of the two is which is a guess, swap them in imgstage.toml if it is wrong" if rule["guessed"] else ""
    )
    return f"{_templates(rule['templates'])}; explains {share}{guess}"


def floor_percent(share: float) -> str:
    """A share that never looks complete when it is not."""
    return f"{math.floor(share * 1000) / 10:g} %"


def _templates(templates: Mapping[str, str]) -> str:
    return ", ".join(f'{role} = "{template}"' for role, template in templates.items())


def surprises(details: Mapping[str, Any], *, show_all: bool) -> list[str]:
    """What somebody did to the files between two verbs."""
    lines: list[str] = []
    if details.get("foreign_ledger"):
        lines.append(
            "  splits.csv is gone, or is not the one imgstage wrote last; restore it from git or a backup. `split` asks"
            " before it draws or takes from their folders what that does not know"
        )
    lone = details.get("assigned_as_lone", ())
    if lone:
        lines.append(
            f"  {counted(len(lone), 'file')} such as {lone[0]} were assigned as lone images, and by their names are"
            " parts of larger samples now; `imgstage split --reshuffle` draws those together"
        )
    missing = [
        f"{row['path']} ({row['split']})" if isinstance(row, dict) else row for row in details.get("missing", ())
    ]
    for what, paths in (
        ("gone since it was assigned", missing),
        ("edited since it was assigned", details.get("edited", ())),
    ):
        shown = paths if show_all else paths[:_FIRST]
        lines += [f"  {what}: {path}" for path in shown]
        if len(paths) > len(shown):
            lines.append(f"  {what}: … and {len(paths) - len(shown):,} more; --all lists them")
    disagreeing = [(row["sample"], row["folder"], row["split"]) for row in details.get("disagreeing", ())]
    if disagreeing:
        lines.append("  Folders and splits.csv disagree; say which is right: imgstage split --trust folders (or csv)")
        lines += long_table([("sample", "folder", "splits.csv"), *disagreeing], show_all=show_all)
    return lines


def foreign_tables(details: Mapping[str, Any]) -> list[str]:
    """Tables that somebody else wrote, and which may not tell the truth any more."""
    return [
        f"  {path} is not the one imgstage wrote and stays as it is; move it away, and split writes it anew"
        for path in details.get("foreign_tables", ())
    ]


_ROWS = 20


def long_table(rows: Sequence[Sequence[str]], *, show_all: bool = False) -> list[str]:
    """A header and the first rows of a table, indented."""
    shown = rows if show_all else rows[: _ROWS + 1]
    lines = [f"  {line}" for line in table(shown)]
    if len(rows) > len(shown):
        lines.append(f"  … and {len(rows) - len(shown):,} more")
    return lines


def operations(log: Sequence[Operation], *, show_all: bool) -> list[str]:
    """The log as a table, oldest first; only the last ones unless all are wanted."""
    done = [operation for operation in log if operation.state == "done"]
    undone = {number: operation.number for operation in done for number in operation.undoes}
    rows = [["operation", "verb", "when", "files", "state"]]
    shown = log if show_all else log[-_ROWS:]
    for operation in shown:
        state = str(operation.state)
        if operation.number in undone:
            state = f"undone by {undone[operation.number]}"
        elif operation.undoes and operation in done:
            state = f"undid {', '.join(map(str, reversed(operation.undoes)))}"
        rows.append([str(operation.number), operation.verb, operation.started, f"{operation.files:,}", state])
    earlier = [f"{len(log) - len(shown):,} earlier operations; --all lists them"] if len(log) > len(shown) else []
    return earlier + table(rows)
