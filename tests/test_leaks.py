"""What leaks between splits is found, and the fewest samples that end it, but none of test."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from imgstage.bonds import Kind
from imgstage.leaks import Leak, Leaks, Side, smallest_cover


def side(name: str) -> Side:
    """A side whose split is told by its first letter."""
    split = {"t": "train", "v": "val", "x": "test"}[name[0]]
    return Side(f"{split}/{name}.jpg", name, split)


def alike(one: str, other: str, bits: int = 9) -> Leak:
    return Leak(Kind.ALIKE, bits, side(one), side(other))


nodes = st.integers(0, 5)
graphs = st.sets(st.tuples(nodes, nodes), max_size=14)


@given(graphs)
def test_the_cover_touches_every_edge_and_none_is_smaller(graph: set[tuple[int, int]]) -> None:
    edges: dict[str, set[str]] = {}
    for left, right in graph:
        edges.setdefault(f"l{left}", set()).add(f"r{right}")
    cover = smallest_cover(edges)
    pairs = [(left, right) for left, of in edges.items() for right in of]
    assert all(left in cover or right in cover for left, right in pairs)
    names = sorted({name for pair in pairs for name in pair})
    smaller = (set(of) for of in combinations(names, len(cover) - 1)) if cover else iter(())
    assert not any(all(left in of or right in of for left, right in pairs) for of in smaller)


@given(st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=10), st.sets(st.integers(0, 4), max_size=3))
def test_the_fewest_end_all_leaks_and_test_stays(between: set[tuple[int, int]], into_test: set[int]) -> None:
    pairs = [alike(f"t{left}", f"v{right}") for left, right in sorted(between)]
    pairs += [alike(f"{'tv'[n % 2]}{n}", f"x{n}") for n in sorted(into_test)]
    gone = Leaks((), pairs).fewest_to_set_aside()
    assert not any(name.startswith("x") for name in gone)
    assert all(pair.lesser.sample in gone or pair.other.sample in gone for pair in pairs)
    free = {name for pair in pairs for name in (pair.lesser.sample, pair.other.sample)}
    forced = {pair.lesser.sample for pair in pairs if pair.other.split == "test"}
    rest = sorted(free - forced - {name for name in free if name.startswith("x")})
    for of in combinations(rest, len(gone) - len(forced) - 1) if len(gone) > len(forced) else ():
        ended = forced | set(of)
        assert any(p.lesser.sample not in ended and p.other.sample not in ended for p in pairs)


def test_of_a_set_the_part_in_test_stays_else_the_largest() -> None:
    in_test = [side(name) for name in ("t1", "t2", "t3", "v1", "x1")]
    assert Leaks([(Kind.GROUP, "g", in_test)], ()).fewest_to_set_aside().keys() == {"t1", "t2", "t3", "v1"}
    mostly_train = [side(name) for name in ("t1", "t2", "t3", "v1")]
    assert Leaks([(Kind.SAME, "d", mostly_train)], ()).fewest_to_set_aside().keys() == {"v1"}
    even = [side(name) for name in ("t1", "v1")]
    assert Leaks([(Kind.SAME, "d", even)], ()).fewest_to_set_aside().keys() == {"t1"}


def test_leaks_are_listed_worst_first_and_once() -> None:
    same = [side(name) for name in ("t1", "t2", "x1")]
    leaks = Leaks([(Kind.GROUP, "g", same), (Kind.SAME, "d", same)], [alike("t5", "v1", 20), alike("t4", "x2", 3)])
    told = [(one.kind, one.bits, one.lesser.sample, one.other.sample) for one in leaks.listed()]
    assert told == [
        (Kind.SAME, 0, "t1", "x1"),
        (Kind.SAME, 0, "t2", "x1"),
        (Kind.ALIKE, 3, "t4", "x2"),
        (Kind.ALIKE, 20, "t5", "v1"),
        (Kind.GROUP, 0, "t1", "x1"),
        (Kind.GROUP, 0, "t2", "x1"),
    ]


def test_the_worst_reason_is_told() -> None:
    both = [side("t1"), side("x1")]
    leaks = Leaks([(Kind.GROUP, "g", both), (Kind.SAME, "d", both)], [alike("t1", "x2", 3)])
    assert leaks.fewest_to_set_aside() == {"t1": "it is, or was, the same picture as test/x1.jpg (test)"}
