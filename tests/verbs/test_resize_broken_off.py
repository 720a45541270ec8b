"""A resize that cannot go on, as a whole or with one image: nothing is lost, and no work twice."""

from __future__ import annotations

import errno
import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgstage import Dataset, resizing
from imgstage.errors import ChangedError, DestinationError, RefusedError
from imgstage.journal import engine
from imgstage.journal.system import write_durable
from imgstage.resizing import Recipe
from imgstage.verbs import resize

from ..helpers import as_nobody, photo, picture, snapshot, stage, write
from .photos import opened, sizes, write_photos


def test_one_bad_image_is_held_with_its_sample_and_the_rest_goes_on(photos: Dataset) -> None:
    image = Image.fromarray(photo("coffee")[:120, :80]).convert("RGBA")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    bad = stage(photos) / "p_05_after.jpg"  # a PNG under that name, with a channel for transparency
    write(bad, buffer.getvalue())
    before = snapshot(photos.root.path)
    operation = photos.resize(size=(60, 40), format="jpg")
    assert operation is not None
    assert operation.report is not None
    assert {note.path for note in operation.report.held} == {f"stage_data/p_05_{r}.jpg" for r in ("before", "after")}
    assert all("p_05_after.jpg: JPEG cannot hold" in note.reason for note in operation.report.held)
    after = snapshot(photos.root.path)
    assert {path for path in after if after[path] == before[path]} == {
        "stage_data/",
        *(f"stage_data/p_05_{role}.jpg" for role in ("before", "after")),
    }


