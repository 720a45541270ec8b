"""What sums over rows lay aside on CUDA, as an H200 was seen to do."""

from __future__ import annotations

import pytest

from imgstage.memory.reduction import buffer_bytes


@pytest.mark.parametrize(
    ("rows", "columns", "nbytes"),
    [
        (16 * 197, 3072, 78_643_200),  # vit_b_16, batch 16
        (16 * 197, 2304, 58_982_400),
        (16 * 197, 768, 19_660_800),
        (24 * 197, 2304, 87_293_952),
        (16 * 56 * 56, 384, 138_412_032),  # convnext_tiny, batch 16
        (16 * 14 * 14, 1536, 38_535_168),
        (16, 1000, 0),
        (512, 1, 0),
    ],
)
def test_it_is_what_was_recorded(rows: int, columns: int, nbytes: int) -> None:
    assert buffer_bytes(rows, columns, multiprocessors=132, threads_of_each=2048) == nbytes


def test_a_smaller_gpu_takes_no_more() -> None:
    assert buffer_bytes(50_176, 384, 28, 1536) < buffer_bytes(50_176, 384, 132, 2048)
