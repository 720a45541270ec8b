"""A root as HTML, for notebooks."""

from __future__ import annotations

from imgstage import Dataset


def test_a_notebook_shows_counts_and_six_pictures(pairs: Dataset) -> None:
    pairs.split()
    shown = pairs._repr_html_()
    assert shown.count("<img ") == 6
    assert shown.count("data:image/jpeg;base64,") == 6
    assert "25 samples" in shown
    assert "train<br><b>20</b>" in shown


def test_a_notebook_shows_an_error_instead_of_raising_it(pairs: Dataset) -> None:
    (pairs.root.path / "splits.csv").write_text("<script>")
    assert "<script>" not in pairs._repr_html_()
    assert "splits.csv" in pairs._repr_html_()
