"""What CUDA does otherwise than the CPU, on whose tensors a step is traced.

Sources: PyTorch 2.11 (aten/src/ATen/native/cudnn, ATen/autocast_mode.h) and `benchmarks/recorded`, where what cuDNN
takes for itself was seen: to convolve what lies channel by channel, it copies input, output and weights to lie pixel by
pixel.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from .events import RowSum

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HEAD = 147  # bytes that come with copies
_POINTWISE = 0.33  # of what copies would take, a convolution of single pixels takes so much for its weights' gradient
_PARTS = 14  # the weights' gradient is added up from so many parts,
_FEWEST, _MOST = 2 << 20, 8 << 20  # of so many bytes in all
_FEW = 4  # channels, as those of an image
_WARP = 32  # rows of a query whose sums are kept together
_ALIGNED = 16  # bytes to which the channels of a pixel are filled up in copies


class Convolution(NamedTuple):
    """What decides how much memory cuDNN takes.

    Attributes:
        copies: bytes of input, output and weights together, when copied.
        weights: bytes of the weights.
        channels: of input and output.
        kernel: its height and width.
        is_transposed: whether it is the transposed kind.
        is_pointwise: whether it sees single pixels, all of them.
        needs_no_copies: whether PyTorch has a kernel of its own for it, or cuDNN does without copies.
        is_half: whether values have two bytes.
    """

    copies: int
    weights: int
    channels: tuple[int, int]
    kernel: tuple[int, ...]
    is_transposed: bool
    is_pointwise: bool
    needs_no_copies: bool
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
            (values.shape[1], other.shape[1]),
            tuple(weights.shape[2:]),
            transposed,
            {*weights.shape[2:], *stride} == {1} and not transposed,
            layout((values, weights)) is torch.channels_last or groups == values.shape[1] > 1,
            values.element_size() == 2,
        )

    @property
    def output_workspace(self) -> int:
        """Bytes for the output, or the input's gradient."""
        return 0 if self.needs_no_copies or self.is_pointwise or self._is_first else self.copies + _HEAD

    @property
    def weights_workspace(self) -> int:
        """Bytes for the weights' gradient."""
        if self.needs_no_copies or (self._is_first and not self.is_half):
            return 0
        if self.is_pointwise and min(self.channels) > _FEW:
            return int(self.copies * _POINTWISE)
        return self.copies + _HEAD + min(max(_PARTS * self.weights, _FEWEST), _MOST)

    @property
    def _is_first(self) -> bool:
        """Of few channels, and a small kernel."""
        return self.channels[0] <= _FEW and max(self.kernel, default=1) <= 3 and not self.is_transposed


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


def summed_rows(tensor: torch.Tensor, dims: Sequence[int]) -> RowSum | None:
    """The matrix whose rows a sum adds up; None where it adds up something else."""
    reduced = {dim % tensor.dim() for dim in dims} if dims else set()
    lead = len(reduced)
    if not tensor.is_contiguous() or reduced != set(range(lead)) or not 0 < lead < tensor.dim():
        return None
    return RowSum(math.prod(tensor.shape[:lead]), math.prod(tensor.shape[lead:]))


def attended(name: str, args: Sequence[Any]) -> tuple[torch.Tensor, torch.Tensor] | None:
    """What attention gives on CUDA, without values, where values have four bytes; None for all else.

    There it is the memory-efficient kernel's: not laid as the queries are, and with sums for whole warps of rows.
    """
    if name != "_scaled_dot_product_flash_attention_for_cpu" or args[0].element_size() != 4:
        return None
    query, value = args[0], args[2]
    batch, heads, rows, _ = query.shape
    output = query.new_empty(batch, rows, heads, value.shape[-1]).transpose(1, 2)
    return output, query.new_empty(batch, heads, -(-rows // _WARP) * _WARP)


_FUNCTIONS = "acos asin cosh exp expm1 log log10 log1p log2 pow reciprocal rsqrt sinh tan norm dist renorm cdist"
_LOSSES = (
    "binary_cross_entropy_with_logits cosine_embedding_loss cosine_similarity cross_entropy group_norm"
    " hinge_embedding_loss huber_loss kl_div l1_loss layer_norm log_softmax margin_ranking_loss mse_loss nll_loss"
    " poisson_nll_loss smooth_l1_loss soft_margin_loss softmax softmin softplus triplet_margin_loss"
)
_TO_FLOAT: set[Callable[..., Any]] = {
    *(getattr(home, name) for name in _FUNCTIONS.split() for home in (torch, torch.Tensor) if hasattr(home, name)),
    *(getattr(functional, name) for name in _LOSSES.split()),
    *(torch.softmax, torch.log_softmax, torch.Tensor.softmax, torch.Tensor.log_softmax, torch.Tensor.__pow__),
}
"""What autocast does in float32 on CUDA, on copies of what has 16 bits; of it, the CPU's does the losses alone."""

_ADDED: set[Callable[..., Any]] = {
    getattr(home, name) for name in ("sum", "prod", "cumsum", "cumprod") for home in (torch, torch.Tensor)
}
"""What autocast does in float32 on CUDA without a copy."""

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
        elif self._autocast and func in _ADDED and args and getattr(args[0], "dtype", None) in _HALVES:
            kwargs = {"dtype": torch.float32} | kwargs
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
