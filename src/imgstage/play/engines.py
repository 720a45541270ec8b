"""What runs a network: PyTorch, or ONNX Runtime, each loaded when it is asked for."""

from __future__ import annotations

import ctypes
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from blake3 import blake3

from ..errors import UsageError, line_of
from ..memory.planner import need_torch
from ..root import show

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

_FILES = (".onnx", ".pt", ".pth", ".pkl", ".ckpt", ".bin", ".safetensors", ".torchscript")


class Engine(Protocol):
    """A network that is ready to run.

    Attributes:
        name: of the network.
        identity: what its weights, its layers and their settings, and the user's code are known by.
        device: what runs it, such as "cpu" or "cuda".
        size: the only (height, width) in pixels that it takes; None where it takes several.
        batch: the only number of images that it takes at once; None where it takes several.
        network: the module itself, where there is one.
    """

    name: str
    identity: str
    device: str
    size: tuple[int, int] | None
    batch: int | None
    network: nn.Module | None

    def __call__(self, images: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Run the network.

        Args:
            images: shape (batch, height, width, channels).

        Returns:
            Shape (batch, height, width, channels) again, or (batch, classes).

        Raises:
            Exception: whatever the network, or what runs it, raises for such images.
        """


class OnnxEngine:
    """An ONNX model, run by ONNX Runtime. See `Engine`.

    Args:
        path: of the file.
        device: "cpu" or "cuda".
    """

    network: nn.Module | None = None

    def __init__(self, path: Path, device: str = "cpu") -> None:
        try:
            import onnxruntime
        except ImportError as error:
            problem = f"{show(str(path))} needs ONNX Runtime, which is not installed"
            raise UsageError(problem, "Run: pip install 'imgstage[onnx]'") from error
        if not path.is_file():
            problem = f"{show(str(path))} is no file"
            raise UsageError(problem, "Give the path of an ONNX model")
        self.name, self.device = str(path), device
        self.identity = _identity(path)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # its errors are raised as well
        provider = "CUDAExecutionProvider" if device == "cuda" else "CPUExecutionProvider"
        if provider not in onnxruntime.get_available_providers():
            problem = f"This ONNX Runtime does not run on {device}"
            raise UsageError(problem, "Give --device cpu, or install onnxruntime-gpu")
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=[provider])
        except Exception as error:
            problem = f"{show(str(path))} cannot be read as an ONNX model ({line_of(error)})"
            raise UsageError(problem, "Export it anew: torch.onnx.export") from error
        given = self._session.get_inputs()
        if len(given) != 1 or len(given[0].shape) != 4 or given[0].type != "tensor(float)":
            told = ", ".join(f"{of.name} {of.shape} {of.type}" for of in given)
            problem = f"{show(str(path))} takes {told}, and not a batch of images"
            raise UsageError(problem, "Export a model of one float32 input (batch, channels, height, width)")
        self._input = given[0].name
        batch, _, height, width = given[0].shape
        self.size = (height, width) if isinstance(height, int) and isinstance(width, int) else None
        self.batch = batch if isinstance(batch, int) else None

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine`."""
        given = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        made = np.asarray(self._session.run(None, {self._input: given})[0], np.float32)
        return made.transpose(0, 2, 3, 1) if made.ndim == 4 else made


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, for its next use, as long as it lives.

    The C library gives large blocks back to the system, which clears each page before it hands it out again: with
    PyTorch's layers on a CPU, that takes a third to half of the time. Nothing happens where the C library is not GNU's.
    """
    never_mapped, never_trimmed = (-4, 0), (-1, 2**31 - 1)  # M_MMAP_MAX, M_TRIM_THRESHOLD of malloc.h
    with suppress(OSError, AttributeError):
        for setting in (never_mapped, never_trimmed):
            ctypes.CDLL(None).mallopt(*setting)


def is_onnx(model: str) -> bool:
    """Whether a model's name is that of an ONNX file."""
    return model.lower().endswith(".onnx")


def open_engine(model: str, weights: Path | None, device: str, channels: int) -> Engine:
    """Make a network ready to run.

    Args:
        model: a name that `networks.build` knows, or the path of an ONNX file.
        weights: its weights; None where the model brings its own.
        device: "cpu", "cuda", "mps"; "auto" is the fastest that PyTorch finds, and the CPU for ONNX.
        channels: of the images.

    Raises:
        UsageError: there is no such network or device, or the weights are not its own.
    """
    if not model.lower().endswith(_FILES):
        need_torch()
        from ..networks.engine import open_torch

        return open_torch(model, weights, device, channels)
    path = Path(model).expanduser()
    if not is_onnx(model):
        problem = f"{show(str(path))} holds weights or a pickled model, and not the code of a network"
        raise UsageError(problem, "Name the network with --model, such as file.py:Class, and that file with --weights")
    if weights is not None:
        problem = f"{show(str(path))} has its weights inside, so --weights means nothing"
        raise UsageError(problem, "Leave it out")
    if device not in ("auto", "cpu", "cuda"):
        problem = f"ONNX Runtime has no device {device!r} here"
        raise UsageError(problem, "Give --device cpu or cuda")
    return OnnxEngine(path, "cpu" if device == "auto" else device)


def _identity(path: Path) -> str:
    """What an ONNX model is known by: its bytes, and those of the files beside it that it names for its weights."""
    data = path.read_bytes()
    seen = blake3(data)
    for name in sorted(_external(data)):
        with suppress(OSError):  # no name after all
            seen.update_mmap(path.parent / name)
    return seen.hexdigest()


def _external(data: bytes) -> set[str]:
    """The files that hold weights of an ONNX model: the `location` in the `external_data` of its tensors (onnx.proto),
    a string of protocol buffers."""
    names = set()
    for entry in re.finditer(rb"\x0a\x08location\x12([\x00-\x7f]|[\x80-\xff][\x00-\x7f])", data):
        length = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(entry[1]))
        names.add(data[entry.end() : entry.end() + length].decode("utf-8", "replace"))
    return {name for name in names if "\0" not in name}
