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

from ..errors import ImgstageError, UsageError, line_of
from ..root import show

if TYPE_CHECKING:
    from collections.abc import Iterable

_OURS = Path(__file__).parents[1]
_LIBRARIES = ("torch", "torchvision", "timm", "contextlib.py", "copy.py")

_VALUES = (DataDependentOutputException, DynamicOutputShapeException)
_VALUES_TOLD = ("data-dependent", "data dependent", "GuardOn", "not supported for tensor subclasses")
_KNOWN = (
    (
        "no fake impl",
        "uses an operation that says nothing of the sizes it gives",
        "Register torch.library.register_fake",
    ),
    ("empty parameter list", "has no parameters that learn", "Name a network that has some"),
    ("same device", "makes tensors on a device of its own", "Make them where the images are: device=images.device"),
    ("cpu and cuda", "makes tensors on a device of its own", "Make them where the images are: device=images.device"),
    ("non-leaf Tensor", "has parameters that cannot be learnt, as those of scripted modules", "Name the module itself"),
    ("channels, but got", "takes images of other channels", "Give --channels, or channels= in Python"),
    ("should be the same", "has weights of another precision", "Leave them in float32, and give --amp bf16 or fp16"),
)
"""What PyTorch's errors say, what that means, and what helps."""


def explain(error: BaseException, name: str, advice: str = "") -> ImgstageError:
    """The refusal for an error.

    Args:
        error: that came up while the model ran.
        name: of the model.
        advice: what to do about sizes, if sizes may be the reason.
    """
    if isinstance(error, ImgstageError):
        return error
    where, text = _place(traceback.extract_tb(error.__traceback__)), str(error)
    if isinstance(error, _VALUES) or any(words in text for words in _VALUES_TOLD):
        problem = f"{name} asks for values{where}, and sizes alone are known here"
        return UsageError(problem, "Let the model do without .item(), 'if' on tensors and boolean masks in training")
    if isinstance(error, UnsupportedOperatorException | NotImplementedError):
        text = f"no fake impl: {text}"
    for words, problem, remedy in _KNOWN:
        if words in text:
            return UsageError(f"{name} {problem}{where}: {line_of(error)}", remedy)
    if advice:
        return UsageError(f"{name} refuses images of this size{where}: {line_of(error)}", advice)
    problem = f"{name} cannot be trained on such a batch of images{where}: {line_of(error)}"
    return UsageError(problem, "Mend that, or give another --size, --channels or --loss")


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
