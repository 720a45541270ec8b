"""What is constant on this machine's GPU, measured and kept for later, and how predictions compare with it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import RefusedError
from ..networks import build
from ..root import show
from .calibration import summarise
from .gpus import Gpu, folder, from_calibration, short_name
from .plan import tell
from .recording import record_all
from .trace import trace_training

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ..parallel import Progress
    from .plan import Training

Record = tuple[str, "Training", dict[str, Any]]


@dataclass(frozen=True)
class Calibration:
    """What was measured.

    Attributes:
        told: the constants, as they are kept.
        compared: what, and its bytes as predicted with them and as measured.
        path: where it is kept.
    """

    told: dict[str, Any]
    compared: tuple[tuple[str, int, int], ...]
    path: Path

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints; bytes."""
        rows = [{"what": what, "predicted": predicted, "measured": of} for what, predicted, of in self.compared]
        return {**asdict(self), "compared": rows, "path": str(self.path)}


def calibrate(progress: Progress, records: Iterable[Record] | None = None) -> Calibration:
    """Measure this machine's GPU, and keep what was found.

    Args:
        progress: is told of each case.
        records: what was recorded; None records now.

    Raises:
        RefusedError: there is no CUDA GPU here, or the result cannot be kept.
    """
    found: list[Record] = []
    progress.start("training on the GPU", 0)
    try:
        for record in record_all() if records is None else records:
            found.append(record)
            progress.advance()
    finally:
        progress.finish()
    raw = [record for _, _, record in found]
    told = summarise(short_name(raw[0]["device"]), raw[0]["processors"], raw)
    path = folder() / (re.sub(r"[^A-Za-z0-9.]+", "-", f"{told['name']}-torch-{told['torch']}") + ".json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        problem = f"{show(str(path))} cannot be written ({error.strerror})"
        raise RefusedError(problem, "Set XDG_DATA_HOME to a folder that can be") from error
    return Calibration(told, tuple(_compare(found, told)), path)


def _compare(found: Iterable[Record], told: dict[str, Any]) -> Iterator[tuple[str, int, int]]:
    gpu = from_calibration(Gpu(told["name"], told["total_bytes"], told["processors"]), told)
    for name, training, record in found:
        trace = trace_training(build(name, channels=training.channels, with_values=False), training)
        plan = tell(name, 0, trace, training, gpu, gpu)
        title = f"{name} {training.size[0]}x{training.size[1]} batch {training.batch} {training.amp}"
        yield f"{title}: allocated", plan.allocated_bytes.mid, max(peak for peak, _ in record["step_peaks"])
        yield f"{title}: reserved", plan.reserved_bytes.mid, max(peak for _, peak in record["step_peaks"])
        yield f"{title}: process", plan.process_bytes.mid, record["driver_bytes"]
