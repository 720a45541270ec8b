"""The example trains to a better picture, and an interruption changes nothing."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from imgstage import Dataset
from imgstage.demo import write_photos

EXAMPLE = Path(__file__).parents[2] / "examples" / "denoise_unet.py"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example")
    dataset = Dataset.create(folder / "data")
    dataset.add(write_photos(folder / "photos").first)
    dataset.split()
    return dataset.root.path


def train(root: Path, epochs: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(EXAMPLE), str(root), "--epochs", str(epochs)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_root_without_a_split_is_told_in_a_sentence(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        done = subprocess.run([sys.executable, str(EXAMPLE), str(place)], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert re.fullmatch(r".*(holds no images of the split 'train'|is no folder)\..*\n", done.stderr)
    assert list(tmp_path.iterdir()) == []


def losses(root: Path) -> list[str]:
    with (root / "models/losses.csv").open() as file:
        return [row["loss"] for row in csv.DictReader(file)]


def play_test(root: Path) -> dict[str, float]:
    """What `imgstage play` says of the trained model on the test split, as the README has it."""
    start = [sys.executable, "-m", "imgstage", "-C", str(root), "play"]
    command = [*start, "--model", f"{EXAMPLE}:UNet", "--split", "test"]
    weights = str(root / "models/unet.safetensors")
    done = subprocess.run([*command, "--weights", weights, "--json"], stdout=subprocess.PIPE, check=True)
    body = json.loads(done.stdout)
    assert (body["size_multiple"], body["scores"]["compared"]) == (4, 10)
    assert body["scores"]["psnr_db"] >= body["scores"]["baseline"]["psnr_db"] + 2
    scores: dict[str, float] = body["scores"]
    return scores


def test_it_gains_two_decibels_and_an_interruption_changes_nothing(root: Path) -> None:
    with train(root, 6) as whole:
        told = whole.communicate()[0]
    assert whole.returncode == 0
    found = re.search(r"test, 10 pairs: ([\d.]+) dB noisy, ([\d.]+) dB restored", told)
    assert found
    assert float(found[2]) >= float(found[1]) + 2
    expected, weights = losses(root), load_file(root / "models/unet.safetensors")
    assert len(expected) == 6 * 12
    assert tomllib.loads((root / "models/model.toml").read_text()) == {
        "channels": "RGB",
        "range": [0.0, 1.0],
        "size_multiple": 4,
    }
    with Image.open(root / "models/test.png") as picture:
        assert picture.size == (3 * 132 + 4, 4 * 132 + 4)

    played = play_test(root)
    for path in (root / "models").iterdir():
        path.unlink()
    with train(root, 6) as broken_off:
        assert broken_off.stdout is not None
        for line in broken_off.stdout:
            if line.startswith("epoch  3/6"):
                break
        broken_off.send_signal(signal.SIGKILL)
    with train(root, 6) as again:
        told = again.communicate()[0]
    assert told.startswith("Going on after 36 steps\nepoch  4/6")
    assert losses(root) == expected
    assert play_test(root) == played
    later = load_file(root / "models/unet.safetensors")
    assert all(torch.equal(later[name], of) for name, of in weights.items())
