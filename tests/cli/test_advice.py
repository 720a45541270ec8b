"""What the command line advises to do next: it works as it stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imgstage import Dataset
from imgstage.cli import run

from ..helpers import write_pairs
from .calls import call


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["add", "x"],
        ["split"],
        ["unsplit"],
        ["undo"],
        ["log"],
        ["recover"],
    ],
)
def test_a_folder_that_is_no_root_says_how_to_make_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str]
) -> None:
    code, out, err = call(capsys, "-C", str(tmp_path), *words)
    assert (code, out) == (2, "")
    assert err == (
        f"imgstage: {tmp_path} is not an imgstage root: it holds no stage_data/, no split folder and no .imgstage/. "
        f"Nothing was changed. Make one with: imgstage init {tmp_path}\n"
    )
    assert not list(tmp_path.iterdir())


def test_a_rule_that_fits_nothing_is_told(pairs: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    settings = '[pairing]\nbefor = "{key}_b4"\nafter = "{key}_aft"\n[pairing."nope"]\nimage = "{key}"\n'
    (pairs.root.path / "imgstage.toml").write_text(settings)
    assert run(["-C", str(pairs.root.path), "status"]) == 0
    told = capsys.readouterr().out
    assert 'befor = "{key}_b4", after = "{key}_aft" fits no image, so it is not used' in told
    assert 'image = "{key}" fits no image in nope/, so it is not used' in told


def test_advice_names_the_root_that_was_named(pairs: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    """What is copied from a refusal must not run on another root."""
    root = str(pairs.root.path)
    pairs.split()
    (pairs.root.path / "splits.csv").unlink()
    assert run(["-C", root, "split"]) == 2
    assert f"with: imgstage -C {root} split --accept-new" in capsys.readouterr().err
    assert run(["-C", root, "split", "--json"]) == 2
    assert f"imgstage -C {root} split" in json.loads(capsys.readouterr().out)["remedy"]


@pytest.mark.parametrize("name", ["stage_data", "Train", "valid", "held", ".imgstage"])
def test_no_root_is_made_in_a_folder_that_means_something_in_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert run(["init", str(tmp_path / name)]) == 2
    assert "has the name of a folder in a root" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_from_within_a_root_the_root_is_found(
    pairs: Dataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs.split()
    monkeypatch.chdir(pairs.root.path / "train")
    code, out, _ = call(capsys, "status")
    assert (code, out.partition(",")[0]) == (0, "Samples: 0 in stage_data/")
    name = next(Path().glob("*_before.jpg")).name
    assert call(capsys, "hold", name)[0] == 0
    assert (pairs.root.path / "held" / name).is_file()
    code, _, err = call(capsys, "-C", str(pairs.root.path / "test"), "status")
    assert code == 2
    assert f"lies inside the root {pairs.root.path}" in err
    assert f"imgstage -C {pairs.root.path} status" in err


@pytest.mark.parametrize("words", [["-C", "ROOT"], ["-CROOT"]])
def test_advice_names_the_root_as_it_was_named(
    pairs: Dataset, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    given = [word.replace("ROOT", str(pairs.root.path)) for word in words]
    _, _, err = call(capsys, *given, "hold", "github_99", "")
    assert "One of the names is empty" in err
    pairs.split()
    (pairs.root.path / "splits.csv").unlink()
    code, _, err = call(capsys, *given, "split")
    assert code == 2
    assert f"imgstage -C {pairs.root.path} undo --without-missing" in err
    assert f"imgstage -C {pairs.root.path} split --accept-new" in err


def test_an_undo_that_takes_back_an_undo_says_so(pairs: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(pairs.root.path)
    pairs.hold("github_01")
    pairs.hold("github_02")
    call(capsys, "-C", root, "undo")
    _, out, _ = call(capsys, "-C", root, "undo")
    assert f"That was an undo: 2 are in force again. Further back: imgstage -C {root} undo 2" in out


def test_status_of_a_manifest_does_not_advise_to_move(pairs: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    pairs.split(manifest=True)
    write_pairs(pairs.root.path / "stage_data", range(30, 31))
    _, out, _ = call(capsys, "-C", str(pairs.root.path), "status")
    assert "split --manifest -n" in out


def test_a_table_that_the_user_wrote_is_told_when_names_change(
    pairs: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs.split()
    table = pairs.root.path / "train/metadata.jsonl"
    table.write_text(table.read_text() + "\n")
    _, out, _ = call(capsys, "-C", str(pairs.root.path), "rename", "--prefix", "p_")
    assert "train/metadata.jsonl is not the one imgstage wrote and stays as it is" in out
