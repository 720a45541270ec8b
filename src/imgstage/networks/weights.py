"""Weights from a file into a network: safetensors, or a state dict that holds nothing but tensors."""

from __future__ import annotations

import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors

from ..errors import UsageError
from ..root import show

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

_HOLDERS = ("state_dict", "model_state_dict", "model", "params_ema", "params", "net", "network", "weights", "ema")
"""Under which names training loops keep a network's weights in a checkpoint, beside the optimizer's."""
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "generator.")
"""What data parallel, compiled and wrapped networks have before each name."""
_SHOWN = 3


def load_weights(network: nn.Module, path: Path) -> None:
    """Give a network the weights of a file; all of them, and no others.

    Args:
        network: gets them in place.
        path: safetensors, or what `torch.save(network.state_dict(), path)` wrote, also inside a checkpoint.

    Raises:
        UsageError: the file cannot be read, holds anything but tensors, or other weights than the network has.
    """
    found = _unwrapped(read_weights(path), network.state_dict().keys())
    wanted = network.state_dict()
    missing, over = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    shapes = [name for name, of in wanted.items() if name in found and found[name].shape != of.shape]
    odd = sorted(name for name, of in wanted.items() if name in found and not _may_become(found[name], of))
    told = [
        f"{what} {', '.join(names[:_SHOWN])}{' …' if len(names) > _SHOWN else ''}"
        for what, names in (
            ("it lacks", missing),
            ("it also has", over),
            ("of other shapes are", shapes),
            ("no such numbers are", odd),
        )
        if names
    ]
    if told:
        problem = f"{show(str(path))} holds the weights of another network: {'; '.join(told)}"
        raise UsageError(problem, "Name the network that they were trained with, with --model")
    network.load_state_dict(found)


def _may_become(found: Tensor, wanted: Tensor) -> bool:
    """Whether a tensor can be copied with all that is in it."""
    is_plain = found.layout == torch.strided and not found.is_quantized and not found.is_nested
    kept = found.is_complex() <= wanted.is_complex() and wanted.is_floating_point() <= found.is_floating_point()
    return is_plain and kept


def read_weights(path: Path) -> dict[str, Any]:
    """What a file of weights holds, by name. No code that it might hold is run.

    Raises:
        UsageError: it cannot be read, or holds anything but tensors.
    """
    if not path.is_file():
        problem = f"{show(str(path))} is no file"
        raise UsageError(problem, "Name the file of the weights, with --weights")
    if path.suffix.lower() == ".onnx":
        problem = f"{show(str(path))} is a whole ONNX model, and not weights alone"
        raise UsageError(problem, f"Name it with --model {show(str(path))}, without --weights")
    try:
        return (
            dict(load_safetensors(path.read_bytes())) if path.suffix.lower() == ".safetensors" else _from_pickle(path)
        )
    except OSError as error:
        problem = f"{show(str(path))} cannot be read ({error.strerror})"
        raise UsageError(problem, "Allow reading it, or name another file with --weights") from error
    except (SafetensorError, ValueError, KeyError) as error:
        problem = f"{show(str(path))} is no whole safetensors file ({error})"
        raise UsageError(problem, "Save the weights anew") from error


def _from_pickle(path: Path) -> dict[str, Any]:
    is_scripted = False
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                is_scripted = any(name.endswith("/constants.pkl") for name in archive.namelist())
        held = None if is_scripted else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises anything
        if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error):
            problem = f"{show(str(path))} holds more than tensors: a pickled model runs any code when it is opened"
            raise UsageError(problem, _SAVE) from error
        problem = f"{show(str(path))} cannot be read as weights: {_damage(path)}"
        raise UsageError(problem, "Copy or save it anew; best as safetensors") from error
    if is_scripted:
        problem = f"{show(str(path))} is a scripted model (TorchScript), which brings its own code"
        raise UsageError(problem, _SAVE)
    if not isinstance(held, dict):
        problem = f"{show(str(path))} holds a {type(held).__name__}, and no weights by name"
        raise UsageError(problem, _SAVE)
    return held


def _damage(path: Path) -> str:
    """What is wrong with a file that PyTorch cannot read; its own words speak of other things."""
    with path.open("rb") as file:
        head = file.read(len(_BEGIN))
        file.seek(max(0, path.stat().st_size - _TAIL))
        tail = file.read()
    if not head:
        return "it is empty"
    if head == _BEGIN and _END not in tail:
        return "its end is missing, as after a copy that broke off"
    return "it is damaged, or something else"


_BEGIN, _END, _TAIL = b"PK\x03\x04", b"PK\x05\x06", 65_557
"""How the files of `torch.save`, which are ZIP, begin; what stands at their end, and in how many bytes at most."""
_SAVE = (
    "Where you trust it, save its weights alone: safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"
)


def _unwrapped(held: Mapping[str, Any], wanted: Any) -> dict[str, Tensor]:
    """The weights themselves, under the names that the network has."""
    holder = next((name for name in _HOLDERS if isinstance(held.get(name), dict) and name not in wanted), None)
    while holder is not None:
        held = held[holder]
        holder = next((name for name in _HOLDERS if isinstance(held.get(name), dict)), None)
    found = {str(name): of for name, of in held.items() if isinstance(of, torch.Tensor)}
    for prefix in _PREFIXES * 2:
        if found and not found.keys() & set(wanted) and all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): of for name, of in found.items()}
    return found
