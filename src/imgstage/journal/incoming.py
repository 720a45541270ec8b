"""What waits in `incoming/`: new bytes, written before an operation starts, and what is left there when one dies."""

from __future__ import annotations

import os
import re
import time
from contextlib import closing
from threading import Lock
from typing import TYPE_CHECKING

from blake3 import blake3

from ..digests import digest_of
from ..errors import ChangedError, DefectError, RefusedError
from ..parallel import map_ordered
from ..plan import INCOMING, MADE, Identity, Job
from ..root import show
from .interrupts import InterruptedStepError
from .steps import Restored, keep_last_copies, lost_sources
from .system import copy_durable, is_same_file, sync_folder, write_durable

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from ..parallel import Progress
    from ..plan import Making, Plan, Preparation
    from .records import Records


_NOTES = f"{INCOMING}/{MADE}notes"
_OWN = re.compile(rf"\d{{6}}-|{MADE}|probe\.|[0-9a-f]{{32}}(\.part)?$")


class Incoming:
    """The folder `incoming/` of a root.

    Args:
        root: the root's folder.
        records: what the journal has written down.
        recover: the command that brings a root in order.
    """

    def __init__(self, root: str, records: Records, recover: str) -> None:
        self._root = root
        self._records = records
        self._recover = recover
        self._folder = os.path.join(root, INCOMING)

    def clear_for(self, plan: Plan) -> None:
        """Clear away what an earlier run left, but for what this plan can use.

        Raises:
            RefusedError: there are copies among it that are the last there is of a file.
        """
        wanted = {preparation.place for preparation in plan.preparations}
        wanted |= {_NOTES, *(job.place for job in plan.making.jobs)} if plan.making else set()
        self._refuse_to_lose_copies(wanted)
        self.clean_up(wanted)

    def prepare(
        self, preparations: tuple[Preparation, ...], watch: Progress, interrupted: Callable[[], bool]
    ) -> dict[str, int]:
        """Write the new bytes aside. What an earlier, interrupted run wrote is used again.

        Returns:
            The inode of each, by its place.
        """
        inodes: dict[str, int] = {}
        if preparations:
            watch.start("Copying", len(preparations))
            try:
                for preparation in preparations:
                    if interrupted():
                        raise InterruptedStepError
                    path = os.path.join(self._root, preparation.place)
                    if not self._is_prepared(path, preparation):
                        self._write(path, preparation)
                    inodes[preparation.place] = os.lstat(path).st_ino
                    watch.advance()
            except OSError:  # such as a full disk: the space goes back
                self._refuse_to_lose_copies()
                self.clean_up()
                raise
            finally:
                watch.finish()
            sync_folder(self._folder)
        return inodes

    @staticmethod
    def _is_prepared(path: str, preparation: Preparation) -> bool:
        wanted = preparation.identity
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return False
        found = (status.st_size, status.st_mtime_ns, status.st_mode & 0o7777)
        return found == (wanted.size, wanted.mtime_ns, wanted.mode) and digest_of(path) == wanted.digest

    @staticmethod
    def _write(path: str, preparation: Preparation) -> None:
        if preparation.source is None:
            write_durable(path, (preparation.content,), preparation.identity)
        elif copy_durable(str(preparation.source), path, preparation.identity) != preparation.identity.digest:
            os.unlink(path)
            problem = f"{show(str(preparation.source))} changed while it was copied"
            raise ChangedError(problem, "Wait until nobody writes there, then run the command again")

    def make(self, making: Making, watch: Progress, interrupted: Callable[[], bool], threads: int | None) -> Plan:
        """Make the new bytes that a plan needs, and finish the plan. What an earlier run made is used again.

        Raises:
            RefusedError: it was interrupted; what was made until then stays for the next run.
            OSError: such as a full disk; the space is free again.
        """
        made: dict[str, Identity] = {}
        failed: dict[str, str] = {}
        now_ns = time.time_ns()
        noted = self._noted()
        one_at_a_time = Lock()

        def one(job: Job) -> Identity | str:
            path = os.path.join(self._root, job.place)
            try:
                there = _there(path, noted.get(job.place, ""))
                if there is None:
                    there = _make(os.path.join(self._root, job.source), path, job, now_ns)
                    with one_at_a_time:
                        notes.write(f"{job.place} {there.digest}\n")
            except DefectError as error:
                return str(error)
            except MemoryError:
                return "there is not enough memory for it"
            return there

        watch.start(making.label, len(making.jobs))
        try:
            # Closed at once when this breaks off: nobody may still be writing when the lock is given up.
            with (
                making.setting(),
                open(os.path.join(self._root, _NOTES), "a", encoding="ascii", buffering=1) as notes,
                closing(map_ordered(one, making.jobs, threads, watch)) as results,
            ):
                for job, result in zip(making.jobs, results, strict=True):
                    if isinstance(result, Identity):
                        made[job.place] = result
                    else:
                        failed[job.place] = result
                    if interrupted():
                        problem = f"{making.label} was interrupted after {len(made):,} of {len(making.jobs):,} images"
                        raise RefusedError(problem, "Run the command again; it will use those that are made")
        except OSError:
            self.clean_up()
            raise
        finally:
            watch.finish()
        sync_folder(self._folder)
        return making.finish(made, failed)

    def _noted(self) -> dict[str, str]:
        """The digest of each file that an earlier run made, by its place; what it could not note is made again."""
        try:
            with open(os.path.join(self._root, _NOTES), encoding="ascii", errors="replace") as notes:
                return {place: digest for place, _, digest in (line.rstrip("\n").partition(" ") for line in notes)}
        except FileNotFoundError:
            return {}

    def _refuse_to_lose_copies(self, wanted: Container[str] = ()) -> None:
        begun = self._records.copies()
        if begun is not None and lost_sources(self._root, begun, wanted):
            problem = f"An {begun.verb} stopped while it copied, and sources of its copies are gone or were changed"
            raise RefusedError(problem, f"To keep the copies, run: {self._recover}")

    def keep_copies_without_plan(self) -> tuple[str, Restored] | None:
        """Of an operation that died while it copied, nothing moved; but its copies may be the last there are.

        Returns:
            Its verb, and what became of them; None when there are none to keep.
        """
        begun = self._records.copies()
        if begun is None or not lost_sources(self._root, begun):
            return None
        return begun.verb, keep_last_copies(self._root, begun)

    def clean_up(self, keep: Container[str] = (), *, keep_made: bool = False) -> None:
        """Clear away what is not needed any more; that it is still there would harm nothing.

        Args:
            keep: places that are needed.
            keep_made: leave what was made anew for the next run of what was interrupted.
        """
        try:
            for name in os.listdir(self._folder):
                # what is not called as imgstage calls its own may be anybody's, and an original that was left out on
                # its way is never a leftover
                kept = f"{INCOMING}/{name}" in keep or (keep_made and name.startswith(MADE))
                if _OWN.match(name) and not kept:
                    os.unlink(os.path.join(self._folder, name))
            self._records.clean((".part",) if keep else (".part", ".copies"))
        except OSError:
            return


def _there(path: str, digest: str) -> Identity | None:
    """What an interrupted run made, if it is still as that noted."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if digest_of(path) != digest:
        return None
    return Identity(status.st_size, status.st_mtime_ns, status.st_mode & 0o7777, digest, status.st_ino)


def _make(source: str, path: str, job: Job, now_ns: int) -> Identity:
    with open(source, "rb") as stream:
        data = stream.read()
    if not is_same_file(source, job.identity) and blake3(data).hexdigest() != job.identity.digest:
        problem = f"{show(job.source)} changed since it was looked at"
        raise ChangedError(problem, "Run the command again; it will look anew")
    content = job.make(data)
    wanted = Identity(len(content), now_ns, job.identity.mode, blake3(content).hexdigest())
    write_durable(path, (content,), wanted)
    return wanted._replace(inode=os.lstat(path).st_ino)
