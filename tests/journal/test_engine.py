"""Apply, roll back, recover: exactly before or exactly after, whatever happens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from imgstage.errors import BrokenOffError, ChangedError, DestinationError, PendingError
from imgstage.journal import Journal, State, preflight, steps
from imgstage.journal.records import Records
from imgstage.plan import Identity, Move, Plan, Preparation, Report, arrange

from ..helpers import snapshot, write
from .plans import PowerCutError, break_off, make_plan, make_root


def test_apply_and_undo_and_undo_of_the_undo(journal: Journal) -> None:
    root = Path(journal.root)
    before = snapshot(root)
    operation = journal.apply(make_plan(journal))
    assert operation is not None
    assert operation.number == 1
    after = snapshot(root)
    assert after["train/cats/0.jpg"] == before["stage_data/cats/0.jpg"]
    assert after["stage_data/cats/1.jpg"] == before["stage_data/cats/2.jpg"]
    assert after["stage_data/cats/3.JPG"] == before["stage_data/cats/3.jpg"]
    assert after["table.csv"] == (b"new table", 1_700_000_000_000_000_000, 0o644)
    assert after["train/cats/"] == 0o750
    journal.apply(journal.plan_undo())
    assert snapshot(root) == before
    journal.apply(journal.plan_undo())
    assert snapshot(root) == after
    journal.apply(journal.plan_undo(1))
    assert snapshot(root) == before
    assert [entry.state for entry in journal.log()] == [State.DONE] * 4


def test_death_at_any_step_leaves_a_state_that_recover_puts_right(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(journal.root)
    before = snapshot(root)
    digests = {entry[0] for entry in before.values() if isinstance(entry, tuple)}
    total = len(make_plan(journal).steps)
    real = steps.do
    for death in range(total + 1):
        done = 0

        def die(*arguments: Any, death: int = death) -> None:
            nonlocal done
            if done == death:
                raise PowerCutError
            done += 1
            real(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr("imgstage.journal.engine.do", die)
            if death == total:
                patch.setattr(Records, "write_end", die)
            with pytest.raises(PowerCutError):
                journal.apply(make_plan(journal))
        present = {path.read_bytes() for path in root.rglob("*") if path.is_file()}
        assert digests <= present
        with pytest.raises(PendingError, match="recover"):
            journal.apply(journal.plan_undo())
        recovery = journal.recover()
        assert recovery.operation == death + 1
        assert snapshot(root) == before
        assert journal.recover().operation is None


def test_a_failing_step_is_rolled_back_at_once(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(Path(journal.root))
    real = steps.do

    def fail(root: str, record: Any, step: Any, method: Any) -> None:
        if step == plan.steps[-1]:
            raise OSError(28, "No space left on device", "somewhere")
        real(root, record, step, method)

    plan = make_plan(journal)
    monkeypatch.setattr("imgstage.journal.engine.do", fail)
    with pytest.raises(DestinationError, match=r"somewhere.*No space.*Nothing was changed"):
        journal.apply(plan)
    assert snapshot(Path(journal.root)) == before
    assert journal.pending() is None


def test_a_file_edited_before_its_turn_takes_all_back_and_stays_edited(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(journal.root)
    before = snapshot(root)
    last = root / "stage_data/cats/3.jpg"
    _edit_in_the_midst(last, monkeypatch)
    with pytest.raises(ChangedError, match=r"3\.jpg changed in the midst.*Nothing was changed"):
        journal.apply(make_plan(journal))
    monkeypatch.undo()
    assert journal.pending() is None
    (root / "as it was").unlink()
    after = snapshot(root)
    assert after.pop("stage_data/cats/3.jpg") == (b"edited in the midst", 1_600_000_000_000_000_123, 0o644)
    del before["stage_data/cats/3.jpg"]
    assert after == before


def test_a_file_edited_after_its_move_is_nobodys_to_move(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(journal.root)
    before = snapshot(root)
    moved = root / "train/cats/0.jpg"
    _edit_in_the_midst(moved, monkeypatch)
    monkeypatch.setattr("imgstage.journal.engine.sync", _fail)
    with pytest.raises(BrokenOffError, match=r"0\.jpg"):
        journal.apply(make_plan(journal))
    monkeypatch.undo()
    assert journal.pending(), "whose bytes are unexpected is nobody's to move: the rest waits for the user"
    moved.write_bytes((root / "as it was").read_bytes())
    (root / "as it was").unlink()
    journal.recover()
    assert {path: entry for path, entry in snapshot(root).items() if "0.jpg" not in path} == {
        path: entry for path, entry in before.items() if "0.jpg" not in path
    }


def _edit_in_the_midst(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write into a file as soon as it lies at a path and another step begins; what it held is kept beside."""
    real = steps.do

    def edit(root: str, *arguments: Any) -> None:
        if path.exists() and path.read_bytes() != b"edited in the midst":
            write(Path(root) / "as it was", path.read_bytes())
            write(path, b"edited in the midst")
        real(root, *arguments)

    monkeypatch.setattr("imgstage.journal.engine.do", edit)


