"""The compiled join gives the same as the plain one, which is compared with brute force in test_search.py."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from imgstage.fingerprint import ORIENTATIONS, Prints, components, search
from imgstage.likeness import RADIUS

from .test_search import brute_force, made_up

pytest.importorskip("numba", reason="the extra imgstage[match] is not installed")


@pytest.mark.parametrize("crowd", [0, 64])
@pytest.mark.parametrize("seed", range(3))
def test_compiled_and_plain_searches_find_the_same(seed: int, crowd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_WORTH_COMPILING", 0)
    monkeypatch.setattr(search, "_FEW", 0)
    monkeypatch.setattr(search, "_CROWD", crowd)
    for radius in (0, 12, 31):
        prints = made_up(seed, families=12, members=6, changed=min(20, radius))
        owners = int(prints.owners.max()) + 1
        found = components(prints, owners, radius)
        assert found.tolist() == brute_force(prints, owners, radius).tolist()
        assert len(set(found.tolist())) < owners


def test_a_set_that_is_large_enough_is_searched_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    hashes = random.integers(0, 2**64, (12_000, ORIENTATIONS, 4), dtype=np.uint64)
    hashes[7_000:9_000, 5] = hashes[:2_000, 0]
    prints = Prints(hashes, np.zeros(12_000, np.int32), np.arange(12_000, dtype=np.int32))

    def never(*_: object) -> None:
        raise AssertionError

    with monkeypatch.context() as patch:
        patch.setattr(search, "_join", never)
        found = components(prints, 12_000, RADIUS)
    monkeypatch.setattr(search, "_WORTH_COMPILING", 10**9)
    assert found.tolist() == components(prints, 12_000, RADIUS).tolist()
    assert (found[7_000:9_000] == np.arange(2_000)).all()


def test_where_numba_does_not_work_it_is_searched_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_WORTH_COMPILING", 0)
    monkeypatch.setattr(search, "_FEW", 0)
    monkeypatch.setitem(sys.modules, "imgstage.fingerprint.compiled", None)
    prints = made_up(1, families=12, members=6, changed=20)
    owners = int(prints.owners.max()) + 1
    assert components(prints, owners, RADIUS).tolist() == brute_force(prints, owners, 31).tolist()
