"""Which sample a sidecar goes with."""

from __future__ import annotations

import pytest

from imgstage.pairing import attach

ALONE = "no image beside it, or in a folder parallel to its own, has this name"


@pytest.mark.parametrize(
    ("image", "sidecar"),
    [
        ("x.jpg", "x.txt"),
        ("x.jpg", "X.TXT"),
        ("x.jpg", "x.jpg.json"),
        ("cats/x.jpg", "cats/x.xml"),
        ("JPEGImages/x.jpg", "Annotations/x.xml"),
        ("set/images/x.jpg", "set/labels/x.txt"),
        ("images/x.tar.jpg", "labels/x.tar.txt"),
    ],
)
def test_a_sidecar_has_its_images_name(image: str, sidecar: str) -> None:
    assert attach([sidecar], {image: "the sample"}, {"the sample": "its key"}) == ({sidecar: "the sample"}, {})


def test_a_sidecar_may_have_the_name_of_the_sample() -> None:
    images = {"x_before.jpg": "s", "x_after.jpg": "s"}
    assert attach(["x.json", "x_after.txt"], images, {"s": "x"})[0] == {"x.json": "s", "x_after.txt": "s"}


@pytest.mark.parametrize("sidecar", ["metadata.csv", "cats/notes.txt", "x1.txt", "other/cats/x.txt", "dogs/x.txt"])
def test_a_table_or_a_text_without_an_image_goes_with_none(sidecar: str) -> None:
    images = {"cats/x.jpg": "x", "dogs/y.jpg": "y"}
    assert attach([sidecar], images, {"x": "cats/x", "y": "dogs/y"}) == ({}, {sidecar: ALONE})


def test_a_sidecar_of_two_samples_goes_with_neither() -> None:
    found, astray = attach(["labels/1.txt"], {"cats/1.jpg": "a", "dogs/1.jpg": "b"}, {"a": "cats/1", "b": "dogs/1"})
    assert not found
    assert astray == {"labels/1.txt": "a sidecar of 2 samples at once: cats/1, dogs/1"}
