"""What is in a root, and what somebody did to it."""

from __future__ import annotations

from imgstage import Dataset

from .helpers import names, picture, write, write_pairs


def test_status_tells_what_was_done_by_hand(pairs: Dataset) -> None:
    assert pairs.status().samples["stage_data"] == 25
    assert pairs.status().unassigned == 25
    pairs.split()
    root = pairs.root.path
    train = sorted(names(root, "train"))
    (root / "train" / train[0]).unlink()
    write(root / "train" / train[2], picture(999))
    write_pairs(root / "stage_data", range(50, 52))
    status = pairs.status()
    details = status.report.details
    assert details["missing"] == [{"path": f"train/{train[0]}", "split": "train"}]
    assert details["edited"] == [f"train/{train[2]}"]
    assert status.samples == {"stage_data": 2, "train": 19, "val": 3, "test": 2}
    assert status.unassigned == 2
    assert [note.path for note in status.report.held] == [f"train/{train[1]}"]
    assert status.last is not None
    assert (status.last.number, status.last.verb) == (1, "split")
