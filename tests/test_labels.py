"""Labels that annotations and tables give images."""

from __future__ import annotations

import pytest

from imgstage.labels import names_for, read_names, read_voc, read_yolo, split_values

from .helpers import kit


def voc(*names: str) -> bytes:
    objects = "".join(f"<object><name>{name}</name><bndbox><xmin>1</xmin></bndbox></object>" for name in names)
    return f"<annotation><filename>x.jpg</filename>{objects}</annotation>".encode()


def test_voc_names_each_class_once() -> None:
    assert read_voc(voc("dog", "cat", "dog")) == ("cat", "dog")
    assert read_voc(voc()) == ()
    assert read_voc(b'\xef\xbb\xbf<?xml version="1.0"?>' + voc(" ", "caf\u00e9".encode().decode())) == ("caf\u00e9",)


def test_parts_of_an_object_are_no_objects() -> None:
    person = b"<annotation><object><name>person</name><part><name>head</name></part></object></annotation>"
    assert read_voc(person) == ("person",)


BOMB = b'<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY c "&b;&b;">]><annotation><object><name>&c;</name></object></annotation>'


@pytest.mark.parametrize(
    "data",
    [b"", b"<annotation>", b"<html/>", b"\xff\xfe\x00", BOMB, BOMB.decode().encode("utf-16"), b"0 0.5 0.5 0.1 0.1\n"],
)
def test_what_is_no_voc_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="it "):
        read_voc(data)


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(ValueError, match="no XML"):
        read_voc(b'<?xml version="1.0" encoding="klingon"?>' + voc("dog"))


def test_yolo_names_each_class_once() -> None:
    boxes = b"2 0.5 0.5 0.1 0.1\n0 0.1 0.2 0.3 0.4 0.5 0.6\r\n\n2 0 0 0 0"
    assert read_yolo(boxes) == ("0", "2")
    assert read_yolo(boxes, ["cell", "", "platelet"]) == ("cell", "platelet")
    for names in (["cell"], ["cell", "x", ""]):
        with pytest.raises(ValueError, match="line 1 is of the class 2, which classes"):
            read_yolo(boxes, names)
    assert read_yolo(b"") == ()


@pytest.mark.parametrize(
    "data",
    [
        b"3 dogs run in park",
        b"0 nan 0 0 0",
        b"dog 0 0 0 0",
        b"0 0.5",
        b"0 0.5 0.5 0.1",
        b"-1 0 0 0 0",
        b"1.0 0 0 0 0",
        "\u0662 0 0 0 0".encode(),
        b"9999999 0 0 0 0",
    ],
)
def test_what_is_no_yolo_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="line 1"):
        read_yolo(data)


def test_the_nearest_names_hold_and_those_of_another_top_level_folder_last() -> None:
    tables = {"stage_data/classes.txt": ["a"], "stage_data/x/classes.txt": ["b"]}
    assert names_for("stage_data/x/y/1.txt", tables) == ["b"]
    assert names_for("stage_data/z/1.txt", tables) == ["a"]
    assert names_for("train/x/1.txt", tables) == ["b"], "`split` leaves it behind"
    assert names_for("train/z/1.txt", {"train/classes.txt": ["c"], **tables}) == ["c"]
    assert names_for("train/1.txt", {"stage_data/x/classes.txt": ["b"]}) == ()
    assert read_names("\ufeffcell\n nucleus \n".encode()) == ["cell", "nucleus"]


def test_cells_hold_one_label_or_several() -> None:
    assert split_values({"a|b", " b | c|"}, "|") == ("a", "b", "c")
    assert split_values({"a|b"}, "") == ("a|b",)
    assert split_values({""}, "|") == split_values(set(), "") == ()


def test_real_annotations_are_read() -> None:
    found = [read_voc(path.read_bytes()) for path in sorted(kit("multilabel/bccd").rglob("*.xml"))]
    assert len(found) == 123
    assert set().union(*found) == {"Platelets", "RBC", "WBC"}
    assert all(found)
