"""Pure: how much memory a sum over the rows of a matrix takes on CUDA, while it runs.

Blocks of threads each add up some of the rows, and lay what they have aside for the last one: the rules are those of
PyTorch's aten/src/ATen/native/cuda/Reduce.cuh (`setReduceConfig`, `global_memory_size`).
"""

from __future__ import annotations

_THREADS = 512  # MAX_NUM_THREADS of a block
_WARP = 32
_FEWEST, _MOST = 16, 256  # values that a thread should add up


def buffer_bytes(rows: int, columns: int, multiprocessors: int, threads_of_each: int) -> int:
    """Bytes laid aside.

    Args:
        rows, columns: of the matrix.
        multiprocessors: of the device (streaming multiprocessors, SMs).
        threads_of_each: that a multiprocessor runs at once.
    """
    at_once = next(n for n in (4, 2, 1) if columns % n == 0)
    threads = _THREADS // at_once
    across, down = (_power_below(min(n, threads)) for n in (max(1, columns // at_once), rows))
    width = min(across, _WARP)
    height = min(down, threads // width)
    width = min(across, threads // height)
    if not (rows >= height * _FEWEST or rows >= _MOST):
        return 0
    values = -(-rows // height)
    grid = -(-(columns // at_once) // width)
    target = multiprocessors * (threads_of_each // (width * height))
    if values < _MOST or grid > target:
        return 0
    parts = max(min(-(-target // grid), -(-values // _FEWEST)), -(-values // _MOST))
    return 4 * columns * parts * width * at_once if parts > 1 else 0


def _power_below(number: int) -> int:
    """The largest power of two that is not above a number."""
    return 1 << (max(1, number).bit_length() - 1)
