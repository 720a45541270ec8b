"""PSNR and SSIM are scikit-image's; counts of classes are what one counts by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from skimage import metrics

from imgstage.play.scores import Confusion, Score, mean_score, score

from ..helpers import photo

PSNR: Any = metrics.peak_signal_noise_ratio
SSIM: Any = metrics.structural_similarity


@pytest.mark.parametrize("name", ["astronaut", "camera", "chelsea", "coffee"])
@pytest.mark.parametrize("noise", [1, 20, 90])
def test_scores_of_photographs_are_scikit_images(name: str, noise: int) -> None:
    truth = photo(name)
    change = np.random.default_rng(noise).normal(0, noise, truth.shape)
    made = np.clip(truth + change, 0, 255).astype(np.uint8)
    axis = {"channel_axis": 2} if truth.ndim == 3 else {}
    found = score(made, truth)
    assert found.psnr == pytest.approx(PSNR(truth, made), abs=1e-9)
    assert found.ssim == pytest.approx(SSIM(truth, made, **axis), abs=2e-7)


@pytest.mark.parametrize("shape", [(7, 7), (7, 300), (33, 8), (70, 64), (101, 9, 3)])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_of_any_size_and_depth_too(shape: tuple[int, ...], depth: type) -> None:
    chance = np.random.default_rng(0)
    top = np.iinfo(depth).max
    made, truth = (chance.integers(0, top, shape, depth, endpoint=True) for _ in range(2))
    axis = {"channel_axis": 2} if len(shape) == 3 else {}
    found = score(made, truth)
    assert found.psnr == pytest.approx(PSNR(truth, made, data_range=top), abs=1e-9)
    assert found.ssim == pytest.approx(SSIM(truth, made, data_range=top, **axis), abs=2e-7)


def test_the_largest_differences_do_not_run_over() -> None:
    white, black = np.full((64, 64), 65535, np.uint16), np.zeros((64, 64), np.uint16)
    assert score(white, black).psnr == 0
    assert score(white, black).ssim == pytest.approx(SSIM(white, black, data_range=65535), abs=1e-9)


def test_the_same_picture_is_infinitely_near_which_json_cannot_say() -> None:
    same = score(photo("camera"), photo("camera"))
    assert same == Score(math.inf, 1.0)
    assert same.as_json() == {"psnr_db": None, "ssim": 1.0}


def test_what_has_no_whole_window_has_no_ssim() -> None:
    small = np.zeros((6, 50), np.uint8)
    assert score(small, small + 1).ssim is None
    assert mean_score([Score(20.0, None), Score(30.0, 0.5)]) == Score(25.0, 0.5)
    assert mean_score([]) is None


def test_pictures_that_are_the_very_same_do_not_hide_how_near_the_others_are() -> None:
    same = Score(math.inf, 1.0)
    assert mean_score([Score(20.0, 0.25), same, Score(30.0, 0.25)]) == Score(25.0, 0.5)
    assert mean_score([same, same]) == same


def test_classes_are_counted_and_what_nobody_labelled_is_not() -> None:
    truth = np.array([[0, 0, 1, 1], [2, 2, 255, 255]])
    given = np.array([[0, 1, 1, 1], [2, 0, 1, 2]])
    found = Confusion.between(given, truth, 4)
    assert found.counts[:3, :3].tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]
    assert found.accuracy == 4 / 6
    assert found.ious == [1 / 3, 2 / 3, 1 / 2, None]
    assert found.mean_iou == pytest.approx((1 / 3 + 2 / 3 + 1 / 2) / 3)
    assert (found + found).counts.sum() == 12
    nothing = Confusion.between(given, np.full(truth.shape, 255), 4)
    assert (nothing.accuracy, nothing.mean_iou) == (None, None)
