"""Index + ledger + rules -> samples."""

from __future__ import annotations

from imgstage.catalog import Catalog, build
from imgstage.formats import ImageInfo
from imgstage.index import FileRecord, Index, Kind
from imgstage.ledger import Row

INFO = ImageInfo("JPEG", 4, 4, "RGB", 1)


def record(path: str, digest: str = "", trouble: str = "") -> FileRecord:
    kind = Kind.IMAGE if path.endswith(("jpg", "png")) else Kind.SIDECAR
    return FileRecord(path, kind, 1, 1, 0o644, 1, 1, digest or path, None if trouble else INFO, trouble)


def catalog(*records: FileRecord, rows: tuple[Row, ...] = ()) -> Catalog:
    return build(Index(tuple(sorted(records, key=lambda r: r.path)), {}), rows, {})


def held(found: Catalog) -> dict[str, str]:
    return {note.path: note.reason for note in found.held()}


def pairs(count: int, place: str = "stage_data") -> list[FileRecord]:
    return [record(f"{place}/x{n:02d}_{role}.jpg") for n in range(count) for role in ("before", "after")]


def test_a_pair_is_a_sample_with_its_roles_in_order() -> None:
    (sample,) = catalog(*pairs(1)).samples
    assert [(role, [r.path for r in records]) for role, records in sample.images.items()] == [
        ("before", ["stage_data/x00_before.jpg"]),
        ("after", ["stage_data/x00_after.jpg"]),
    ]


def test_one_defect_holds_the_whole_sample() -> None:
    found = catalog(
        *pairs(12)[2:],
        record("stage_data/x00_before.jpg", trouble="broken: it is bent"),
        record("stage_data/x00_after.jpg"),
    )
    assert held(found) == dict.fromkeys(
        ("stage_data/x00_before.jpg", "stage_data/x00_after.jpg"), "broken: stage_data/x00_before.jpg: it is bent"
    )


def test_a_doubled_role_is_ambiguous() -> None:
    found = catalog(*pairs(30), record("stage_data/x03_before.png"))
    assert set(held(found)) == {f"stage_data/x03_{end}" for end in ("before.jpg", "before.png", "after.jpg")}
    assert "would all be the before" in held(found)["stage_data/x03_after.jpg"]


def test_lone_images_of_one_stem_are_two_samples() -> None:
    found = catalog(record("stage_data/3.jpg"), record("stage_data/3.png"), record("stage_data/4.jpg"))
    assert [sample.key for sample in found.samples] == ["3.jpg", "3.png", "4"]
    assert not held(found)


def test_a_known_sample_keeps_its_id_and_split_through_a_change_of_names() -> None:
    rows = tuple(
        Row("id0", "test", "", role, f"test/x00_{role}.jpg", f"digest {role}", f"digest {role}")
        for role in ("before", "after")
    )
    renamed = [record(f"stage_data/other_{role}.jpg", f"digest {role}") for role in ("before", "after")]
    (sample,) = catalog(*renamed, rows=rows).samples
    assert (sample.id, sample.split, sample.place, sample.key) == ("id0", "test", "stage_data", "other")


def test_a_known_sample_without_one_of_its_roles_is_held() -> None:
    rows = tuple(Row("id0", "test", "", role, f"test/x00_{role}.jpg", role, role) for role in ("before", "after"))
    found = catalog(record("test/x00_before.jpg", "before"), *pairs(10)[2:], rows=rows)
    assert held(found) == {"test/x00_before.jpg": "incomplete: test/x00_before.jpg has no after beside it"}
    assert [row.path for row in found.missing] == ["test/x00_after.jpg"]


def test_unknown_images_in_a_split_belong_to_it() -> None:
    assert {sample.split for sample in catalog(*pairs(3, "val")).samples} == {"val"}


def test_the_class_is_the_folder_of_the_key() -> None:
    found = catalog(record("stage_data/cats/1.jpg"), record("stage_data/2.jpg"))
    assert [sample.label for sample in found.samples] == ["", "cats"]


def test_every_file_is_in_one_place_of_the_accounting() -> None:
    records = [
        *pairs(12),
        record("stage_data/x00.json"),
        record("stage_data/stray.txt"),
        record("stage_data/x99_after.jpg"),
    ]
    found = catalog(*records)
    accounted = [r.path for sample in found.samples if not sample.held for r in sample.files]
    accounted += [note.path for note in (*found.held(), *found.ignored)]
    assert sorted(accounted) == sorted(r.path for r in records)


def test_a_sidecar_finds_its_image_from_stage_data_only() -> None:
    """What waits in `stage_data/` may belong to a sample in a split; what lies in a split belongs to that split."""
    found = catalog(record("stage_data/a.png"), record("train/a.txt"), record("val/b.png"), record("stage_data/b.txt"))
    assert {sample.key: [side.path for side in sample.sidecars] for sample in found.samples} == {
        "a": [],
        "b": ["stage_data/b.txt"],
    }
    assert [note.path for note in found.ignored] == ["train/a.txt"]
