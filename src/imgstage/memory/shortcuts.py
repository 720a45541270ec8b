"""What common operations give on tensors without values, worked out at once.

PyTorch's own way goes through much Python for each, and a training has thousands. It ends in the same kernels for
shapes that are called here, or in what lies as the tensors do that went in.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch._prims_common import make_channels_last_2d_strides_for, make_contiguous_strides_for
from torch._subclasses.fake_tensor import FakeTensor, in_kernel_invocation_manager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_aten = torch.ops.aten
_AS_USUAL = {"memory_format": torch.preserve_format, "pin_memory": False, "dtype": None, "layout": None, "device": None}


def shortcut(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What an operation gives, `NotImplemented` where that is to be found in PyTorch's own way.

    Args:
        func: an operation, as PyTorch dispatches it.
        args: of it.
        kwargs: of it.
    """
    way = _WAYS.get(func)
    if way is None and func.overloadpacket.__name__.startswith("_foreach_"):
        way = _of_lists
    if way is None or not kwargs.items() <= _AS_USUAL.items():
        return NotImplemented
    return way(func, args)


def _device(_func: Any, args: Sequence[Any]) -> Any:
    return args[0].fake_device if isinstance(args[0], FakeTensor) else NotImplemented


def _number(_func: Any, args: Sequence[Any]) -> Any:
    """The value of a tensor that has one after all, as an optimizer's count of steps."""
    constant = getattr(args[0], "constant", None)
    if constant is None:
        return NotImplemented
    with torch._C._DisableTorchDispatch():  # noqa: SLF001 - else it would come here again
        return constant.item()


def _pointwise(_func: Any, args: Sequence[Any]) -> Any:
    """Of tensors of one shape, one more, which lies as they do."""
    tensors = _alike(args)
    if not tensors or any(of.shape != tensors[0].shape for of in tensors):
        return NotImplemented
    first = tensors[0]
    if not first.is_floating_point() or any(isinstance(of, complex) for of in args):  # a number may change the type
        return NotImplemented
    lines = make_contiguous_strides_for(first.shape)
    if all(of.stride() == lines or _is_part(of) for of in tensors):
        return _made(first, first.shape, lines, first.dtype)
    return _like(first) if all(map(_is_by_pixel, tensors)) else NotImplemented


def _by_its_kernel(func: Any, args: Sequence[Any]) -> Any:
    """What the kernel for shapes gives."""
    tensors = _alike(args)
    if not tensors:
        return NotImplemented
    mode, device = tensors[0].fake_mode, tensors[0].fake_device
    with in_kernel_invocation_manager(mode):
        made = func(*args)
    if made is args[0]:
        return made
    return [FakeTensor(mode, of, device) for of in made] if isinstance(made, list) else FakeTensor(mode, made, device)


def _of_lists(func: Any, args: Sequence[Any]) -> Any:
    """Of lists of tensors, as optimizers have them."""
    if not func.overloadpacket.__name__.endswith("_"):
        return _by_its_kernel(func, args)
    shapes = [[of.shape for of in one] for one in args if isinstance(one, list) and isinstance(one[0], torch.Tensor)]
    if not _alike(args) or any(of != shapes[0] for of in shapes):
        return NotImplemented
    return None  # in place


def _normalised(_func: Any, args: Sequence[Any]) -> Any:
    """What batch normalisation gives in training, by CUDA's kernels. PyTorch works that out by a dozen operations,
    which do not mix precisions, and may lay a gradient out otherwise.
    """
    values, is_training = args[0], args[5]
    if not is_training or not isinstance(values, FakeTensor):
        return NotImplemented
    precise = torch.float32 if values.element_size() < torch.float32.itemsize else values.dtype
    statistics = (_made(values, values.shape[1:2], (1,), precise) for _ in range(2))
    return _like(values), *statistics


def _normalised_back(_func: Any, args: Sequence[Any]) -> Any:
    _, values, weights, *_, is_training, _, wanted = args
    if not is_training or not isinstance(values, FakeTensor):
        return NotImplemented
    like = [values, weights, weights]
    return tuple(_like(of) if asked else None for of, asked in zip(like, wanted, strict=True))


_WAYS: dict[Any, Callable[[Any, Sequence[Any]], Any]] = {
    torch.ops.prim.device.default: _device,
    _aten._local_scalar_dense.default: _number,  # noqa: SLF001 - its name
    _aten.native_batch_norm.default: _normalised,
    _aten.native_batch_norm_backward.default: _normalised_back,
}
_WAYS |= dict.fromkeys(
    (
        *(_aten.add.Tensor, _aten.mul.Tensor, _aten.zeros_like.default, _aten.relu.default, _aten.sigmoid.default),
        *(_aten.threshold_backward.default, _aten.silu.default, _aten.silu_backward.default),
        *(_aten.gelu.default, _aten.gelu_backward.default, _aten.hardtanh_backward.default),
    ),
    _pointwise,
)
_WAYS |= dict.fromkeys(
    (
        *(_aten.add_.Tensor, _aten.relu_.default, _aten.silu_.default, _aten.hardtanh_.default),
        *(_aten.cat.default, _aten.slice.Tensor, _aten.detach.default, _aten.t.default, _aten.transpose.int),
        *(_aten.mm.default, _aten.addmm.default, _aten.bmm.default),
    ),
    _by_its_kernel,
)


def _alike(args: Sequence[Any]) -> list[FakeTensor]:
    """The tensors among arguments; none unless all are of one type, on one device and without values."""
    tensors = list(_tensors(args))
    fakes = [of for of in tensors if isinstance(of, FakeTensor) and of.constant is None]
    return fakes if len(fakes) == len(tensors) and len({(of.dtype, of.fake_device) for of in fakes}) == 1 else []


def _tensors(args: Sequence[Any]) -> Iterator[torch.Tensor]:
    for of in args:
        if isinstance(of, torch.Tensor):
            yield of
        elif isinstance(of, (list, tuple)):
            yield from (one for one in of if isinstance(one, torch.Tensor))


def _is_by_pixel(tensor: torch.Tensor) -> bool:
    return tensor.dim() == 4 and tensor.stride() == make_channels_last_2d_strides_for(tensor.shape)


def _is_part(tensor: torch.Tensor) -> bool:
    """Whether a tensor lies line by line, with gaps, as those do that a cat is of."""
    return 1 not in tensor.shape and all(outer > inner for outer, inner in pairwise(tensor.stride()))


def _like(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.stride() == make_contiguous_strides_for(tensor.shape) or _is_by_pixel(tensor):
        return _made(tensor, tensor.shape, tensor.stride(), tensor.dtype)
    return torch.empty_like(tensor)


def _made(by: Any, shape: Sequence[int], strides: Sequence[int], dtype: torch.dtype) -> FakeTensor:
    with in_kernel_invocation_manager(by.fake_mode):
        made = torch.empty_strided(shape, strides, dtype=dtype, device="meta")
    return FakeTensor(by.fake_mode, made, by.fake_device)
