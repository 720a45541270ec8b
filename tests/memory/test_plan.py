"""From a trace to a verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imgstage.memory.allocator import MIB
from imgstage.memory.events import Kind, RowSum, Step, Trace
from imgstage.memory.gpus import Gpu, Range
from imgstage.memory.plan import MARGIN, MemoryPlan, Training, make_plan, on_gpu

NOTHING = Range(0, 0, 0)
GPU = Gpu("a", 1000 * MIB, context=NOTHING, libraries=NOTHING, matmul_libraries=NOTHING, calibration="yes")


def trace(workspace: int = 100 * MIB) -> Trace:
    """Weights of 20 MiB, two steps with an activation of 200 MiB, and a workspace in the backward."""
    made = Trace()
    made.add(20 * MIB, "weights", Kind.WEIGHTS)
    for _ in range(2):
        begin = len(made.order)
        activation = made.add(200 * MIB, "convolution", Kind.ACTIVATIONS)
        backward = len(made.order)
        gradient = made.add(20 * MIB, "convolution_backward", Kind.BACKWARD)
        made.add_transient(workspace, "convolution_backward")
        made.order += [~gradient, ~activation]
        made.steps.append(Step(begin, backward, len(made.order)))
    return made


def plan(made: Trace, gpu: Gpu | None = GPU) -> MemoryPlan:
    return make_plan("m", 7, made, Training((64, 64), 2), gpu, GPU)


def test_low_is_tensors_and_mid_is_workspaces_too() -> None:
    told = plan(trace())
    assert told.allocated_bytes[:2] == (240 * MIB, 340 * MIB)
    assert told.reserved_bytes[:2] == (240 * MIB, 340 * MIB)
    assert told.reserved_bytes.high == int(340 * MIB * (1 + MARGIN))
    assert told.allocated_bytes.high == int(340 * MIB * (1 + MARGIN / 2))


def test_the_breakdown_adds_up_at_the_peak() -> None:
    told = plan(trace())
    assert told.breakdown_bytes == {
        "weights": 20 * MIB,
        "gradients": 0,
        "optimizer": 0,
        "activations": 200 * MIB,
        "input": 0,
        "gradients of activations": 20 * MIB,
        "workspace": 100 * MIB,
        "context": 0,
    }
    assert (told.peak_operation, told.peak_phase) == ("convolution_backward", "backward")


@pytest.mark.parametrize(
    ("usable", "verdict"),
    [(400, "fits"), (375, "fits"), (350, "risky"), (250, "risky"), (238, "risky"), (234, "no"), (1, "no")],
)
def test_the_verdict(usable: int, verdict: str) -> None:
    assert plan(trace(), replace(GPU, usable_bytes=usable * MIB)).verdict == verdict


def test_the_verdict_leaves_room_for_the_context() -> None:
    gpu = replace(GPU, context=Range(10 * MIB, 20 * MIB, 50 * MIB))
    verdicts = {
        usable: plan(trace(), replace(gpu, usable_bytes=usable * MIB)).verdict for usable in (425, 424, 246, 244)
    }
    assert verdicts == {425: "fits", 424: "fits", 246: "risky", 244: "no"}


def test_what_is_cached_does_not_count_against_it() -> None:
    """Segments that nobody uses are given back when memory runs out."""
    made = Trace()
    for size in (100, 150, 200):
        made.steps.append(Step(*[len(made.order)] * 3))
        made.order.append(~made.add(size * MIB, "convolution", Kind.ACTIVATIONS))
    assert plan(made).reserved_bytes.mid == 450 * MIB
    told = plan(made, replace(GPU, usable_bytes=230 * MIB))
    assert (told.verdict, told.releases_cache) == ("fits", True)
    assert not plan(made, replace(GPU, usable_bytes=500 * MIB)).releases_cache


def test_context_and_libraries_are_beside_it() -> None:
    gpu = replace(GPU, context=Range(1, 2, 3), libraries=Range(10, 20, 30), matmul_libraries=Range(100, 200, 300))
    assert plan(trace(), gpu).process_bytes[:2] == (240 * MIB + 11, 340 * MIB + 22)
    made = trace()
    made.add(0, "cublas", Kind.WORKSPACE)
    assert plan(made, replace(gpu, cublas_bytes=0)).process_bytes[:2] == (240 * MIB + 111, 340 * MIB + 222)


def test_the_gpu_decides_the_size_of_some() -> None:
    made = Trace()
    made.sums[0] = RowSum(16 * 197, 768)
    for op in ("sum", "cublas", "cublaslt"):
        made.add(1, op, Kind.WORKSPACE)
    assert on_gpu(made, replace(GPU, multiprocessors=132, cublas_bytes=5)).sizes == [19_660_800, 5, MIB]


def test_without_a_gpu_there_is_no_verdict() -> None:
    told = plan(trace(), None)
    assert told.verdict is None
    assert told.as_json()["gpu"] is None
    assert told.as_json()["process_bytes"] == {"low": 240 * MIB, "mid": 340 * MIB, "high": int(340 * MIB * 1.1)}


def test_the_timeline_is_of_the_last_step() -> None:
    told = plan(trace())
    assert [nbytes // MIB for nbytes in told.timeline_bytes] == [220, 240, 340, 240, 220, 20]
    assert told.phases == (1, 6)
