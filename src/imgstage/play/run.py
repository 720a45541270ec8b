"""Pictures through a network: while it works on one, the next are decoded and the last ones written."""

from __future__ import annotations

import errno
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from blake3 import blake3

from ..errors import BrokenOffError, DefectError, DestinationError
from ..images import quiet_codecs
from ..journal.interrupts import quietly_interruptible
from ..parallel import default_threads
from ..plan import Note
from ..reasons import Why, because
from ..root import show
from . import preview
from .pixels import UnplayableError, read
from .store import EarlierError
from .tasks import Classes, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from ..parallel import Progress
    from .network import Network
    from .pixels import Source
    from .sources import Job
    from .store import Store
    from .tasks import Task


_OF_ONE_NAME = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EILSEQ, errno.EINVAL)


class Look(NamedTuple):
    """Which outcomes keep small pictures to look at.

    Attributes:
        most: how many.
        worst: the worst of them rather than the first.
    """

    most: int = 0
    worst: bool = False


@dataclass
class Run:
    """What came of all pictures.

    Attributes:
        outcomes: of those that went through, in their order.
        held: those that did not.
        seconds: from the first picture to the last.
        tiled: how many went through in tiles.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    held: list[Note] = field(default_factory=list)
    seconds: float = 0.0
    tiled: int = 0


class _Decoded(NamedTuple):
    """A picture that may go in; what it is to be compared with, and the result if an earlier run has made it."""

    job: Job
    made_of: str
    source: Source
    truth: bytes | None
    earlier: NDArray[Any] | None


class _InterruptedError(Exception):
    """Ctrl-C was pressed."""


class Player:
    """Runs a network over pictures.

    Args:
        network: is asked.
        task: what is made of its answers.
        store: where results go; None keeps none.
        look: which outcomes keep small pictures.
        progress: is told of each picture.
    """

    def __init__(
        self, network: Network, task: Task | Classes, store: Store | None, look: Look, progress: Progress
    ) -> None:
        self._network, self._task, self._store = network, task, store
        self._look, self._progress = look, progress
        self._how = network.signature.encode()
        self._interrupted: Callable[[], bool] = lambda: False
        self._run = Run()
        self._shown: list[Outcome] = []

    def play(self, jobs: Sequence[Job]) -> Run:
        """Run the network over pictures.

        Raises:
            BrokenOffError: it was interrupted, or a result could not be written; those that were stay.
        """
        run, self._shown = Run(), []
        self._run = run
        begin = time.perf_counter()
        self._progress.start("Playing", len(jobs))
        try:
            with quiet_codecs(), quietly_interruptible() as self._interrupted:
                try:
                    with closing(self._outcomes(jobs)) as outcomes:
                        for outcome in outcomes:
                            self._take(outcome)
                            self._progress.advance()
                finally:
                    if self._store is not None:
                        self._store.close()
        except _InterruptedError:
            problem = f"It was interrupted after {len(run.outcomes):,} of {len(jobs):,} pictures"
            if self._store is None:
                raise BrokenOffError(problem, "No results are kept of these; run the command again") from None
            problem += ", whose results stay"
            raise BrokenOffError(problem, "Run the command again to go on") from None
        except OSError as error:
            where = error.filename2 or error.filename
            at = f" {show(str(where))}" if where else ""
            problem = f"The result{at} cannot be written ({error.strerror}); what was written stays"
            raise BrokenOffError(problem, "Make room, or mend that, then run the command again to go on") from error
        finally:
            self._progress.finish()
        run.seconds = time.perf_counter() - begin
        return run

    def _take(self, outcome: Outcome | Note) -> None:
        if isinstance(outcome, Note):
            self._run.held.append(outcome)
            return
        self._run.outcomes.append(outcome)
        if outcome.shown:
            self._shown.append(outcome)
        if len(self._shown) > self._look.most:
            least = min(self._shown, key=lambda of: of.badness) if self._look.worst else outcome
            least.shown = {}
            self._shown.remove(least)

    def _outcomes(self, jobs: Sequence[Job]) -> Generator[Outcome | Note]:
        """What becomes of each, in their order."""
        threads = default_threads()
        finishing: deque[Future[Outcome | Note]] = deque()
        with (
            ThreadPoolExecutor(threads) as readers,
            ThreadPoolExecutor(threads) as writers,
            closing(_ahead(readers, self._decode, jobs, threads)) as decoded,
        ):
            try:
                for together in self._batches(decoded):
                    for one, parts in self._ask(together, writers):
                        finishing.append(writers.submit(self._finish, one, parts))
                    while len(finishing) > threads:
                        yield finishing.popleft().result()
                    self._stop_if_interrupted()
            except _InterruptedError:
                yield from (of.result() for of in finishing)  # what the network has done is worth being kept
                raise
            while finishing:
                yield finishing.popleft().result()

    def _stop_if_interrupted(self) -> None:
        if self._interrupted():
            raise _InterruptedError

    def _decode(self, job: Job) -> _Decoded | Note:
        try:
            if not job.file.is_file():
                return _note(job, Why.UNREADABLE, "it is gone, or no regular file")
            data = job.file.read_bytes()
            truth = job.truth.read_bytes() if job.truth is not None else None
        except OSError as error:
            return _note(job, Why.UNREADABLE, f"it cannot be read ({error.strerror})")
        made_of = blake3(self._how + data).hexdigest()[:32]
        try:
            earlier = self._store.earlier(job, made_of) if self._store is not None else None
            return _Decoded(job, made_of, read(data), truth, earlier)
        except EarlierError:
            return self._kept(job)
        except DestinationError as error:
            return _note(job, Why.UNFIT, error.problem)
        except OSError as error:
            return self._without_place(job, error)
        except UnplayableError as error:
            return _note(job, Why.UNFIT, str(error))
        except DefectError as error:
            return _note(job, Why.BROKEN, str(error))
        except MemoryError:
            return _note(job, Why.UNREADABLE, "there is not enough memory to decode it")

    def _without_place(self, job: Job, error: OSError) -> Note:
        """Of a picture whose result cannot have its name; what would keep all others from theirs is raised."""
        if error.errno not in _OF_ONE_NAME or self._store is None:
            raise error
        return _note(job, Why.UNFIT, f"its result cannot be called {self._store.name(job)} ({error.strerror})")

    def _kept(self, job: Job) -> Note:
        assert self._store is not None
        return _note(job, Why.EARLIER, f"a result of another model or picture has the name {self._store.name(job)}")

    def _batches(self, decoded: Iterable[_Decoded | Note]) -> Iterator[list[_Decoded | Note]]:
        """Those that go in together: of one size, whole, one after the other."""
        waiting: list[_Decoded | Note] = []
        shape: tuple[int, ...] | None = None
        for one in decoded:
            its = self._shape(one)
            if waiting and (its != shape or len(waiting) == self._network.batch):
                yield waiting
                waiting = []
            if its is None:
                yield [one]
            else:
                waiting.append(one)
                shape = its
        if waiting:
            yield waiting

    def _shape(self, one: _Decoded | Note) -> tuple[int, ...] | None:
        """Of a picture that others may go in with, else None."""
        if isinstance(one, Note) or one.earlier is not None or self._network.batch == 1:
            return None
        return one.source.channels.shape if self._network.goes_in_whole(one.source.size) else None

    def _ask(
        self, together: Sequence[_Decoded | Note], pool: ThreadPoolExecutor
    ) -> Iterator[tuple[_Decoded | Note, Sequence[Future[NDArray[Any]]]]]:
        """What the network makes of pictures, as parts that the pool turns into pixels; none where it is not asked."""
        if len(together) > 1:
            sources = [one.source for one in together if not isinstance(one, Note)]
            try:
                answers = self._network.ask_together(sources)
            except DefectError:  # which of them it is, each tells alone
                for one in together:
                    yield from self._ask([one], pool)
                return
            for one, source, answer in zip(together, sources, answers, strict=True):
                yield one, [pool.submit(self._task.part, answer, source)]
            return
        one = together[0]
        if isinstance(one, Note) or one.earlier is not None:
            yield one, ()
            return
        try:
            asked = self._network.ask(one.source, self._stop_if_interrupted)
            parts = [pool.submit(self._task.part, part, one.source) for part in asked]
        except DefectError as error:
            yield _note(one.job, Why.UNFIT, str(error)), ()
            return
        self._run.tiled += not self._network.goes_in_whole(one.source.size)
        yield one, parts

    def _finish(self, one: _Decoded | Note, parts: Sequence[Future[NDArray[Any]]]) -> Outcome | Note:
        """Write, compare, and keep small pictures. Its parts were given to the same pool earlier."""
        if isinstance(one, Note):
            return one
        try:
            return self._finished(one, [part.result() for part in parts])
        except EarlierError:
            return self._kept(one.job)
        except DestinationError as error:
            return _note(one.job, Why.UNFIT, error.problem)
        except OSError as error:
            return self._without_place(one.job, error)
        except DefectError as error:
            return _note(one.job, Why.UNFIT, str(error))
        except MemoryError:
            return _note(one.job, Why.UNREADABLE, "there is not enough memory to write it")

    def _finished(self, one: _Decoded, parts: Sequence[NDArray[Any]]) -> Outcome:
        made = one.earlier if one.earlier is not None else self._task.join(parts, one.source)
        outcome = Outcome(one.job.path, label=one.job.label, is_new=one.earlier is None)
        if self._store is not None:
            outcome.result = self._store.name(one.job)
            if outcome.is_new:
                self._store.keep(one.job, one.made_of, made, one.source)
        if isinstance(self._task, Classes):
            self._task.rank(made, outcome)
            return outcome
        true = self._task.compare(made, one.source, one.truth, outcome) if one.truth is not None else None
        if self._look.most and (self._look.worst or len(self._shown) < self._look.most):
            outcome.shown = preview.shown(one.source, made, true, is_mask=self._task.is_mask)
        return outcome


def _note(job: Job, why: Why, sentence: str) -> Note:
    return Note(job.path, because(why, sentence))


def _ahead(
    pool: ThreadPoolExecutor, decode: Callable[[Job], _Decoded | Note], jobs: Sequence[Job], count: int
) -> Generator[_Decoded | Note]:
    """Decoded pictures, in order; a few are made ahead, and never more, for they may be large."""
    queue = iter(jobs)
    pending: deque[Future[_Decoded | Note]] = deque()
    try:
        while True:
            while len(pending) < count and (job := next(queue, None)) is not None:
                pending.append(pool.submit(decode, job))
            if not pending:
                return
            yield pending.popleft().result()
    finally:
        for waiting in pending:
            waiting.cancel()
