"""Real mounts: the whole life, swaps, changes of case and SIGKILL on file systems that differ in what they offer."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from proof.mounts import FILE_SYSTEMS, FULL, Disk, disk_of

from imgstage import Dataset
from imgstage.index import scan
from imgstage.journal import Journal, steps
from imgstage.journal.records import Records
from imgstage.journal.system import probe
from imgstage.plan import Move, Plan, Report, arrange

from ..helpers import Entry, names, picture, snapshot, write, write_pairs
from .plans import PowerCutError, identity, make_plan, make_root
from .test_faults import COMMAND, STRACE, contents, images, make, traced

if TYPE_CHECKING:
    from collections.abc import Iterator

_KILLS = 3


OUTLIVING = [kind for kind in FILE_SYSTEMS if kind.make]
"""Those whose files are still there at the next mount."""


@pytest.fixture(scope="module", params=FILE_SYSTEMS, ids=lambda kind: kind.name)
def disk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    with disk_of(request.param, tmp_path_factory.mktemp(request.param.name)) as made:
        yield made


@pytest.fixture
def place(disk: Disk, request: pytest.FixtureRequest) -> Path:
    """A folder on the disk for one test."""
    folder: Path = disk.path / request.node.originalname
    folder.mkdir()
    return folder


def test_the_probe_picks_what_the_file_system_offers(disk: Disk, place: Path) -> None:
    assert probe(str(place)) is disk.kind.method
    assert not list(place.iterdir())


def files(tree: dict[str, Entry | int]) -> dict[str, Entry]:
    return {path: entry for path, entry in tree.items() if isinstance(entry, tuple)}


def test_the_whole_life_ends_where_it_began(disk: Disk, place: Path, tmp_path: Path) -> None:
    write_pairs(tmp_path / "photos", range(1, 13))
    write_pairs(tmp_path / "photos/Night", range(13, 16))
    write(tmp_path / "photos/github_01.json", b"{}")
    write_pairs(tmp_path / "more", range(20, 24))
    dataset = Dataset.create(place / "data")
    root = dataset.root.path
    trees = [snapshot(root)]
    dataset.add(tmp_path / "photos")
    trees.append(snapshot(root))
    added, wanted = files(trees[-1]), files(snapshot(tmp_path / "photos"))
    assert {path.removeprefix("stage_data/") for path in added} == {disk.listed(path) for path in wanted}
    for path, (content, mtime, mode) in wanted.items():
        now = added[f"stage_data/{disk.listed(path)}"]
        assert now[0] == content
        assert mtime - disk.kind.grain_ns < now[1] <= mtime
        assert now[2] == mode or not disk.kind.keeps_modes
    assert dataset.status().samples["stage_data"] == 15
    dataset.split()
    trees.append(snapshot(root))
    earlier = {sample.id: sample.place for sample in dataset.samples}
    assert set(earlier.values()) == {"train", "val", "test"}
    dataset.add(tmp_path / "more")
    trees.append(snapshot(root))
    dataset.split()
    trees.append(snapshot(root))
    later = {sample.id: sample.place for sample in dataset.samples}
    assert len(later) == 19
    assert {sample: later[sample] for sample in earlier} == earlier
    dataset.unsplit()
    trees.append(snapshot(root))
    assert names(root, "train") | names(root, "val") | names(root, "test") == set()
    dataset.split()
    assert {sample.id: sample.place for sample in dataset.samples} == later
    assert not dataset.status().report.held
    last = snapshot(root)
    assert files(last).keys() == files(trees[-2]).keys()
    for number in range(6, 0, -1):
        undone = dataset.undo(number)
        assert snapshot(root) == trees[number - 1], number
        assert undone is not None
        dataset.undo()  # the undo itself
        assert snapshot(root) == last, number
    dataset.undo(1)
    assert snapshot(root) == trees[0]


def crossed(journal: Journal) -> Plan:
    """A swap in which each file takes the other's name in another case, and a ring of three."""
    root = Path(journal.root)
    wishes = {
        "stage_data/A.jpg": "stage_data/b.jpg",
        "stage_data/B.jpg": "stage_data/a.jpg",
        "stage_data/one.jpg": "stage_data/Two.jpg",
        "stage_data/two.jpg": "stage_data/Three.jpg",
        "stage_data/three.jpg": "stage_data/One.jpg",
    }
    moves = [Move(source, target, identity(root / source)) for source, target in wishes.items()]
    journeys, planned = arrange(journal.next_number(), moves, wishes, {"stage_data": 0o755}, {})
    return Plan("test", journal.next_number(), journeys, planned, (), Report())


