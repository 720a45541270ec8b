"""Tiles: they cover all, their shares sum to one, and what is not near an edge is kept."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imgstage import UsageError
from imgstage.play.probe import up
from imgstage.play.tiles import BLEND, Axis, Grid, Seams, even_tile


@st.composite
def axes(draw: st.DrawFn) -> Axis:
    step = draw(st.sampled_from([1, 4, 16, 32]))
    overlap = draw(st.integers(0, 80))
    least = -(-(overlap + 2 * (BLEND + step)) // step)
    tile = step * draw(st.integers(least, least + 12))
    return Axis(step * draw(st.integers(1, 80)), tile, overlap, step)


@given(axes())
def test_tiles_begin_at_multiples_and_overlap_by_enough(axis: Axis) -> None:
    starts = axis.starts
    assert starts[0] == 0
    assert all(start % axis.step == 0 for start in starts)
    assert all(0 < b - a <= axis.tile - axis.overlap for a, b in pairwise(starts))
    if axis.tile < axis.length:
        assert starts[-1] + axis.tile == axis.length


@given(axes(), st.integers(1, 3))
def test_the_shares_of_all_tiles_sum_to_one(axis: Axis, scale: int) -> None:
    total = np.zeros(max(axis.length, axis.tile) * scale)
    for number, start in enumerate(axis.starts):
        total[start * scale : (start + axis.tile) * scale] += axis.share(number, scale)
    assert np.abs(total - 1).max() < 1e-6


@given(axes())
def test_near_its_own_edges_inside_the_picture_a_tile_counts_nothing(axis: Axis) -> None:
    margin = max(0, (axis.overlap - BLEND) // 2)
    for number, start in enumerate(axis.starts):
        share = axis.share(number)
        if number:
            assert not share[:margin].any()
        if start + axis.tile < axis.length:
            assert not share[len(share) - margin :].any()


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([1, 4, 8]), st.integers(0, 40), st.integers(1, 200_000))
def test_an_even_tile_covers_the_picture_within_what_it_may_have(
    down: int, across: int, step: int, overlap: int, most: int
) -> None:
    size = down * step * 4, across * step * 4
    tile = even_tile(size, most, overlap, step)
    grid = Grid(size, tile, overlap, step)  # it does not refuse
    assert tile[0] % step == tile[1] % step == 0
    if size[0] * size[1] <= most:
        assert (tile, len(grid)) == (size, 1)
    smallest = max(2 * overlap, overlap + 2 * (BLEND + step)) + step
    if most >= (2 * smallest) ** 2:
        assert tile[0] * tile[1] <= most


def test_a_picture_a_little_too_large_is_cut_in_two_halves_and_not_into_one_tile_and_a_rest() -> None:
    assert even_tile((1280, 1920), 2_000_000, 24, 4) == (1280, 972)


def test_seams_put_together_what_was_cut() -> None:
    picture = np.random.default_rng(0).random((148, 200, 3), np.float32)
    grid = Grid((148, 200), (80, 96), 24, 4)
    seams = Seams(grid, 3, 1)
    made = []
    for row, places in enumerate(grid.rows()):
        for column, (top, left) in enumerate(places):
            seams.add(row, column, picture[top : top + 80, left : left + 96].copy())
        made.append(seams.finish(row))
    assert len(made) > 1
    assert np.abs(np.concatenate(made) - picture).max() < 1e-6


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    step, overlap = draw(st.sampled_from([1, 2, 8])), draw(st.integers(0, 40))
    tile = [up(overlap + 2 * (BLEND + step) + draw(st.integers(0, 20)), step) for _ in range(2)]
    size = [up(draw(st.integers(1, 3 * side)), step) for side in tile]
    return Grid((size[0], size[1]), (tile[0], tile[1]), overlap, step)


@given(grids(), st.integers(1, 2), st.integers(0, 99))
@example(Grid((100, 50), (50, 50), 0, 1), 1, 0)  # without overlap nothing is left for the next row
def test_seams_are_the_sum_of_all_tiles_by_their_shares(grid: Grid, scale: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    wanted = np.zeros((grid.down.length * scale, grid.across.length * scale, 1))
    seams = Seams(grid, 1, scale)
    made = []
    for row, places in enumerate(grid.rows()):
        for column, (top, left) in enumerate(places):
            result = chance.random((grid.tile[0] * scale, grid.tile[1] * scale, 1), np.float32)
            result.flags.writeable = False
            seams.add(row, column, result)
            share = np.outer(grid.down.share(row, scale), grid.across.share(column, scale))[..., None]
            place = slice(top * scale, top * scale + len(result)), slice(left * scale, left * scale + result.shape[1])
            wanted[place] += share * result
        made.append(seams.finish(row))
    assert np.abs(np.concatenate(made) - wanted).max() < 1e-6


def test_an_overlap_that_leaves_nothing_is_refused_with_the_tile_that_would_do() -> None:
    with pytest.raises(UsageError, match=r"too small to overlap by 60.*--tile 100x100"):
        Grid((400, 400), (64, 64), 60, 4)
    Grid((400, 400), (100, 100), 60, 4)
