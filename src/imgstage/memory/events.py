"""Pure: what training steps take and give back, in order, and how that grows with the batch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class RowSum(NamedTuple):
    """A sum over the rows of a matrix; how much memory it takes depends on the device.

    Attributes:
        rows, columns: of the matrix.
    """

    rows: float
    columns: float


class Step(NamedTuple):
    """Where in a trace a training step, its backward and its optimizer begin."""

    begin: int
    backward: int
    optimizer: int


class Kind(IntEnum):
    """What memory is for."""

    WEIGHTS = 0
    GRADIENTS = 1
    OPTIMIZER = 2
    ACTIVATIONS = 3
    INPUT = 4
    BACKWARD = 5
    WORKSPACE = 6

    @property
    def label(self) -> str:
        """Its name, as it is printed."""
        return "gradients of activations" if self is Kind.BACKWARD else self.name.lower()


@dataclass
class Trace:
    """Training steps, allocation by allocation.

    Attributes:
        order: what happens: a number is an allocation, its complement `~number` gives it back.
        sizes: bytes of each allocation.
        ops: the operation that made each.
        kinds: what each is for.
        sums: what decides the size of some of them.
        steps: where in `order` each begins; what is before them is the model.
    """

    order: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    ops: list[str] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    sums: dict[int, RowSum] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def add(self, nbytes: int, op: str, kind: Kind) -> int:
        """Note an allocation; its number."""
        number = len(self.sizes)
        self.sizes.append(nbytes)
        self.ops.append(op)
        self.kinds.append(kind)
        self.order.append(number)
        return number

    def add_transient(self, nbytes: int, op: str, kind: Kind = Kind.WORKSPACE) -> None:
        """Note what is given back at once."""
        if nbytes > 0:
            self.order.append(~self.add(nbytes, op, kind))

    def without_workspaces(self) -> Trace:
        """The same, of tensors alone."""
        is_kept = [self.kinds[max(event, ~event)] is not Kind.WORKSPACE for event in self.order]
        kept = [event for event, keep in zip(self.order, is_kept, strict=True) if keep]
        before = [0, *accumulate(is_kept)]
        return replace(self, order=kept, steps=[Step(*(before[place] for place in step)) for step in self.steps])

    def matches(self, other: Trace) -> bool:
        """Whether another batch does the same, with other sizes."""
        return self.order == other.order and self.ops == other.ops and self.sums.keys() == other.sums.keys()


@dataclass(frozen=True)
class Growth:
    """Two traces of one training step; by them, any batch: each allocation grows evenly, or not at all.

    Attributes:
        trace: one of them.
        batch: the images of its batch.
        slopes: bytes that each allocation grows with an image.
        sums: rows and columns that each sum grows with an image.
    """

    trace: Trace
    batch: int
    slopes: Sequence[float]
    sums: dict[int, RowSum]

    @classmethod
    def between(cls, less: Trace, fewer: int, more: Trace, images: int) -> Growth | None:
        """From two traces and their batches; None where they do not do the same."""
        if not less.matches(more):
            return None
        apart = images - fewer
        slopes = [(b - a) / apart for a, b in zip(less.sizes, more.sizes, strict=True)]
        sums = {
            number: RowSum((of.rows - less.sums[number].rows) / apart, (of.columns - less.sums[number].columns) / apart)
            for number, of in more.sums.items()
        }
        return cls(more, images, slopes, sums)

    def at(self, batch: int) -> Trace:
        """The trace of another batch."""
        by = batch - self.batch
        grown = [max(0, round(size + by * slope)) for size, slope in zip(self.trace.sizes, self.slopes, strict=True)]
        sums = {
            number: RowSum(of.rows + by * self.sums[number].rows, of.columns + by * self.sums[number].columns)
            for number, of in self.trace.sums.items()
        }
        return replace(self.trace, sizes=grown, sums=sums)


def repeated(trace: Trace, steps: int) -> Trace:
    """The same training, with so many steps: the last one again and again, for what is reserved may yet grow.

    A trace whose last step does not give back what it takes is returned as it is.
    """
    if len(trace.steps) < 2 or steps <= len(trace.steps):
        return trace
    begin = trace.steps[-1].begin
    last = trace.order[begin:]
    taken = [event for event in last if event >= 0]
    given = {~event for event in last if event < 0}
    left = [number for number in taken if number not in given]
    earlier = [~event for event in last if event < 0 and ~event < taken[0]] if taken else []
    if [trace.sizes[n] for n in left] != [trace.sizes[n] for n in sorted(earlier)]:
        return trace
    more = replace(
        trace, order=list(trace.order), sizes=list(trace.sizes), ops=list(trace.ops), kinds=list(trace.kinds)
    )
    more.steps = list(trace.steps)
    before = dict(zip(sorted(earlier), left, strict=True))
    for _ in range(steps - len(trace.steps)):
        more.steps.append(Step(*(len(more.order) + place - begin for place in trace.steps[-1])))
        now: dict[int, int] = {}
        for event in last:
            if event >= 0:
                now[event] = more.add(trace.sizes[event], trace.ops[event], trace.kinds[event])
            else:
                more.order.append(~now.get(~event, before.get(~event, ~event)))
        before = {number: now[place] for number, place in zip(sorted(earlier), left, strict=True)}
    return more


def living(trace: Trace) -> Iterator[tuple[int, int]]:
    """After each event, its place and the bytes that tensors take then."""
    now = 0
    for place, event in enumerate(trace.order):
        now += trace.sizes[event] if event >= 0 else -trace.sizes[~event]
        yield place, now
