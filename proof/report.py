"""One table for each proof: what was tried, and what harm was found."""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .judge import Verdict


@dataclass
class Table:
    """Counts by row.

    Attributes:
        title: above the table.
        header: names of the columns that name a row.
        told: how many harms are told in full before only counting goes on.
    """

    title: str
    header: Sequence[str]
    told: int = 10
    points: Counter[tuple[str, ...]] = field(default_factory=Counter)
    lost: Counter[tuple[str, ...]] = field(default_factory=Counter)
    torn: Counter[tuple[str, ...]] = field(default_factory=Counter)
    between: Counter[tuple[str, ...]] = field(default_factory=Counter)
    harms: list[str] = field(default_factory=list)

    def add(self, row: tuple[str, ...], verdict: Verdict, about: object = "") -> None:
        """Count one point."""
        self.points[row] += 1
        self.lost[row] += verdict.lost > 0
        self.torn[row] += verdict.torn > 0
        self.between[row] += bool(verdict.between)
        if verdict.is_harm:
            self.harms.append(f"{' / '.join(row)}: {about}: {verdict}")

    def merge(self, other: Table) -> None:
        """Count what another table counted."""
        for mine, theirs in (
            (self.points, other.points),
            (self.lost, other.lost),
            (self.torn, other.torn),
            (self.between, other.between),
        ):
            mine.update(theirs)
        self.harms += other.harms

    def brief(self) -> Table:
        """The same with one row for each entry of the first column."""
        table = Table(self.title, self.header[:1], self.told, harms=self.harms)
        for mine, theirs in (
            (table.points, self.points),
            (table.lost, self.lost),
            (table.torn, self.torn),
            (table.between, self.between),
        ):
            for row, count in theirs.items():
                mine[row[:1]] += count
        return table

    def lines(self) -> list[str]:
        """Markdown, the sums last."""
        rows = sorted(self.points)
        cells = [(*row, *(str(of[row]) for of in (self.points, self.lost, self.torn, self.between))) for row in rows]
        sums = [str(sum(of.values())) for of in (self.points, self.lost, self.torn, self.between)]
        total = ("all", *[""] * (len(self.header) - 1), *sums)
        head = (*self.header, "points", "lost", "torn", "in-between")
        body: Iterable[Sequence[str]] = (head, ["---"] * len(head), *cells, total)
        return [self.title, "", *(f"| {' | '.join(line)} |" for line in body), ""]

    def first_harms(self) -> list[str]:
        """The first harms in full."""
        more = len(self.harms) - self.told
        return [*self.harms[: self.told], *([f"and {more} more"] if more > 0 and self.told else [])]


def machine() -> str:
    """One line on where this was tried."""
    return f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
