"""What goes wrong when a model is run on tensors without values, in a sentence that names the user's line."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedOperatorException,
)

from ..errors import ImgstageError, UsageError
from ..root import show

if TYPE_CHECKING:
    from collections.abc import Iterable

_OURS = Path(__file__).parents[1]
_LIBRARIES = ("torch", "torchvision", "timm", "contextlib.py", "copy.py")


def explain(error: BaseException, name: str, advice: str = "") -> ImgstageError:
    """The refusal for an error.

    Args:
        error: that came up while the model ran.
        name: of the model.
        advice: what to do about sizes, if sizes may be the reason.
    """
    where = _place(traceback.extract_tb(error.__traceback__))
    if isinstance(error, ImgstageError):
        return error
    if isinstance(error, DataDependentOutputException | DynamicOutputShapeException) or _asks_for_values(error):
        problem = f"{name} asks for values{where}, and sizes alone are known here"
        return UsageError(problem, "Let the model do without .item(), 'if' on tensors and boolean masks in training")
    if isinstance(error, UnsupportedOperatorException | NotImplementedError) or "no fake impl" in str(error):
        problem = f"{name} uses an operation that says nothing of the sizes it gives{where}: {_line(error)}"
        return UsageError(problem, "Register that with torch.library.register_fake")
    if "empty parameter list" in str(error):
        return UsageError(f"{name} has no parameters, so there is nothing to train", "Name a network that has some")
    if isinstance(error, TypeError):
        return UsageError(
            f"{name} cannot be run on a batch of images{where}: {_line(error)}", "Wrap it, so that it can"
        )
    problem = f"{name} refuses a batch of this size{where}: {_line(error)}"
    return UsageError(problem, advice or "Try another size")


def _asks_for_values(error: BaseException) -> bool:
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "data-dependent" in text or "data dependent" in text or "GuardOn" in text
    )


def _place(frames: Iterable[traceback.FrameSummary]) -> str:
    """The last line of the user's own code."""
    torch_home = Path(torch.__file__).parents[1]
    for frame in reversed(list(frames)):
        path = Path(frame.filename)
        if path.is_relative_to(torch_home) or path.is_relative_to(_OURS) or path.name in _LIBRARIES:
            continue
        if "python3" in path.as_posix() or frame.filename.startswith("<"):
            continue
        return f" at {show(str(path))}, line {frame.lineno}"
    return ""


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
