"""What an encoded image is, whether it decodes to the last pixel, and a small copy of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import simplejpeg
from blake3 import blake3
from PIL import Image

from ..errors import DefectError
from ..formats import ImageInfo
from . import codecs

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PNG_END = b"IEND\xae\x42\x60\x82"
SIDEWAYS = range(5, 9)
"""EXIF orientations that exchange height and width."""
_SMALL = 128  # pixels that a small copy has on its shorter side at least, where the image has them
_TO_GREY = {"1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr"}
_TRANSPARENT = {"LA", "La", "PA", "RGBA", "RGBa"}
_SCALES = (8, 4, 2, 1)  # by which JPEG decoders can shrink


class Inspected(NamedTuple):
    """An image that decodes whole.

    Attributes:
        info: what it is.
        size: (height, width) in pixels as stored.
        small: a copy as stored, grey: shape (height, width), uint8, or float32 where there are more than eight bits;
            range 0 to 255.
        shrunk: how many pixels each way are one of the copy; those at its end may stand for fewer.
    """

    info: ImageInfo
    size: tuple[int, int]
    small: NDArray[Any]
    shrunk: int


class Header(NamedTuple):
    """What an image says of itself before its pixels.

    Attributes:
        size: (height, width) in pixels as seen, that is after the EXIF orientation.
        orientation: the EXIF orientation, 1 to 8.
    """

    size: tuple[int, int]
    orientation: int

    @property
    def is_sideways(self) -> bool:
        """Whether height and width are exchanged in the file."""
        return self.orientation in SIDEWAYS


def read_header(data: bytes) -> Header:
    """Read no more than the header of an encoded image. Call it inside `quiet_codecs`.

    Raises:
        DefectError: the bytes are no image, or larger than `MAX_PIXELS`.
    """
    with codecs.opened(data) as image:
        orientation = codecs.orientation_of(image)
        return Header(image.size if orientation in SIDEWAYS else image.size[::-1], orientation)


def inspect(data: bytes) -> Inspected:
    """Decode an encoded image whole, and tell what it is.

    Args:
        data: the bytes of the file. Call it inside `quiet_codecs`.

    Raises:
        DefectError: the bytes are no image, are larger than `MAX_PIXELS`, or do not decode to the last pixel.
        MemoryError: there is too little of it, which says nothing of the image.
    """
    with codecs.opened(data) as image:
        width, height = image.size
        size = height, width
        shrunk = next((by for by in _SCALES if min(size) >= by * _SMALL), 1)
        orientation = codecs.orientation_of(image)
        name, mode = str(image.format), "I;16" if image.mode.startswith("I;16") else image.mode
        profile = image.info.get("icc_profile")
        if codecs.is_jpeg(image):
            name = "JPEG"
            small = _decode_jpeg_strictly(data, image, shrunk)
        else:
            small = _decode_frames(image, shrunk)
            if name == "PNG" and _PNG_END not in data:  # all pixels may be there, but the file was cut off
                problem = "it does not decode whole (its end is missing)"
                raise DefectError(problem)
    if orientation in SIDEWAYS:
        height, width = width, height
    known_as = blake3(profile).hexdigest(length=4) if isinstance(profile, bytes) and profile else ""
    return Inspected(ImageInfo(name, height, width, mode, orientation, known_as), size, small, shrunk)


def _decode_jpeg_strictly(data: bytes, image: Image.Image, shrunk: int) -> NDArray[np.uint8]:
    # Decoded small and without chroma, the entropy decoder still reads every byte of the first picture, where defects
    # show; only the inverse DCT is saved.
    height, width = -(-image.height // shrunk), -(-image.width // shrunk)
    inks = image.mode == "CMYK"
    colorspace = "CMYK" if inks else "GRAY"
    grey: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data, colorspace=colorspace, min_height=height, min_width=width, min_factor=shrunk, strict=True
    )
    return _shrink(image, shrunk) if inks else grey[..., 0]


def _decode_frames(image: Image.Image, shrunk: int) -> NDArray[Any]:
    image.load()
    small = _shrink(image, shrunk)
    pixels = image.width * image.height
    for frame in range(1, getattr(image, "n_frames", 1)):
        pixels += image.width * image.height
        if pixels > codecs.MAX_PIXELS:  # a long animation: its first frames are proof enough
            break
        image.seek(frame)
        image.load()
    return small


def _shrink(image: Image.Image, by: int) -> NDArray[Any]:
    """The greys of an image, on white where it is transparent, by blocks of pixels."""
    if image.mode[0] in "IF":  # more than eight bits; which of them matter, only the image itself can tell
        values = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
        low, high = float(values.min()), float(values.max())
        with np.errstate(over="ignore", invalid="ignore"):
            scale = np.float32(255 / (high - low) if high > low else 0)
            return _means(np.nan_to_num(np.clip(values * scale - np.float32(low) * scale, 0, 255)), by)
    if "transparency" in image.info or image.mode in _TRANSPARENT:  # colours that nobody sees say nothing
        image = image.convert("RGBA")
        grey = Image.composite(image.convert("L"), Image.new("L", image.size, 255), image.getchannel("A"))
    else:
        grey = image.convert("L") if image.mode in _TO_GREY else image.getchannel(0)
    return np.asarray(grey.reduce(by) if by > 1 else grey)


def _means(grey: NDArray[Any], by: int) -> NDArray[Any]:
    """The means of blocks of pixels."""
    for axis in (0, 1):
        starts = np.arange(0, grey.shape[axis], by)
        counts = np.diff([*starts, grey.shape[axis]]).astype(np.float32)
        grey = np.add.reduceat(grey, starts, axis) / (counts[:, None] if axis == 0 else counts)
    return grey
