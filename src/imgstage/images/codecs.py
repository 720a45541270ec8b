"""The decoders: which there are, how they are kept quiet, and what becomes of their errors."""

from __future__ import annotations

import ctypes
import io
import logging
import warnings
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from ..errors import DefectError
from ..formats import MAX_PIXELS as MAX_PIXELS

if TYPE_CHECKING:
    from collections.abc import Iterator

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

_EXIF_ORIENTATION = 0x0112


class _Quiet:
    """How often `quiet_codecs` was entered, in whatever thread, and what ends it."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.times = 0
        self.end = ExitStack()


_QUIET = _Quiet()


@contextmanager
def quiet_codecs() -> Iterator[None]:
    """Let the decoders work without warnings and under our own size cap instead of Pillow's.

    The settings are Pillow's globals: the first who enters sets them, in whatever thread, and the last who leaves puts
    back what was there.
    """
    with _QUIET.lock:
        if not _QUIET.times:
            _QUIET.end.enter_context(_quieted())
        _QUIET.times += 1
    try:
        yield
    finally:
        with _QUIET.lock:
            _QUIET.times -= 1
            if not _QUIET.times:
                _QUIET.end.close()


@contextmanager
def _quieted() -> Iterator[None]:
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
    setters = _libtiff_setters()
    earlier = [setter(None) for setter in setters]
    try:
        yield
    finally:
        for setter, handler in zip(setters, earlier, strict=True):
            setter(handler)


@cache
def _libtiff_setters() -> list[Any]:
    """The functions of libtiff that say who is told what is wrong."""
    setters = []
    spec = find_spec("PIL._imaging")
    if spec is not None and spec.origin is not None:
        library = ctypes.CDLL(spec.origin)  # loaded already; its libtiff is found through it, bundled or not
        with suppress(AttributeError):  # a build without libtiff has nothing to be kept quiet
            setters = [library.TIFFSetErrorHandler, library.TIFFSetWarningHandler]
    for setter in setters:
        setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
    return setters


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
def defects(what: str = "it does not decode whole") -> Iterator[None]:
    """Turn every failure of a codec into a `DefectError` that begins so; lack of memory says nothing of the image."""
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
        problem = f"{what} ({detail[:120]})"
        raise DefectError(problem) from error


@contextmanager
def opened(data: bytes) -> Iterator[Image.Image]:
    """The header of an encoded image, by Pillow; its pixels are decoded when they are asked for.

    Raises:
        DefectError: the bytes are no image, are larger than `MAX_PIXELS`, or whatever is done with it inside fails.
    """
    if not data:
        problem = "the file is empty"
        raise DefectError(problem)
    with defects(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        yield image


def is_jpeg(image: Image.Image) -> bool:
    """Whether it is a JPEG; an MPO, which is a camera's JPEG with a second picture inside, counts as its first."""
    return image.format in ("JPEG", "MPO")


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8, that the pixels wait for; 1 where it says none, or nonsense."""
    if image.format == "TIFF":  # of these, Pillow tells the size as seen, and turns the pixels when it loads them
        return 1
    found = image.getexif().get(_EXIF_ORIENTATION, 1)
    return found if isinstance(found, int) and found in range(1, 9) else 1


def upright_exif(exif: bytes, shape: tuple[int, int]) -> bytes:
    """An EXIF block as it should be beside pixels that were made upright and have another size: without its preview.

    Args:
        exif: the block of the original.
        shape: the new (height, width) in pixels.

    Returns:
        The new block; empty where the old one is empty or cannot be read.
    """
    exif_ifd, exif_width, exif_height = 0x8769, 0xA002, 0xA003
    found = Image.Exif()
    try:
        with defects():  # what cameras write there is not always what its readers and writers take
            found.load(exif)
            if _EXIF_ORIENTATION in found:
                found[_EXIF_ORIENTATION] = 1
            inner = found.get_ifd(exif_ifd)
            inner |= {tag: side for tag, side in zip((exif_height, exif_width), shape, strict=True) if tag in inner}
            return found.tobytes() if found else b""
    except DefectError:
        return b""
