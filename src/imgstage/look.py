"""All there is in a root, read at once: settings, ledger, tables, files."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from . import catalog, ledger, settings, tables
from .errors import ImgstageError, PairingError, RefusedError, UsageError
from .journal import ancestors
from .parallel import thinking
from .reasons import Why, why
from .root import (
    DEFAULT_RATIOS,
    HELD,
    LEDGER,
    REPORT,
    SETTINGS,
    STAGE,
    Root,
    check_split_names,
    find_layout,
    show,
)
from .verbs.guard import refuse_foreign, unknown_to_ledger
from .verbs.ties import is_picture
from .verbs.wishes import Draft

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .catalog import Catalog
    from .index import Index
    from .journal import Journal
    from .ledger import Row
    from .parallel import Progress
    from .settings import Settings


@dataclass(frozen=True)
class Look:
    """A root as it is now.

    Attributes:
        settings: what `imgstage.toml` says.
        rows: the ledger.
        splits: the names of the splits there are or may be.
        draft: what a planner needs to know beside the catalog.
        catalog: everything in the folders.
    """

    settings: Settings
    rows: tuple[Row, ...]
    splits: tuple[str, ...]
    draft: Draft
    catalog: Catalog

    @property
    def has_foreign_ledger(self) -> bool:
        """Whether `splits.csv` is gone, or is not the one that imgstage wrote last."""
        written, present = self.draft.written.get(LEDGER), self.draft.tables.get(LEDGER)
        return bool(written) and (present is None or present.digest != written)

    def refuse_foreign_ledger(self) -> None:
        """Refuse to write a ledger over one that is not the last one, as long as it does not know all samples.

        Raises:
            ChangedError: there are samples that it does not know.
        """
        if self.has_foreign_ledger:
            refuse_foreign(unknown_to_ledger(self.catalog, self.catalog.samples))

    def refuse_unseen(self) -> None:
        """While it is unknown what lies in a folder, its samples would count as gone, and their places as free.

        Raises:
            RefusedError: a folder cannot be read, or stands elsewhere and is only linked to.
        """
        linked = [note.path for note in self.catalog.ignored if "/" not in note.path and why(note.reason) is Why.LINK]
        if linked:
            problem = f"{', '.join(linked)} is a symbolic link, and what lies behind a link is never moved"
            raise RefusedError(problem, "Put the folder itself there; the root may be named through a link")
        closed = [show(note.path) for note in self.catalog.ignored if why(note.reason) is Why.CLOSED]
        if closed:
            problem = f"The folder {', '.join(closed)} cannot be read, so it is unknown what lies there"
            raise RefusedError(problem, "Allow reading it, then run the command again")


def look(
    root: Root,
    journal: Journal,
    scan: Callable[[Sequence[str]], Index],
    also: Sequence[str] = (),
    watch: Progress | None = None,
) -> Look:
    """Read a root.

    Args:
        root: the root.
        journal: its journal.
        scan: reads every file below some of its folders.
        also: names of splits that may be new.
        watch: told how long it takes to find the samples.

    Raises:
        UsageError: `imgstage.toml` or one of the tables cannot be read.
        RefusedError: two folders stand for one split.
        PairingError: a folder's names can be read in two ways.
    """
    said, rows = settings.read(root), ledger.read(root)
    known = sorted({row.split for row in rows if row.split})
    splits = tuple(dict.fromkeys((*(said.ratios or DEFAULT_RATIOS), *DEFAULT_RATIOS, *also, *known)))
    try:
        check_split_names(list(splits))
    except UsageError as error:
        problem = f"{root.path / LEDGER}, {SETTINGS} or --ratios: {error.problem}"
        raise UsageError(problem, error.remedy) from None
    layout = find_layout(root.path, splits)
    # The tables are looked at before the long look at the images: what changes meanwhile is then noticed.
    own = tables.find(root, layout, splits)
    draft = Draft(
        journal.next_number(),
        time.time_ns(),
        own,
        journal.last_written(),
        tables.read_reasons(root),
        tables.read_report(root) if REPORT in own else b"",
    )
    index = scan((STAGE, *(layout.folder(split) for split in splits), HELD))
    with thinking(watch, "Pairing"), naming_settings(root):
        try:
            what = catalog.build(index, rows, said.pairing, layout, draft.reasons)
        except UsageError as error:  # a template that is none
            problem = f"{root.path / SETTINGS}: {error.problem}"
            raise UsageError(problem, error.remedy) from None
    made, damaged = ancestors(journal.records)
    if damaged:  # then nobody knows all copies of held-out images: it must be asked, as when the table is lost
        draft = replace(draft, written={**draft.written, LEDGER: "unknown"})
    what = replace(what, ancestors=made)
    return Look(said, rows, splits, draft, what)


@contextmanager
def naming_settings(root: Root) -> Iterator[None]:
    """Where names can be read in two ways, say in which `imgstage.toml` the right one is to be put."""
    try:
        yield
    except PairingError as error:
        remedy = error.remedy.replace(SETTINGS, show(str(root.path / SETTINGS)), 1)
        raise PairingError(error.problem, remedy) from None


def homes_of(root: Root) -> dict[str, frozenset[str]]:
    """The folders of the splits that each picture belongs to by `splits.csv`, by its digest; nothing without that."""
    try:
        rows = ledger.read(root)
        layout = find_layout(root.path, {row.split for row in rows})
    except ImgstageError:  # undo may be what mends it
        return {}
    homes: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if is_picture(row.role):
            for digest in (row.digest, row.first_digest):
                homes[digest].add(layout.folder(row.split))
    return {digest: frozenset(folders) for digest, folders in homes.items()}
