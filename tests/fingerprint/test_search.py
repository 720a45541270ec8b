"""The search for near fingerprints finds what comparing each with each finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from imgstage.fingerprint import ORIENTATIONS, Prints, components, search
from imgstage.likeness import RADIUS


def between(prints: Prints, left: int, right: int) -> int:
    """In how many bits two fingerprints differ at least, in any orientation; 257 where they may not be compared."""
    kinds = prints.kinds[[left, right]]
    if kinds[0] != kinds[1] and kinds.all():
        return 257
    ways = ((left, right), (right, left))
    return min(int(np.bitwise_count(prints.hashes[a, 0] ^ prints.hashes[b]).sum(1).min()) for a, b in ways)


def brute_force(prints: Prints, owners: int, radius: int) -> NDArray[np.int32]:
    """What `components` should say, by the plainest way."""
    first = list(range(owners))

    def top(one: int) -> int:
        while first[one] != one:
            one = first[one]
        return one

    for left in range(len(prints.owners)):
        for right in range(left):
            if between(prints, left, right) <= radius:
                low, high = sorted((top(int(prints.owners[left])), top(int(prints.owners[right]))))
                first[high] = low
    return np.array([top(one) for one in range(owners)], np.int32)


def made_up(seed: int, families: int, members: int, changed: int) -> Prints:
    """Random fingerprints in families: each member is its founder with some bits changed, in any orientation."""
    random = np.random.default_rng(seed)
    founders = random.integers(0, 2**64, (families, ORIENTATIONS, 4), dtype=np.uint64)
    hashes = random.integers(0, 2**64, (families * members, ORIENTATIONS, 4), dtype=np.uint64)
    for number in range(families * members):
        flips = np.zeros(256, np.uint8)
        flips[random.choice(256, random.integers(0, changed + 1), replace=False)] = 1
        at = random.integers(0, ORIENTATIONS) if number % members else 0
        hashes[number, at] = founders[number // members, 0] ^ np.packbits(flips).view(np.uint64)
    count = families * members
    kinds = random.integers(0, 3, count).astype(np.int32)
    owners = random.permutation(np.arange(count, dtype=np.int32) * 2 // 3)
    order = random.permutation(count)
    return Prints(hashes[order], kinds[order], owners.astype(np.int32))


@pytest.fixture(params=["each with each", "by sorting", "by sorting, crowded, in small blocks"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How it is searched; what is few is else always compared each with each."""
    way: str = request.param
    if way != "each with each":
        monkeypatch.setattr(search, "_FEW", 0)
    if "crowded" in way:
        monkeypatch.setattr(search, "_CROWD", 1)
        monkeypatch.setattr(search, "_BLOCK", 7)
    return way


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("radius", [0, 5, RADIUS])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_near_is_found_and_nothing_else(seed: int, radius: int) -> None:
    prints = made_up(seed, families=12, members=6, changed=min(20, radius))
    owners = int(prints.owners.max()) + 1
    found = components(prints, owners, radius)
    assert found.tolist() == brute_force(prints, owners, radius).tolist()
    assert len(set(found.tolist())) < owners


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("part", range(16))
def test_the_last_bit_of_the_radius_counts_in_every_part(part: int) -> None:
    flips = np.zeros((16, 16), np.uint8)
    flips[:, [part, (part + 5) % 16]] = 1  # two bits in each part …
    flips[part, part] = 0  # … but for one: 31
    stored = np.random.default_rng(part).integers(0, 2**64, (2, ORIENTATIONS, 4), dtype=np.uint64)
    stored[1, 0] = stored[0, 0] ^ np.packbits(flips, bitorder="little").view(np.uint64)
    assert np.bitwise_count(stored[0, 0] ^ stored[1, 0]).sum() == RADIUS
    prints = Prints(stored, np.zeros(2, np.int32), np.arange(2, dtype=np.int32))
    assert components(prints, 2, RADIUS).tolist() == [0, 0]
    assert components(prints, 2, RADIUS - 1).tolist() == [0, 1]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_does_not_matter(seed: int) -> None:
    prints = made_up(seed, families=6, members=5, changed=24)
    owners = int(prints.owners.max()) + 1
    order = np.random.default_rng(seed).permutation(len(prints.owners))
    again = Prints(prints.hashes[order], prints.kinds[order], prints.owners[order])
    assert components(prints, owners, RADIUS).tolist() == components(again, owners, RADIUS).tolist()


@pytest.mark.usefixtures("way")
def test_a_crowd_is_united_although_each_meets_only_some() -> None:
    prints = made_up(3, families=1, members=200, changed=16)
    prints = Prints(prints.hashes, np.zeros(200, np.int32), np.arange(200, dtype=np.int32))
    assert components(prints, 200, RADIUS).tolist() == brute_force(prints, 200, RADIUS).tolist()


def test_a_large_set_is_searched_whole() -> None:
    random = np.random.default_rng(5)
    hashes = random.integers(0, 2**64, (20_000, ORIENTATIONS, 4), dtype=np.uint64)
    pairs = random.permutation(20_000)[:400].reshape(2, 200)
    for number, (one, other) in enumerate(pairs.T):
        flips = np.zeros(256, np.uint8)
        flips[random.choice(256, 20 + number % 12, replace=False)] = 1
        hashes[other, number % 8] = hashes[one, 0] ^ np.packbits(flips).view(np.uint64)
    prints = Prints(hashes, np.zeros(20_000, np.int32), np.arange(20_000, dtype=np.int32))
    found = components(prints, 20_000, RADIUS)
    assert (found[pairs[0]] == found[pairs[1]]).all()
    assert len(np.unique(found)) == 20_000 - 200


def test_none_and_one_are_searched_too() -> None:
    nothing = Prints(np.zeros((0, ORIENTATIONS, 4), np.uint64), np.zeros(0, np.int32), np.zeros(0, np.int32))
    assert components(nothing, 0, RADIUS).tolist() == []
    assert components(nothing, 3, RADIUS).tolist() == [0, 1, 2]


def test_all_links_are_listed_once() -> None:
    prints = made_up(7, families=2, members=15, changed=12)
    members = range(28)
    expected = {
        (one, other, bits)
        for number, one in enumerate(members)
        for other in members[number + 1 :]
        if prints.owners[one] != prints.owners[other] and (bits := between(prints, one, other)) <= RADIUS
    }
    found = prints.all_links(members, RADIUS)
    assert len(found) == len(set(found)) > 5
    assert set(found) == expected


@pytest.mark.parametrize("seed", range(5))
def test_the_nearest_links_tie_all_together_and_none_is_wider_than_it_must_be(seed: int) -> None:
    prints = made_up(seed, families=1, members=20, changed=16)
    prints = Prints(prints.hashes, np.zeros(20, np.int32), prints.owners)
    first = components(prints, 20, RADIUS)
    members = np.nonzero(first[prints.owners] == np.bincount(first[prints.owners]).argmax())[0]
    links = prints.nearest_links(members.tolist())
    assert len(links) == len(set(prints.owners[members].tolist())) - 1 > 3
    assert all(bits == between(prints, left, right) for left, right, bits in links)
    edges = sorted((between(prints, a, b), a, b) for a in members.tolist() for b in members.tolist() if a < b)
    together = {int(owner): {int(owner)} for owner in prints.owners[members]}
    kruskal = 0
    for bits, left, right in edges:
        one, other = together[int(prints.owners[left])], together[int(prints.owners[right])]
        if one is not other:
            kruskal += bits
            one |= other
            together |= dict.fromkeys(one, one)
    assert sum(bits for _, _, bits in links) == kruskal