def test_when_no_image_can_be_made_nothing_is_done(empty: Dataset) -> None:
    write(stage(empty) / "x.gif", picture(1, "GIF"))
    assert "GIF cannot hold its pixels" in empty.plan_resize(scale="0.5").report.held[0].reason
    frames = [Image.fromarray(np.full((8, 8), value, np.uint8)) for value in (1, 200)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
    write(stage(empty) / "y.webp", buffer.getvalue())
    before = snapshot(empty.root.path)
    with pytest.raises(RefusedError, match=r"Of the 1 samples that are left to resize none can be .*holds 2 pictures"):
        empty.resize(scale="0.5")
    assert snapshot(empty.root.path) == before
    assert empty.log() == []


def test_an_image_that_changes_meanwhile_refuses_all(photos: Dataset) -> None:
    plan = photos.plan_resize(size=(60, 40))
    write(stage(photos) / "p_01_after.jpg", picture(9))
    before = snapshot(photos.root.path)
    with pytest.raises(ChangedError, match=r"p_01_after\.jpg changed since it was looked at"):
        plan.apply()
    assert snapshot(photos.root.path) == before


def test_a_folder_that_cannot_be_written_refuses_before_anything_is_made(
    photos: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    with as_nobody(photos.root.path):
        dataset = Dataset(photos.root.path)
        plan = dataset.plan_resize(size=(60, 40))
        monkeypatch.setattr(resizing, "decode", lambda *_, **__: pytest.fail("an image was made"))
        stage(photos).chmod(0o555)
        try:
            with pytest.raises(DestinationError, match="stage_data cannot be written"):
                plan.apply()
        finally:
            stage(photos).chmod(0o755)


def test_what_an_interrupted_run_made_is_used_again(photos: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Recipe] = []

    def counting(recipe: Recipe, data: bytes) -> bytes:
        made.append(recipe)
        return resizing.make(recipe, data)

    @contextmanager
    def pressed_after_ten() -> Iterator[Callable[[], bool]]:
        yield lambda: len(made) >= 10

    before = snapshot(photos.root.path)
    monkeypatch.setattr(resize, "make", counting)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "quietly_interruptible", pressed_after_ten)
        with pytest.raises(RefusedError, match=r"interrupted after \d+ of 24 images.*use those that are made"):
            photos.resize(size=(60, 40))
    assert snapshot(photos.root.path) == before
    first = len(made)
    photos.resize(size=(60, 40))
    assert 10 <= first < 24
    assert len(made) == 24
    assert set(sizes(photos).values()) == {(60, 40)}
    assert list((photos.root.path / ".imgstage/incoming").iterdir()) == []


def interrupted(dataset: Dataset, monkeypatch: pytest.MonkeyPatch, **wishes: object) -> list[Path]:
    """Press Ctrl-C in the midst of a resize; what it leaves to be used again."""
    pressed = iter([False] * 12 + [True] * 100)

    @contextmanager
    def impatient() -> Iterator[Callable[[], bool]]:
        yield lambda: next(pressed)

    with monkeypatch.context() as patch:
        patch.setattr(engine, "quietly_interruptible", impatient)
        with pytest.raises(RefusedError, match="interrupted"):
            dataset.resize(**wishes)  # type: ignore[arg-type]
    return sorted((dataset.root.path / ".imgstage/incoming").glob("made-*.jpg"))


def test_only_what_is_still_as_it_was_noted_is_used_again(
    photos: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in interrupted(photos, monkeypatch, size=(60, 40)):
        status = path.stat()
        path.write_bytes(picture(1, size=(60, 40)).ljust(status.st_size, b"\0")[: status.st_size])
        os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
    photos.resize(size=(60, 40))
    direct = Dataset.create(tmp_path / "direct")
    write_photos(stage(direct), 12)
    direct.resize(size=(60, 40))
    made = [path.read_bytes() for path in sorted(stage(photos).iterdir())]
    assert made == [path.read_bytes() for path in sorted(stage(direct).iterdir())]


def test_another_wish_or_another_image_uses_nothing_of_it(photos: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    assert interrupted(photos, monkeypatch, size=(60, 40), quality=50)
    write(stage(photos) / "p_01_after.jpg", picture(5, size=(120, 80)))
    photos.resize(size=(60, 40), quality=50)
    seen = np.asarray(opened(stage(photos) / "p_01_after.jpg"), float)
    wished = np.asarray(Image.open(io.BytesIO(picture(5, size=(120, 80)))).resize((40, 60)), float)
    assert np.abs(seen - wished).mean() < 8
    photos.undo()
    assert interrupted(photos, monkeypatch, size=(60, 40), quality=50)
    photos.resize(size=(60, 40), quality=100)
    assert (stage(photos) / "p_02_after.jpg").stat().st_size > 2000


def test_recover_leaves_what_waits_for_the_next_run(photos: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    made = interrupted(photos, monkeypatch, size=(60, 40))
    photos.recover()
    assert all(path.exists() for path in made)
    photos.hold("p_12")
    assert not any(path.exists() for path in made), "another verb clears it away"


def test_a_full_disk_in_the_midst_gives_the_space_back(photos: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    count = iter(range(100))

    def full(path: str, blocks: object, identity: object = None) -> None:
        if next(count) == 7:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        write_durable(path, blocks, identity)  # type: ignore[arg-type]

    before = snapshot(photos.root.path)
    monkeypatch.setattr("imgstage.journal.incoming.write_durable", full)
    with pytest.raises(DestinationError, match="No space left on device; everything is back where it was"):
        photos.resize(size=(60, 40))
    assert snapshot(photos.root.path) == before
    assert list((photos.root.path / ".imgstage/incoming").iterdir()) == []


def test_memory_that_lacks_for_one_image_holds_it(photos: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    count, lock = iter(range(100)), threading.Lock()

    def scarce(recipe: Recipe, data: bytes) -> bytes:
        with lock:
            if next(count) == 5:
                raise MemoryError
        return resizing.make(recipe, data)

    monkeypatch.setattr(resize, "make", scarce)
    operation = photos.resize(size=(60, 40))
    assert operation is not None
    assert operation.report is not None
    assert len(operation.report.held) == 2
    assert "not enough memory" in operation.report.held[0].reason
