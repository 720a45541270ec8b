"""User groups."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgstage.errors import UsageError
from imgstage.groups import by_column, by_pattern, merge, read_table


def test_the_first_bracket_names_the_group() -> None:
    keys = ["p1/a_01", "p1/b_02", "p2/c_03", "loose"]
    assert by_pattern(r"^(p\d+)/", keys) == {"p1/a_01": "p1", "p1/b_02": "p1", "p2/c_03": "p2"}


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "no regular expression"),
        ("(p{99999999999})", "no regular expression"),
        ("(" * 5000 + "p" + ")" * 5000, "no regular expression"),
        (r"p\d", "no bracket"),
        (r"(x+)", "matches none of the 2"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        by_pattern(pattern, ["p1", "p2"])


def test_the_column_that_names_the_images_is_found() -> None:
    rows = read_table(
        b"\xef\xbb\xbfpatient,offset,file\n7,1,a.jpg\n7,2,B.JPG\n8,3,c.jpg\n9,4,unknown.jpg\n", "t.csv", "patient"
    )
    paths = {
        "train/images/a.jpg": "images/a",
        "val/images/b.jpg": "images/b",
        "test/images/c.jpg": "images/c",
        "train/images/1.jpg": "images/1",
    }
    assert by_column(rows, "patient", paths) == {"images/a": {"7"}, "images/b": {"7"}, "images/c": {"8"}}


@pytest.mark.parametrize(
    "name", ["train/a/1.jpg", "a/1.jpg", "stage_data/a/1.jpg", "./stage_data/A/1.JPG", "1.jpg", "1", "a/1", "train/a/1"]
)
def test_an_image_may_be_named_in_many_ways(name: str) -> None:
    rows = read_table(f"patient,file\n7,{name}\n".encode(), "t.csv", "patient")
    assert by_column(rows, "patient", {"train/a/1.jpg": "a/1", "train/b/2.jpg": "b/2"}) == {"a/1": {"7"}}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"patient,file\n\xff\xfe,a.jpg\n", "not UTF-8"),
        (b"patients,file\n1,a.jpg\n", "Did you mean 'patients'"),
        (b"", "no column"),
        (b"patient,file\n1,zzz.jpg\n", "names any of the images"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        by_column(read_table(data, "t.csv", "patient"), "patient", {"a.jpg": "a"})


@given(st.dictionaries(st.text(max_size=3), st.sets(st.sampled_from("abcdefgh"), min_size=1, max_size=3), max_size=20))
def test_merged_groups_are_the_connected_ones(groups: dict[str, set[str]]) -> None:
    merged = merge(groups)
    assert set(merged) == set(groups)
    for one in groups:
        for two in groups:
            reached = {one}
            while True:
                names = set().union(*(groups[sample] for sample in reached))
                more = {sample for sample in groups if groups[sample] & names}
                if more == reached:
                    break
                reached = more
            assert (merged[one] == merged[two]) == (two in reached)


def test_the_column_of_the_groups_names_no_images_though_its_values_look_like_it() -> None:
    """Patients called as the files are: 1, 2, …"""
    rows = read_table(b"who,picture\n2,1.jpg\n2,2.jpg\n1,3.jpg\n", "t.csv", "who")
    assert by_column(rows, "who", {"1.jpg": "1", "2.jpg": "2", "3.jpg": "3"}) == {"1": {"2"}, "2": {"2"}, "3": {"1"}}
