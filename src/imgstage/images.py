"""One image: inspect it, make a thumbnail, encode an array. The only module that knows a codec."""

from __future__ import annotations

import ctypes
import io
import logging
import warnings
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import simplejpeg
from blake3 import blake3
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageDraw,
    ImageFile,
    ImageFont,
    ImageOps,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from .formats import ImageInfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_PLUGINS = (  # Pillow loads these when first needed, which is not safe in threads: naming them loads them now
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF")
"""What Pillow may try, whatever the file is called; a wrong extension is no defect. An MPO is opened as JPEG."""

MAX_PIXELS = 200_000_000
"""The size cap: a header that claims more pixels is refused before memory is allocated. The largest phones reach it."""

_SIDEWAYS = range(5, 9)  # EXIF orientations that exchange height and width
_EXIF_ORIENTATION = 0x0112


class DefectError(Exception):
    """The bytes are no image that can be decoded whole; the message says why."""


@contextmanager
def quiet_codecs() -> Iterator[None]:
    """Let the decoders work without warnings and under our own size cap instead of Pillow's.

    The settings are Pillow's globals, so this is entered once around a whole scan, not in each of its threads.
    """
    pillow_cap, pillow_lenient = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    with warnings.catch_warnings(), _quiet_libtiff(), _quiet_log():
        warnings.simplefilter("ignore")
        # Pillow warns above its limit and fails above twice that; it also checks what hides inside, such as GIF frames.
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = MAX_PIXELS // 2, False
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = pillow_cap, pillow_lenient


@contextmanager
def _quiet_libtiff() -> Iterator[None]:
    """Keep libtiff from printing what is wrong to stderr by itself: each defect is told once, with its file."""
    setters = []
    spec = find_spec("PIL._imaging")
    if spec is not None and spec.origin is not None:
        library = ctypes.CDLL(spec.origin)  # loaded already; its libtiff is found through it, bundled or not
        with suppress(AttributeError):  # a build without libtiff has nothing to be kept quiet
            setters = [library.TIFFSetErrorHandler, library.TIFFSetWarningHandler]
    for setter in setters:
        setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
    earlier = [setter(None) for setter in setters]
    try:
        yield
    finally:
        for setter, handler in zip(setters, earlier, strict=True):
            setter(handler)


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Keep Pillow's log from stderr where nobody has asked for it; who set up logging still gets it."""
    log, handler = logging.getLogger("PIL"), logging.NullHandler()
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


@contextmanager
def _defects() -> Iterator[None]:
    """Turn every failure of a decoder into a `DefectError`."""
    try:
        yield
    except (DefectError, MemoryError):
        raise
    except UnidentifiedImageError:
        problem = "its content is no JPEG, PNG, WebP, TIFF, BMP or GIF"
        raise DefectError(problem) from None
    except Image.DecompressionBombError:
        problem = f"its header claims more pixels than the cap of {MAX_PIXELS:,}"
        raise DefectError(problem) from None
    # Decoders fed with hostile bytes raise anything: OSError, SyntaxError, TypeError, struct.error, OverflowError …
    # One bad file must never end a run, so every failure of a decoder is a defect of its file.
    except Exception as error:
        detail = " ".join(str(error).split()) or type(error).__name__
        problem = f"it does not decode whole ({detail[:120]})"
        raise DefectError(problem) from error


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
    if not data:
        problem = "the file is empty"
        raise DefectError(problem)
    with _defects(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
        if not isinstance(orientation, int) or orientation not in range(1, 9):
            orientation = 1
        name, mode = str(image.format), image.mode
        profile = image.info.get("icc_profile")
        if name in ("JPEG", "MPO"):
            name = "JPEG"
            _decode_jpeg_strictly(data, mode)
        else:
            _decode_frames(image)
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
        if pixels > MAX_PIXELS:  # a long animation: its first frames are proof enough
            return
        image.seek(frame)
        image.load()


def thumbnail(path: Path, box: tuple[int, int]) -> NDArray[np.uint8]:
    """Decode an image small, upright, in colour.

    Args:
        path: the file.
        box: the (height, width) to fit into, keeping the aspect ratio; small images are not enlarged.

    Returns:
        RGB pixels as seen, uint8, shape (height, width, 3), range 0 to 255.

    Raises:
        DefectError: the file cannot be read or decoded.
    """
    with quiet_codecs(), _defects(), Image.open(path, formats=FORMATS) as image:
        image.draft("RGB", (box[1] * 2, box[0] * 2))
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):  # 16-bit grey: keep the eight bits that can be seen
            upright = Image.fromarray((np.asarray(upright, dtype=np.uint32) >> 8).astype(np.uint8))
        upright = upright.convert("RGB")
        upright.thumbnail((box[1], box[0]), Image.Resampling.LANCZOS)
        return np.asarray(upright, dtype=np.uint8)


def encode(pixels: NDArray[np.uint8], image_format: str, **options: Any) -> bytes:
    """Encode pixels.

    Args:
        pixels: uint8, shape (height, width, 3) in RGB order or (height, width) grey, range 0 to 255.
        image_format: Pillow's name, such as "PNG" or "JPEG".
        options: what Pillow's writer of that format takes, such as `quality=92`.

    Returns:
        The bytes of a file.
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, image_format, **options)
    return buffer.getvalue()


def caption(text: str, shape: tuple[int, int], size: int = 16) -> NDArray[np.uint8]:
    """Draw one line of dark text on white.

    Args:
        text: what to write; it is cut off where the picture ends.
        shape: (height, width) in pixels.
        size: height of the letters in pixels.

    Returns:
        RGB, uint8, shape (height, width, 3), range 0 to 255.
    """
    picture = Image.new("RGB", (shape[1], shape[0]), "white")
    middle = (4, shape[0] // 2)
    ImageDraw.Draw(picture).text(middle, text, fill=(30, 30, 30), font=ImageFont.load_default(size), anchor="lm")
    return np.asarray(picture, dtype=np.uint8)
