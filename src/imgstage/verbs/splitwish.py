"""What is asked of a split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from ..root import DEFAULT_RATIOS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from fractions import Fraction

Trust = Literal["folders", "csv"]
NearDuplicates = Literal["tie", "ignore"]
Unlisted = Literal["hold", "alone"]


class SplitOptions(TypedDict, total=False):
    """What `Dataset.plan_split` takes; see there."""

    ratios: str | Mapping[str, Fraction] | None
    seed: int | None
    group: str | None
    group_csv: str | None
    near_duplicates: NearDuplicates | None
    max_group: int | None
    label: str | None
    label_separator: str | None
    unlisted: Unlisted | None
    folds: int | None
    rounding: str | None
    reshuffle: bool
    accept_new: bool
    trust: Trust | None
    manifest: bool


@dataclass(frozen=True)
class SplitWish:
    """What the user asks of a split.

    Attributes:
        ratios: share of each split, summing to 1.
        seed: seeds the draw.
        rounding: "remainder" or "truncate".
        rule_lines: the lines of `imgstage.toml` that store the rules for groups and labels, but for defaults.
        near_duplicates: "tie" or "ignore": whether `alike` was looked for.
        max_group: how many samples look may tie together at most; `alike` heeds it.
        to_store: the lines of `imgstage.toml` that would make the next split do the same, and are not there.
        groups: the group of each sample, by id, where the user's rule gives one.
        reshuffle: forget where samples were.
        accept_new: go on although held-out images are missing while unknown ones have appeared.
        trust: which is right where a folder and `splits.csv` disagree.
        foreign_ledger: `splits.csv` is not the one that was last written here, or is gone.
        manifest: move nothing; write down which image is in which split.
        alike: see `ties.find_ties`.
        with_folds: `ratios` has folds, and perhaps others beside them.
        kept: the splits whose samples stay when all others are drawn anew.
        label_source: where labels come from.
        label_separator: what stands between several labels in one cell of a table.
        unlisted: why samples are left out of which a table should tell, by id.
        searched: how it was looked for near-duplicates, and what is the nearest across splits, given the split of each
            sample, and where files will be.
    """

    ratios: Mapping[str, Fraction] = field(default_factory=lambda: DEFAULT_RATIOS)
    seed: int = 0
    rounding: str = "remainder"
    rule_lines: tuple[str, ...] = ()
    near_duplicates: str = "tie"
    max_group: int | None = None
    to_store: tuple[str, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)
    reshuffle: bool = False
    accept_new: bool = False
    trust: Trust | None = None
    foreign_ledger: bool = False
    manifest: bool = False
    alike: Mapping[str, str] = field(default_factory=dict)
    with_folds: bool = False
    kept: frozenset[str] = frozenset()
    label_source: str = "folder"
    label_separator: str = ""
    unlisted: Mapping[str, str] = field(default_factory=dict)
    searched: Callable[[Mapping[str, str], Mapping[str, str]], Mapping[str, Any]] = lambda _splits, _places: {}
