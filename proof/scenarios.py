"""What is run, one line a verb: how the root is made ready, and the command that is then broken.

Every root holds pairs, a sidecar, sub-folders, a sample that was held and tables, each file with its own bytes, time
and mode. `moves` is no verb: it plans swaps, a ring, a change of case and a replacement, all in one.
"""

from __future__ import annotations

import io
import os
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
from blake3 import blake3
from PIL import Image

from imgstage import Dataset
from imgstage.cli import COMMANDS
from imgstage.cli import run as command_line
from imgstage.errors import ImgstageError, RefusedError
from imgstage.index import scan
from imgstage.journal import Journal
from imgstage.plan import Identity, Move, Plan, Preparation, Report, arrange

from .judge import Tree, look
from .process import Fault, Injection, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LATE = (
    "importlib.metadata",
    "imgstage.assign.program",
    "imgstage.leaks",
    "imgstage.likeness.prints",
    "imgstage.verbs.resize",
    "pyvips",
    "scipy.optimize",
    "scipy.sparse.csgraph",
)
for _module in (*(f"imgstage.cli.{command}" for command in COMMANDS), *_LATE):
    import_module(_module)  # what is imported on the way would count among the calls, and take its time each time

PHOTOS = "photos"
"""Beside the root: what `add` adds."""


@dataclass(frozen=True)
class Scenario:
    """A verb on a root.

    Attributes:
        name: what the tables call it.
        prepare: makes the root ready in an empty folder; of a verb that repairs, it returns what must be so then.
        command: what is run there and broken.
        undoable: whether `undo` returns the state before.
        final: whether nothing does, because it is the vault that changes.
    """

    name: str
    prepare: Callable[[Path], Tree | None]
    command: Callable[[Path], int]
    undoable: bool = True
    final: bool = False


def picture(seed: int) -> bytes:
    """A small JPEG; another seed, other bytes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((32, 24), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


def write(path: Path, content: bytes, seed: int) -> None:
    """Write a file with a time and a mode of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o604 if seed % 2 else 0o640)
    moment = (1_500_000_000 + seed) * 10**9 + 123_456_700
    os.utime(path, ns=(moment, moment))


def write_photos(folder: Path, first: int = 0) -> None:
    """Five pairs, two of them in a sub-folder, and a sidecar."""
    for number in range(first, first + 5):
        place = folder / "night" if number >= first + 3 else folder
        for side, role in enumerate(("before", "after")):
            seed = 2 * number + side
            write(place / f"github_{number}_{role}.jpg", picture(seed), seed)
    write(folder / f"github_{first}.json", b'{"number": %d}' % first, first)


def _staged(root: Path) -> None:
    Dataset.create(root)
    write_photos(root / "stage_data")


def _by_hand(root: Path) -> None:
    """A root that no imgstage has ever seen."""
    write_photos(root / "stage_data")


def _to_add(root: Path) -> None:
    _staged(root)
    Dataset(root).split()
    write_photos(root.parent / PHOTOS, 100)


def _split(root: Path) -> None:
    _staged(root)
    Dataset(root).split(ratios="60/20/20")


def _grown(root: Path) -> None:
    _split(root)
    write_photos(root / "stage_data", 100)


def _troubled(root: Path) -> None:
    """One pair of which a half does not decode, and one that has lost a half."""
    _grown(root)
    write(root / "stage_data/github_100_after.jpg", picture(201)[:-40], 201)
    (root / "stage_data/github_101_after.jpg").unlink()


def _leaking(root: Path) -> None:
    """A root that was split by hand, with groups that lie in train and in another split."""
    for number, split in enumerate(("train", "val", "test")):
        write_photos(root / split, 10 * number)
    Dataset(root).split(group=r"github_(\d)")


def _aside(root: Path) -> None:
    _split(root)
    Dataset(root).hold("github_0", "night/github_3", reason="too dark")


def _tangled(root: Path) -> None:
    """Files whose names are to be exchanged, to go round in a ring, to change their case, and to be replaced."""
    _split(root)
    for number, name in enumerate(("a", "b", "r1", "r2", "r3", "case", "old", "far/away")):
        write(root / f"stage_data/{name}.jpg", picture(500 + number), 500 + number)


def _resized(root: Path) -> None:
    """A root with small copies in sight and the originals in the vault; made by a child, for libvips stands no fork."""
    _split(root)
    made = run(lambda: cli("resize", "--scale", "0.5", "--threads", "1")(root))
    assert made.code == 0, made


def _moved(root: Path) -> None:
    _tangled(root)
    Journal(root).apply(_plan_moves(root))


_MIDST = {"renameat2": 7, "link": 7, "linkat": 7, "rename": 10}
"""A call in the midst of the moves, for each way to rename; tables and the plan itself take fewer `rename`s."""


