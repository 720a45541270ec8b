"""Why a file is held or ignored."""

from __future__ import annotations

import pytest

from imgstage.reasons import HELP, Why, about, because, why


@pytest.mark.parametrize("kind", list(Why))
def test_the_word_of_a_reason_is_found_again(kind: Why) -> None:
    assert why(because(kind, "one thing: another")) is kind
    assert why(about("a: b.jpg", because(kind, "it is bent"))) is kind


def test_a_samples_reason_names_the_file() -> None:
    assert about("x.jpg", because(Why.BROKEN, "it is bent")) == "broken: x.jpg: it is bent"


def test_what_is_no_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="grumpy"):
        why("grumpy: it rains")


def test_everything_that_holds_a_file_has_something_that_helps() -> None:
    assert set(HELP) == set(list(Why)[: list(Why).index(Why.GONE)])
