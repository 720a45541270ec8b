"""What CUDA does otherwise than the CPU, on whose tensors a step is traced.

Sources: PyTorch 2.11 (aten/src/ATen/native/cudnn, ATen/autocast_mode.h) and `benchmarks/recorded`, where what cuDNN
takes for itself was seen: to convolve what lies channel by channel, it copies input, output and weights to lie pixel by
pixel.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from .events import Sum

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HEAD = 147  # bytes that come with copies
_POINTWISE = 0.33  # of what copies would take, a convolution of single pixels takes so much for its weights' gradient
_PARTS = 14  # the weights' gradient is added up from so many parts,
_FEWEST, _MOST = 2 << 20, 8 << 20  # of so many bytes in all
_FEW = 4  # channels, as those of an image
_ALIGNED = 16  # bytes to which the channels of a pixel are filled up in copies


class Convolution(NamedTuple):
    """What decides how much memory cuDNN takes.

    Attributes:
        copies: bytes of input, output and weights together, when copied.
        weights: bytes of the weights.
        shape: outputs, inputs, and the height and width of the kernel (`torch.nn.Conv2d.weight`).
        is_pointwise: whether it sees single pixels, all of them.
        is_own: whether PyTorch has a kernel of its own for it, or cuDNN does without copies.
        is_half: whether values have two bytes.
    """

    copies: int
    weights: int
    shape: tuple[int, ...]
    is_pointwise: bool
    is_own: bool
    is_half: bool

    @classmethod
    def of(cls, args: Sequence[Any], other: torch.Tensor, *, backward: bool) -> Convolution:
        """From the arguments of `aten.convolution` or its backward, and the output (or its gradient)."""
        values, weights = (args[1], args[2]) if backward else (args[0], args[1])
        stride, _, _, transposed, _, groups = args[4:10] if backward else args[3:9]
        nbytes = weights.numel() * weights.element_size()
        return cls(
            nbytes + sum(map(_copied, (values, other))),
            nbytes,
            tuple(weights.shape),
            {*weights.shape[2:], *stride} == {1} and not transposed,
            layout((values, weights)) is torch.channels_last or groups == values.shape[1] > 1,
            values.element_size() == 2,
        )

    @property
    def output_workspace(self) -> int:
        """Bytes for the output, or the input's gradient."""
        return 0 if self.is_own or self.is_pointwise or self._is_first else self.copies + _HEAD

    @property
    def weights_workspace(self) -> int:
        """Bytes for the weights' gradient."""
        if self.is_own or (self._is_first and not self.is_half):
            return 0
        if self.is_pointwise and min(self.shape[:2]) > _FEW:
            return int(self.copies * _POINTWISE)
        return self.copies + _HEAD + min(max(_PARTS * self.weights, _FEWEST), _MOST)

    @property
    def _is_first(self) -> bool:
        """Of few channels, and a small kernel."""
        return self.shape[1] <= _FEW and max(self.shape[2:], default=1) <= 3


def _copied(tensor: torch.Tensor) -> int:
    """Bytes of a copy whose pixels lie together."""
    step = _ALIGNED // tensor.element_size()
    channels = tensor.shape[1]
    return tensor.numel() // channels * (-(-channels // step) * step) * tensor.element_size()


def _is_last(tensor: torch.Tensor) -> bool:
    if tensor.dim() != 4 or tensor.is_contiguous():
        return False
    return tensor.is_contiguous(memory_format=torch.channels_last)


def layout(tensors: Sequence[torch.Tensor]) -> torch.memory_format:
    """In which a convolution of these computes."""
    return torch.channels_last if any(map(_is_last, tensors)) else torch.contiguous_format


def summed_rows(tensor: torch.Tensor, dims: Sequence[int]) -> Sum | None:
    """The matrix whose rows a sum adds up; None where it adds up something else."""
    reduced = {dim % tensor.dim() for dim in dims} if dims else set()
    lead = len(reduced)
    if not tensor.is_contiguous() or reduced != set(range(lead)) or not 0 < lead < tensor.dim():
        return None
    return Sum(math.prod(tensor.shape[:lead]), math.prod(tensor.shape[lead:]))


def normalised(name: str, args: Sequence[Any]) -> tuple[torch.Tensor | None, ...] | None:
    """What batch normalisation in training gives, without values; None for all else.

    PyTorch works that out by a dozen operations of its own, which takes a third of a whole trace.
    """
    if name == "native_batch_norm" and args[5] and isinstance(args[0], FakeTensor):
        values = args[0]
        precise = torch.float32 if values.element_size() < 4 else values.dtype
        statistics = (values.new_empty(values.shape[1], dtype=precise) for _ in range(2))
        return torch.empty_like(values), *statistics
    if name == "native_batch_norm_backward" and args[7] and isinstance(args[0], FakeTensor):
        _, values, weights = args[:3]
        like = [values, weights, weights]
        return tuple(torch.empty_like(of) if wanted else None for of, wanted in zip(like, args[9], strict=True))
    return None


_TO_FLOAT: set[Callable[..., Any]] = {
    *(functional.layer_norm, functional.group_norm, functional.softmax, functional.log_softmax, functional.softplus),
    *(functional.mse_loss, functional.l1_loss, functional.smooth_l1_loss, functional.cross_entropy),
    *(functional.nll_loss, functional.binary_cross_entropy_with_logits, functional.cosine_similarity),
    *(functional.normalize, functional.kl_div, functional.cosine_embedding_loss),
    *(torch.softmax, torch.log_softmax, torch.exp, torch.pow, torch.cumsum, torch.norm, torch.sum, torch.prod),
    *(torch.log, torch.rsqrt, torch.reciprocal, torch.cosine_similarity, torch.nn.functional.softmin),
    *(torch.Tensor.softmax, torch.Tensor.log_softmax, torch.Tensor.pow, torch.Tensor.exp, torch.Tensor.norm),
    *(torch.Tensor.sum, torch.Tensor.prod, torch.Tensor.cumsum, torch.Tensor.log, torch.Tensor.rsqrt),
    torch.Tensor.__pow__,
}
"""What autocast does in float32 on CUDA, and not on the CPU."""

_HALVES = (torch.bfloat16, torch.float16)


class LikeCuda(TorchFunctionMode):
    """Lets functions do on the CPU what they do on CUDA, where that changes how much memory they take.

    Args:
        autocast: whether precision is mixed.
    """

    def __init__(self, *, autocast: bool) -> None:
        super().__init__()
        self._autocast = autocast

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of PyTorch."""
        kwargs = kwargs or {}
        if self._autocast and func in _TO_FLOAT:
            args = tuple(map(_as_float, args))
            kwargs = {name: _as_float(value) for name, value in kwargs.items()}
        elif func is functional.dropout:
            return self._dropout(*args, **kwargs)
        return func(*args, **kwargs)

    @staticmethod
    def _dropout(input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:  # noqa: A002 - as PyTorch calls it
        """CUDA keeps a mask of bytes; the CPU keeps floats."""
        if not training or p == 0 or inplace:
            return functional.dropout(input, p, training, inplace)
        kept: torch.Tensor = torch.native_dropout(input, p, True)[0]
        return kept


def _as_float(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) and value.dtype in _HALVES else value
