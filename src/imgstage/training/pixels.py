"""From files to tensors of one size: decoded no larger than need be, resized by PyTorch's kernel, all roles alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch.nn.functional import interpolate

from .. import images
from ..errors import DefectError, RefusedError, UsageError
from ..geometry import FITS, MisfitError, SizeWish, check_word
from ..pairing import is_mask
from ..resizing import placed, shaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..geometry import Fit, Frame, Size
    from ..images import Header, Traits

_UP = 1 + 1e-12  # a size is a product rounded down, and 3 * (1 / 3) may be less than 1
_Part = tuple["Header", "Frame"]
Mode = Literal["RGB", "L"]
CHANNELS: dict[str, int] = {"RGB": 3, "L": 1}

_MARGIN = 4.0  # what a reduced decode leaves to the kernel at least: at 3.2, photographs were found below 43 dB


@dataclass(frozen=True)
class Preprocessing:
    """What every image becomes.

    Attributes:
        size: (height, width) in pixels; None keeps each image's own.
        fit: how an image of another aspect comes to the size; see `geometry.SizeWish`.
        mode: "RGB" or "L": the channels that pictures get.
        exact: the very pixels that `imgstage resize` makes before it encodes them.
    """

    size: Size | None
    fit: Fit
    mode: Mode
    exact: bool

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UsageError: naming it.
        """
        check_word("fit", self.fit, FITS)
        check_word("mode", self.mode, tuple(CHANNELS))
        if self.size is not None:
            sides = self.size if isinstance(self.size, tuple) else ()
            if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
                problem = f"size={self.size!r} is no (height, width) of two whole numbers above zero"
                raise UsageError(problem, "Give size=(960, 640), or size=None to keep each image's own")
            SizeWish(size=self.size, fit=self.fit).check()

    def load(self, roles: Sequence[str], files: Sequence[Sequence[bytes]]) -> list[torch.Tensor]:
        """Decode the images of one sample, and give all the same geometry. Call it inside `quiet_codecs`.

        Args:
            roles: of each image, or of the several that it has.
            files: the bytes of these.

        Returns:
            For each role: a picture as uint8, shape (channels, height, width), RGB or grey, range 0 to 255; of a role
            that is a mask its values, shape (height, width), uint8, or int32 where they do not fit into that. Several
            masks of one role become one: 0 where none is, else the number of the last that is not zero there.

        Raises:
            DefectError: one cannot be decoded, or they do not fit each other.
            RefusedError: the exact way does not go in this process.
        """
        if self.exact and images.inherits_libvips():
            problem = "libvips was used before this process was forked, and might hang in it"
            raise RefusedError(problem, "Start workers anew, with multiprocessing_context='spawn'")
        parts = iter(self._frames([data for of in files for data in of]))
        found: list[torch.Tensor] = []
        for role, of in zip(roles, files, strict=True):
            if is_mask(role):
                found.append(_one_mask([_mask(data, next(parts)) for data in of]))
            elif len(of) == 1:
                found.append(self._picture(of[0], next(parts)))
            else:
                problem = f"it has {len(of)} images in the role {role}, which is no mask"
                raise DefectError(problem)
        return found

    def _frames(self, files: Sequence[bytes]) -> Sequence[_Part | None]:
        """How each image of a sample comes to its size; None keeps its own."""
        if self.size is None:
            return [None] * len(files)
        headers = [images.read_header(data) for data in files]
        try:
            frames = SizeWish(size=self.size, fit=self.fit, enlarge=True).frames([header.size for header in headers])
        except MisfitError as error:
            raise DefectError(str(error)) from error
        return list(zip(headers, frames, strict=True))

    def _picture(self, data: bytes, part: _Part | None) -> torch.Tensor:
        if part is None:
            pixels, traits = images.decode(data)
            made = images.orient(pixels, traits.orientation)
        elif self.exact:
            pixels, traits = images.decode(data)
            made = shaped(pixels, traits, part[1])
        else:
            header, frame = part
            high, wide = (int(side * _MARGIN) for side in frame.scaled)
            pixels, traits = images.decode(data, at_least=(wide, high) if header.is_sideways else (high, wide))
            made = _framed(_of_eight_bits(pixels, traits.mode), traits, header.size, frame)
        planes = images.in_mode(_of_eight_bits(made, traits.mode), traits.mode, self.mode)
        image = torch.from_numpy(planes if planes.flags.writeable and min(planes.strides) > 0 else np.array(planes))
        return image[None] if image.ndim == 2 else image.permute(2, 0, 1)  # as it lies: a batch will copy it anyway


def _framed(pixels: NDArray[np.uint8], traits: Traits, size: Size, frame: Frame) -> NDArray[np.uint8]:
    """Scale by PyTorch's own kernel, turn upright, cut and pad.

    Args:
        pixels: as stored, perhaps decoded at a reduced scale.
        traits: of the same picture.
        size: (height, width) in pixels of the whole image, as seen.
        frame: how it comes to its new size.
    """
    sideways = traits.orientation in images.SIDEWAYS
    wished, there = (of[::-1] if sideways else of for of in (frame.scaled, size))
    if pixels.shape[:2] != wished:
        # A decode at 1/2 of 301 rows has 151, of which the last is half beyond the edge: what counts is 150.5.
        reduced = [max(1, round(whole / part)) for whole, part in zip(there, pixels.shape, strict=False)]
        factors = [to * by / whole * _UP for to, by, whole in zip(wished, reduced, there, strict=True)]
        deep = pixels if pixels.ndim == 3 else pixels[..., None]
        image = torch.from_numpy(np.ascontiguousarray(deep)).permute(2, 0, 1)[None]
        small = interpolate(image, scale_factor=factors, mode="lanczos", antialias=True, recompute_scale_factor=False)
        scaled = small[0].permute(1, 2, 0).numpy()
        pixels = scaled if pixels.ndim == 3 else scaled[..., 0]
    return placed(images.orient(pixels, traits.orientation), traits.mode, frame)


def _of_eight_bits(pixels: NDArray[Any], mode: str) -> NDArray[np.uint8]:
    """Of sixteen bits of grey, the eight that can be seen.

    Raises:
        DefectError: the values have no range that is known.
    """
    if mode == "F":
        problem = "its pixels are floating point numbers, of which nobody knows what is black and white"
        raise DefectError(problem)
    if pixels.dtype == np.uint8:
        return pixels
    seen: NDArray[np.uint8] = np.clip(pixels.astype(np.int64) >> 8, 0, 255).astype(np.uint8)
    return seen


def _mask(data: bytes, part: _Part | None) -> NDArray[Any]:
    pixels, traits = images.decode(data, labels=True)
    if pixels.ndim == 3:
        if (pixels != pixels[..., :1]).any():
            problem = "it is a mask in colours, and only numbers mean labels"
            raise DefectError(problem)
        pixels = pixels[..., 0]
    made = images.orient(pixels, traits.orientation) if part is None else shaped(pixels, traits, part[1], labels=True)
    return np.ascontiguousarray(made if made.dtype == np.uint8 else made.astype(np.int32))


def _one_mask(masks: Sequence[NDArray[Any]]) -> torch.Tensor:
    if len(masks) == 1:
        return torch.from_numpy(masks[0])
    together = np.zeros(masks[0].shape, np.uint8 if len(masks) < 256 else np.int32)
    for number, mask in enumerate(masks, start=1):
        together[mask != 0] = number
    return torch.from_numpy(together)
