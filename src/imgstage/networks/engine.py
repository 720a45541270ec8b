"""A network of PyTorch's that is run: arrays go in, arrays come out."""

from __future__ import annotations

import ast
import sys
from contextlib import suppress
from importlib.util import resolve_name
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from blake3 import blake3

from ..errors import UsageError, line_of
from .answers import output_of
from .loading import build, source_of
from .weights import load_weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn


class TorchEngine:
    """A network of PyTorch's, in evaluation mode. It is a `play.engines.Engine`.

    Args:
        network: is brought to the device.
        name: of it.
        device: such as "cpu", "cuda" or "mps".
        code: what built it, in bytes: its name, and its source where that is the user's.
    """

    def __init__(self, network: nn.Module, name: str, device: str = "cpu", code: bytes = b"") -> None:
        self.name, self.device = name, device
        self.size: tuple[int, int] | None = None
        self.batch: int | None = None
        self.identity = blake3(code + _identity(network).encode()).hexdigest()
        # Images come pixel by pixel, and convolutions on a CPU are faster on that; cuDNN's in float32 are as fast.
        layout = torch.channels_last if all(of.dim() != 5 for of in network.parameters()) else torch.preserve_format
        self.network: nn.Module | None = network.eval().to(device).to(memory_format=layout)

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `play.engines.Engine`."""
        assert self.network is not None
        with torch.inference_mode():
            given = torch.from_numpy(images).permute(0, 3, 1, 2).to(self.device)
            made = output_of(self.network(given)).float()
            found: NDArray[np.float32] = (made.permute(0, 2, 3, 1) if made.dim() == 4 else made).cpu().numpy()
        return found


def open_torch(model: str, weights: Path | None, device: str, channels: int) -> TorchEngine:
    """Build a network, give it its weights, and bring it to a device.

    Args:
        model: a name that `build` knows.
        weights: its weights; None where the model brings its own.
        device: such as "cpu" or "cuda:1", or "auto" for the fastest there is.
        channels: of the images.

    Raises:
        UsageError: there is no such network or device, or the weights are not its own.
    """
    if weights is None and model.partition(":")[0] in ("unet", "timm", "torchvision"):
        problem = f"{model} alone has random weights"
        raise UsageError(problem, "Name the file of trained ones with --weights")
    chosen = _device(device)
    network = build(model, channels=channels)
    if weights is not None:
        load_weights(network, weights)
    try:
        return TorchEngine(network, model, chosen, model.rpartition(":")[2].encode() + source_of(model))
    except Exception as error:  # what it does when it is moved or shown is its own affair
        problem = f"{model} cannot be brought to {chosen} ({line_of(error)})"
        raise UsageError(problem, "Mend that, or give --device cpu") from error


def _device(wish: str) -> str:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wish == "auto":
        return next(name for name, is_there in there.items() if is_there)
    try:
        kind = torch.device(wish).type
    except RuntimeError as error:
        problem = f"{wish!r} is no device"
        raise UsageError(problem, "Give auto, cpu, cuda or mps") from error
    if not there.get(kind, False):
        problem = f"This PyTorch finds no {wish} here"
        raise UsageError(problem, f"Give --device {'auto' if kind == 'cpu' else 'cpu'}")
    return wish


def _identity(network: nn.Module) -> str:
    """What a network is known by: its weights, its layers and their settings, and its code, but for libraries'."""
    seen = blake3(repr(network).encode())
    for name, of in network.state_dict().items():
        seen.update(f"{name} {getattr(of, 'shape', '')} {getattr(of, 'dtype', '')}".encode())
        if isinstance(of, torch.Tensor) and of.numel():
            seen.update(of.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    for module in network.modules():
        plain = {name: of for name, of in vars(module).items() if _is_plain(of)}
        seen.update(repr(sorted(plain.items())).encode())
    for path in sorted(_sources(type(module).__module__ for module in network.modules())):
        with suppress(OSError):  # made in a notebook, or gone since
            seen.update(Path(path).read_bytes())
    return seen.hexdigest()


def _is_plain(value: object) -> bool:
    """Whether it is shown alike in every process."""
    return all(map(_is_plain, value)) if isinstance(value, tuple) else isinstance(value, int | float | str | bool)


def _sources(modules: Iterable[str]) -> set[str]:
    """The files of modules, and of those that they import and that are loaded, but for libraries."""
    names, files = set(modules), dict[str, str]()
    while names:
        name = names.pop()
        module = sys.modules.get(name)
        path = getattr(module, "__file__", None)
        if name in files or path is None or name.partition(".")[0] in _LIBRARIES or _INSTALLED & {*Path(path).parts}:
            continue
        files[name] = path
        with suppress(OSError, SyntaxError, ImportError, ValueError):  # no file of Python's, or gone since
            names |= set(_imports(Path(path).read_bytes(), getattr(module, "__package__", None) or ""))
    return set(files.values())


def _imports(source: bytes, package: str) -> Iterator[str]:
    """The modules that code imports, wherever it does, with what they lie in; some may be no modules."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found = [of.name for of in node.names]
        elif isinstance(node, ast.ImportFrom) and (package or not node.level):  # else one that is tried and fails
            place = resolve_name("." * node.level + (node.module or ""), package)
            found = [place, *(f"{place}.{of.name}" for of in node.names)]
        else:
            continue
        for name in found:
            parts = name.split(".")
            yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))


_LIBRARIES = {*sys.stdlib_module_names, "imgstage"}
_INSTALLED = {"site-packages", "dist-packages"}
