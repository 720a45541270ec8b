"""The journal of one root: lock, prepare, write the intent down, go step by step, commit; or go back."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from ..errors import (
    BrokenOffError,
    ChangedError,
    DestinationError,
    ImgstageError,
    PendingError,
    UsageError,
)
from ..parallel import Progress, Silent
from ..plan import INCOMING, VAULT, Plan, Report
from ..root import LEDGER, STAGE, STATE
from .incoming import Incoming
from .interrupts import InterruptedStepError, quietly_interruptible, reported
from .preflight import check, refuse_links
from .purge import discard, plan_purge
from .records import PlanRecord, Records, State, only_looking
from .steps import Restored, do, go_back, sync
from .system import (
    RenameMethod,
    locked,
    make_folder,
    probe,
)
from .undo import Homes, plan_undo

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta


@dataclass(frozen=True)
class Operation:
    """A plan that was applied, or tried.

    Attributes:
        number: counts up from 1.
        verb: what it was.
        started: local time, ISO 8601.
        state: how it ended.
        files: how many files it moved.
        undoes: the operations it took back.
        report: what became of each file, of one that was applied just now.
    """

    number: int
    verb: str
    started: str
    state: State
    files: int
    undoes: tuple[int, ...]
    report: Report | None = None


@dataclass(frozen=True)
class Recovery:
    """What `recover` found and did.

    Attributes:
        operation: the number of the operation that was taken back; None when none was pending.
        verb: what it was.
        restored: what became of its files.
    """

    operation: int | None = None
    verb: str = ""
    restored: Restored = field(default_factory=Restored)


class Journal:
    """The journal of the root at `path`.

    Args:
        path: the root's folder.
        method: how to rename; None finds out by trying.
    """

    def __init__(self, path: str | os.PathLike[str], method: RenameMethod | None = None) -> None:
        self.root = os.fspath(path)
        self._method = method
        self._state = os.path.join(self.root, STATE)
        self.records = Records(os.path.join(self._state, "journal"))
        self._incoming = Incoming(self.root, self.records, self._command("recover"))

    # -- reading ------------------------------------------------------------------------------------------------------

    def next_number(self) -> int:
        """The number the next operation will have; one whose plan was deleted may still have files in the vault."""
        try:
            names = os.listdir(os.path.join(self.root, VAULT))
            kept = [int(name) for name in names if name.isascii() and name.isdigit()]
        except OSError:
            kept = []
        return max((*self.records.states(), *kept), default=0) + 1

    def pending(self) -> int | None:
        """The operation that broke off, if one did."""
        return next((number for number, state in self.records.states().items() if state is State.PENDING), None)

    def refuse_if_pending(self) -> None:
        """Refuse to plan anything while an operation waits for recovery.

        Raises:
            PendingError: there is one.
        """
        number = self.pending()
        if number is not None:
            problem = f"Operation {number} in {self.root} broke off before it was done"
            raise PendingError(problem, f"Run: {self._command('recover')}")

    def log(self) -> list[Operation]:
        """Every operation, oldest first."""
        return [self._operation(number, state) for number, state in self.records.states().items()]

    def last(self) -> Operation | None:
        """The last operation that was done, if one was."""
        done = [number for number, state in self.records.states().items() if state is State.DONE]
        return self._operation(done[-1], State.DONE) if done else None

    def _operation(self, number: int, state: State) -> Operation:
        try:
            head = self.records.head(number)
        except BrokenOffError:  # a damaged file must not hide the others
            return Operation(number, "(damaged)", "", state, 0, ())
        return Operation(number, head.verb, head.started, state, head.files, head.undoes)

    def _command(self, *words: str) -> str:
        return shlex.join(("imgstage", "-C", self.root, *words))

    def last_written(self) -> dict[str, str]:
        """Of imgstage's own text files, the digest of what the operations left last; empty where they took it away."""
        tables: dict[str, str] = {}
        before: dict[int, dict[str, str]] = {}
        for number, state in self.records.states().items():
            if state is State.DONE:
                before[number] = tables
                try:
                    head = self.records.head(number)
                    first = min(head.undoes, default=0)  # what was undone was never written
                    tables = before.get(first, {**tables, **head.tables})
                except BrokenOffError:  # a damaged file must not hide the others; what it wrote is unknown
                    tables = {**tables, LEDGER: "unknown"}
        return tables

    def plan_undo(self, since: int | None = None, homes: Homes | None = None, *, without_missing: bool = False) -> Plan:
        """Plan to take back operation `since` and everything after it; None means only the last operation.

        Raises:
            UsageError: there is no such operation, or nothing to undo.
            ChangedError: files are gone or were edited in a way that undoing would hide.
            DestinationError: an old name is taken by now.
        """
        self.refuse_if_pending()
        done = [number for number, state in self.records.states().items() if state is State.DONE]
        if not done:
            problem = f"Nothing was done in {self.root} yet, so there is nothing to undo"
            if self.next_number() > 1:
                problem = f"The journal of {self.root} is gone or holds no finished operation, so nothing can be undone"
            raise UsageError(problem, f"See: {self._command('log')}")
        if since is not None and since not in done:
            problem = f"Operation {since} was never done in {self.root}"
            raise UsageError(problem, f"Choose a number that is listed by: {self._command('log')}")
        numbers = [number for number in reversed(done) if number >= (since or done[-1])]
        with only_looking():
            records = [self.records.read(number) for number in numbers]
        if all(record.discards for record in records):
            problem = f"Operation {numbers[0]} (purge) cannot be undone: what it freed is gone for good"
            earlier = [number for number in done if number < numbers[-1]]
            before = f"; what came before it: {self._command('undo', str(earlier[-1]))}" if earlier else ""
            raise UsageError(problem, f"See what was done: {self._command('log')}{before}")
        return plan_undo(self.root, records, self.next_number(), homes or {}, without_missing=without_missing)

    def plan_purge(self, older_than: timedelta | None = None) -> Plan:
        """Plan to empty the vault; see `purge`."""
        self.refuse_if_pending()
        with only_looking():
            return plan_purge(self.root, self.records, self.next_number(), older_than)

    # -- changing -----------------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make the folders of a root; what is there already stays.

        Raises:
            DestinationError: they cannot be made.
        """
        try:
            for name in (STAGE, STATE):
                make_folder(os.path.abspath(os.path.join(self.root, name)))
        except OSError as error:
            problem = f"{error.filename or self.root} cannot be made a root ({error.strerror})"
            raise DestinationError(problem, "Choose a folder that can be written") from error
        self._open()

    def _open(self) -> None:
        own = [self._state, *(os.path.join(self._state, name) for name in ("journal", "vault", "incoming"))]
        refuse_links(own)
        try:
            for folder in own:
                make_folder(os.path.abspath(folder))
        except OSError as error:
            problem = f"{error.filename or self._state} cannot be written ({error.strerror})"
            raise DestinationError(problem, "Allow writing there, then run the command again") from error

    def apply(self, plan: Plan, progress: Progress | None = None, threads: int | None = None) -> Operation | None:
        """Do what a plan says, whole or not at all.

        Args:
            plan: made for the state the root is in.
            progress: told of each file that is written and each step.
            threads: how many files to make at once; None means one for each core.

        Returns:
            The operation; None when the plan was empty.

        Raises:
            RefusedError: it could not be done, or was interrupted; all is as before.
            BrokenOffError: it could not even be taken back; `recover` will.
        """
        if plan.is_empty:
            return None
        watch = progress or Silent()
        self._open()
        with locked(os.path.join(self._state, "lock")):
            self.refuse_if_pending()
            if self.next_number() != plan.operation:
                problem = f"Another operation came between the plan and its start in {self.root}"
                raise ChangedError(problem, "Run the command again; it will look anew")
            with reported(plan.verb), quietly_interruptible() as interrupted:
                with suppress(BrokenOffError):  # it harms nothing that they are still there
                    self._finish_purges()
                self._incoming.clear_for(plan)
                check(self.root, plan)
                if plan.making is not None:
                    plan = self._incoming.make(plan.making, watch, interrupted, threads)
                    check(self.root, plan)
                method = self._method or probe(os.path.join(self.root, INCOMING))
                started = datetime.now().astimezone().isoformat(timespec="seconds")
                if any(preparation.source for preparation in plan.preparations):
                    self.records.write_copies(PlanRecord.of(plan, {}, started))
                inodes = self._incoming.prepare(plan.preparations, watch, interrupted)
                self._make_vault(plan)
                record = PlanRecord.of(plan, inodes, started)
                if plan.discards:
                    self.records.note_discards(plan.operation)
                self._run(record, method, watch, interrupted)
                with suppress(KeyboardInterrupt):  # it is done, whatever comes
                    if plan.discards:
                        self._finish_purges()
                    self._incoming.clean_up()
        head = record.head
        return Operation(head.number, head.verb, head.started, State.DONE, head.files, head.undoes, plan.report)

    def recover(self, progress: Progress | None = None, *, without_missing: bool = False) -> Recovery:
        """Take back the operation that broke off; when none did, only clear away leftovers.

        Args:
            progress: told of each step.
            without_missing: leave out files that are gone or were changed since; they stay where they are.

        Raises:
            BrokenOffError: a file is at none of its places, or has unexpected bytes; nothing was touched.
        """
        if not os.path.lexists(self.records.folder if os.path.isdir(self._state) else self._state):
            return Recovery()
        watch = progress or Silent()
        self._open()
        with locked(os.path.join(self._state, "lock")), quietly_interruptible():
            number = self.pending()
            try:
                if number is None:
                    kept = self._incoming.keep_copies_without_plan()
                    result = Recovery(None, *kept) if kept else Recovery()
                else:
                    record = self.records.read(number)
                    method = self._method or probe(os.path.join(self.root, INCOMING))
                    restored = go_back(self.root, self.records, record, method, watch, without_missing=without_missing)
                    result = Recovery(number, record.verb, restored)
            except (OSError, KeyboardInterrupt) as error:
                what = f"Operation {number} could not be taken back" if number else "The last copies could not be kept"
                problem = f"{what} yet ({str(error) or 'interrupted twice'})"
                raise BrokenOffError(problem, f"Mend that, then run: {self._command('recover')}") from error
            self._finish_purges()
            self._incoming.clean_up(keep_made=number is None)
        return result

    def _finish_purges(self) -> None:
        """Unlink what is left of what a purge gave up; of one that did not come to its commit, everything stays.

        Raises:
            BrokenOffError: it cannot be unlinked, and is no use any more.
        """
        try:
            for number in self.records.noted_discards():
                if self.records.has(number, State.DONE):
                    discard(self.root, self.records, number)
                else:
                    self.records.forget_discards(number)
        except OSError as error:
            problem = f"What a purge gave up cannot all be unlinked from {self._state}/vault ({error.strerror})"
            raise BrokenOffError(problem, f"Mend that, then run: {self._command('recover')}") from error

    # -- one operation ------------------------------------------------------------------------------------------------

    def _make_vault(self, plan: Plan) -> None:
        folders = {journey.places[-1].rpartition("/")[0] for journey in plan.journeys}
        for folder in sorted(folders):
            if folder.startswith(f"{VAULT}/"):
                make_folder(os.path.join(self.root, folder))

    def _run(self, record: PlanRecord, method: RenameMethod, watch: Progress, interrupted: Callable[[], bool]) -> None:
        done = 0
        try:
            self.records.write_plan(record)
            watch.start("Moving", len(record.steps))
            try:
                for step in record.steps:
                    if interrupted():
                        raise InterruptedStepError
                    do(self.root, record, step, method)
                    done += 1
                    watch.advance()
            finally:
                watch.finish()
            sync(self.root, record)
            self.records.write_end(record.number, State.DONE)
        except KeyboardInterrupt:
            if self.records.has(record.number, State.DONE):
                return
            problem = f"Operation {record.number} was interrupted twice and left as it was"
            raise BrokenOffError(problem, f"Run: {self._command('recover')}") from None
        except (OSError, ImgstageError, InterruptedStepError) as reason:
            if not self.records.has_plan(record.number):  # the intent was not written down, so nothing was done
                raise
            if self.records.has(record.number, State.DONE):  # past the commit point nothing is taken back
                problem = f"Operation {record.number} is done, but the disk did not confirm it"
                raise BrokenOffError(problem, f"Check the disk, then run: {self._command('recover')}") from None
            # A step that failed may be half of a rename by link; the others say that they did not begin.
            begun = done if isinstance(reason, (ChangedError, InterruptedStepError)) else done + 1
            try:
                restored = go_back(self.root, self.records, record, method, Silent(), begun=begun)
            except (OSError, KeyboardInterrupt) as error:
                why = str(error) or "interrupted again"
                problem = f"Operation {record.number} broke off and could not be taken back ({why})"
                raise BrokenOffError(problem, f"When the disk is well, run: {self._command('recover')}") from error
            if restored.kept:
                self._incoming.clean_up()
                problem = f"{record.verb} was taken back ({reason}), but sources of its copies are gone or were changed"
                where = os.path.join(self.root, restored.vault)
                raise ChangedError(
                    problem, f"All {restored.kept} copies are kept in {where}: copy them out of there"
                ) from None
            raise
