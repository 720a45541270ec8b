"""The command line: what it prints, what it returns, what it never does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from imgstage import Dataset
from imgstage.cli import COMMANDS, group, run
from imgstage.journal.records import Records

from ..helpers import names, picture, snapshot, write, write_pairs
from .calls import call


def test_help_names_every_command() -> None:
    shown = CliRunner().invoke(group, ["--help"]).output
    assert [line.split()[0] for line in shown.partition("Commands:\n")[2].splitlines()[: len(COMMANDS)]] == list(
        COMMANDS
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    shown = CliRunner().invoke(group, [command, "--help"])
    assert shown.exit_code == 0
    assert len(shown.output.splitlines()) > 5


def test_help_loads_no_decoder() -> None:
    code = "import sys; from imgstage.cli import run; run(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stderr
    assert not {"'numpy'", "'PIL'", "'rich'", "'sqlite3'", "'simplejpeg'"} & set(shown.strip("[]\n").split(", "))


def test_the_whole_life_with_its_words(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "my photos", range(1, 26))
    code, out, _ = call(capsys, "init")
    assert (code, out) == (
        0,
        "data is a root. Its images go into data/stage_data/.\nNext: imgstage -C data add FOLDER_WITH_IMAGES\n",
    )
    code, out, err = call(capsys, "add", "my photos")
    assert (code, err) == (0, "")
    assert "25 samples added" in out
    assert "Undo: imgstage undo" in out
    code, out, _ = call(capsys, "status")
    assert "Samples: 25 in stage_data/" in out
    code, out, _ = call(capsys, "split", "-n")
    assert "This was a dry run: nothing was changed." in out
    assert "  stage_data/github_03_after.jpg -> train/github_03_after.jpg" in out
    assert "  … and 45 more; --all lists them" in out
    assert names(tmp_path, "data/train") == set()
    code, out, _ = call(capsys, "split")
    assert ["samples", "20", "3", "2", "25"] in [line.split() for line in out.splitlines()]
    assert (
        "Wrote imgstage.toml, splits.csv, splits.json, test/metadata.jsonl, train/metadata.jsonl, val/metadata.jsonl."
        in out
    )
    code, out, _ = call(capsys, "split")
    assert "Nothing to do; nothing was changed." in out
    code, out, _ = call(capsys, "unsplit")
    assert "2 from test/, 20 from train/, 3 from val/" in out
    code, out, _ = call(capsys, "undo")
    assert "Operations taken back, newest first: 3; 50 files went back" in out
    code, out, _ = call(capsys, "log")
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [
        ["1", "add"],
        ["2", "split"],
        ["3", "unsplit"],
        ["4", "undo"],
    ]
    assert "undone by 4" in out
    code, out, _ = call(capsys, "recover")
    assert (code, out) == (0, "Nothing was broken off; nothing was changed.\n")


@pytest.mark.parametrize("verb", [("split",), ("unsplit",), ("undo",), ("undo", "1")])
def test_a_dry_run_writes_nothing_at_all(
    capsys: pytest.CaptureFixture[str], pairs: Dataset, verb: tuple[str, ...]
) -> None:
    if verb != ("split",):
        pairs.split()
    root = pairs.root.path

    def state() -> dict[Path, tuple[int, int, int]]:
        return {p: (p.lstat().st_mtime_ns, p.lstat().st_ctime_ns, p.lstat().st_size) for p in root.rglob("*")}

    before = state()
    code, _, _ = call(capsys, "-C", str(root), *verb, "-n")
    assert code == 0
    assert state() == before


def test_a_dry_run_on_a_root_made_by_hand_leaves_no_trace(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_pairs(tmp_path / "data/stage_data", range(1, 12))
    write_pairs(tmp_path / "more", range(20, 22))
    for words in (("split", "-n"), ("add", str(tmp_path / "more"), "-n"), ("log",), ("recover",)):
        assert call(capsys, "-C", str(tmp_path / "data"), *words)[0] == 0
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["stage_data"]
    assert call(capsys, "-C", str(tmp_path / "data"), "status")[0] == 0
    assert names(tmp_path / "data") == {f"stage_data/{name}" for name in names(tmp_path / "data/stage_data")}
    assert [path.name for path in (tmp_path / "data/.imgstage").iterdir()] == ["cache"], "what it read, and no more"


@pytest.mark.parametrize("verb", ["add", "split", "unsplit", "undo", "status"])
def test_json_counts_sum_and_lists_have_reasons(
    capsys: pytest.CaptureFixture[str], pairs: Dataset, tmp_path: Path, verb: str
) -> None:
    root = pairs.root.path
    write(root / "stage_data/github_01_after.jpg", b"broken")
    write(root / "stage_data/notes.docx", b"x")
    if verb in ("unsplit", "undo"):
        pairs.split()
    write_pairs(tmp_path / "in", range(40, 43))
    write(tmp_path / "in/notes.docx", b"x")
    words = [verb, str(tmp_path / "in")] if verb == "add" else [verb]
    code, out, err = call(capsys, "-C", str(root), *words, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["found"] == found["done"] + found["held"] + found["ignored"] > 0
    assert found["held"] == len(found["held_files"])
    assert found["ignored"] == len(found["ignored_files"])
    assert all(
        set(note) == {"path", "reason"} and note["reason"] for note in found["held_files"] + found["ignored_files"]
    )
    if verb != "status":
        assert found["verb"] == verb
        assert found["operation"] == Dataset(root).log()[-1].number
        assert found["changed"] > 0


def test_json_is_the_same_byte_for_byte_whatever_the_order_and_threads(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shown = []
    for name, order, threads in (("one", range(1, 31), "1"), ("two", range(30, 0, -1), "7")):
        for number in order:
            write_pairs(tmp_path / name / "stage_data", range(number, number + 1))
        shown.append(call(capsys, "-C", str(tmp_path / name), "split", "--threads", threads, "--json"))
    assert shown[0] == shown[1]
    assert '"operation": 1' in shown[0][1]


@pytest.mark.parametrize(
    "words",
    [
        ["split", "--ratios", "80/12"],
        ["split", "--seed", "x"],
        ["split", "--rounding", "up"],
        ["split", "--threads", "0"],
        ["split", "--group", "("],
        ["split", "--group-csv", "nowhere.csv:x"],
        ["add"],
        ["add", "nowhere"],
        ["undo", "7"],
        ["undo", "x"],
        ["splitt"],
        ["--nonsense"],
    ],
)
def test_wrong_usage_is_one_sentence_and_code_2(
    capsys: pytest.CaptureFixture[str], pairs: Dataset, words: list[str]
) -> None:
    before = snapshot(pairs.root.path)
    code, out, err = call(capsys, "-C", str(pairs.root.path), *words)
    assert (code, out) == (2, "")
    assert err
    assert "Traceback" not in err
    assert snapshot(pairs.root.path) == before


def test_a_pending_operation_is_told_and_recovered(
    capsys: pytest.CaptureFixture[str], pairs: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Records, "write_end", die)
        with pytest.raises(SystemExit):
            pairs.split()
    root = str(pairs.root.path)
    code, _, err = call(capsys, "-C", root, "unsplit")
    assert code == 2
    assert f"Run: imgstage -C {root} recover\n" in err
    code, out, _ = call(capsys, "-C", root, "status")
    assert f"Operation 1 broke off. Next: imgstage -C {root} recover" in out
    code, out, _ = call(capsys, "-C", root, "recover")
    assert out.startswith("Operation 1 (split) was taken back: 50 files")


def test_long_lists_are_cut_unless_all_is_wanted(capsys: pytest.CaptureFixture[str], pairs: Dataset) -> None:
    for number in range(20):
        write(pairs.root.path / f"stage_data/{number}.docx", b"x")
    _, out, _ = call(capsys, "-C", str(pairs.root.path), "status")
    assert "ignored: … and 17 more that are other; --all lists them" in out
    _, out, _ = call(capsys, "-C", str(pairs.root.path), "status", "--all")
    assert out.count("docx") == 20


def test_names_of_any_script_are_shown_and_control_characters_are_not(
    capsys: pytest.CaptureFixture[str], pairs: Dataset
) -> None:
    root = pairs.root.path / "stage_data"
    write(root / "b\u00e4r \U0001f43b.docx", b"x")
    write(root / "evil\x1b[31m.jpg", picture(1))
    Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.jpg")).write_bytes(picture(2))
    code, out, _ = call(capsys, "-C", str(pairs.root.path), "status")
    assert code == 0
    assert "b\u00e4r \U0001f43b.docx" in out
    assert "\x1b" not in out
    assert "evil\\x1b[31m.jpg" in out
    assert "caf\\xe9.jpg" in out


def test_a_sample_may_be_called_anything(capsys: pytest.CaptureFixture[str], empty: Dataset) -> None:
    stems = [
        "two  words",
        "-n",
        "\U0001f431",
        "=cmd|x",
        "<script>",
        "a'b\"c",
        "%s",
        "x" * 240,
        "a;b",
        "日本語",
        "..x",
        "CON",
        "é",
    ]
    for number, stem in enumerate(stems):
        write(empty.root.path / "stage_data" / f"{stem}_before.jpg", picture(2 * number))
        write(empty.root.path / "stage_data" / f"{stem}_after.jpg", picture(2 * number + 1))
    before = snapshot(empty.root.path)
    code, out, _ = call(capsys, "-C", str(empty.root.path), "split")
    assert code == 0
    assert ", 0 held, 2 ignored" in out
    assert call(capsys, "-C", str(empty.root.path), "undo")[0] == 0
    assert snapshot(empty.root.path) == before


def test_two_at_once_one_waits_for_its_turn(capsys: pytest.CaptureFixture[str], pairs: Dataset) -> None:
    from imgstage.journal.system import locked

    before = snapshot(pairs.root.path)
    (pairs.root.path / ".imgstage/lock").touch()
    with locked(str(pairs.root.path / ".imgstage/lock")):
        code, _, err = call(capsys, "-C", str(pairs.root.path), "split")
    assert code == 2
    assert "Another imgstage is at work" in err
    assert snapshot(pairs.root.path) == before


def test_the_demo_lives_the_whole_life(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = call(capsys, "demo")
    assert code == 0
    assert "120 samples added" in out
    assert "of the 120 earlier samples, 0 changed their split" in out
    assert "132 of 132 samples are in the same split as before" in out
    assert (tmp_path / "imgstage-demo/contact-sheet.png").stat().st_size > 50_000
    code, _, err = call(capsys, "demo")
    assert code == 2
    assert "not an empty folder" in err


def test_a_summary_that_cannot_be_written_is_no_failure(pairs: Dataset) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "imgstage", "-C", str(pairs.root.path), "split"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, pairs.status().unassigned) == (0, 0), result.stderr
    assert "Operation 1 is done, but its summary could not be written" in result.stderr


def test_a_refusal_keeps_its_exit_code_though_stderr_is_full(pairs: Dataset) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "imgstage", "-C", str(pairs.root.path), "undo"]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, check=False)
    assert result.returncode == 2


def test_one_damaged_old_plan_hides_nothing_else(pairs: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    pairs.split()
    pairs.unsplit()
    (pairs.root.path / ".imgstage/journal/000001.plan").write_bytes(b"")
    for words in (["status"], ["split"], ["undo"]):
        assert run(["-C", str(pairs.root.path), *words]) == 0, capsys.readouterr().err


def test_a_plan_that_is_gone_is_told_and_makes_the_ledger_doubtful(
    pairs: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    root = pairs.root.path
    pairs.split()
    (root / ".imgstage/journal/000001.plan").unlink()
    for words, code in ((["status"], 0), (["log"], 0), (["undo"], 2), (["split"], 0)):
        assert run(["-C", str(root), *words]) == code
        err = capsys.readouterr().err
        assert "Traceback" not in err
        if words == ["undo"]:
            assert "000001.plan is gone" in err
    (root / "splits.csv").unlink()
    assert run(["-C", str(root), "split", "--seed", "7"]) == 2
    assert "splits.csv is gone" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [".imgstage", ".imgstage/journal"])
def test_recover_says_when_there_is_no_journal_to_look_at(
    pairs: Dataset, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    shutil.rmtree(pairs.root.path / kind)
    (pairs.root.path / kind).write_bytes(b"x")
    assert run(["-C", str(pairs.root.path), "recover"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_interrupt_that_python_wraps_is_one_all_the_same(
    pairs: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python 3.11 does so in the midst of making a class."""

    def interrupted(_: Dataset) -> None:
        problem = "Error calling __set_name__"
        raise RuntimeError(problem) from KeyboardInterrupt()

    monkeypatch.setattr(Dataset, "status", interrupted)
    assert run(["-C", str(pairs.root.path), "status"]) == 2
    assert "Interrupted" in capsys.readouterr().err


