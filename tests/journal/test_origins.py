"""What files were made from: followed by place, and where a hand moved one, by its bytes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from imgstage import Dataset
from imgstage.errors import ChangedError
from imgstage.journal import ancestors, origins

from ..helpers import picture, stage, write


@pytest.fixture
def twins(empty: Dataset) -> Dataset:
    """Two originals that differ, and become equal bytes when they are small: only their places tell them apart."""
    for name, value in (("a", 100), ("b", 101)):
        pixels = np.zeros((64, 64), np.uint8)
        pixels[:2, :2] = value
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        write(stage(empty) / f"{name}.png", buffer.getvalue())
    empty.resize(size=(2, 2), labels=())
    return empty


def digests(dataset: Dataset) -> dict[str, str]:
    return {record.path: record.digest for sample in dataset.samples for record in sample.files}


def found(dataset: Dataset) -> dict[str, str | None]:
    """The replaced name that each file is known by."""
    known = origins(dataset.journal.records)
    made = {path: known.find(path, digest) for path, digest in digests(dataset).items()}
    return {path: one.replaced if one else None for path, one in made.items()}


def test_each_is_followed_through_later_operations(twins: Dataset) -> None:
    twins.rename(prefix="x_")
    twins.split(ratios="train=1")
    twins.unsplit()
    assert found(twins) == {"stage_data/x_01.png": "stage_data/a.png", "stage_data/x_02.png": "stage_data/b.png"}
    twins.undo(2)
    assert found(twins) == {"stage_data/a.png": "stage_data/a.png", "stage_data/b.png": "stage_data/b.png"}


def test_after_a_swap_by_hand_nobody_can_tell(twins: Dataset) -> None:
    for name in ("a", "b"):
        (stage(twins) / f"{name}.png").rename(stage(twins) / f"{name}{name}.png")
    assert found(twins) == {"stage_data/aa.png": None, "stage_data/bb.png": None}
    known = origins(twins.journal.records)
    assert all(known.is_uncertain(path, digest) for path, digest in digests(twins).items())


def test_another_file_at_the_place_was_not_made(twins: Dataset) -> None:
    write(stage(twins) / "a.png", picture(3, "PNG"))
    known = origins(twins.journal.records)
    digest = digests(twins)["stage_data/a.png"]
    assert known.find("stage_data/a.png", digest) is None
    assert not known.is_uncertain("stage_data/a.png", digest)


def test_what_was_undone_or_purged_is_no_origin_any_more(empty: Dataset) -> None:
    write(stage(empty) / "x.png", picture(1, "PNG"))
    first = digests(empty)["stage_data/x.png"]
    empty.resize(scale="0.5")
    small = digests(empty)["stage_data/x.png"]
    assert found(empty) == {"stage_data/x.png": "stage_data/x.png"}
    assert ancestors(empty.journal.records) == ({small: frozenset({first})}, False)
    empty.purge()
    assert found(empty) == {"stage_data/x.png": None}
    assert ancestors(empty.journal.records) == ({small: frozenset({first})}, False), (
        "it is the same picture all the same"
    )


def test_equal_originals_are_one(empty: Dataset) -> None:
    for name in ("a", "b"):
        write(stage(empty) / f"{name}.png", picture(1, "PNG"))
    empty.resize(scale="0.5")
    for name in ("a", "b"):
        (stage(empty) / f"{name}.png").rename(stage(empty) / f"{name}{name}.png")
    assert None not in found(empty).values()


def test_a_damaged_plan_hides_no_other(empty: Dataset) -> None:
    write(stage(empty) / "x.png", picture(1, "PNG"))
    empty.resize(scale="0.5")
    plan = empty.root.path / ".imgstage/journal/000001.plan"
    plan.write_bytes(plan.read_bytes()[:-5])
    found, damaged = ancestors(empty.journal.records)
    assert (len(found), damaged) == (0, True)
    assert empty.status().report.done == 1


def test_while_a_plan_is_damaged_new_images_may_be_copies_of_test_images(empty: Dataset) -> None:
    for number in range(20):
        write(stage(empty) / f"{number:02d}.png", picture(number, "PNG"))
    empty.split()
    empty.resize(scale="0.5")
    plan = empty.root.path / ".imgstage/journal/000002.plan"
    plan.write_bytes(plan.read_bytes()[:-5] + b"xxxx\n")
    write(stage(empty) / "new.png", picture(3, "PNG"))
    with pytest.raises(ChangedError, match="--accept-new"):
        empty.split()
    assert "ledger" in {one.code for one in empty.check()}
