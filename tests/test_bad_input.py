"""What people give by mistake: refused with code 2 in words that name it, and the tree stays as it was."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imgstage import Dataset
from imgstage.cli import run

from .helpers import as_nobody, picture, write, write_pairs

if TYPE_CHECKING:
    from collections.abc import Callable


def tree(top: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a folder, of whatever kind, but for caches."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name != "cache"]
        for name in folders + files:
            path = Path(folder, name)
            status = path.lstat()
            content: object = b""
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                content = (path.read_bytes(), status.st_mtime_ns)
            found[str(path)] = (status.st_mode, content)
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with 14 pairs, and `photos` with three more beside it."""
    made = Dataset.create(tmp_path / "data").root.path
    (made / ".imgstage/lock").touch()
    write_pairs(made / "stage_data", range(1, 15))
    write_pairs(tmp_path / "photos", range(30, 33))
    return made


def refuse(capsys: pytest.CaptureFixture[str], top: Path, words: list[str], *mentions: str) -> None:
    """Run a command that must be refused; `@` stands for the folder that nothing may change in."""
    before = tree(top)
    code = run([word.replace("@", str(top)) for word in words])
    out, err = capsys.readouterr()
    assert (code, out) == (2, ""), err
    assert "Traceback" not in err
    for mention in mentions:
        assert mention.replace("@", str(top)) in err
    assert tree(top) == before


def replace(path: Path, content: bytes = b"x") -> None:
    """Put a file where a folder should be."""
    shutil.rmtree(path)
    write(path, content)


def link_out(path: Path) -> None:
    """Let a link lead out of the root, to a folder with somebody's file."""
    shutil.rmtree(path, ignore_errors=True)
    outside = path.parents[2] / f"outside-{path.name}"
    write(outside / "mine.part", b"mine")
    path.symlink_to(outside)


STATE_FOLDERS = ("journal", "vault", "incoming")


@pytest.mark.parametrize("verb", [["split"], ["add", "@/photos"], ["recover"]], ids=lambda verb: verb[0])
@pytest.mark.parametrize("name", STATE_FOLDERS)
def test_nothing_is_cleared_away_behind_a_link(
    capsys: pytest.CaptureFixture[str], root: Path, name: str, verb: list[str]
) -> None:
    link_out(root / ".imgstage" / name)
    top = root.parent
    refuse(capsys, top, ["-C", str(root), *verb], f"@/data/.imgstage/{name} is a symbolic link")
    assert (top / f"outside-{name}/mine.part").read_bytes() == b"mine"


@pytest.mark.parametrize("verb", [["split"], ["add", "@/photos"], ["log"], ["status"], ["undo"]], ids=lambda v: v[0])
def test_a_file_in_place_of_the_journal(capsys: pytest.CaptureFixture[str], root: Path, verb: list[str]) -> None:
    replace(root / ".imgstage/journal")
    refuse(capsys, root.parent, ["-C", str(root), *verb], "@/data/.imgstage/journal cannot be read (Not a directory)")


@pytest.mark.parametrize(
    ("build", "words", "mention"),
    [
        (
            lambda root: replace(root / ".imgstage"),
            ["split"],
            "@/data/.imgstage/journal cannot be read (Not a directory)",
        ),
        (lambda root: replace(root / ".imgstage/incoming"), ["split"], "@/data/.imgstage/incoming cannot be"),
        (lambda root: replace(root / "stage_data"), ["add", "@/photos"], "@/data/stage_data is a file, not a folder"),
        (lambda root: replace(root / "stage_data"), ["split"], "@/data/stage_data is a file, not a folder"),
        (lambda root: shutil.rmtree(root / "stage_data"), ["split"], "no complete sample"),
        (lambda root: write(root / "train", b"x"), ["split"], "train"),
        (lambda root: link_out(root / "nested/train"), ["add", "--into", "../x", "@/photos"], "'../x'"),
        (lambda root: (root / ".imgstage/lock").unlink() or (root / ".imgstage/lock").mkdir(), ["split"], "/lock"),
        (lambda root: (root / "imgstage.toml").mkdir(), ["split"], "@/data/imgstage.toml cannot be read (Is a dir"),
        (lambda root: write(root / "imgstage.toml", b"# \xe9"), ["status"], "@/data/imgstage.toml cannot be read"),
        (
            lambda root: write(root / "imgstage.toml", b"seeed = 1"),
            ["status"],
            "imgstage.toml: unknown setting 'seeed'",
        ),
        (lambda root: write(root / "imgstage.toml", b"seeed = 1"), ["split"], "Did you mean 'seed'?"),
        (lambda root: write(root / "imgstage.toml", b"group = 3"), ["add", "@/photos"], "@/data/imgstage.toml: group"),
        (lambda root: (root / "imgstage.toml").symlink_to("nowhere"), ["split"], "imgstage.toml"),
        (lambda root: (root / "splits.csv").mkdir(), ["split"], "@/data/splits.csv cannot be read"),
        (lambda root: (root / "splits.csv").mkdir(), ["unsplit"], "@/data/splits.csv cannot be read"),
        (lambda root: write(root / "splits.csv", b"a,b\n1,2\n"), ["status"], "@/data/splits.csv"),
        (lambda root: write(root / "splits.csv", b"\xff\xfe"), ["split"], "@/data/splits.csv"),
        (lambda root: (root / "splits.csv").symlink_to("nowhere"), ["split"], "@/data/splits.csv is a symbolic link"),
    ],
)
def test_something_else_where_a_file_or_folder_of_the_root_should_be(
    capsys: pytest.CaptureFixture[str],
    root: Path,
    build: Callable[[Path], object],
    words: list[str],
    mention: str,
) -> None:
    if mention == "'../x'":
        (root / "nested").mkdir()
    build(root)
    refuse(capsys, root.parent, ["-C", str(root), *words], mention)


