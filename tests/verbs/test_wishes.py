"""`imgstage.toml` stores how the names were read, so that they are read alike the next time."""

from __future__ import annotations

import tomllib

import pytest

from imgstage import Dataset
from imgstage.catalog import Sample

from ..helpers import as_nobody, names, picture, write, write_pairs


def stored(dataset: Dataset) -> dict[str, object]:
    table: dict[str, object] = tomllib.loads((dataset.root.path / "imgstage.toml").read_text()).get("pairing", {})
    return table


def composition(dataset: Dataset) -> list[tuple[str, dict[str, int]]]:
    def roles(sample: Sample) -> dict[str, int]:
        return {role: len(records) for role, records in sample.images.items()}

    return [(sample.key, roles(sample)) for sample in dataset.samples]


SETS = {
    "top-level pairs": (["x#_before.jpg", "x#_after.jpg"], {"."}),
    "parallel folders": (["A/#.jpg", "GTr_A/#.jpg"], {"A+GTr_A"}),
    "lone images": (["cats/#.jpg", "dogs/1#.jpg"], set()),
    "pairs in two folders": (["one/#_before.jpg", "one/#_after.jpg", "two/#_before.jpg", "two/#_after.jpg"], {""}),
    "scenes": (["scene#/noisy.jpg", "scene#/clean.jpg"], {""}),
    "a mixture": (
        ["one/#_lq.jpg", "one/#_hq.jpg", "images/#.jpg", "masks/#.png", "cats/#.jpg"],
        {"one", "images+masks"},
    ),
}


@pytest.mark.parametrize("name", SETS)
def test_what_was_detected_is_stored_and_read_again(empty: Dataset, name: str) -> None:
    patterns, expected = SETS[name]
    for number in range(8):
        for place, pattern in enumerate(patterns):
            write(empty.root.path / "stage_data" / pattern.replace("#", f"{number:02d}"), picture(100 * place + number))
    before = composition(empty)
    empty.split()
    tables = stored(empty)
    assert {"" if isinstance(entry, str) else key for key, entry in tables.items()} == expected
    empty.unsplit()
    (empty.root.path / "splits.csv").unlink()
    assert composition(empty) == before


def test_a_stored_rule_does_not_stand_in_the_way_of_a_new_folder(empty: Dataset) -> None:
    for folder in ("one", "two"):
        for number in range(5):
            for role in ("before", "after"):
                write(
                    empty.root.path / f"stage_data/{folder}/{number}_{role}.jpg",
                    picture(len(folder + role) * 100 + number + (folder == "one") * 50),
                )
    empty.split()
    for number in range(9):
        write(empty.root.path / f"stage_data/cats/{number}.jpg", picture(5000 + number))
    plan = empty.plan_split()
    assert not plan.report.held
    assert sum(plan.report.details["new_samples"].values()) == 9


def test_one_pair_too_few_for_detection_is_still_a_pair_by_the_stored_rule(empty: Dataset) -> None:
    write_pairs(empty.root.path / "stage_data", range(1, 20))
    empty.split()
    empty.unsplit()
    for number in range(60):
        write(empty.root.path / f"stage_data/IMG_{number}.jpg", picture(7000 + number))
    reasons = {note.reason for note in empty.plan_split().report.held}
    assert reasons == {"template: its name fits none of the templates of its folder"}


def test_rows_of_what_cannot_be_read_or_is_of_no_sample_stay(pairs: Dataset) -> None:
    """Their images are there: to forget their split would let them be drawn anew."""
    root = pairs.root.path
    write(root / "stage_data/github_07.json", b"{}")
    pairs.split()
    table = (root / "splits.csv").read_text()
    path = next(record.path for sample in pairs.samples if sample.key == "github_03" for record in sample.files)
    for record in next(sample for sample in pairs.samples if sample.key == "github_07").files:
        if record.path.endswith(".jpg"):  # the sidecar has a row, and no sample any more
            (root / record.path).rename(root.parent / record.path.rpartition("/")[2])
    (root / path).chmod(0)
    with as_nobody(root):
        pairs.hold("github_09")
    (root / path).chmod(0o644)
    kept = {line.split(",")[4]: line for line in (root / "splits.csv").read_text().splitlines()}
    before = {line.split(",")[4]: line for line in table.splitlines()}
    sidecar = next(name for name in before if name.endswith("github_07.json"))
    assert kept[path] == before[path]
    assert kept[sidecar] == before[sidecar]


def test_two_files_never_have_rows_of_one_path(empty: Dataset) -> None:
    """A row remembers where its file was; it gives that path up to another file that is put there."""
    root = empty.root.path
    for number in range(12):
        write(root / f"stage_data/{number:02d}.jpg", picture(number))
    empty.split()
    first, second = (root / sample.files[0].path for sample in empty.samples[:2])
    empty.hold(first)
    (root / "held" / first.name).rename(first.with_name("renamed.jpg"))
    second.rename(second.with_name(first.name))
    empty.hold(second.with_name(first.name))
    assert names(root, "held") == {first.name, "reasons.csv"}
    assert len(empty.status().catalog.rows) == 12