def test_a_current_folder_that_is_gone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert run(["status"]) == 2
    err = capsys.readouterr().err
    assert "current folder is gone" in err or "no imgstage root" in err or "no folder" in err
    monkeypatch.chdir(tmp_path)


def test_a_link_that_leads_to_itself_is_told(pairs: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    loop = pairs.root.path.parent / "loop"
    loop.symlink_to(loop)
    for words in (["add", str(loop)], ["hold", str(loop)], ["split", "--group-csv", f"{loop}:x"]):
        assert run(["-C", str(pairs.root.path), *words]) == 2
        assert "symbolic link" in capsys.readouterr().err


def test_a_seed_that_no_number_type_holds_is_told(pairs: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    write(pairs.root.path / "imgstage.toml", b"seed = 0x" + b"f" * 5000)
    assert run(["-C", str(pairs.root.path), "split"]) == 2
    assert "more than 64 bits" in capsys.readouterr().err


def test_a_reason_that_is_no_text_is_kept_as_it_can_be(pairs: Dataset) -> None:
    assert run(["-C", str(pairs.root.path), "hold", "github_01", "--reason", "dark\udcff"]) == 0
    assert any("dark\\xff" in note.reason for note in pairs.status().report.held)


@pytest.mark.parametrize("name", ["splits.csv", "imgstage.toml", "held/reasons.csv"])
def test_a_pipe_in_place_of_a_table_makes_nobody_wait(
    pairs: Dataset, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (pairs.root.path / "held").mkdir()
    os.mkfifo(pairs.root.path / name)
    assert run(["-C", str(pairs.root.path), "status"]) == 2
    assert f"{name} cannot be read (it is no regular file)" in capsys.readouterr().err


def test_a_cache_that_is_closed_is_done_without(tmp_path: Path) -> None:
    from imgstage.cache import Cache

    class Closed(type(tmp_path)):  # type: ignore[misc]
        def is_file(self) -> bool:
            raise PermissionError(13, "Permission denied", str(self))

    with Cache(Closed(tmp_path / "index.sqlite"), write=False) as cache:
        assert cache.image("0" * 64) is None


@pytest.mark.parametrize(("share", "shown"), [(1.0, "100 %"), (0.99999, "99.9 %"), (0.5, "50 %"), (0.0, "0 %")])
def test_a_share_never_looks_complete_when_it_is_not(share: float, shown: str) -> None:
    from imgstage.cli.render import floor_percent

    assert floor_percent(share) == shown


def test_another_user_of_the_machine_may_look(pairs: Dataset) -> None:
    old = os.umask(0o002)
    try:
        pairs.split()
    finally:
        os.umask(old)
    modes = {path.stat().st_mode & 0o777 for path in (pairs.root.path / ".imgstage/journal").iterdir()}
    assert modes == {0o664}


@pytest.mark.parametrize("name", ["000001 (conflicted copy).copies", "\u00b2.plan", "x.discard", "000001 copy.plan"])
def test_what_other_tools_leave_in_the_journal_is_no_operation(
    pairs: Dataset, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    pairs.split()
    write(pairs.root.path / ".imgstage/journal" / name, b"what is this")
    for words in (["status"], ["log"], ["recover"], ["unsplit"], ["undo"]):
        assert call(capsys, "-C", str(pairs.root.path), *words)[0] == 0


def test_a_damaged_plan_refuses_what_needs_it_and_says_that_nothing_was_changed(
    pairs: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(pairs.root.path)
    pairs.split()
    pairs.resize(scale="0.5")
    plan = pairs.root.path / ".imgstage/journal/000002.plan"
    plan.write_bytes(plan.read_bytes()[:-3] + b"xx\n")
    before = snapshot(pairs.root.path)
    for words in (["undo"], ["purge"], ["resize", "--scale", "0.2"], ["log", "--file", "train/x.jpg"]):
        code, _, err = call(capsys, "-C", root, *words)
        assert (code, "Nothing was changed" in err, "000002.plan is damaged" in err) == (2, True, True), words
    assert [call(capsys, "-C", root, *words)[0] for words in (["status"], ["log"], ["check"])] == [0, 0, 0]
    assert snapshot(pairs.root.path) == before


def test_one_thing_is_not_many() -> None:
    from imgstage.cli.render import counted

    assert [counted(number, "file") for number in (0, 1, 2, 1234)] == ["0 files", "1 file", "2 files", "1,234 files"]
