"""Which samples must share a split, and what binds them, as `check --groups` lists it."""

from __future__ import annotations

import json
import re

import pytest

from imgstage import Dataset
from imgstage.bonds import Kind
from imgstage.cli import run

from .helpers import picture, snapshot, stage, write
from .lookalikes import cuts, encoded, small_copy


@pytest.fixture
def bound(empty: Dataset) -> Dataset:
    """A root with every kind of bond."""
    images = cuts(12)
    for number, image in enumerate(images):
        write(stage(empty) / f"{number:02d}.png", encoded(image))
    write(stage(empty) / "like_3.jpg", small_copy(images[3]))
    write(stage(empty) / "like_3_too.png", encoded(images[3].resize((420, 420))))
    write(stage(empty) / "same_as_4.png", encoded(images[4]))
    write(stage(empty) / "05.jpg", picture(5))
    for number in range(3):
        write(stage(empty) / f"p1_{number}.png", encoded(images[9].rotate(40 + 17 * number)))
    write(empty.root.path / "imgstage.toml", b"group = '^(p.)_'\n")
    return empty


def test_each_group_has_its_bonds(bound: Dataset) -> None:
    found = {frozenset(key for key, _ in one.samples): one.bonds for one in bound.groups()}
    assert set(found) == {
        frozenset({"03", "like_3", "like_3_too"}),
        frozenset({"04", "same_as_4"}),
        frozenset({"05.png", "05.jpg"}),
        frozenset({"p1_0", "p1_1", "p1_2"}),
    }
    assert {frozenset(names): [bond.kind for bond in bonds] for names, bonds in found.items()} == {
        frozenset({"03", "like_3", "like_3_too"}): [Kind.ALIKE, Kind.ALIKE],
        frozenset({"04", "same_as_4"}): [Kind.ALIKE, Kind.SAME],
        frozenset({"05.png", "05.jpg"}): [Kind.NAME],
        frozenset({"p1_0", "p1_1", "p1_2"}): [Kind.GROUP, Kind.GROUP],
    }
    assert max(bond.bits for bonds in found.values() for bond in bonds) <= 31


def test_the_command_lists_the_largest_first(bound: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    bound.split()
    root = str(bound.root.path)
    assert run(["-C", root, "check", "--groups"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "10 samples must share a split with others, in 4 groups"
    assert lines[1].startswith("  3 samples (3 in ")
    assert any("looks nearly like" in line and "of 256 bits differ" in line for line in lines)
    assert any("are of the group p1" in line for line in lines)
    assert run(["-C", root, "check", "--groups", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["groups"]
    assert [len(one["samples"]) for one in told] == [3, 3, 2, 2]
    assert all(len({sample["split"] for sample in one["samples"]}) == 1 for one in told)


def test_a_limit_cuts_the_weakest_links_and_lists_them(empty: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    images = cuts(20)
    for number, image in enumerate(images):
        write(stage(empty) / f"{number:02d}.png", encoded(image))
    for number in range(5):
        write(stage(empty) / f"like_{number}.jpg", small_copy(images[7].resize((500 - 20 * number, 500))))
    (all_six,) = empty.groups()
    assert len(all_six.samples) == 6
    root = str(empty.root.path)
    assert run(["-C", root, "split", "-n"]) == 0
    assert "the largest of these groups has 6 samples, and the smallest split 2:" in capsys.readouterr().out
    assert run(["-C", root, "split", "--max-group", "2"]) == 0
    told = capsys.readouterr().out
    assert re.search(
        r"  cut for --max-group, so these may be divided: (train|val|test)/\S+ and (train|val|test)/", told
    )
    assert "max_group = 2" in (empty.root.path / "imgstage.toml").read_text()
    found = empty.groups()
    assert [len(one.samples) for one in found] == [2, 2, 2]
    assert all(len({split for _, split in one.samples}) == 1 for one in found)
    assert not [one for one in empty.check() if one.is_error]


def test_what_groups_do_not_go_with_is_refused(bound: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(bound.root.path)
    for words in (["--hold"], ["--report", "leaks.html"], ["--strict"], ["--depth", "3"]):
        assert run(["-C", str(bound.root.path), "check", "--groups", *words]) == 2
        assert f"--groups does something else, so it cannot go with {words[0]}" in capsys.readouterr().err
    assert snapshot(bound.root.path) == before
