"""Killed at any moment, no half-written file lies under a result's name; the next run goes on."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image

from ..helpers import photo
from .doubles import encoded, make_root, outputs, pixels

CODE = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from tests.play.doubles import Engine, invert, network
from imgstage.play import play
asked = network(Engine(invert))
print("begun", flush=True)
play(Path({root!r}), asked)
print("done", flush=True)
"""


def test_killed_at_any_moment_every_result_is_whole(tmp_path: Path) -> None:
    shots = {f"{number}.png": photo("astronaut")[number * 2 :][:200] for number in range(120)}
    root = make_root(tmp_path / "root", {name: encoded(Image.fromarray(of)) for name, of in shots.items()})
    code = CODE.format(tests=str(Path(__file__).parents[2]), root=str(root))
    chance = random.Random(0)
    counts = [0]
    for turn in range(11):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            wanted = counts[-1] + chance.randrange(1, 12)
            while turn < 10 and process.poll() is None:
                if len(list(root.glob("play_data/output/*_after.png"))) >= wanted:
                    break
                time.sleep(0.001)
            if turn < 10:
                time.sleep(chance.random() * 0.02)
                process.kill()
        there = {name: data for name, data in outputs(root).items() if not name.startswith(".imgstage-")}
        for name in there:
            number = name.removesuffix("_after.png")
            assert (pixels(root / "play_data/output" / name) == 255 - shots[f"{number}.png"]).all()
        counts.append(len(there))
    assert counts == sorted(counts), "nothing that was written goes"
    assert len({count for count in counts if 0 < count < 120}) > 1, "it was killed in between"
    assert counts[-1] == 120
    assert not [name for name in outputs(root) if name.endswith(".part")]
