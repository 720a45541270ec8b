"""What verbs wish of the text files in a root, such as `splits.csv`, and what planners must know of those there are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from blake3 import blake3

from .. import ledger
from ..ledger import Row, mark_missing
from ..pairing import SIDECAR, describe, toml_table
from ..plan import INCOMING, Identity, Move, Preparation, arrange, folder_modes, vault_place
from ..root import LEDGER, SETTINGS
from ..settings import format_ratios

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..catalog import Catalog
    from ..pairing import FolderPairing
    from ..plan import Journey, Step
    from .splitwish import SplitWish

_TABLE_MODE = 0o644


@dataclass(frozen=True)
class Draft:
    """What a planner needs to know beside the catalog.

    Attributes:
        operation: the number the plan will have.
        now_ns: the mtime that newly written tables get.
        tables: by what imgstage's own text files that are there are recognised, by path.
        written: the digest of what imgstage wrote last, by path; empty where it took the file away.
        reasons: why files were put into `held/`, by path.
        report: the content of `splits.json`; empty where there is none.
    """

    operation: int
    now_ns: int
    tables: Mapping[str, Identity] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    report: bytes = b""


class Wishes(NamedTuple):
    """What a verb wants to be so."""

    moves: list[Move]
    preparations: list[Preparation]

    def __or__(self, other: Wishes) -> Wishes:
        return Wishes([*self.moves, *other.moves], [*self.preparations, *other.preparations])


def arrange_wishes(
    draft: Draft, catalog: Catalog, moves: Iterable[Move], wishes: Wishes, places: Iterable[str]
) -> tuple[tuple[Journey, ...], tuple[Step, ...]]:
    """The journeys and steps of a verb that moves files within a root, and writes tables.

    Args:
        draft: about the plan.
        catalog: what there is.
        moves: of the user's files.
        wishes: what is wished of tables.
        places: the top-level folders in which folders may be made.

    Raises:
        DestinationError: two moves want one name, or a name is taken by something that stays.
    """
    index = catalog.index
    return arrange(
        draft.operation,
        [*moves, *wishes.moves],
        (record.path for record in index.files),
        index.folders,
        folder_modes(index, places),
    )


def write_table(draft: Draft, name: str, content: bytes | None, *, anew: bool = False) -> Wishes:
    """The wishes that put new content under a name, the old file into the vault first.

    Args:
        draft: about the plan.
        name: the path of the table.
        content: what it shall hold; None takes it away.
        anew: write it also when it is so already, so that it becomes the one that was written last.

    Returns:
        Moves and preparations; none when it is so already.
    """
    old = draft.tables.get(name)
    wishes = Wishes([], [])
    digest = blake3(content).hexdigest() if content is not None else ""
    if (old.digest if old else "") == digest and not anew:
        return wishes
    if content is not None:
        identity = Identity(len(content), draft.now_ns, old.mode if old else _TABLE_MODE, digest)
        place = f"{INCOMING}/{draft.operation:06d}-{name.replace('/', '-')}"
        wishes.moves.append(Move(place, name, identity))
        wishes.preparations.append(Preparation(place, identity, content=content))
    if old is not None:
        number = sorted(draft.tables).index(name)
        wishes.moves.append(Move(name, vault_place(draft.operation, number, name), old))
    return wishes


def is_own_table(draft: Draft, name: str) -> bool:
    """Whether a table is not there, or is the one that imgstage wrote last."""
    there = draft.tables.get(name)
    return there is None or there.digest == draft.written.get(name)


def write_ledger(
    draft: Draft,
    catalog: Catalog,
    splits: Mapping[str, str],
    target: Mapping[str, str],
    groups: Mapping[str, str] | None = None,
    *,
    digests: Mapping[str, str] | None = None,
    settle: bool = False,
    acknowledged: bool = False,
) -> Wishes:
    """The wishes that bring `splits.csv` up to date.

    That a file was renamed or edited by hand is what `split` asks about when images are missing. So other verbs leave
    in the row what was known before, but for the path of a file that they move, and give no row to what names add to a
    known sample; and so does `split` for what is held.

    Args:
        draft: about the plan.
        catalog: what there is.
        splits: the split of each sample that shall have rows, by id; rows of other samples keep theirs.
        target: where files go, by path; the others stay.
        groups: the group of each sample, by id, where it may have changed.
        digests: of files that get other bytes, what they will hold, by path.
        settle: write down where each file is now, and what it holds.
        acknowledged: the user knows of all files that are gone, and of what the table does not know.
    """
    rows: list[Row] = [mark_missing(row, acknowledged=acknowledged) for row in catalog.missing]
    rows.extend(catalog.unread)
    elsewhere: dict[int, str] = {}  # where the file of a row is, when the row says otherwise
    known = catalog.rows
    astray = set(known)
    old = {row.sample for row in (*known.values(), *catalog.missing, *catalog.unread)}
    for sample in catalog.samples:
        split = splits.get(sample.id)
        group = groups.get(sample.id, sample.group) if groups else sample.group
        keeps = not settle or bool(sample.held)
        for role, records in (*sample.images.items(), (SIDECAR, sample.sidecars)):
            for record in records:
                path, digest = record.path, record.digest
                row = known.get(path)
                place = target.get(path, path)
                if row is not None:
                    astray.discard(path)
                    if keeps:
                        digest = row.digest
                        if place == path != row.path:
                            elsewhere[len(rows)], place = path, row.path
                    digest = digests.get(path, digest) if digests else digest
                    kept = row.split if split is None else split
                    rows.append(Row(sample.id, kept, group, role, place, digest, row.first_digest))
                elif split is not None and (not sample.held if settle else path in target and sample.id not in old):
                    rows.append(Row(sample.id, split, group, role, place, digest, digest))
    rows.extend(known[path] for path in astray)  # of no sample any more, so no verb moves them
    _give_way(rows, elsewhere)
    if not rows and LEDGER not in draft.tables:
        return Wishes([], [])
    foreign = LEDGER in draft.tables and draft.tables[LEDGER].digest != draft.written.get(LEDGER)
    return write_table(draft, LEDGER, ledger.write(rows), anew=acknowledged and foreign)


def _give_way(rows: list[Row], elsewhere: Mapping[int, str]) -> None:
    """A row that remembers an old path leaves it to the file that is there now."""
    times = Counter(row.path for row in rows) if elsewhere else Counter[str]()
    for number, path in elsewhere.items():
        if times[rows[number].path] > 1:
            rows[number] = rows[number]._replace(path=path)


def settings_text(wish: SplitWish, pairings: Iterable[FolderPairing]) -> str:
    """An `imgstage.toml` that makes the next run do what this one did."""
    lines = [
        "# How imgstage reads this folder. Flags on the command line go before these settings.",
        f'ratios = "{format_ratios(wish.ratios)}"',
        f"seed = {wish.seed}",
        f'rounding = "{wish.rounding}"',
    ]
    if wish.near_duplicates != "tie":
        lines.append(f'near_duplicates = "{wish.near_duplicates}"')
    if wish.max_group is not None:
        lines.append(f"max_group = {wish.max_group}")
    return "\n".join((*lines, *wish.rule_lines, "", *pairing_tables(pairings)))


def pairing_tables(pairings: Iterable[FolderPairing]) -> list[str]:
    """The tables that store pairing rules: one that many folders share for all, the others by name.

    Lone images need no table: where a pair comes later, it may still be detected.
    """
    paired = [pairing for pairing in pairings if not pairing.rule.is_lone]
    folders: Counter[str] = Counter()
    for pairing in paired:
        folders[describe(pairing.rule)] += 0 if pairing.is_parallel else len(pairing.folders)
    common, times = max(folders.items(), key=lambda item: item[1], default=("", 0))
    names = {name for pairing in paired for name in (pairing.name, *pairing.folders)}
    if any(names & set(pairing.rule.roles) for pairing in paired):  # a folder called as a role: [pairing] has one word
        times = 1
    tables: list[str] = []
    for pairing in paired:
        if pairing.is_parallel:
            tables.append(toml_table(pairing.name, pairing.rule))
        elif times == 1 or describe(pairing.rule) != common:
            tables.extend(toml_table(folder, pairing.rule) for folder in pairing.folders)
        else:
            tables.insert(0, toml_table("", pairing.rule))
    return tables


def write_settings(draft: Draft, text: str) -> Wishes:
    """The wishes that write `imgstage.toml`, which is never written over."""
    return Wishes([], []) if SETTINGS in draft.tables else write_table(draft, SETTINGS, text.encode())


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
