"""Traces, and what two of them tell of others."""

from __future__ import annotations

from imgstage.memory.events import Growth, Kind, RowSum, Step, Trace, living, repeated


def small(batch: int, steps: int = 2) -> Trace:
    """Weights, then steps that each leave a gradient until the next one begins."""
    trace = Trace()
    trace.add(100, "weights", Kind.WEIGHTS)
    gradient = None
    for _ in range(steps):
        begin = len(trace.order)
        if gradient is not None:
            trace.order.append(~gradient)
        image = trace.add(10 * batch, "empty", Kind.INPUT)
        backward = len(trace.order)
        trace.add_transient(7 * batch, "convolution")
        gradient = trace.add(100, "convolution_backward", Kind.GRADIENTS)
        trace.steps.append(Step(begin, backward, len(trace.order)))
        trace.order.append(~image)
    return trace


def test_a_batch_is_told_from_two_others() -> None:
    less, more = small(2), small(3)
    growth = Growth.between(less, 2, more, 3)
    assert growth is not None
    for batch in (1, 2, 17, 1000):
        assert growth.at(batch) == small(batch)


def test_sums_grow_too() -> None:
    traces = []
    for batch in (2, 3, 11):
        trace = small(batch)
        trace.sums[1] = RowSum(49 * batch, 12)
        traces.append(trace)
    growth = Growth.between(traces[0], 2, traces[1], 3)
    assert growth is not None
    assert growth.at(11).sums == traces[2].sums


def test_batches_that_do_otherwise_tell_nothing() -> None:
    assert Growth.between(small(2), 2, small(3, steps=3), 3) is None


def test_other_operations_or_sums_tell_nothing() -> None:
    other = small(3)
    other.ops[1] = "randn"
    assert Growth.between(small(2), 2, other, 3) is None
    summed = small(3)
    summed.sums[1] = RowSum(3, 4)
    assert Growth.between(small(2), 2, summed, 3) is None


def test_steps_are_repeated_as_they_would_go_on() -> None:
    for steps in (2, 3, 5):
        made, true = repeated(small(4), steps), small(4, steps)
        assert (made.order, made.sizes, made.ops, made.kinds, made.steps) == (
            *(true.order, true.sizes, true.ops),
            *(true.kinds, true.steps),
        )


def test_steps_that_do_not_settle_are_left_as_they_are() -> None:
    trace = small(4)
    trace.add(50, "kept", Kind.ACTIVATIONS)
    assert repeated(trace, 5) is trace
    assert repeated(small(4, 1), 5).steps == small(4, 1).steps


def test_workspaces_can_be_left_out() -> None:
    bare = small(4).without_workspaces()
    assert all(bare.kinds[max(event, ~event)] is not Kind.WORKSPACE for event in bare.order)
    assert len(bare.order) == len(small(4).order) - 4
    assert bare.steps == [Step(1, 2, 3), Step(4, 6, 7)]


def test_living_adds_up() -> None:
    assert [now for _, now in living(small(1, 1))] == [100, 110, 117, 110, 210, 200]
