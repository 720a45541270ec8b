"""What is constant on a GPU, from what was recorded there."""

from __future__ import annotations

import gzip
import json
from importlib.resources import files
from typing import Any

from benchmarks.recordings import FILE

from imgstage.memory.calibration import summarise


def test_the_calibration_that_comes_with_imgstage_is_what_the_recordings_say() -> None:
    records: list[dict[str, Any]] = json.loads(gzip.decompress(FILE.read_bytes()))
    shipped = json.loads(
        files("imgstage.memory").joinpath("calibrations/h200-torch-2.11.json").read_text(encoding="utf-8")
    )
    assert summarise("h200", 132, records) == shipped


def test_workspaces_are_what_is_never_given_back() -> None:
    base = {"libraries": {"torch": "2", "cuda": "13", "cudnn": 9}, "device": "A", "total_bytes": 100}
    plain = {"actions": [0, 2], "addresses": [1, 1], "sizes": [600, 600], "step_peaks": [[1024, 2000]]}
    matmul = {"actions": [0, 0], "addresses": [1, 2], "sizes": [600, 100], "step_peaks": [[1024, 2000]]}
    told = summarise(
        "a",
        1,
        [
            {**base, **plain, "context_bytes": 10, "driver_bytes": 2110},
            {**base, **matmul, "context_bytes": 10, "driver_bytes": 2160},
        ],
    )
    assert (told["context_bytes"], told["libraries_bytes"], told["matmul_libraries_bytes"]) == (10, 100, 50)
    assert told["cublas_bytes"] == 1024
