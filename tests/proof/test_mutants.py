"""The mutants are what they are meant to be, and the harness catches them; `make prove-full` hunts all of them."""

from __future__ import annotations

import ast
from collections import Counter

import pytest
from proof.jobs import hunt
from proof.mutants import mutants
from proof.process import STRACE

from ..helpers import REQUIRE_FAULTS

MUTANTS = list(mutants())


def test_each_fsync_each_identity_check_and_each_refusal_to_replace_is_put_to_the_test() -> None:
    kinds = Counter(mutant.kind for mutant in MUTANTS)
    assert kinds["fsync"] >= 9
    assert kinds["identity"] >= 10
    assert kinds["no-replace"] >= 8
    assert len({(mutant.path, mutant.line, mutant.was) for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS:
        ast.parse(mutant.source)


@pytest.mark.skipif(STRACE is None and not REQUIRE_FAULTS, reason="strace is not on this machine")
@pytest.mark.parametrize("was", ["_RENAME_NOREPLACE = 1", "is_file(source, identity)"])
def test_a_mutant_is_caught(was: str) -> None:
    (mutant,) = (mutant for mutant in MUTANTS if mutant.was == was)
    survived, how = hunt(mutant, 0)
    assert not survived
    assert how.startswith("by_races")
