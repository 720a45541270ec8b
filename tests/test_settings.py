"""`imgstage.toml` and ratios."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given

from imgstage.errors import UsageError
from imgstage.root import Root
from imgstage.settings import format_ratios, parse_ratios, read

from .strategies import ratios


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80/12/8", (80, 12, 8)),
        ("80%/12%/8%", (80, 12, 8)),
        ("0.8/0.12/0.08", (80, 12, 8)),
        ("100/0/0", (100, 0, 0)),
        ("train=0.8, val=0.12, test=0.08", (80, 12, 8)),
        ("test=8,train=80,val=12", (80, 12, 8)),
    ],
)
def test_ratios_are_exact(text: str, expected: tuple[int, int, int]) -> None:
    shares = parse_ratios(text)
    assert tuple(shares[name] for name in ("train", "val", "test")) == tuple(Fraction(n, 100) for n in expected)


@pytest.mark.parametrize(
    "text",
    ["", "80", "80/20", "80/12/9", "-80/172/8", "a/b/c", "train=2", "train=.5,train=.5", "train=1/0", "1e400/0/0",
     "../x=1", "stage_data=1", "held=.5,train=.5", ".hidden=1", "a/b=1", "train=.5,Train=.5", "train=nan,val=1"],
)  # fmt: skip
def test_ratios_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_ratios(text)


@given(ratios())
def test_ratios_survive_being_written_and_read(shares: dict[str, Fraction]) -> None:
    assert parse_ratios(format_ratios(shares)) == shares


def settings(tmp_path: Path, text: str) -> object:
    (tmp_path / "imgstage.toml").write_text(text)
    return read(Root(tmp_path))


def test_settings_are_read(tmp_path: Path) -> None:
    text = 'ratios = "70/20/10"\nseed = 4\n[pairing]\nbefore = "{key}_b"\n[pairing."cats"]\nimage = "{key}"\n'
    found = settings(tmp_path, text)
    assert found == read(Root(tmp_path))
    assert read(Root(tmp_path)).seed == 4
    assert read(Root(tmp_path)).pairing == {"": {"before": "{key}_b"}, "cats": {"image": "{key}"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sed = 1", "Did you mean 'seed'"),
        ("seed = 'x'", "whole number"),
        ("seed = true", "whole number"),
        ("ratios = [1]", "quotation marks"),
        ("ratios = '1/1/1'", "sum to 3"),
        ("rounding = 'up'", "rounding"),
        ("pairing = 3", "table"),
        ("[pairing]\nbefore = 3", "template"),
        ("[pairing.cats]\nseed = 3", 'pairing."cats".*seed is 3'),
        ("seed = ", "TOML"),
        ("\x00", "TOML"),
    ],
)
def test_settings_that_make_no_sense_name_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        settings(tmp_path, text)
    assert "imgstage.toml" in str(error.value)
    assert "Nothing was changed" in str(error.value)
