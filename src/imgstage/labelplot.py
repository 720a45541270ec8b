"""Labels by split, as a picture."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from . import images
from .root import show

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "imgstage: labels by split"
"""A comment inside, by which a later plot knows that it may take the place of this one."""

_MOST = 60  # bars; the rarest labels are added up


def draw(name: str, samples: Mapping[str, int], labels: Mapping[str, Mapping[str, int]]) -> bytes:
    """A bar for all samples, and one for each label, the most frequent first; lines show where all are cut.

    Args:
        name: of the set.
        samples: how many there are in each split.
        labels: of each label, how many there are in each split.

    Returns:
        A PNG.
    """
    splits = [split for split, count in samples.items() if count]
    ranked = sorted(labels, key=lambda label: (-sum(labels[label].values()), label))
    rows = [("all samples", [samples[split] for split in splits])]
    rows += [(show(label), [labels[label].get(split, 0) for split in splits]) for label in ranked[:_MOST]]
    rest = ranked[_MOST:]
    if rest:
        rows.append((f"{len(rest):,} rarer labels", [sum(labels[r].get(split, 0) for r in rest) for split in splits]))
    total = max(1, sum(samples.values()))
    marks = [done / total for done in accumulate(rows[0][1])][:-1]
    title = f"{show(name)}: {len(labels):,} labels in {len(splits):,} splits, {total:,} samples"
    return images.encode(images.stacked_bars(title, splits, rows, marks), "PNG", optimize=True, comment=MARK)
