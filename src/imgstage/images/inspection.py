"""What an encoded image is, and whether it decodes to the last pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import simplejpeg
from blake3 import blake3

from ..errors import DefectError
from ..formats import ImageInfo
from . import codecs

if TYPE_CHECKING:
    from PIL import Image

_PNG_END = b"IEND\xae\x42\x60\x82"
_SIDEWAYS = range(5, 9)  # EXIF orientations that exchange height and width


def inspect(data: bytes) -> ImageInfo:
    """Decode an encoded image whole, and tell what it is.

    Args:
        data: the bytes of the file. Call it inside `quiet_codecs`.

    Returns:
        Size as seen, layout, format, orientation and profile.

    Raises:
        DefectError: the bytes are no image, are larger than `MAX_PIXELS`, or do not decode to the last pixel.
        MemoryError: there is too little of it, which says nothing of the image.
    """
    with codecs.opened(data) as image:
        width, height = image.size
        orientation = codecs.orientation_of(image)
        name, mode = str(image.format), image.mode
        profile = image.info.get("icc_profile")
        if codecs.is_jpeg(image):
            name = "JPEG"
            _decode_jpeg_strictly(data, mode)
        else:
            _decode_frames(image)
            if name == "PNG" and _PNG_END not in data:  # all pixels may be there, but the file was cut off
                problem = "it does not decode whole (its end is missing)"
                raise DefectError(problem)
    if orientation in _SIDEWAYS:
        height, width = width, height
    known_as = blake3(profile).hexdigest(length=4) if isinstance(profile, bytes) and profile else ""
    return ImageInfo(name, height, width, mode, orientation, known_as)


def _decode_jpeg_strictly(data: bytes, mode: str) -> None:
    # At 1/8 scale and without chroma the entropy decoder still reads every byte of the first picture, where defects
    # show; only the inverse DCT is saved.
    colorspace = "CMYK" if mode == "CMYK" else "GRAY"
    simplejpeg.decode_jpeg(data, colorspace=colorspace, min_height=1, min_width=1, min_factor=8, strict=True)


def _decode_frames(image: Image.Image) -> None:
    pixels = 0
    for frame in range(getattr(image, "n_frames", 1)):
        pixels += image.width * image.height
        if pixels > codecs.MAX_PIXELS:  # a long animation: its first frames are proof enough
            return
        image.seek(frame)
        image.load()
