"""`rename`: whole samples get numbered names; ids, splits and sub-folders stay."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgstage import Dataset
from imgstage.errors import ChangedError, DestinationError, UsageError

from ..helpers import as_nobody, names, picture, snapshot, stage, write, write_pairs

if TYPE_CHECKING:
    from pathlib import Path


def contents(root: Path) -> dict[bytes, str]:
    """Where each content lies."""
    return {path.read_bytes(): str(path.relative_to(root)) for path in root.rglob("*.*") if path.suffix != ".jsonl"}


def samples(dataset: Dataset) -> dict[frozenset[str], tuple[str, str, str]]:
    """(id, split, group) of each sample, by the digests of its files."""
    return {frozenset(r.digest for r in s.files): (s.id, s.split, s.group) for s in dataset.samples}


def roles(dataset: Dataset) -> set[frozenset[tuple[str, str]]]:
    """The (role, digest)s of each sample."""
    return {frozenset((role, r.digest) for role, rs in s.images.items() for r in rs) for s in dataset.samples}


def test_whole_samples_are_numbered_and_undo_returns_all(pairs: Dataset) -> None:
    write(stage(pairs) / "github_03.json", b"{}")
    write(stage(pairs) / "github_04_before.txt", b"boxes")
    write(stage(pairs) / "github_05_after.jpg.xml", b"<a/>")
    before, parts = snapshot(pairs.root.path), roles(pairs)
    pairs.rename(prefix="polyu_")
    expected = {f"polyu_{n:02d}_{role}.jpg" for n in range(1, 26) for role in ("before", "after")}
    assert names(stage(pairs)) == expected | {"polyu_03.json", "polyu_04_before.txt", "polyu_05_after.jpg.xml"}
    assert roles(pairs) == parts
    pairs.undo()
    assert snapshot(pairs.root.path) == before


def test_ids_and_splits_follow(pairs: Dataset) -> None:
    pairs.split()
    known = samples(pairs)
    pairs.rename(prefix="x")
    assert samples(pairs) == known
    assert not pairs.status().catalog.missing
    table = (pairs.root.path / "test/metadata.jsonl").read_text().splitlines()
    assert {json.loads(line)["before_file_name"] for line in table} <= names(pairs.root.path, "test")
    assert pairs.split() is None


@pytest.mark.parametrize(
    "wish", [{"prefix": "-a"}, {"template": "-{n}_{role}{ext}"}, {"prefix": "", "template": "x/-{n}_{role}{ext}"}]
)
def test_no_name_begins_like_an_option(pairs: Dataset, wish: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="-"):
        pairs.rename(prefix=wish.get("prefix", ""), template=wish.get("template"))


def test_two_comes_before_ten_and_the_width_fits_the_last_number(empty: Dataset) -> None:
    for number in (10, 9, 1, 2):
        write(stage(empty) / f"IMG {number}.JPG", picture(number))
    empty.rename(prefix="a-", start=98)
    by_content = contents(stage(empty))
    assert [by_content[picture(number)] for number in (1, 2, 9, 10)] == [
        "a-098.JPG",
        "a-099.JPG",
        "a-100.JPG",
        "a-101.JPG",
    ]
    empty.rename(prefix="a-", width=5)
    assert names(stage(empty)) == {f"a-{number:05d}.JPG" for number in range(1, 5)}


LAYOUTS = {
    "suffix": (["#_before.jpg", "#_after.jpg"], {"p01_before.jpg", "p01_after.jpg"}),
    "other words": (["#-LQ.png", "#-HQ.png"], {"p01-LQ.png", "p01-HQ.png"}),
    "prefix": (["before_#.jpg", "after_#.jpg"], {"before_p01.jpg", "after_p01.jpg"}),
    "infix": (["x_before_#.jpg", "x_after_#.jpg"], {"p_before_01.jpg", "p_after_01.jpg"}),
    "parallel folders": (["A/#.jpg", "B/#.jpg"], {"A/p01.jpg", "B/p01.jpg"}),
    "folders below": (["cats/A/#.jpg", "cats/B/#.jpg"], {"cats/A/p01.jpg", "cats/B/p01.jpg"}),
    "masks": (["images/#.jpg", "masks/#_mask.png"], {"images/p01.jpg", "masks/p01_mask.png"}),
    "scenes": (["s#/noisy.jpg", "s#/clean.jpg"], {"p01/noisy.jpg", "p01/clean.jpg"}),
    "many masks": (["#/images/x.png", "#/masks/a.png", "#/masks/b.png"], {"p01/images/x.png", "p01/masks/b.png"}),
    "class folders": (["cats/#.jpg", "dogs/1#.jpg"], {"cats/p01.jpg", "dogs/p20.jpg"}),
    "one name, two formats": (["#.jpg", "#.png"], {"p01.jpg", "p01.png"}),
    "a browser's copies": (["#_before (1).jpg", "#_after.jpg"], {"p01_before.jpg", "p01_after.jpg"}),
}


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read_as_before(empty: Dataset, layout: str, split: bool) -> None:
    patterns, expected = LAYOUTS[layout]
    for number in range(10):
        for place, pattern in enumerate(patterns):
            kind = "PNG" if pattern.endswith("png") else "JPEG"
            write(stage(empty) / pattern.replace("#", f"{number:02d}"), picture(100 * place + number, kind))
    if split:
        empty.split()
    parts, known = roles(empty), samples(empty)
    before = snapshot(empty.root.path)
    empty.rename(prefix="p")
    found = {path.partition("/")[2] for path in names(empty.root.path) if "/" in path}
    assert expected <= found
    assert roles(empty) == parts
    assert not any(sample.held for sample in empty.samples)
    if split:
        assert samples(empty) == known
    empty.undo()
    assert snapshot(empty.root.path) == before


def test_a_template_says_the_whole_name(pairs: Dataset) -> None:
    parts = roles(pairs)
    pairs.rename(prefix="im", template="{prefix}-{n}-{role}{ext}")
    assert "im-07-after.jpg" in names(stage(pairs))
    pairs.rename(prefix="im", template="set/{n}_{role}{ext}")
    assert "set/07_after.jpg" in names(stage(pairs))
    assert roles(pairs) == parts


@pytest.mark.parametrize(
    ("template", "mention"),
    [
        ("{prefix}{role}{ext}", "needs {n}"),
        ("{prefix}{n}_{role}", "ends with {ext}"),
        ("{prefix}{n}_{rolle}{ext}", "is no template"),
        ("{prefix}{n:04d}{ext}", "is no template"),
        ("../{n}_{role}{ext}", "is no template"),
        ("/{n}_{role}{ext}", "is no template"),
        (".{n}_{role}{ext}", "is no template"),
        ("{n", "cannot be read"),
        ("{prefix}{n}{ext}", r"would have one name.*\{role\}"),
        ("{role}s{n}x{ext}", "would be part of another sample"),
        ("{n}\n_{role}{ext}", "can be no template"),
        ("{prefix}" * 100 + "{n}_{role}{ext}", "at most 255 bytes"),
    ],
)
def test_names_that_would_not_do_are_refused(pairs: Dataset, template: str, mention: str) -> None:
    before = snapshot(pairs.root.path)
    with pytest.raises((UsageError, DestinationError), match=mention):
        pairs.rename(prefix="abc", template=template)
    assert snapshot(pairs.root.path) == before


@pytest.mark.parametrize("wish", [{}, {"prefix": "a/"}, {"prefix": ".a"}, {"prefix": "a", "start": -1}])
def test_a_wish_that_makes_no_name_is_refused(pairs: Dataset, wish: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        pairs.rename(**wish)  # type: ignore[arg-type]


def test_only_what_is_named_is_renamed(pairs: Dataset) -> None:
    write_pairs(stage(pairs) / "new", range(30, 33), "DSC")
    pairs.rename("stage_data/new", prefix="github_", start=26)
    assert names(stage(pairs), "new") == {
        f"github_{n}_{role}.jpg" for n in (26, 27, 28) for role in ("before", "after")
    }
    with pytest.raises(DestinationError, match=r"Other images have such names already: .*github_24_before"):
        pairs.rename("github_25", prefix="github_", start=24)
    assert len(names(stage(pairs))) == 56


def test_what_is_held_stays_and_is_told(pairs: Dataset) -> None:
    write(stage(pairs) / "github_03_after.jpg", b"no picture")
    pairs.hold("github_09")
    plan = pairs.plan_rename(prefix="n")
    assert {note.path for note in plan.report.held} == {
        "stage_data/github_03_before.jpg",
        "stage_data/github_03_after.jpg",
        "held/github_09_before.jpg",
        "held/github_09_after.jpg",
    }
    assert plan.report.details["samples"] == 23


def test_the_name_of_a_missing_image_is_not_given_to_another(pairs: Dataset) -> None:
    """It would be taken for an edit of it, and a new picture would have a split that nobody drew."""
    pairs.split()
    sample = next(sample for sample in pairs.samples if sample.split == "test")
    for record in sample.files:
        (pairs.root.path / record.path).unlink()
    write_pairs(stage(pairs), range(40, 41))
    number = int(sample.key.removeprefix("github_"))
    with pytest.raises(DestinationError, match="that are missing"):
        pairs.rename("github_40", prefix="github_", start=number)
    pairs.rename("github_40", prefix="github_", start=41)


def test_what_a_group_rule_looks_for_stays_in_the_names(empty: Dataset) -> None:
    for number in range(12):
        write(stage(empty) / f"patient{number // 3}_{number}.jpg", picture(number))
    write(empty.root.path / "imgstage.toml", b"group = '(patient\\d+)_'\n")
    with pytest.raises(UsageError, match="A rule of imgstage"):
        empty.rename(prefix="x_")
    with pytest.raises(UsageError, match="A rule of imgstage"):
        empty.rename(prefix="patient", template="{prefix}{n}_{ext}")
    empty.rename(template="{key}-{n}{ext}")
    assert "patient0_1-02.jpg" in names(stage(empty))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.permutations(range(1, 8)), upper=st.booleans(), start=st.integers(0, 3), split=st.booleans())
def test_any_names_shift_swap_and_change_their_case(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], upper: bool, start: int, split: bool
) -> None:
    dataset = Dataset.create(tmp_path_factory.mktemp("any") / "data")
    for seed, number in enumerate(numbers):
        for side, role in enumerate(("before", "after")):
            name = f"{'PIC' if upper else 'pic'}_{number:02d}_{role}.jpg"
            write(stage(dataset) / name, picture(2 * seed + side), 1_500_000_000 + seed)
    if split:
        dataset.split(ratios="60/20/20")
    parts, before = roles(dataset), snapshot(dataset.root.path)
    dataset.rename(prefix="pic_", start=start)
    found = {path.rpartition("/")[2] for path in names(dataset.root.path) if path.endswith("jpg")}
    assert found == {f"pic_{n:02d}_{role}.jpg" for n in range(start, start + 7) for role in ("before", "after")}
    assert roles(dataset) == parts
    if start != 1 or upper:
        dataset.undo()
    assert snapshot(dataset.root.path) == before


@pytest.mark.parametrize("doubt", ["an edit of a renamed test image", "a format of an unreadable one"])
def test_no_name_is_changed_that_is_all_that_tells_of_a_test_image(empty: Dataset, doubt: str) -> None:
    for number in range(20):
        write(stage(empty) / f"{number:02d}.jpg", picture(number))
    empty.split()
    root = empty.root.path
    path = next(path for path in (root / "test").iterdir() if path.suffix == ".jpg")
    write(stage(empty) / f"{path.stem}.png", picture(500, "PNG"))
    if doubt.startswith("an edit"):
        path.rename(path.with_name(f"{path.stem}_orig.jpg"))
    else:
        path.chmod(0)
    before = names(root)
    with as_nobody(root), pytest.raises(ChangedError, match="has the name of"):
        empty.rename(prefix="x")
    assert names(root) == before


def test_formats_of_one_name_share_it_afterwards_and_so_their_split(empty: Dataset) -> None:
    for number in range(20):
        write(stage(empty) / f"{number:02d}.jpg", picture(number))
    empty.split()
    splits = {sample.key: sample.split for sample in empty.samples}
    for number in range(20):
        write(stage(empty) / f"{number:02d}.png", picture(100 + number, "PNG"))
    empty.rename(prefix="x")
    empty.split()
    found = {path.read_bytes(): path.parent.name for path in empty.root.path.rglob("x*.png")}
    assert found == {picture(100 + number, "PNG"): splits[f"{number:02d}"] for number in range(20)}


@pytest.mark.parametrize(
    "template",
    [
        "{prefix}../{prefix}.imgstage/incoming/{n}{ext}",
        "{prefix}../{prefix}../{n}{ext}",
        "{prefix}.{n}{ext}",
        "{prefix}../train/x{n}{ext}",
        "{folder}/{n}{ext}",
    ],
)
def test_no_template_leads_out_of_sight_or_out_of_the_folder(empty: Dataset, template: str) -> None:
    for number in range(20):
        write(stage(empty) / f"{number}.png", picture(number, "PNG"))
    empty.split()
    before = snapshot(empty.root.path.parent)
    if template.startswith("{folder}"):
        empty.rename(template=template)
        assert len(names(empty.root.path, "train")) == 17
        return
    with pytest.raises(UsageError, match=r"which is no name for a file in|is no template"):
        empty.rename(template=template)
    assert snapshot(empty.root.path.parent) == before


def test_names_stay_unique_in_the_whole_root(pairs: Dataset) -> None:
    pairs.split()
    test = next(sample.key for sample in pairs.samples if sample.split == "test")
    train = next(sample.key for sample in pairs.samples if sample.split == "train")
    with pytest.raises(DestinationError, match="Other images have such names already"):
        pairs.rename(test, prefix="github_", start=int(train[-2:]))
    pairs.hold("github_03")
    plan = pairs.plan_rename(prefix="github_", start=50)
    plan.apply()
    with pytest.raises(DestinationError, match=r"github_03_before\.jpg \(held/"):
        pairs.rename(prefix="github_", start=1)
    pairs.release("github_03")


def test_splits_that_each_count_from_one_get_names_of_their_own(empty: Dataset) -> None:
    for place, split in enumerate(("train", "val", "test")):
        for number in range(1, 4):
            write(empty.root.path / split / f"{number}.png", picture(10 * place + number, "PNG"))
    with pytest.raises(DestinationError, match="imgstage rename --prefix img_"):
        empty.unsplit()
    empty.rename(prefix="img_")
    empty.unsplit()
    assert names(stage(empty)) == {f"img_{number:02d}.png" for number in range(1, 10)}
    assert {s.split for s in empty.samples} == {"train", "val", "test"}


def test_a_name_that_ties_to_what_stays_is_not_taken_away(empty: Dataset) -> None:
    for number in range(20):
        write(stage(empty) / f"{number}.jpg", picture(number))
    empty.split()
    test = next(sample for sample in empty.samples if sample.split == "test")
    write(stage(empty) / f"{test.key}.png", picture(99, "PNG"))
    before = snapshot(empty.root.path)
    for words in ((test.files[0].path,), (f"stage_data/{test.key}.png",)):
        with pytest.raises(ChangedError, match=r"Their name ties .* to one split"):
            empty.rename(*words, prefix="t_")
    assert snapshot(empty.root.path) == before
    empty.hold(test.files[0].path)
    with pytest.raises(ChangedError, match=r"Their name ties .* to one split"):
        empty.rename(prefix="p_")


@pytest.mark.parametrize("verb", ["unsplit", "hold", "rename"])
def test_the_name_that_a_test_image_had_is_not_forgotten(empty: Dataset, verb: str) -> None:
    """A hand renamed a test image, and saved an edit of it under the old name in `stage_data/`."""
    for number in range(20):
        write(stage(empty) / f"img{number:02d}.png", picture(number, "PNG"))
    empty.split()
    test = next(sample for sample in empty.samples if sample.split == "test")
    path = empty.root.path / test.files[0].path
    path.rename(path.with_name("other.png"))
    write(stage(empty) / path.name, picture(99, "PNG"))
    before = snapshot(empty.root.path)
    with pytest.raises(ChangedError, match="is it an edit"):
        empty.split()
    wishes = {"rename": {"prefix": "t_"}}.get(verb, {})
    with pytest.raises(ChangedError, match="is it an edit"):
        getattr(empty, verb)(*(() if verb == "unsplit" else ("test/other.png",)), **wishes)
    assert snapshot(empty.root.path) == before


def test_sidecars_in_scene_folders_and_under_templates_follow(empty: Dataset) -> None:
    for number in (1, 2, 3):
        for position, role in enumerate(("noisy", "clean")):
            write(stage(empty) / f"scene{number}/{role}.png", picture(2 * number + position, "PNG"))
        write(stage(empty) / f"scene{number}/noisy.txt", b"%d" % number)
    before, parts = snapshot(empty.root.path), roles(empty)
    empty.rename(prefix="s_")
    assert "s_01/noisy.txt" in names(stage(empty))
    assert roles(empty) == parts
    empty.rename(template="set/{n}_{role}{ext}")
    assert "set/01_before.txt" in names(stage(empty))
    empty.undo(1)
    assert snapshot(empty.root.path) == before


def test_what_two_formats_of_one_name_share_goes_with_them(empty: Dataset) -> None:
    for number in range(10):
        write(stage(empty) / f"{number}.jpg", picture(number))
        write(stage(empty) / f"{number}.png", picture(number, "PNG"))
        write(stage(empty) / f"{number}.txt", b"a caption")
    empty.rename(prefix="p_")
    assert {f"p_{n:02d}.{suffix}" for n in range(1, 11) for suffix in ("jpg", "png", "txt")} == names(stage(empty))
    empty.split()
    places = {path.name: path.parent.name for path in empty.root.path.rglob("p_*")}
    assert all(len({places[f"p_{n:02d}.{suffix}"] for suffix in ("jpg", "png", "txt")}) == 1 for n in range(1, 11))


def test_a_number_beyond_all_counting_is_refused(pairs: Dataset) -> None:
    with pytest.raises(UsageError, match="cannot be counted"):
        pairs.rename(prefix="p", start=int("9" * 4000))


def test_a_rule_that_fits_no_new_name_is_told(empty: Dataset) -> None:
    for number in range(12):
        for position, role in enumerate(("Real", "mean")):
            write(stage(empty) / f"Canon{number}_{role}.png", picture(2 * number + position, "PNG"))
    empty.split()
    plan = empty.plan_rename(prefix="github_", template="{prefix}{n}_{role}{ext}")
    assert plan.report.details["stale_rules"] is True
    assert empty.plan_rename(prefix="github_").report.details["stale_rules"] is False
