"""A network of PyTorch's that is run: arrays go in, arrays come out."""

from __future__ import annotations

import inspect
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from blake3 import blake3

from ..errors import UsageError, line_of
from .answers import output_of
from .loading import build, source_of
from .weights import load_weights

if TYPE_CHECKING:
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
    except (RuntimeError, NotImplementedError) as error:
        problem = f"{model} cannot be brought to {chosen} ({line_of(error)})"
        raise UsageError(problem, "Give --device cpu") from error


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
    sources: set[str] = set()
    for module in network.modules():
        plain = {name: of for name, of in vars(module).items() if isinstance(of, int | float | str | bool | tuple)}
        seen.update(repr(sorted(plain.items())).encode())
        with suppress(OSError, TypeError):  # made in a notebook, or on the fly
            sources.add(inspect.getsourcefile(type(module)) or "")
    for path in sorted(of for of in sources if of and "site-packages" not in of):
        with suppress(OSError):  # the file has gone since
            seen.update(Path(path).read_bytes())
    return seen.hexdigest()