def _broken_off(before: Callable[[Path], None], command: Callable[[Path], int]) -> Callable[[Path], Tree]:
    """A root in which a command was killed in the midst of its renames."""

    def prepare(root: Path) -> Tree:
        before(root)
        home = look(root)
        died = run(lambda: command(root), [Injection(name, at, Fault.KILL) for name, at in _MIDST.items()])
        assert died.code < 0, died
        return home

    return prepare


def cli(*words: str) -> Callable[[Path], int]:
    """A command line on a root; `PHOTOS` stands for the folder of photographs beside it."""

    def command(root: Path) -> int:
        given = [str(root.parent / PHOTOS) if word == PHOTOS else word for word in words]
        return command_line(["-C", str(root), *given])

    return command


def _move(root: Path) -> int:
    """Plan and apply, and tell it as the command line does."""
    try:
        Journal(root).apply(_plan_moves(root))
    except ImgstageError as error:
        with suppress(OSError):
            os.write(2, f"imgstage: {error}\n".encode())
        return error.exit_code
    with suppress(OSError):
        os.write(1, b"Done as operation\n")
    return 0


def _plan_moves(root: Path) -> Plan:
    journal = Journal(root)
    index = scan(root, ("stage_data",), threads=1)
    records = index.by_path
    names = {
        "a": "b",
        "b": "a",
        "r1": "r2",
        "r2": "r3",
        "r3": "r1",
        "case": "CASE",
        "far/away": "near/by",
    }
    wishes = [(f"stage_data/{old}.jpg", f"stage_data/{new}.jpg") for old, new in names.items()]
    if not {"stage_data/old.jpg", *(old for old, _ in wishes)} <= records.keys():
        problem = f"{root} cannot be read"
        raise RefusedError(problem, "Look what is there")
    moves = [Move(old, new, Identity.of(records[old])) for old, new in wishes]
    number = journal.next_number()
    content = picture(999)
    fresh = Identity(len(content), 1_600_000_000_000_000_000, 0o640, blake3(content).hexdigest())
    place = f".imgstage/incoming/{number:06d}-new"
    old = Identity.of(records["stage_data/old.jpg"])
    moves += [
        Move("stage_data/old.jpg", f".imgstage/vault/{number:06d}/000001.jpg", old),
        Move(place, "stage_data/old.jpg", fresh),
    ]
    journeys, steps = arrange(number, moves, list(records), index.folders, {})
    return Plan("moves", number, journeys, steps, (Preparation(place, fresh, content=content),), Report())


_FEW = ("github_100", "github_0", "night/github_3")  # one that is new, and one in a sub-folder

SCENARIOS = (
    Scenario("add", _to_add, cli("add", PHOTOS, "--threads", "1")),
    Scenario("split", _grown, cli("split", "--threads", "1")),
    Scenario("first split", _by_hand, cli("split", "--threads", "1")),
    Scenario("unsplit", _grown, cli("unsplit", "--threads", "1")),
    Scenario("hold", _split, cli("hold", "github_1", "night/github_4", "--reason", "why not", "--threads", "1")),
    Scenario("release", _aside, cli("release", "--everything", "--threads", "1")),
    Scenario("check", _troubled, cli("check", "--hold", "--threads", "1")),
    Scenario("fix leaks", _leaking, cli("split", "--fix-leaks", "--threads", "1")),
    Scenario("rename", _grown, cli("rename", "--prefix", "github_", "--width", "1", "--threads", "1")),
    Scenario("resize", _grown, cli("resize", *_FEW, "--scale", "0.5", "--format", "png", "--threads", "1")),
    Scenario("resize again", _resized, cli("resize", *_FEW[1:], "--long-side", "24", "--threads", "1")),
    Scenario("purge", _resized, cli("purge"), final=True),
    Scenario("moves", _tangled, _move),
    Scenario("undo", _aside, cli("undo", "1")),
    Scenario("undo moves", _moved, cli("undo")),
    Scenario("recover", _broken_off(_grown, cli("split", "--threads", "1")), cli("recover"), undoable=False),
    Scenario("recover moves", _broken_off(_tangled, _move), cli("recover"), undoable=False),
)
"""Every changing verb, by one line. What is not undoable must end where the broken operation began."""

METHODS = {
    "no-replace": (),
    "link": (Injection("renameat2", 1, "error=EINVAL", for_ever=True),),
    "checked": (
        Injection("renameat2", 1, "error=EINVAL", for_ever=True),
        Injection("link", 1, "error=EPERM", for_ever=True),
        Injection("linkat", 1, "error=EPERM", for_ever=True),
    ),
}
"""How the file system lets files be renamed: what it must refuse so that imgstage takes each way."""
