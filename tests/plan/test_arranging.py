"""Wishes -> steps that never replace anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgstage.errors import DestinationError
from imgstage.index import FileRecord, Index, Kind
from imgstage.plan import Identity, MakeFolder, Move, RemoveFolder, Rename, arrange, emptied_folders

IDENTITY = Identity(1, 2, 0o644, "00" * 32, 3)


def run(moves: list[tuple[str, str]], files: set[str], *, folds_case: bool = False) -> set[str]:
    """Do the steps on a set of names; fails where a rename would replace something. Returns what is where."""

    def alias(name: str) -> str:
        return name.lower() if folds_case else name

    wishes = [Move(source, target, IDENTITY) for source, target in moves]
    journeys, steps = arrange(7, wishes, files, {"stage_data": 0o755, "train": 0o755}, {})
    there = {alias(name): name for name in files}
    content = {name: name for name in files}
    for step in steps:
        if isinstance(step, Rename):
            source, target = journeys[step.journey].places[step.leg : step.leg + 2]
            assert alias(target) not in there, f"{target} is taken"
            del there[alias(source)]
            there[alias(target)] = target
            content[target] = content.pop(source)
    assert {content[target] for _, target in moves} == {source for source, _ in moves}
    assert all(content[target] == source for source, target in moves)
    return set(there.values())


def test_a_swap_goes_by_a_hop() -> None:
    assert run([("train/a", "train/b"), ("train/b", "train/a")], {"train/a", "train/b"}) == {"train/a", "train/b"}


def test_a_shift_starts_at_its_free_end() -> None:
    moves = [(f"train/{n}", f"train/{n + 1}") for n in range(5)]
    assert run(moves, {source for source, _ in moves}) == {f"train/{n}" for n in range(1, 6)}


def test_a_change_of_case_works_where_case_is_folded() -> None:
    assert run([("train/a.JPG", "train/a.jpg")], {"train/a.JPG"}, folds_case=True) == {"train/a.jpg"}


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)), st.booleans())
def test_any_permutation_of_names_can_be_done(order: list[int], staying: set[int], folds_case: bool) -> None:
    cycle = [number for number in order if number not in staying]
    moves = [(f"train/{a}", f"train/{b}") for a, b in zip(cycle, cycle[1:] + cycle[:1], strict=True)]
    files = {f"train/{number}" for number in range(12)}
    assert run(moves, files, folds_case=folds_case) == files


@pytest.mark.parametrize(
    ("moves", "occupied", "named"),
    [
        ([("stage_data/a", "train/x"), ("stage_data/b", "train/x")], [], "train/x"),
        ([("stage_data/a", "train/x"), ("stage_data/b", "train/X")], [], "train/X"),
        ([("stage_data/a", "train/caf\u00e9"), ("stage_data/b", "train/cafe\u0301")], [], "caf"),
        ([("stage_data/a", "train/x")], ["train/x"], "train/x"),
        ([("stage_data/a", "train/x")], ["train/X"], "train/X"),
        ([("stage_data/a", "train")], [], "train"),
    ],
)
def test_a_name_that_two_want_or_one_has_is_refused(
    moves: list[tuple[str, str]], occupied: list[str], named: str
) -> None:
    wishes = [Move(source, target, IDENTITY) for source, target in moves]
    with pytest.raises(DestinationError, match=named):
        arrange(1, wishes, occupied, {"stage_data": 0o755, "train": 0o755}, {})


def test_missing_folders_are_made_from_the_top_with_the_given_modes() -> None:
    _, steps = arrange(
        1, [Move("stage_data/a/b/x", "val/a/b/x", IDENTITY)], [], {"stage_data": 0o750}, {"val/a": 0o700}
    )
    assert steps[:3] == (MakeFolder("val", 0o750), MakeFolder("val/a", 0o700), MakeFolder("val/a/b", 0o750))


def test_a_folder_is_removed_only_when_the_moves_emptied_it() -> None:
    paths = ["train/a/1", "train/a/b/2", "train/c/3", "train/c/4", "stage_data/d/5", "train/e/6"]
    files = tuple(FileRecord(path, Kind.IMAGE, 1, 1, 0o644, 1, 1, "00") for path in paths)
    folders = dict.fromkeys(
        ["stage_data", "stage_data/d", "train", "train/a", "train/a/b", "train/c", "train/mine", "train/e"], 0o755
    )
    folders["train/e/mine"] = 0o755  # an empty folder of the user's keeps the one above it
    leaving = [Move(path, f"stage_data/{path}", IDENTITY) for path in (*paths[:3], *paths[4:])]
    removed = list(emptied_folders(Index(files, folders), leaving, ["train"]))
    assert removed == [RemoveFolder("train/a/b", 0o755), RemoveFolder("train/a", 0o755)]


@pytest.mark.parametrize("target", ["../x.jpg", "train/../x.jpg", ".imgstage/journal/x", "train/.x.jpg", "/x.jpg"])
def test_no_file_goes_out_of_sight(target: str) -> None:
    with pytest.raises(DestinationError, match="would be hidden, or lie outside"):
        arrange(1, [Move("train/a.jpg", target, IDENTITY)], ["train/a.jpg"], {"train": 0o755}, {})


@pytest.mark.parametrize("name", ["ü" * 128, "🙂" * 64, "x" * 256])
def test_no_name_is_longer_than_file_systems_take(name: str) -> None:
    with pytest.raises(DestinationError, match="at most 255 bytes"):
        arrange(1, [Move("train/a.jpg", f"train/{name}", IDENTITY)], ["train/a.jpg"], {"train": 0o755}, {})
    arrange(1, [Move("train/a.jpg", f"train/{name[:-1]}", IDENTITY)], ["train/a.jpg"], {"train": 0o755}, {})
