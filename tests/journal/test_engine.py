"""Apply, roll back, recover: exactly before or exactly after, whatever happens."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from imgstage.errors import BrokenOffError, ChangedError, DestinationError, PendingError, RefusedError
from imgstage.journal import Journal, State, preflight, steps, system
from imgstage.journal.records import Records
from imgstage.journal.system import RenameMethod
from imgstage.plan import Identity, Move, Plan, Preparation, Report, arrange, vault_place

from ..helpers import dying_at, snapshot, write


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


@pytest.fixture(params=RenameMethod)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    make_root(tmp_path)
    return Journal(tmp_path, request.param)


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


class PowerCutError(BaseException):
    """The process is gone: nothing more runs."""


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


def test_ctrl_c_finishes_the_step_and_rolls_back(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(Path(journal.root))
    real = steps.do

    def press(*arguments: Any) -> None:
        real(*arguments)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("imgstage.journal.engine.do", press)
    with pytest.raises(RefusedError, match="interrupted"):
        journal.apply(make_plan(journal))
    assert snapshot(Path(journal.root)) == before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_leaves_it_to_recover(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(Path(journal.root))

    def press(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("imgstage.journal.engine.do", press)
    with pytest.raises(BrokenOffError, match="recover"):
        journal.apply(make_plan(journal))
    monkeypatch.undo()
    journal.recover()
    assert snapshot(Path(journal.root)) == before


def test_a_second_ctrl_c_after_the_commit_comes_too_late(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in ((Records, "write_end"), (Journal, "_clean_up")):
        real = getattr(owner, name)

        def press(*arguments: Any, real: Any = real, **named: Any) -> None:
            real(*arguments, **named)
            if journal.records.states() == {1: State.DONE}:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(owner, name, press)
    done = journal.apply(make_plan(journal))
    assert done is not None
    assert done.state is State.DONE


def test_a_second_ctrl_c_in_recover_leaves_it_to_recover(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(Path(journal.root))
    with dying_at(Records, "write_end"):
        journal.apply(make_plan(journal))

    def press(*_: object, times: int) -> None:
        for _number in range(times):
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(steps, "sync", partial(press, times=2))
        with pytest.raises(BrokenOffError, match=r"interrupted twice.*recover"):
            journal.recover()
    assert journal.pending() == 1
    with monkeypatch.context() as patch:
        patch.setattr(steps, "sync", partial(press, times=1))
        journal.recover()
    assert snapshot(Path(journal.root)) == before


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
    with pytest.raises(BrokenOffError, match="another version of imgstage"):
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


def break_off(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave an operation pending with all of its steps done."""

    def die(*_: object) -> None:
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(Records, "write_end", die)
        with pytest.raises(PowerCutError):
            journal.apply(make_plan(journal))


def test_recover_touches_nothing_while_a_file_is_at_none_of_its_places(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = snapshot(tmp_path)
    break_off(journal, monkeypatch)
    (tmp_path / "train/cats/0.jpg").rename(tmp_path / "elsewhere.jpg")
    broken = snapshot(tmp_path)
    with pytest.raises(BrokenOffError, match=r"stage_data/cats/0\.jpg"):
        journal.recover()
    assert snapshot(tmp_path) == broken
    (tmp_path / "elsewhere.jpg").rename(tmp_path / "train/cats/0.jpg")
    journal.recover()
    assert snapshot(tmp_path) == before


def test_recover_can_leave_out_what_is_gone_or_was_changed(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = snapshot(tmp_path)
    break_off(journal, monkeypatch)
    (tmp_path / "train/cats/0.jpg").unlink()
    write(tmp_path / "stage_data/cats/2.jpg", b"retouched")
    with pytest.raises(BrokenOffError, match="--without-missing"):
        journal.recover()
    with pytest.raises(BrokenOffError, match="old name"):
        journal.recover(without_missing=True)  # the retouched one lies where another one must go
    (tmp_path / "stage_data/cats/2.jpg").rename(tmp_path / "mine.jpg")
    journal.recover(without_missing=True)
    del before["stage_data/cats/0.jpg"], before["stage_data/cats/1.jpg"]
    after = snapshot(tmp_path)
    assert (tmp_path / "mine.jpg").read_bytes() == b"retouched"
    del after["mine.jpg"]
    assert after == before


def test_recover_never_writes_over_a_new_file(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = snapshot(tmp_path)
    break_off(journal, monkeypatch)
    new = write(tmp_path / "stage_data/cats/0.jpg", b"somebody's new picture")
    broken = snapshot(tmp_path)
    with pytest.raises(BrokenOffError, match="old name"):
        journal.recover()
    assert snapshot(tmp_path) == broken
    new.unlink()
    journal.recover()
    assert snapshot(tmp_path) == before


def test_a_rename_by_link_that_died_half_way_is_put_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_root(tmp_path)
    journal = Journal(tmp_path, RenameMethod.LINK)
    before = snapshot(tmp_path)
    real = os.unlink

    def die(path: str) -> None:
        if "cats" in str(path):
            raise PowerCutError
        real(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", die)
        with pytest.raises(PowerCutError):
            journal.apply(make_plan(journal))
    journal.recover()
    assert snapshot(tmp_path) == before


def test_a_damaged_plan_is_never_guessed_at(journal: Journal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    break_off(journal, monkeypatch)
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
    leftover = write(tmp_path / ".imgstage/incoming/0123", b"a copy")
    journal.recover()
    journal.apply(make_plan(journal))
    assert waiting.read_bytes() == b"an original"
    assert not leftover.exists()


def test_last_copies_are_durable_before_the_end_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After that, the copies in `incoming/` are cleared away."""
    journal = Journal(tmp_path)
    journal.create()
    source = write(tmp_path / "card/x.jpg", b"picture")
    place = ".imgstage/incoming/0123"
    prepared = Preparation(place, identity(source)._replace(inode=0), source=source)
    journeys, planned = arrange(1, [Move(place, "stage_data/x.jpg", prepared.identity)], (), {"stage_data": 0o755}, {})

    def die(*_: object) -> None:
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(Records, "write_end", die)
        with pytest.raises(PowerCutError):
            journal.apply(Plan("add", 1, journeys, planned, (prepared,), Report()))
    source.unlink()
    seen: list[str] = []

    def watch(module: Any, name: str, word: str = "") -> None:
        real = getattr(module, name)

        def watched(*arguments: Any) -> None:
            seen.append(word or str(arguments[0]))
            real(*arguments)

        monkeypatch.setattr(module, name, watched)

    watch(steps, "sync_folder")
    watch(system, "sync_folder")
    watch(Records, "write_end", "end")
    assert journal.recover().restored.kept == 1
    vault = f"{tmp_path}/.imgstage/vault"
    assert seen.index(vault) < seen.index(f"{vault}/000001") < seen.index("end")


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


def test_recover_by_link_never_takes_away_a_new_file_under_the_old_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The original has a second name of the user's own, so the number of its names tells nothing."""
    make_root(tmp_path)
    os.link(tmp_path / "stage_data/cats/0.jpg", tmp_path / "mine.jpg")
    journal = Journal(tmp_path, RenameMethod.LINK)
    break_off(journal, monkeypatch)
    new = write(tmp_path / "stage_data/cats/0.jpg", b"saved meanwhile")
    with pytest.raises(BrokenOffError, match="a new file has the old name"):
        journal.recover()
    assert new.read_bytes() == b"saved meanwhile"
