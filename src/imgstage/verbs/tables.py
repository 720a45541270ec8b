"""The two text files in a root that verbs write: `splits.csv` and, only while it is absent, `imgstage.toml`."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from .. import ledger
from ..ledger import Row, mark_missing
from ..pairing import SIDECAR, describe, toml_table
from ..plan import INCOMING, Identity, Move, Preparation, vault_place
from ..root import LEDGER, SETTINGS, format_ratios

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from fractions import Fraction

    from ..catalog import Catalog, Sample
    from ..pairing import FolderPairing

_TABLE_MODE = 0o644


@dataclass(frozen=True)
class Draft:
    """What a planner needs to know beside the catalog.

    Attributes:
        operation: the number the plan will have.
        now_ns: the mtime that newly written tables get.
        ledger: who the present `splits.csv` is; None when there is none.
        settings_present: whether there is an `imgstage.toml`.
    """

    operation: int
    now_ns: int
    ledger: Identity | None
    settings_present: bool


def write_table(draft: Draft, name: str, content: bytes, old: Identity | None) -> tuple[list[Move], list[Preparation]]:
    """The wishes that put new content under a name, the old file into the vault first.

    Returns:
        Moves and preparations; none when the content is what it was.
    """
    digest = blake3(content).hexdigest()
    if old is not None and old.digest == digest:
        return [], []
    identity = Identity(len(content), draft.now_ns, old.mode if old else _TABLE_MODE, digest)
    place = f"{INCOMING}/{draft.operation:06d}-{name}"
    moves = [Move(place, name, identity)]
    if old is not None:
        moves.append(Move(name, vault_place(draft.operation, 0, name), old))
    return moves, [Preparation(place, identity, content=content)]


def write_ledger(
    draft: Draft,
    catalog: Catalog,
    splits: Mapping[str, str],
    moves: Iterable[Move],
    groups: Mapping[str, str] | None = None,
) -> tuple[list[Move], list[Preparation]]:
    """The wishes that bring `splits.csv` up to date.

    Args:
        draft: about the plan.
        catalog: what there is.
        splits: the split of each sample that shall have rows, by id; rows of other samples keep theirs.
        moves: where files go.
        groups: the group of each sample, by id, where it may have changed.
    """
    target = {move.source: move.target for move in moves}
    rows: list[Row] = [mark_missing(row) for row in catalog.missing]
    for sample in catalog.samples:
        for path, role, digest in _files(sample):
            row = catalog.rows.get(path)
            if row is None and sample.id not in splits:
                continue
            group = (groups or {}).get(sample.id, sample.group)
            split = splits.get(sample.id, row.split if row else "")
            first = row.first_digest if row else digest
            rows.append(Row(sample.id, split, group, role, target.get(path, path), digest, first))
    astray = set(catalog.rows) - {path for sample in catalog.samples for path, _, _ in _files(sample)}
    rows.extend(catalog.rows[path]._replace(path=target.get(path, path)) for path in astray)
    if not rows and draft.ledger is None:
        return [], []
    return write_table(draft, LEDGER, ledger.write(rows), draft.ledger)


def _files(sample: Sample) -> Iterable[tuple[str, str, str]]:
    for role, records in sample.images.items():
        for record in records:
            yield record.path, role, record.digest
    for record in sample.sidecars:
        yield record.path, SIDECAR, record.digest


def settings_text(
    ratios: Mapping[str, Fraction], seed: int, rounding: str, group: str | None, pairings: Iterable[FolderPairing]
) -> str:
    """An `imgstage.toml` that makes the next run do what this one did."""
    lines = [
        "# How imgstage reads this folder. Flags on the command line go before these settings.",
        f'ratios = "{format_ratios(ratios)}"',
        f"seed = {seed}",
        f'rounding = "{rounding}"',
    ]
    if group is not None:
        lines.append(f"group = {json.dumps(group, ensure_ascii=False)}")
    return "\n".join((*lines, "", *pairing_tables(pairings)))


def pairing_tables(pairings: Iterable[FolderPairing]) -> list[str]:
    """The tables that store pairing rules: one that many folders share for all, the others by name.

    Lone images need no table: where a pair comes later, it may still be detected.
    """
    paired = [pairing for pairing in pairings if not pairing.rule.is_lone]
    folders: Counter[str] = Counter()
    for pairing in paired:
        folders[describe(pairing.rule)] += 0 if pairing.is_parallel else len(pairing.folders)
    common, times = max(folders.items(), key=lambda item: item[1], default=("", 0))
    tables: list[str] = []
    for pairing in paired:
        if pairing.is_parallel:
            tables.append(toml_table(pairing.name, pairing.rule))
        elif times == 1 or describe(pairing.rule) != common:
            tables.extend(toml_table(folder, pairing.rule) for folder in pairing.folders)
        else:
            tables.insert(0, toml_table("", pairing.rule))
    return tables


def write_settings(draft: Draft, text: str) -> tuple[list[Move], list[Preparation]]:
    """The wishes that write `imgstage.toml`, which is never written over."""
    return ([], []) if draft.settings_present else write_table(draft, SETTINGS, text.encode(), None)


def pairing_details(pairings: Iterable[FolderPairing]) -> list[dict[str, Any]]:
    """The pairing rules as they are reported."""
    return [
        {
            "folders": list(pairing.folders),
            "templates": pairing.rule.texts(),
            "given": pairing.given,
            "images": pairing.images,
            "explained": pairing.explained,
            "coverage": round(pairing.coverage, 4),
            "guessed": pairing.rule.guessed,
            "passed_over": pairing.passed_over.texts() if pairing.passed_over else None,
        }
        for pairing in pairings
    ]