@pytest.mark.parametrize("plan", [make_plan, crossed])
def test_swaps_and_changes_of_case_survive_death_at_any_step(
    disk: Disk, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, plan: Any
) -> None:
    root = disk.path / tmp_path_factory.mktemp("swap").name
    make_root(root)
    for name in ("A", "B", "one", "two", "three"):
        write(root / f"stage_data/{name}.jpg", name.encode() * 5)
    journal = Journal(root)
    before = snapshot(root)
    bytes_before = {entry[0] for entry in files(before).values()}
    real = steps.do
    for death in range(len(plan(journal).steps) + 1):
        left = death

        def die(*arguments: Any) -> None:
            nonlocal left
            if not left:
                raise PowerCutError
            left -= 1
            real(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr("imgstage.journal.engine.do", die)
            patch.setattr(Records, "write_end", die)
            with pytest.raises(PowerCutError):
                journal.apply(plan(journal))
        assert bytes_before <= contents(root), death
        assert journal.recover().operation == death + 1
        assert snapshot(root) == before, death
    journal.apply(plan(journal))
    after = snapshot(root)
    assert {path.casefold() for path in before} <= {path.casefold() for path in after} | {"stage_data/cats/0.jpg"}
    assert after != before
    if plan is crossed:
        assert after["stage_data/b.jpg"] == before[disk.listed("stage_data/A.jpg")]
        assert after[disk.listed("stage_data/One.jpg")] == before["stage_data/three.jpg"]
    journal.apply(journal.plan_undo())
    assert snapshot(root) == before
    journal.apply(journal.plan_undo())
    assert snapshot(root) == after


def test_a_killed_process_leaves_before_or_after(disk: Disk, place: Path) -> None:
    if STRACE is None:
        pytest.skip("strace is not on this machine")
    root = place / "data"
    make(root)
    before = snapshot(root)
    make(place / "whole/data")
    renames = {"no-replace": ("renameat2",), "link": ("linkat", "unlink"), "checked": ("rename",)}[disk.kind.method]
    traced(place / "whole/data", "split", "-e", f"trace={','.join(renames)}")
    calls = re.findall(r"^\d+ +(\w+)\(", (place / "whole/trace").read_text(), flags=re.MULTILINE)
    after = images(place / "whole/data")
    points = [(call, number) for call in renames for number in range(3, calls.count(call) + 1)]
    assert len(points) > 10
    points = random.Random(disk.kind.name).sample(points, len(points) if FULL else _KILLS)
    for call, number in points:
        killed = traced(root, "split", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}")
        assert killed.returncode != 0, (call, number)
        assert {entry[0] for entry in files(before).values()} <= contents(root), (call, number)
        recovered = subprocess.run([*COMMAND, str(root), "recover"], capture_output=True, text=True, check=False)
        assert (recovered.returncode, recovered.stderr) == (0, ""), (call, number)
        if "splits.csv" in snapshot(root):
            assert images(root) == after, (call, number)
            Dataset(root).undo()
        assert snapshot(root) == before, (call, number)


@pytest.mark.parametrize("disk", OUTLIVING, ids=lambda kind: kind.name, indirect=True)
def test_equal_sizes_and_times_are_not_mixed_up_when_inode_numbers_change(disk: Disk, tmp_path: Path) -> None:
    """Where inode numbers are given anew at each mount, a number may come to mean another file."""
    folder = disk.path / "remount"
    for number in range(6):
        write(folder / f"{number}.bmp", picture(number, "BMP"))
    disk.unmount()
    disk.mount()
    digests = {record.path: record.digest for record in scan(folder, cache=tmp_path / "cache/index.sqlite").files}
    assert len(set(digests.values())) == 6
    disk.unmount()
    disk.mount()
    for number in reversed(range(6)):
        (folder / f"{number}.bmp").stat()
    again = {record.path: record.digest for record in scan(folder, cache=tmp_path / "cache/index.sqlite").files}
    assert again == digests
