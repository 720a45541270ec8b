"""What is in a root, and what somebody did to it between two verbs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .plan import Report
from .root import HELD, STAGE, show
from .tables import manifest
from .verbs.wishes import pairing_details

if TYPE_CHECKING:
    from .catalog import Catalog
    from .journal import Operation
    from .look import Look


@dataclass(frozen=True)
class Status:
    """What is in a root.

    Attributes:
        report: the accounting of its files.
        samples: how many usable samples lie in `stage_data/` and in each split; in `held/`, all of them.
        unassigned: how many usable samples no split was drawn for yet.
        pending: the operation that broke off; None when none did.
        last: the last operation that was done.
        catalog: all that was looked at.
    """

    report: Report
    samples: dict[str, int]
    unassigned: int
    pending: int | None
    last: Operation | None
    catalog: Catalog = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """Ready for JSON."""
        last = {"operation": self.last.number, "verb": self.last.verb} if self.last else None
        own = {"samples": self.samples, "unassigned": self.unassigned, "pending": self.pending, "last": last}
        return own | self.report.as_json()


def take(look: Look, pending: int | None, last: Operation | None) -> Status:
    """The status of a root.

    Args:
        look: what there is.
        pending: the operation that broke off.
        last: the last operation that was done.
    """
    catalog = look.catalog
    usable = [sample for sample in catalog.samples if not sample.held]
    lying = Counter(sample.place for sample in usable)
    aside = sum(1 for sample in catalog.samples if sample.place == HELD)
    disagreeing = [s for s in usable if s.split and s.place not in (STAGE, s.split)]
    details = {
        "pairing": pairing_details(catalog.pairings),
        "missing": [
            {"path": show(row.last_path), "split": row.split} for row in catalog.missing if not row.is_acknowledged
        ],
        "foreign_ledger": look.has_foreign_ledger and pending is None,  # in the midst of an operation it may lie aside
        "manifest": any(manifest(split) in look.draft.tables for split in look.splits),
        "edited": [show(path) for path in catalog.edited],
        "assigned_as_lone": [show(sample.files[0].path) for sample in catalog.assigned_as_lone()],
        "disagreeing": [{"sample": show(s.key), "folder": s.place, "split": s.split} for s in disagreeing],
    }
    report = Report(
        done=sum(len(sample.files) for sample in usable),
        held=catalog.held(),
        ignored=catalog.ignored,
        details=details,
    )
    places = {STAGE: lying[STAGE]} | {name: lying[name] for name in look.splits if lying[name] or catalog.rows}
    if aside:
        places[HELD] = aside
    return Status(report, places, sum(1 for sample in usable if not sample.split), pending, last, catalog)
