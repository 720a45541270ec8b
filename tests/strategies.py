"""Hypothesis strategies shared by the tests."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import strategies as st

from imgstage.assign import Group


@st.composite
def ratios(draw: st.DrawFn, most: int = 4) -> dict[str, Fraction]:
    """Shares of two to four splits that sum to exactly 1; some may be zero."""
    parts = draw(st.lists(st.integers(0, 100), min_size=2, max_size=most).filter(any))
    return {f"split{number}": Fraction(part, sum(parts)) for number, part in enumerate(parts)}


@st.composite
def new_groups(draw: st.DrawFn, largest: int = 1) -> list[Group]:
    """Groups that were never assigned, with ids of their own and a label each."""
    sizes = draw(st.lists(st.integers(1, largest), min_size=4, max_size=60))
    labels = draw(st.lists(st.sampled_from(["cat", "dog", ""]), min_size=len(sizes), max_size=len(sizes)))
    return [
        Group(f"g{number}", size, labels=((label, size),))
        for number, (size, label) in enumerate(zip(sizes, labels, strict=True))
    ]


file_names = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20
).filter(lambda name: not name.startswith("."))
"""Names a file can have, in any script, that imgstage neither hides nor holds."""
