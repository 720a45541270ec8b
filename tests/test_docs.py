"""The documents tell the truth: every transcript is run, every command and option is described."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from imgstage import demo
from imgstage.cli import COMMANDS, group, run

from .test_architecture import LAYERS

TOP = Path(__file__).parents[1]
README = (TOP / "README.md").read_text(encoding="utf-8")


def transcripts(text: str) -> list[tuple[str, str]]:
    """(command, output) of every ```console block, in order."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output.rstrip("\n")))
    return found


def test_the_transcripts_of_the_readme_are_what_the_commands_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = demo.write_photos(tmp_path / "demo")
    photos.first.rename(tmp_path / "photos")
    photos.more.rename(tmp_path / "more_photos")
    monkeypatch.chdir(tmp_path)
    ran = 0
    for command, expected in transcripts(README):
        program, *words = shlex.split(command)
        assert program == "imgstage"
        if "--model" in words:  # PyTorch stays out of the process that runs the tests
            if find_spec("torch") is None:
                continue
            whole = [sys.executable, "-m", *shlex.split(command)]
            output = subprocess.run(whole, capture_output=True, text=True, check=True).stdout
        else:
            assert run(words) == 0
            output = capsys.readouterr().out
        assert output.rstrip("\n") == expected, command
        ran += 1
    assert ran > 5


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo.write_photos(tmp_path / "demo").first.rename(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    first, training, playing = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert run(["init", "data"]) == 0
    exec(compile(first, "README.md", "exec"), {})
    if find_spec("torch") is None:
        pytest.skip("the extra imgstage[torch] is not installed")
    assert run(["-C", "data", "split"]) == 0
    small = training.replace("(512, 512)", "(128, 128)").replace("(960, 640)", "(200, 160)")
    told = "print(tuple(before.shape[1:]), tuple(after.shape[1:]), before.dtype)"
    command = [sys.executable, "-c", f"{small}\n{told}"]  # PyTorch stays out of the process that runs the tests
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "(3, 128, 128) (3, 128, 128) torch.float32\n"

    example = f"{TOP / 'examples/denoise_unet.py'}:UNet"
    untrained = (
        "from imgstage.networks import build\nfrom safetensors.torch import save_file\n"
        f"save_file(build({example!r}).state_dict(), 'unet.safetensors')\n"
    )
    ours = playing.replace("examples/denoise_unet.py:UNet", example).replace("demo/data/models/", "")
    told = "print(len(played.outcomes), played.score == played.baseline)"  # untrained, it changes nothing
    command = [sys.executable, "-c", "\n".join([untrained, ours.replace("demo/data", "data"), told])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "10 True\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"`imgstage {command}" in README or f"| `{command}" in README


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_in_the_readme(command: str) -> None:
    found = group.get_command(click.Context(group), command)
    assert found is not None
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            assert any(f"`{option}" in README for option in parameter.opts), parameter.opts


def test_links_between_documents_lead_somewhere() -> None:
    for document in TOP.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (TOP / target).exists(), f"{document.name}: {target}"


def test_the_architecture_lists_the_rooms_in_their_order() -> None:
    text = (TOP / "ARCHITECTURE.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z]+)(?:\.py|/)` \|", text, re.MULTILINE)
    assert tuple(listed) == LAYERS
