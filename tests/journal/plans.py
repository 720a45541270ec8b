"""A small root, a plan with a move, a swap, a change of case and a table that is replaced, and how it breaks off."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from imgstage.journal.records import Records
from imgstage.plan import Identity, Move, Plan, Preparation, Report, arrange, vault_place

from ..helpers import dying_at, write

if TYPE_CHECKING:
    from imgstage.journal import Journal


def identity(path: Path) -> Identity:
    status = path.stat()
    return Identity(
        status.st_size,
        status.st_mtime_ns,
        status.st_mode & 0o7777,
        blake3(path.read_bytes()).hexdigest(),
        status.st_ino,
    )


def make_root(root: Path) -> None:
    for number in range(4):
        write(
            root / f"stage_data/cats/{number}.jpg",
            f"picture {number}".encode() * 9,
            1_400_000_000 + number,
            0o600 + number,
        )
    write(root / "table.csv", b"old", 1_300_000_000)


def make_plan(journal: Journal) -> Plan:
    """Moves into a new folder, a swap, a change of case, and a table that is replaced."""
    root = Path(journal.root)
    number = journal.next_number()
    content = b"new table"
    new = Identity(len(content), 1_700_000_000_000_000_000, 0o644, blake3(content).hexdigest())
    wishes = [
        ("stage_data/cats/0.jpg", "train/cats/0.jpg"),
        ("stage_data/cats/1.jpg", "stage_data/cats/2.jpg"),
        ("stage_data/cats/2.jpg", "stage_data/cats/1.jpg"),
        ("stage_data/cats/3.jpg", "stage_data/cats/3.JPG"),
        ("table.csv", vault_place(number, 0, "table.csv")),
    ]
    moves = [Move(source, target, identity(root / source)) for source, target in wishes]
    prepared = Preparation(".imgstage/incoming/new", new, content=content)
    moves.append(Move(prepared.place, "table.csv", new))
    folders = {"stage_data": 0o755, "stage_data/cats": 0o755}
    occupied = [source for source, _ in wishes]
    journeys, planned = arrange(number, moves, occupied, folders, {"train/cats": 0o750})
    return Plan("test", number, journeys, planned, (prepared,), Report())


class PowerCutError(BaseException):
    """The process is gone: nothing more runs."""


def break_off(journal: Journal) -> None:
    """Leave an operation pending with all of its steps done."""
    with dying_at(Records, "write_end"):
        journal.apply(make_plan(journal))
