"""Every error is a sentence for a tired user."""

from __future__ import annotations

import pytest

from imgstage import errors
from imgstage.errors import BrokenOffError, ImgstageError

ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ImgstageError)]


@pytest.mark.parametrize("kind", ALL)
def test_an_error_says_what_is_wrong_what_was_not_changed_and_what_to_do(kind: type[ImgstageError]) -> None:
    error = kind("data/x.jpg is taken", "Rename it")
    expected = "Nothing more was changed" if issubclass(kind, BrokenOffError) else "Nothing was changed"
    assert str(error) == f"data/x.jpg is taken. {expected}. Rename it."
    assert error.exit_code == (3 if issubclass(kind, BrokenOffError) else 2)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert errors.__doc__ is not None
    for kind in ALL:
        assert f"{kind.__name__} " in errors.__doc__ or f"{kind.__name__}\n" in errors.__doc__
