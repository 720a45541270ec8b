"""GPUs by name: how much memory they have, and what of it CUDA takes for itself."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UsageError
from .allocator import GIB, MIB

if TYPE_CHECKING:
    from collections.abc import Iterator


class Range(NamedTuple):
    """Bytes that are not known exactly."""

    low: int
    mid: int
    high: int

    def __add__(self, other: object) -> Range:
        """Both together."""
        assert isinstance(other, tuple)
        return Range(*(a + b for a, b in zip(self, other, strict=True)))


_USABLE = 0.97  # of the nominal memory: 98 % on an RTX 3060, 97 % on an RTX 4060 (xMem's records), 99 % on an H200
_CONTEXT = Range(256 * MIB, 400 * MIB, 560 * MIB)  # RTX 3090: 256, RTX 6000 Ada: 426, H200: 529 MiB
_LIBRARIES = Range(60 * MIB, 112 * MIB, 160 * MIB)  # H200: 112 MiB
_MATMUL_LIBRARIES = Range(60 * MIB, 126 * MIB, 180 * MIB)  # H200: 126 MiB
_CUBLAS = 8_519_680  # bytes of a workspace: pytorch#89027
_CUBLAS_HOPPER = 32 * MIB  # pytorch#120925
CUBLASLT = 1 * MIB  # bytes of its workspace: recorded on an H200


@dataclass(frozen=True)
class Gpu:
    """A GPU, as far as memory is concerned.

    Attributes:
        name: as it is printed.
        usable_bytes: what a process can get, its context included.
        multiprocessors: streaming multiprocessors.
        threads: that each of them runs at once.
        context: bytes that CUDA takes for a process.
        libraries: bytes that code and cuDNN take beside it.
        matmul_libraries: bytes more where matrices are multiplied (cuBLAS).
        cublas_bytes: of a workspace of cuBLAS.
        calibration: what was measured on such a GPU, in words; empty where nothing was.
    """

    name: str
    usable_bytes: int
    multiprocessors: int = 108
    threads: int = 2048
    context: Range = _CONTEXT
    libraries: Range = _LIBRARIES
    matmul_libraries: Range = _MATMUL_LIBRARIES
    cublas_bytes: int = _CUBLAS
    calibration: str = ""


# Nominal GiB, streaming multiprocessors, threads of each: NVIDIA's data sheets.
_KNOWN: dict[str, tuple[float, int, int]] = {
    "rtx2080ti": (11, 68, 1024),
    "rtx3060": (12, 28, 1536),
    "rtx3070": (8, 46, 1536),
    "rtx3080": (10, 68, 1536),
    "rtx3090": (24, 82, 1536),
    "rtx4060": (8, 24, 1536),
    "rtx4070": (12, 46, 1536),
    "rtx4080": (16, 76, 1536),
    "rtx4090": (24, 128, 1536),
    "rtx5070": (12, 48, 1536),
    "rtx5080": (16, 84, 1536),
    "rtx5090": (32, 170, 1536),
    "rtxa6000": (48, 84, 1536),
    "rtx6000ada": (48, 142, 1536),
    "t4": (15, 40, 1024),
    "v100": (16, 80, 2048),
    "v100-32": (32, 80, 2048),
    "a10": (22.5, 72, 1536),
    "a100": (40, 108, 2048),
    "a100-80": (80, 108, 2048),
    "l4": (22.5, 58, 1536),
    "l40s": (45, 142, 1536),
    "h100": (80, 132, 2048),
    "h200": (141, 132, 2048),
    "b200": (180, 148, 2048),
}
_MEASURED_MIB = {"rtx3060": 12037, "rtx4060": 7933}  # Stone-ResearchLife/xMem, evaluation_result.json
_NAMES = {"a10040": "a100", "v10016": "v100", "a10g": "a10"}


def find(name: str) -> Gpu:
    """A GPU by its name, or by its memory alone.

    Args:
        name: `rtx4090`, `H100`, `NVIDIA GeForce RTX 3060`, or `24GiB`, `24GB` (the same), `24576MiB`.

    Raises:
        UsageError: it is neither; the nearest names are told.
    """
    if size := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(g|m)i?b?\s*", name.lower()):
        unit = GIB if size[2] == "g" else MIB  # who says GB of a GPU means GiB
        nominal = float(size[1]) * unit
        if not GIB // 4 <= nominal <= 4096 * GIB:
            problem = f"A GPU with {name.strip()} of memory makes no sense"
            raise UsageError(problem, "Give such as 24GiB")
        return Gpu(name.strip(), int(nominal * _USABLE))
    word = known_as(name)
    told = next((told for told in calibrations() if told.get("name") == word), {})
    if word in _KNOWN:
        nominal_gib, multiprocessors, threads = _KNOWN[word]
        usable = _MEASURED_MIB[word] * MIB if word in _MEASURED_MIB else int(nominal_gib * GIB * _USABLE)
        cublas = _CUBLAS_HOPPER if word.startswith(("h100", "h200", "b200")) else _CUBLAS
        return from_calibration(Gpu(word, usable, multiprocessors, threads, cublas_bytes=cublas), told)
    if told:
        return from_calibration(Gpu(word, 0), told)
    near = f"{word}GiB" if word.isdecimal() else ", ".join(get_close_matches(word, [*_KNOWN, *_NAMES], 3, 0.5))
    problem = f"There is no GPU {name!r} in the table"
    raise UsageError(
        problem, f"Did you mean {near}? Or give its memory, as in 24GiB" if near else "Give its memory, as in 24GiB"
    )


def known_as(name: str) -> str:
    """The key of a GPU, as the table has it: `rtx4090` of `NVIDIA GeForce RTX 4090`, `a100-80` of `A100-SXM4-80GB`."""
    word = re.sub(r"nvidia|geforce|tesla|gpu|generation|pcie|sxm\d?|hbm\de?|[\s_-]", "", name.lower())
    bare = re.sub(r"\d{2}gb$", "", word)
    keys = {key.replace("-", ""): key for key in _KNOWN} | _NAMES
    for guess in (word, f"rtx{word}", word.removesuffix("gb"), bare):
        if guess in keys:
            return keys[guess]
    return word


def calibrations() -> Iterator[dict[str, Any]]:
    """What `imgstage memory --calibrate` wrote: this user's, newest first, then those that come with imgstage."""
    mine = sorted(folder().glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    shipped = sorted(files("imgstage.memory").joinpath("calibrations").iterdir(), key=str)
    for place in (*mine, *shipped):
        try:
            told = json.loads(place.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # a calibration can be made again; a broken one counts for nothing
            continue
        if isinstance(told, dict):
            yield told


def folder() -> Path:
    """Where this user's calibrations are: `imgstage/calibrations` below XDG_DATA_HOME or ~/.local/share."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "imgstage" / "calibrations"


def from_calibration(gpu: Gpu, told: dict[str, Any]) -> Gpu:
    """A GPU as it was measured; where the file is not what it should be, as it was.

    Args:
        gpu: as the table has it.
        told: a calibration.
    """
    try:
        sizes = {key: int(told[key]) for key in ("total_bytes", "context_bytes", "libraries_bytes")}
        sizes |= {key: int(told[key]) for key in ("matmul_libraries_bytes", "cublas_bytes")}
        words = f"{told['gpu']}, torch {told['torch']}, cuDNN {told['cudnn']}"
        multiprocessors = int(told["multiprocessors"])
    except (KeyError, TypeError, ValueError):
        return gpu
    return replace(
        gpu,
        usable_bytes=sizes["total_bytes"],
        multiprocessors=multiprocessors,
        context=_around(sizes["context_bytes"]),
        libraries=_around(sizes["libraries_bytes"]),
        matmul_libraries=_around(sizes["matmul_libraries_bytes"]),
        cublas_bytes=sizes["cublas_bytes"],
        calibration=words,
    )


def _around(nbytes: int) -> Range:
    """What was measured once may be a little more another time."""
    return Range(nbytes, nbytes, nbytes + 16 * MIB)
