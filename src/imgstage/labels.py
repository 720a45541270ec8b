"""Which labels annotation files and tables give images. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FOLDER = "folder"
SOURCES = (FOLDER, "voc", "yolo")
"""Where labels may come from beside a table: the folder of a sample's key, or one of two kinds of sidecars."""

SUFFIXES = {"voc": ".xml", "yolo": ".txt"}
NAMES = "classes.txt"
"""What the file is called that tells the names of YOLO's classes, one a line."""

_NUMBER = re.compile(r"-?(\d{1,9}(\.\d{0,30})?|\.\d{1,30})(e-?\d{1,3})?", re.IGNORECASE | re.ASCII)
_UNSAFE = re.compile(rb"<!(DOCTYPE|ENTITY)")  # entities may grow without bounds, and VOC has none


def read_voc(data: bytes) -> tuple[str, ...]:
    """The classes in a Pascal VOC annotation (Everingham et al., "The Pascal Visual Object Classes Challenge", 2010).

    Args:
        data: the XML file: `<annotation><object><name>dog</name>…`.

    Returns:
        Each class once, sorted.

    Raises:
        ValueError: it is no such file.
    """
    from xml.etree import ElementTree as ET  # takes its time, and few need it

    if _UNSAFE.search(data) or b"\0" in data:  # the latter for encodings of two bytes, which would hide the former
        problem = "it defines entities, or is in an encoding of two bytes"
        raise ValueError(problem)
    try:
        root = ET.fromstring(data)  # noqa: S314 - what could do harm is refused above
    except (ET.ParseError, LookupError) as error:  # the latter for an unknown encoding
        problem = f"it is no XML ({error})"
        raise ValueError(problem) from error
    if root.tag != "annotation":
        problem = f"it holds <{root.tag}>, not <annotation>"
        raise ValueError(problem)
    found = {(item.findtext("name") or "").strip() for item in root.findall("object")}
    return tuple(sorted(found - {""}))


def read_yolo(data: bytes, names: Sequence[str] = ()) -> tuple[str, ...]:
    """The classes in a YOLO annotation: lines of a class's number and coordinates.

    Args:
        data: the text file; an empty one is a picture of nothing.
        names: of the classes, by number; where there are none, a class is called by its number.

    Returns:
        Each class once, sorted.

    Raises:
        ValueError: it is no such file.
    """
    found: set[str] = set()
    for line, text in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
        number, *coordinates = text.split() or ("",)
        if not number:
            continue
        whole = number.isascii() and number.isdigit() and len(number) < 7
        if not whole or len(coordinates) < 4 or not all(map(_NUMBER.fullmatch, coordinates)):
            problem = f"line {line} is no class number with four coordinates"
            raise ValueError(problem)
        place = int(number)
        name = names[place] if place < len(names) else ""
        if names and not name:
            problem = f"line {line} is of the class {place}, which {NAMES} does not name"
            raise ValueError(problem)
        found.add(name or str(place))
    return tuple(sorted(found))


def read_names(data: bytes) -> list[str]:
    """The names of YOLO's classes, by number."""
    return [line.strip() for line in data.decode("utf-8-sig", "replace").splitlines()]


def names_for(path: str, tables: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """The names that hold for an annotation: those in its folder, or the nearest above.

    Args:
        path: of the annotation.
        tables: names by the path of their file. A file in another top-level folder holds, too, where there is none in
            the annotation's own: `split` moves annotations away, and leaves what belongs to no image.
    """
    top, _, below = path.partition("/")
    others = sorted({other.partition("/")[0] for other in tables} - {top})
    for base in (top, *others):
        folder = f"/{below}"
        while folder:
            folder = folder.rpartition("/")[0]
            found = tables.get(f"{base}{folder}/{NAMES}")
            if found is not None:
                return found
    return ()


def split_values(values: set[str], separator: str) -> tuple[str, ...]:
    """The labels in the cells of a table, each once, sorted.

    Args:
        values: of the cells.
        separator: what stands between several labels in one cell; empty when a cell is one label.
    """
    parts = (part for value in values for part in (value.split(separator) if separator else (value,)))
    return tuple(sorted({part.strip() for part in parts} - {""}))
