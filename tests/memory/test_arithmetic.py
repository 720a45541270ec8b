"""Bytes of tensors, and sizes that can be halved."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgstage import UsageError
from imgstage.memory import input_bytes, safe_sizes
from imgstage.memory.arithmetic import halvings

sides = st.integers(1, 20_000)


def test_bytes_are_those_of_the_tensor() -> None:
    assert input_bytes((960, 640)) == 7_372_800
    assert input_bytes((960, 640), 32) == 225 * 2**20
    assert input_bytes((10, 20), 3, channels=1, dtype="uint8") == 600
    assert input_bytes((10, 20), 3, channels=4, dtype="float16") == 4800


@pytest.mark.parametrize(
    ("size", "batch", "channels", "dtype"),
    [((0, 5), 1, 3, "uint8"), ((5, -1), 1, 3, "uint8"), ((5, 5), 0, 3, "uint8"), ((5, 5), 1, 0, "uint8")],
)
def test_what_is_not_positive_is_refused(size: tuple[int, int], batch: int, channels: int, dtype: str) -> None:
    with pytest.raises(UsageError, match="makes no sense"):
        input_bytes(size, batch, channels=channels, dtype=dtype)


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(UsageError, match="float33"):
        input_bytes((5, 5), dtype="float33")


def test_the_sizes_of_the_old_page() -> None:
    assert halvings((1920, 1280)) == 7
    assert halvings((960, 640)) == 6
    assert halvings((375, 500)) == 0


@given(sides, sides, st.integers(0, 9))
def test_the_nearest_safe_sizes_are_safe_and_nearest(height: int, width: int, depth: int) -> None:
    divisor = 2**depth
    near = safe_sizes((height, width), divisor)
    for side, below, above in zip(near.size, near.below or (0, 0), near.above, strict=True):
        assert above % divisor == below % divisor == 0
        assert above - divisor < side <= above
        assert near.below is None or below <= side < below + divisor
    assert (near.below is None) == (min(height, width) < divisor)
    assert near.pixels_padded == math.prod(near.above) - height * width
    assert near.pixels_cropped == height * width - math.prod(near.below or (0, 0))
    assert near.is_safe == (near.halvings >= depth)


def test_json_has_all_of_it() -> None:
    told = safe_sizes((375, 500), 16).as_json()
    assert told == {
        "size": [375, 500],
        "divisor": 16,
        "halvings": 0,
        "is_safe": False,
        "below": [368, 496],
        "above": [384, 512],
        "pixels_cropped": 375 * 500 - 368 * 496,
        "pixels_padded": 384 * 512 - 375 * 500,
    }
