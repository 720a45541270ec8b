"""Files and names of every bad kind: held or ignored with their reason, the rest goes on, nothing is lost."""

from __future__ import annotations

import json
import os
import socket
import unicodedata
from pathlib import Path

import pytest

from imgstage import Dataset
from imgstage.cli import run

from .helpers import picture, write, write_pairs
from .test_bad_input import tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = Dataset.create(tmp_path / "data").root.path
    write_pairs(made / "stage_data", range(1, 21))
    return made


def call(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> dict[str, object]:
    """Run a command that must succeed, and read what it says; the accounting must hold."""
    code = run(["-C", str(root), *words, "--json"])
    out, err = capsys.readouterr()
    assert (code, err) == (0, ""), err
    found: dict[str, object] = json.loads(out)
    assert found["found"] == sum(int(str(found[name])) for name in ("done", "held", "ignored"))
    return found


def reasons(found: dict[str, object], kind: str) -> dict[str, str]:
    listed = found[f"{kind}_files"]
    assert isinstance(listed, list)
    return {note["path"]: note["reason"] for note in listed}


BROKEN = {
    "zero bytes": b"",
    "truncated": picture(900)[:-200],
    "text": b"this is no picture\n",
    "a header only": picture(901, "PNG")[:33],
    "zeros": bytes(5000),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("verb", ["split", "add"])
def test_a_broken_half_holds_its_sample_alone(
    capsys: pytest.CaptureFixture[str], root: Path, tmp_path: Path, kind: str, verb: str
) -> None:
    where = root / "stage_data" if verb == "split" else tmp_path / "photos"
    if verb == "add":
        write_pairs(where, range(30, 50))
    write(where / "x_before.jpg", picture(902))
    write(where / "x_after.jpg", BROKEN[kind])
    before = tree(where)
    found = call(capsys, root, verb, *([str(where)] if verb == "add" else []))
    held = reasons(found, "held")
    assert {Path(path).name for path in held} == {"x_before.jpg", "x_after.jpg"}
    assert all("x_after.jpg" in reason for reason in held.values())
    assert (found["done"], found["held"]) == (40, 2)
    now = tree(where)
    assert {path: now[path] for path in (str(where / "x_before.jpg"), str(where / "x_after.jpg"))}.items() <= (
        before.items()
    )
    if verb == "add":
        assert now == before


@pytest.mark.parametrize(("suffix", "content"), [(".jpg", "PNG"), (".png", "JPEG"), (".tif", "BMP"), (".JPG", "WEBP")])
def test_a_wrong_extension_is_no_defect(
    capsys: pytest.CaptureFixture[str], root: Path, suffix: str, content: str
) -> None:
    for side, role in enumerate(("before", "after")):
        write(root / f"stage_data/x_{role}{suffix}", picture(910 + side, content))
    found = call(capsys, root, "split")
    assert (found["done"], found["held"], found["ignored"]) == (42, 0, 0)
    assert not (root / f"stage_data/x_after{suffix}").exists()


def test_orphans_and_triples_are_held_and_the_rest_goes_on(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    stage = root / "stage_data"
    write(stage / "orphan_before.jpg", picture(920))
    write(stage / "three_before.jpg", picture(921))
    write(stage / "three_after.jpg", picture(922))
    write(stage / "three_after.png", picture(923, "PNG"))
    found = call(capsys, root, "split")
    held = reasons(found, "held")
    assert {Path(path).name for path in held} == {
        "orphan_before.jpg",
        "three_before.jpg",
        "three_after.jpg",
        "three_after.png",
    }
    assert "no after" in held["stage_data/orphan_before.jpg"]
    assert all((root / path).is_file() for path in held)
    assert found["done"] == 40


def test_what_is_no_file_is_ignored_and_stays(
    capsys: pytest.CaptureFixture[str], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = root / "stage_data"
    outside = write(tmp_path / "outside/picture.jpg", picture(930))
    os.mkfifo(stage / "fifo_before.jpg")
    monkeypatch.chdir(stage)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.jpg")
    (stage / "in.jpg").symlink_to("github_01_after.jpg")
    (stage / "out.jpg").symlink_to(outside)
    (stage / "folder.jpg").mkdir()
    (stage / "linked").symlink_to(outside.parent)
    (stage / "loop.jpg").symlink_to("loop.jpg")
    special = ["fifo_before.jpg", "in.jpg", "linked", "loop.jpg", "out.jpg", "socket.jpg"]
    if os.geteuid() == 0:
        os.mknod(stage / "device.jpg", 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero: reading it never ends
        special.append("device.jpg")
    before = tree(root.parent)
    found = call(capsys, root, "split")
    assert set(reasons(found, "ignored")) == {f"stage_data/{name}" for name in special}
    assert found["done"] == 40
    call(capsys, root, "unsplit")
    call(capsys, root, "undo", "1")
    assert before.items() <= tree(root.parent).items()


NAMES = {
    "spaces": ["  two  words "],
    "emoji": ["\U0001f43b\u200d\u2744\ufe0f"],
    "leading dash": ["-rf", "--json"],
    "quotes and commas": ["a'b\"c,d;e", "$(rm -rf x)", "%s{key}*?[a]"],
    "255 bytes": ["l" * 244],  # with _before.jpg
    "255 bytes of two each": ["é" * 122],
    "NFC and NFD in two samples": ["caf\u00e9 1", "cafe\u0301 2"],
    "dots": ["a.b.c", "...", "x.jpg"],
    "equal but for a blank": ["a b", "a  b"],
}


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_of_any_kind_lives_the_whole_life(
    capsys: pytest.CaptureFixture[str], root: Path, tmp_path: Path, kind: str
) -> None:
    photos = tmp_path / "photos"
    hidden = 0
    for number, stem in enumerate(NAMES[kind]):
        for side, role in enumerate(("before", "after")):
            write(photos / f"{stem}_{role}.jpg", picture(940 + 2 * number + side), 1_500_000_000 + side)
            hidden += stem.startswith(".")
    before = tree(root)
    found = call(capsys, root, "add", str(photos))
    assert found["done"] == 2 * len(NAMES[kind]) - hidden
    added = tree(root)
    for words in (["split"], ["unsplit"], ["split"]):
        assert call(capsys, root, *words)["held"] == 0
    for path in photos.iterdir():
        copies = [copy for copy in root.rglob("*") if copy.name == path.name and ".imgstage" not in copy.parts]
        assert [copy.read_bytes() for copy in copies] == ([] if path.name.startswith(".") else [path.read_bytes()])
    call(capsys, root, "undo", "2")
    assert {path: entry for path, entry in added.items() if "/.imgstage" not in path}.items() <= tree(root).items()
    call(capsys, root, "undo", "1")
    assert {path: entry for path, entry in before.items() if "/.imgstage" not in path}.items() <= tree(root).items()


@pytest.mark.parametrize(
    "name", [b"line\nbreak_before.jpg", b"caf\xe9_before.jpg", b"bell\x07_before.jpg", b"\xff.jpg"]
)
@pytest.mark.parametrize("verb", ["split", "add"])
def test_a_name_that_no_table_can_hold_is_held_and_shown_safely(
    capsys: pytest.CaptureFixture[str], root: Path, tmp_path: Path, name: bytes, verb: str
) -> None:
    where = root / "stage_data" if verb == "split" else tmp_path / "photos"
    write(Path(os.fsdecode(os.fsencode(where) + b"/" + name)), picture(950))
    before = tree(where)
    found = call(capsys, root, verb, *([str(where)] if verb == "add" else []))
    ((path, reason),) = reasons(found, "held").items()
    assert path.isprintable()
    assert "not UTF-8, or holds a line break" in reason
    kept = {entry: value for entry, value in before.items() if os.fsencode(entry).endswith(name)}
    assert kept.items() <= tree(where).items()


@pytest.mark.parametrize("twins", [("A", "a"), ("\u00e9", "e\u0301"), ("STRASSE", "straße")])
@pytest.mark.parametrize("equal", [False, True])
def test_names_that_are_one_name_on_some_file_system(
    capsys: pytest.CaptureFixture[str], root: Path, tmp_path: Path, twins: tuple[str, str], *, equal: bool
) -> None:
    """In a root they are held or left; from a source, only equal ones pass; never is one of them lost."""
    assert unicodedata.normalize("NFC", twins[0]).casefold() == unicodedata.normalize("NFC", twins[1]).casefold()
    for where in (root / "stage_data", tmp_path / "photos"):
        for number, stem in enumerate(twins):
            for side, role in enumerate(("before", "after")):
                write(where / f"{stem}_{role}.jpg", picture(960 + side + (0 if equal else 2 * number)))
    before = tree(root.parent)
    for words in (["split"], ["add", str(tmp_path / "photos")], ["unsplit"]):
        code = run(["-C", str(root), *words])
        out, err = capsys.readouterr()
        assert code in (0, 2)
        assert "Traceback" not in out + err
        if code == 2:
            assert any(twin in err for twin in twins)
    if Dataset(root).log():
        Dataset(root).undo(1)
    now = tree(root.parent)
    assert {path: entry for path, entry in before.items() if "/.imgstage" not in path}.items() <= now.items()


def test_fewer_groups_than_splits(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    """Two groups fill two of three splits or are refused; no group is ever divided."""
    stage = root / "stage_data"
    for path in sorted(stage.iterdir()):
        number = int(path.name[7:9])
        path.rename(stage / f"p{number % 2}_{path.name}")
    before = tree(root)
    code = run(["-C", str(root), "split", "--group", r"^(p\d)_"])
    out, err = capsys.readouterr()
    if code == 2:
        assert "2" in err
        assert "group" in err
        assert {p: e for p, e in tree(root).items() if "/.imgstage" not in p} == {
            p: e for p, e in before.items() if "/.imgstage" not in p
        }
        return
    assert code == 0, out + err
    places: dict[str, set[str]] = {}
    for path in root.rglob("p*.jpg"):
        places.setdefault(path.name[:2], set()).add(path.relative_to(root).parts[0])
    assert all(len(folders) == 1 for folders in places.values())
