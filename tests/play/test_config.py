"""`model.toml`: what it may say, what it must not, and what options say instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgstage import UsageError
from imgstage.play import ModelConfig
from imgstage.play.config import read_config


def test_what_is_not_there_is_as_by_default(tmp_path: Path) -> None:
    assert read_config(None) == read_config(tmp_path / "model.toml") == ModelConfig()


def test_all_it_may_say(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_text(
        'task = "classification"\nchannels = "BGR"\nrange = [0, 255]\noutput_range = [-1, 1]\nmean = [1, 2, 3]\n'
        'std = [1.0, 2.0, 4.0]\nsize_multiple = 8\nsize = [64, 96]\noutputs = "probabilities"\n'
        'classes = ["a", "b"]\n'
    )
    assert read_config(path) == ModelConfig(
        "classification", "BGR", (0, 255), (-1, 1), (1, 2, 3), (1.0, 2.0, 4.0), 8, (64, 96), "probabilities", ("a", "b")
    )


def test_options_go_before_it() -> None:
    config = ModelConfig(channels="BGR", size_multiple=8)
    assert config.with_options(channels="L", range=None, size_multiple=None) == ModelConfig(
        channels="L", size_multiple=8
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("chanels = 'RGB'", "'chanels' is unknown.*Did you mean 'channels'"),
        ("channels = 'rgb'", "one of RGB, BGR, L"),
        ("range = [1, 0]", "two numbers, black and white"),
        ("range = [0, nan]", "two numbers, black and white"),
        (f"range = [0, 1{'0' * 400}]", "two numbers, black and white"),
        ("size_multiple = 0", "whole number from 1"),
        ("size_multiple = true", "whole number from 1"),
        ("size = [64]", "height and width"),
        ("std = [0, 1, 1]", "above 0"),
        ("mean = [0.5]", "do not go with 3 channels"),
        ("classes = [1]", "list of names"),
        ("classes = ['a', 'b', 'a']", "stands there once"),
        ("task = 'denoise'", "image-to-image"),
        ("channels = ", "cannot be read"),
    ],
)
def test_what_makes_no_sense_is_told_with_the_file(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "model.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=told) as error:
        read_config(path)
    assert str(path) in str(error.value)


def test_numbers_that_do_not_go_with_other_channels_are_told() -> None:
    config = ModelConfig(mean=(0.5, 0.5, 0.5))
    with pytest.raises(UsageError, match="do not go with 1 channel"):
        config.with_options(channels="L")
