"""Long lives: what they watch for is seen when it happens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from proof.histories import Histories

from imgstage.verbs import split


@pytest.fixture
def life() -> Iterator[Histories]:
    """Twelve pairs, split, brought back, and many of them retouched under new names; then many new ones."""
    one = Histories()
    one.begin()
    for _ in range(3):
        one.put_down(count=4, night=False, sidecar=False)
    one.split(None, None)
    one.unsplit(None, None)
    for draw in range(30):
        one.handle(draw=draw, deed="retouch")
    for _ in range(10):
        one.put_down(count=4, night=False, sidecar=False)
    yield one
    one.teardown()


def test_an_image_that_comes_from_test_into_train_is_seen(life: Histories, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nobody asks about what appears while held-out images are gone."""
    life.split(None, None)  # asks, and changes nothing
    monkeypatch.setattr(split, "refuse_unexplained", lambda *_: None)
    with pytest.raises(AssertionError, match=r"brought .* into train"):
        life.split(None, None)


def test_who_says_so_may_bring_it_there(life: Histories) -> None:
    life.split_whatever()