def _fail(*_: object) -> None:
    raise OSError(5, "Input/output error", "somewhere")


def test_past_the_commit_nothing_is_taken_back(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Records.write_end

    def fail(self: Records, number: int, state: State) -> None:
        real(self, number, state)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Records, "write_end", fail)
    with pytest.raises(BrokenOffError, match="is done, but"):
        journal.apply(make_plan(journal))
    assert (Path(journal.root) / "train/cats/0.jpg").exists()
    assert journal.pending() is None


def test_what_an_interrupted_run_prepared_is_used_again(journal: Journal) -> None:
    plan = make_plan(journal)
    place = Path(journal.root) / plan.preparations[0].place
    wanted = plan.preparations[0].identity
    place.parent.mkdir(parents=True)
    write(place, b"new table", wanted.mtime_ns // 10**9, 0o644)
    os.utime(place, ns=(wanted.mtime_ns, wanted.mtime_ns))
    inode = place.stat().st_ino
    journal.apply(plan)
    assert (Path(journal.root) / "table.csv").stat().st_ino == inode


def test_a_file_that_changed_since_the_plan_refuses_all_of_it(journal: Journal) -> None:
    plan = make_plan(journal)
    edited = Path(journal.root) / "stage_data/cats/1.jpg"
    edited.write_bytes(b"edited")
    before = snapshot(Path(journal.root))
    with pytest.raises(ChangedError, match=r"1\.jpg"):
        journal.apply(plan)
    assert snapshot(Path(journal.root)) == before


def test_a_name_taken_since_the_plan_refuses_all_of_it(journal: Journal) -> None:
    plan = make_plan(journal)
    write(Path(journal.root) / "train/cats/0.jpg", b"in the way")
    before = snapshot(Path(journal.root))
    with pytest.raises(DestinationError, match=r"The names train/cats/0\.jpg are taken"):
        journal.apply(plan)
    assert snapshot(Path(journal.root)) == before


def test_a_plan_is_good_for_one_time(journal: Journal) -> None:
    plan = make_plan(journal)
    journal.apply(plan)
    with pytest.raises(ChangedError, match="Another operation"):
        journal.apply(plan)


def test_a_journal_that_was_deleted_never_takes_a_place_in_the_vault_twice(journal: Journal) -> None:
    journal.apply(make_plan(journal))
    journal.apply(journal.plan_undo())
    used = journal.next_number() - 1
    for path in (Path(journal.root) / ".imgstage/journal").iterdir():
        path.unlink()
    assert (Path(journal.root) / f".imgstage/vault/{used:06d}").is_dir()
    assert journal.next_number() == used + 1


def test_a_plan_of_another_format_is_not_called_damaged(journal: Journal) -> None:
    journal.apply(make_plan(journal))
    (plan,) = (Path(journal.root) / ".imgstage/journal").glob("*.plan")
    first, rest = plan.read_bytes().split(b"\n", 1)
    plan.write_bytes(first.replace(b":3", b":4") + b"\n" + rest)
    with pytest.raises(ChangedError, match="another version of imgstage"):
        journal.plan_undo()


def test_success_is_told_though_the_journal_cannot_be_read_any_more(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the commit point, nothing may fail with the words that nothing was changed."""
    plan = make_plan(journal)
    real = Records.write_end

    def close(self: Records, number: int, state: State) -> None:
        real(self, number, state)
        monkeypatch.setattr(Records, "states", _unreadable)

    monkeypatch.setattr(Records, "write_end", close)
    operation = journal.apply(plan)
    assert operation is not None
    assert (operation.verb, operation.state) == ("test", State.DONE)


def test_a_failing_step_is_rolled_back_though_no_folder_can_be_listed(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(Path(journal.root))

    def fail(*_: object) -> None:
        monkeypatch.setattr(Records, "states", _unreadable)
        raise OSError(5, "Input/output error", "somewhere")

    monkeypatch.setattr("imgstage.journal.engine.sync", fail)
    with pytest.raises(DestinationError, match="everything is back"):
        journal.apply(make_plan(journal))
    monkeypatch.undo()
    assert snapshot(Path(journal.root)) == before
    assert journal.pending() is None


def _unreadable(_: Records) -> None:
    problem = "the journal cannot be read"
    raise DestinationError(problem, "Wait")


def test_a_folder_that_is_a_link_out_of_the_root_is_refused(
    journal: Journal, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (Path(journal.root) / "train").symlink_to(outside)
    with pytest.raises(DestinationError, match="symbolic link"):
        journal.apply(make_plan(journal))
    assert not list(outside.iterdir())


def test_a_damaged_plan_is_never_guessed_at(journal: Journal, tmp_path: Path) -> None:
    break_off(journal)
    plan = tmp_path / ".imgstage/journal/000001.plan"
    plan.write_bytes(plan.read_bytes().replace(b"cats/0", b"cats/9", 1))
    broken = snapshot(tmp_path)
    with pytest.raises(BrokenOffError, match="damaged"):
        journal.recover()
    assert snapshot(tmp_path) == broken
    assert [(entry.number, entry.verb) for entry in journal.log()] == [(1, "test")], "the log reads heads only"
    plan.write_bytes(plan.read_bytes().replace(b'"verb"', b'"bers"', 1))
    assert [(entry.number, entry.verb) for entry in journal.log()] == [(1, "(damaged)")]


def test_a_full_disk_is_told_with_both_figures(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs

    class Full:
        def __init__(self, path: str) -> None:
            self.f_frsize = real(path).f_frsize
            self.f_bavail, self.f_files, self.f_favail = 1, 0, 0

    monkeypatch.setattr(os, "statvfs", Full)
    with pytest.raises(DestinationError, match=r"0\.0 MB free, and test needs 0\.1 MB"):
        journal.apply(make_plan(journal))


@pytest.mark.parametrize("free", [0, -1])
def test_small_files_are_counted_in_whole_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """A file of one byte takes a block: so much must be free, and no byte less."""
    journal = Journal(tmp_path)
    journal.create()
    one = Identity(1, 1_700_000_000_000_000_000, 0o644, blake3(b"x").hexdigest())
    places = [f".imgstage/incoming/{number}" for number in range(50)]
    prepared = tuple(Preparation(place, one, content=b"x") for place in places)
    moves = [Move(place, f"stage_data/{number}.txt", one) for number, place in enumerate(places)]
    journeys, planned = arrange(1, moves, (), {"stage_data": 0o755}, {})
    needed = 50 * 65_536 + preflight._RECORD_BYTES * 50 + preflight._SPARE_BYTES

    class Tight:
        f_frsize, f_files, f_favail = 65_536, 0, 0
        f_bavail = needed / 65_536 + free / 65_536

    monkeypatch.setattr(os, "statvfs", lambda _: Tight)
    plan = Plan("test", 1, journeys, planned, prepared, Report())
    if free:
        with pytest.raises(DestinationError, match="MB free"):
            journal.apply(plan)
    else:
        journal.apply(plan)


def test_an_original_that_waits_in_incoming_is_never_a_leftover(tmp_path: Path) -> None:
    """`recover --without-missing` may leave a file of a swap where it was on its way."""
    make_root(tmp_path)
    journal = Journal(tmp_path)
    journal.create()
    waiting = write(tmp_path / ".imgstage/incoming/hop-000099-000003", b"an original")
    leftover = write(tmp_path / f".imgstage/incoming/{'0' * 32}", b"a copy")
    foreign = write(tmp_path / ".imgstage/incoming/x.jpg", b"whose is it")
    journal.recover()
    journal.apply(make_plan(journal))
    assert waiting.read_bytes() == b"an original"
    assert not leftover.exists()
    assert foreign.read_bytes() == b"whose is it"


def test_prepared_bytes_that_rotted_are_not_used_again(journal: Journal) -> None:
    """Size, time and mode are right; only the bytes tell."""
    plan = make_plan(journal)
    place = Path(journal.root) / plan.preparations[0].place
    wanted = plan.preparations[0].identity
    place.parent.mkdir(parents=True)
    write(place, b"new tab1e")
    os.utime(place, ns=(wanted.mtime_ns, wanted.mtime_ns))
    journal.apply(plan)
    assert (Path(journal.root) / "table.csv").read_bytes() == b"new table"