@pytest.mark.parametrize(
    ("words", "mention"),
    [
        (["-C", "@/nowhere", "split"], "There is no folder @/nowhere"),
        (["-C", "@/photos/github_30_after.jpg", "split"], "@/photos/github_30_after.jpg is a file, not a folder"),
        (["-C", "@/photos/github_30_after.jpg/x", "status"], "There is no folder @/photos"),
        (["-C", "@/" + "n" * 300, "status"], "cannot be looked at (File name too long)"),
        (["-C", "@/photos", "split"], "@/photos holds images, but is not an imgstage root"),
        (["init", "@/photos/github_30_after.jpg"], "@/photos/github_30_after.jpg is a file, not a folder"),
        (["init", "@/photos/github_30_after.jpg/x"], "cannot be made a root (Not a directory)"),
        (["init", "@/data/stage_data/sub"], "@/data/stage_data/sub lies inside the root @/data"),
        (["init", "@/" + "n" * 300], "(File name too long)"),
        (["-C", "@/data", "add", "@/nowhere"], "There is no file or folder @/nowhere"),
        (["-C", "@/data", "add", ""], "There is no file or folder ''"),
        (["init", ""], "The name of the root is empty"),
        (["-C", "", "split"], "The name of the root is empty"),
        (["-C", "@/data", "add", "@/" + "n" * 300], "(File name too long)"),
        (["-C", "@/data", "add", "@"], "@ overlaps the root"),
        (["-C", "@/data", "add", "@/data/stage_data"], "@/data/stage_data overlaps the root"),
        (["-C", "@/data", "add", "@/empty"], "@/empty holds no files"),
        (["-C", "@/data", "add", "--into", "a/../../x", "@/photos"], "'a/../../x' is no folder inside stage_data/"),
        (["-C", "@/data", "add", "--into", "/etc", "@/photos"], "'/etc' is no folder inside stage_data/"),
        (["-C", "@/data", "add", "--into", ".hidden", "@/photos"], "'.hidden' is no folder"),
        (["-C", "@/data", "add", "--into", "a\nb", "@/photos"], "'a\\nb' is no folder"),
        (["-C", "@/data", "add", "--into", "a\udcffb", "@/photos"], "is no folder"),
        (["-C", "@/data", "add", "--into", "x" * 300, "@/photos"], "at most 255 bytes"),
        (["-C", "@/data", "add", "--into", "github_01_after.jpg", "@/photos"], "github_01_after.jpg is not a folder"),
        (["-C", "@/data", "split", "--ratios", "80/30/-10"], "negative"),
        (["-C", "@/data", "split", "--ratios", "120/0/0"], "sum to 120"),
        (["-C", "@/data", "split", "--ratios", "0.5/0.2/0.1"], "sum to 0.8"),
        (["-C", "@/data", "split", "--ratios", "a/b/c"], "'a/b/c' are not numbers"),
        (["-C", "@/data", "split", "--ratios", "train=nan,val=1"], "are not numbers"),
        (["-C", "@/data", "split", "--ratios", "1e2/0/0"], "are not numbers"),
        (["-C", "@/data", "split", "--ratios", "=0.5,val=0.5"], "''"),
        (["-C", "@/data", "split", "--ratios", "stage_data=0.5,val=0.5"], "'stage_data' cannot be the name of a split"),
        (["-C", "@/data", "split", "--ratios", "train=0.5,train=0.5"], "'train' is given twice"),
        (["-C", "@/data", "split", "--ratios", "Train=0.8,val=0.2"], "'train' and 'Train' would be one folder"),
        (["-C", "@/data", "split", "--ratios", ""], "''"),
        (["-C", "@/data", "split", "--group", r"_(\d)"], "group"),
        (["-C", "@/data", "split", "--group", "(github\udcff?)"], "is no UTF-8, so it cannot be stored"),
        (["-C", "@/data", "split", "--group-csv", "@/photos:x"], "@/photos cannot be read (Is a directory)"),
        (["-C", "@/data", "split", "--group-csv", "@/latin.csv:who"], "@/latin.csv is not UTF-8 text (byte 10)"),
        (["-C", "@/data", "split", "--group-csv", "@/table.csv:patients"], "Did you mean 'patient'?"),
        (["-C", "@/data", "split", "--group-csv", "@/table.csv:patient"], "names any of the images"),
        (["-C", "@/data", "split", "--group-csv", "@/empty.csv:patient"], "@/empty.csv has no column 'patient'"),
        (["-C", "@/data", "split", "--threads", "-1"], "--threads': -1 is not in the range"),
    ],
    ids=lambda value: " ".join(value)[-40:] if isinstance(value, list) else "",
)
def test_words_that_cannot_be_meant(
    capsys: pytest.CaptureFixture[str], root: Path, words: list[str], mention: str
) -> None:
    top = root.parent
    (top / "empty").mkdir()
    write(top / "latin.csv", b"image,who\n\xe9,1\n")
    write(top / "table.csv", b"image,patient\nelsewhere.jpg,1\n")
    write(top / "empty.csv", b"")
    if "--group" in words:  # all samples share the one group that there is
        for path in (top / "data/stage_data").iterdir():
            path.rename(path.with_name(path.name.replace("github_", "github_7")))
    refuse(capsys, top, words, mention)


