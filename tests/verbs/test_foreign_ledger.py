"""A `splits.csv` that is gone, or is an old one: no verb may make it the last one by the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imgstage import Dataset
from imgstage.errors import ChangedError

from ..helpers import snapshot, write, write_pairs

if TYPE_CHECKING:
    from collections.abc import Callable

VERBS: dict[str, Callable[[Dataset], object]] = {
    "unsplit": lambda dataset: dataset.unsplit(),
    "hold": lambda dataset: dataset.hold("github_01"),
    "release": lambda dataset: dataset.release(everything=True),
}


def _grown(dataset: Dataset) -> bytes:
    """A root that grew after its first split; the `splits.csv` of that."""
    root = dataset.root.path
    dataset.split()
    dataset.hold("github_25")
    old = (root / "splits.csv").read_bytes()
    write_pairs(root / "stage_data", range(30, 60))
    dataset.split()
    return old


@pytest.mark.parametrize("verb", VERBS)
def test_an_old_ledger_is_not_written_over_while_it_lacks_samples(pairs: Dataset, verb: str) -> None:
    (pairs.root.path / "splits.csv").write_bytes(_grown(pairs))
    before = snapshot(pairs.root.path)
    with pytest.raises(ChangedError, match=r"not the one imgstage wrote last.*--accept-new"):
        VERBS[verb](pairs)
    assert snapshot(pairs.root.path) == before


@pytest.mark.parametrize("verb", VERBS)
def test_a_ledger_that_is_gone_is_not_begun_anew_by_the_way(pairs: Dataset, verb: str) -> None:
    _grown(pairs)
    (pairs.root.path / "splits.csv").unlink()
    with pytest.raises(ChangedError, match="--accept-new"):
        VERBS[verb](pairs)
    assert not (pairs.root.path / "splits.csv").exists()


def test_a_ledger_that_somebody_edited_but_that_knows_everyone_stops_nobody(pairs: Dataset) -> None:
    _grown(pairs)
    path = pairs.root.path / "splits.csv"
    write(path, path.read_bytes() + b"\n")
    pairs.unsplit()
    assert pairs.status().samples["stage_data"] == 54


def test_held_out_images_stay_held_out_when_an_old_ledger_comes_back(pairs: Dataset) -> None:
    """The whole way on which a new user lost them: unsplit, an old table from git, unsplit again, split."""
    old = _grown(pairs)
    held_out = {sample.id for sample in pairs.samples if sample.split in ("val", "test")}
    pairs.unsplit()
    last = (pairs.root.path / "splits.csv").read_bytes()
    (pairs.root.path / "splits.csv").write_bytes(old)
    for verb in (pairs.split, pairs.unsplit, pairs.split):
        with pytest.raises(ChangedError, match="--accept-new"):
            verb()
    (pairs.root.path / "splits.csv").write_bytes(last)
    pairs.split()
    assert {sample.id for sample in pairs.samples if sample.split in ("val", "test")} == held_out


def test_accept_new_draws_whom_an_old_ledger_does_not_know(pairs: Dataset) -> None:
    """The advice of the refusal works, and the new ledger is the last one then."""
    old = _grown(pairs)
    (pairs.root.path / "splits.csv").write_bytes(old)
    with pytest.raises(ChangedError, match="--accept-new"):
        pairs.split()
    pairs.split(accept_new=True)
    assert not pairs.status().report.details["foreign_ledger"]
    assert pairs.split() is None


@pytest.mark.parametrize("gone", [True, False])
def test_an_undone_split_does_not_make_a_foreign_ledger_the_last_one(pairs: Dataset, gone: bool) -> None:
    """A mistake that was taken back has not answered the question: it is asked again."""
    old, path = _grown(pairs), pairs.root.path / "splits.csv"
    path.unlink() if gone else path.write_bytes(old)
    pairs.split(accept_new=True, seed=5)
    pairs.undo()
    assert pairs.status().report.details["foreign_ledger"]
    for verb in (Dataset.split, *VERBS.values()):
        with pytest.raises(ChangedError, match="--accept-new"):
            verb(pairs)
    pairs.undo()  # the undo of the undo: as after the mistake
    assert not pairs.status().report.details["foreign_ledger"]