def test_a_root_in_a_root_is_refused_and_one_made_by_hand_loses_nothing(
    capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    inner = root / "stage_data/inner"
    (inner / ".imgstage").mkdir(parents=True)
    write_pairs(inner / "stage_data", range(40, 44))
    before = tree(root.parent)
    assert run(["-C", str(root), "split"]) == 0
    assert run(["-C", str(root), "undo"]) == 0
    after = {path: entry for path, entry in tree(root.parent).items() if path in before}
    assert after == before
    capsys.readouterr()
    refuse(capsys, root.parent, ["init", str(inner / "x")], "lies inside the root")


def test_init_of_a_folder_that_holds_files_touches_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_pairs(tmp_path / "photos", range(1, 4))
    write(tmp_path / "photos/stage_data/x.jpg", picture(50))
    before = tree(tmp_path)
    for _ in range(2):
        assert run(["init", str(tmp_path / "photos")]) == 0
    capsys.readouterr()
    assert before.items() <= tree(tmp_path).items()
    assert Dataset(tmp_path / "photos").status().samples["stage_data"] == 1


def test_a_root_that_is_a_link_works_whole(tmp_path: Path, root: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    before = tree(root)
    for words in (["add", str(tmp_path / "photos")], ["split"], ["unsplit"], ["undo"], ["undo", "1"]):
        assert run(["-C", str(tmp_path / "link"), *words]) == 0
    assert before.items() <= tree(root).items()


# -- what may not be read or written ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("closed", "mode", "words", "mention"),
    [
        ("data", 0o500, ["split"], "@/data"),
        ("data/stage_data", 0o500, ["split"], "@/data/stage_data cannot be written"),
        ("data/stage_data", 0o300, ["split"], "stage_data cannot be read"),
        ("data/stage_data", 0o600, ["split"], "stage_data cannot be read"),  # names, but nothing about them
        ("data/stage_data", 0o000, ["add", "@/photos"], "stage_data"),
        ("data/.imgstage/vault", 0o500, ["undo"], "@/data/.imgstage/vault"),
        ("data/.imgstage/incoming", 0o500, ["add", "@/photos"], "@/data/.imgstage/incoming"),
        ("data/.imgstage/journal", 0o000, ["log"], "@/data/.imgstage/journal"),
        ("data/.imgstage/lock", 0o000, ["split"], "@/data/.imgstage/lock cannot be written"),
        ("data/imgstage.toml", 0o000, ["status"], "@/data/imgstage.toml cannot be read (Permission denied)"),
        ("data/splits.csv", 0o000, ["split"], "@/data/splits.csv cannot be read"),
        ("table.csv", 0o000, ["split", "--group-csv", "@/table.csv:x"], "@/table.csv cannot be read"),
        ("closed", 0o000, ["add", "@/closed/photos"], "@/closed/photos cannot be looked at (Permission denied)"),
    ],
)
def test_what_is_closed_to_the_user_is_named(
    capsys: pytest.CaptureFixture[str], root: Path, closed: str, mode: int, words: list[str], mention: str
) -> None:
    top = root.parent
    write(top / "table.csv", b"image,x\n")
    write_pairs(top / "closed/photos", range(40, 42))
    Dataset(root).split()
    write_pairs(root / "stage_data", range(20, 23))
    before = tree(top)
    usual = stat.S_IMODE((top / closed).stat().st_mode)
    (top / closed).chmod(mode)
    with as_nobody(top):
        code = run(["-C", str(root), *[word.replace("@", str(top)) for word in words]])
    (top / closed).chmod(usual)
    out, err = capsys.readouterr()
    assert (code, out) == (2, ""), err
    assert mention.replace("@", str(top)) in err
    assert tree(top) == before


def test_a_source_that_is_closed_is_named(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    top = root.parent
    (top / "photos").chmod(0o000)
    before = tree(top)
    with as_nobody(top):
        assert run(["-C", str(root), "add", str(top / "photos")]) == 2
    assert f"{top / 'photos'}: the folder cannot be read (Permission denied)" in capsys.readouterr().err
    assert tree(top) == before
