"""Whole pictures: from bytes to pixels, and back to bytes with what the file said beside them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import simplejpeg
from PIL import Image, JpegImagePlugin, PngImagePlugin

from ..errors import DefectError
from ..formats import MAX_PIXELS
from . import codecs
from .png import encode_png

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MODES_OF = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "P", "LA", "RGB", "RGBA", "I;16"),
    "WEBP": ("L", "RGB", "LA", "RGBA"),
    "TIFF": ("1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16", "I", "F"),
    "BMP": ("1", "L", "P", "RGB"),
    "GIF": ("1", "L", "P"),
}
"""Which pixel layouts, by Pillow's names, are written in each format; WebP has no grey, and shows it in colour."""
MAX_SIDE = {"JPEG": 65_500, "WEBP": 16_383, "GIF": 65_535}
"""How many pixels a side has at most, where the format says."""

_BESIDE = ("JPEG", "PNG", "WEBP", "TIFF")  # formats that can hold a colour profile
_EXIF = ("JPEG", "PNG", "WEBP")
_QUICK = ("L", "LA", "RGB", "RGBA", "I;16")  # layouts of `encode_png`


class Traits(NamedTuple):
    """What a file says of its pixels.

    Attributes:
        format: the name of its format, such as "JPEG".
        mode: Pillow's name of the layout that the pixels have in the array.
        orientation: the EXIF orientation, 1 to 8, which the pixels wait for.
        profile: its ICC profile; empty when it has none.
        exif: its EXIF block; empty when it has none. What is encoded gets it without preview, for upright pixels.
        palette: of mode "P": RGB values, three bytes each.
        transparency: which value is transparent, as Pillow has it, where no channel tells.
        sampling: how many pixels share a colour, should it become a JPEG: 0 for 4:4:4 (also for what is rare), 1 for
            4:2:2, 2 for 4:2:0; -1 leaves it to the writer.
        lossless: whether the file holds every pixel exactly.
        compression: of a TIFF: by which way its pixels are made smaller.
        frames: how many pictures it has.
        bits: of each channel in the file.
    """

    format: str = "PNG"
    mode: str = ""
    orientation: int = 1
    profile: bytes = b""
    exif: bytes = b""
    palette: bytes = b""
    transparency: Any = None
    sampling: int = -1
    lossless: bool = True
    compression: str = ""
    frames: int = 1
    bits: int = 8


class Picture(NamedTuple):
    """Pixels, as they are stored in a file, and its traits."""

    pixels: NDArray[Any]
    traits: Traits


def decode(source: Path | bytes, at_least: tuple[int, int] | None = None, *, labels: bool = False) -> Picture:
    """Decode an image to the last pixel. Call it inside `quiet_codecs`.

    Args:
        source: a file, or its bytes.
        at_least: a (height, width) as stored, in pixels. A JPEG is then decoded at the smallest of the scales 1, 1/2,
            1/4 and 1/8 that is not smaller, which is faster and less exact; None decodes at full quality.
        labels: the values mean something by themselves, as in a mask: numbers of a palette stay numbers. Else they
            become the colours that they stand for, and what is transparent gets a channel for that.

    Returns:
        Pixels of shape (height, width), or (height, width, channels) in the order of the mode's letters, uint8 with the
        range 0 to 255; uint16 for "I;16", int32 for "I", float32 for "F", 0 and 1 for labels of mode "1". Of several
        pictures in one file the first.

    Raises:
        DefectError: it cannot be read or decoded.
    """
    with codecs.defects():
        data = source if isinstance(source, bytes) else source.read_bytes()
    with codecs.opened(data) as image:
        traits = _traits(image, data)
        if codecs.is_jpeg(image) and image.mode in ("L", "RGB"):
            return Picture(_decode_jpeg(data, image, at_least), traits._replace(mode=image.mode))
        if not labels:
            image = _coloured(image)
        pixels = np.asarray(image)
        if pixels.dtype == bool:
            pixels = pixels.astype(np.uint8)
        elif not pixels.dtype.isnative:
            pixels = pixels.astype(pixels.dtype.newbyteorder("="))
        mode = "I;16" if image.mode.startswith("I;16") else image.mode
        seen = traits.transparency if labels or mode == "I;16" else None  # else there is a channel for it
        return Picture(pixels, traits._replace(mode=mode, transparency=seen))


def _decode_jpeg(data: bytes, image: Image.Image, at_least: tuple[int, int] | None) -> NDArray[np.uint8]:
    width, height = image.size
    wished = at_least or (height, width)
    scales = (8, 4, 2) if at_least else ()
    fitting = (by for by in scales if -(-height // by) >= wished[0] and -(-width // by) >= wished[1])
    scale = next(fitting, 1)
    # The size is asked for explicitly: simplejpeg's own choice among M/8 is not faster, and worse.
    colours: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data,
        "GRAY" if image.mode == "L" else "RGB",
        min_height=-(-height // scale),
        min_width=-(-width // scale),
        min_factor=scale,
        strict=True,
    )
    return colours[..., 0] if image.mode == "L" else colours


def _coloured(image: Image.Image) -> Image.Image:
    """Colours instead of numbers in a palette, a channel for what is transparent, grey instead of black and white."""
    transparent = "transparency" in image.info
    mode = {"1": "L", "P": "RGB", "PA": "RGBA"}.get(image.mode, image.mode)
    if transparent and mode in ("L", "RGB"):
        mode = {"L": "LA", "RGB": "RGBA"}[mode]
    return image if mode == image.mode else image.convert(mode)


def _traits(image: Image.Image, data: bytes) -> Traits:
    jpeg = codecs.is_jpeg(image)
    name = "JPEG" if jpeg else "BMP" if image.format == "DIB" else str(image.format)
    profile, exif = image.info.get("icc_profile"), image.info.get("exif")
    compression = str(image.info.get("compression", "")) if name == "TIFF" else ""
    bits = _bits(image)  # before anything loads the pixels
    return Traits(
        format=name,
        orientation=codecs.orientation_of(image),
        profile=profile if isinstance(profile, bytes) else b"",
        exif=exif if isinstance(exif, bytes) else b"",
        palette=bytes(image.getpalette("RGB") or ()) if image.mode == "P" else b"",
        transparency=image.info.get("transparency"),
        sampling=max(JpegImagePlugin.get_sampling(image), 0) if jpeg else 0,
        lossless=not (jpeg or compression == "jpeg" or (name == "WEBP" and not _is_lossless_webp(data))),
        compression=compression,
        frames=1 if jpeg else getattr(image, "n_frames", 1),
        bits=bits,
    )


def _is_lossless_webp(data: bytes) -> bool:
    """Whether the first picture in a WebP is a lossless one; profiles and the like may come before it."""
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name in (b"VP8L", b"VP8 ", b"ANMF"):
            return name == b"VP8L" or (name == b"ANMF" and data[at + 24 : at + 28] == b"VP8L")
        at += 8 + size + size % 2
    return False


def _bits(image: Image.Image) -> int:
    """Bits of a channel in the file: what Pillow reads of it may be less."""
    layouts = " ".join(str(tile.args) for tile in getattr(image, "tile", ()) if hasattr(tile, "args"))
    return 16 if ";16" in layouts or image.mode.startswith("I;16") else 8


def encode(
    pixels: NDArray[Any],
    image_format: str,
    traits: Traits | None = None,
    *,
    quality: int = 95,
    optimize: bool = False,
    comment: str = "",
) -> bytes:
    """Encode upright pixels.

    Args:
        pixels: as `decode` returns them; without traits uint8, shape (height, width, 3) in RGB order or (height, width)
            grey, range 0 to 255.
        image_format: Pillow's name, such as "PNG" or "JPEG".
        traits: of the file that they come from: mode, palette, profile, EXIF, sampling of colours, compression.
        quality: 1 to 100, where the format is lossy.
        optimize: take longer for fewer bytes.
        comment: a text to keep in a PNG.

    Returns:
        The bytes of a file.

    Raises:
        DefectError: the format cannot hold such pixels.
    """
    traits = traits or Traits()
    with codecs.defects(f"it cannot be written as {image_format}"):
        image = to_pillow(pixels, traits.mode, traits.palette)
        if image.mode not in MODES_OF[image_format]:
            problem = f"{image_format} cannot hold pixels of the layout {image.mode}"
            raise DefectError(problem)
        if max(image.size) > MAX_SIDE.get(image_format, MAX_PIXELS):
            problem = f"{image_format} has at most {MAX_SIDE[image_format]:,} pixels a side"
            raise DefectError(problem)
        buffer = io.BytesIO()
        options = _options(image, image_format, traits, quality, optimize=optimize)
        if image_format == "PNG" and image.mode in _QUICK and not optimize and "transparency" not in options:
            profile, exif = options.get("icc_profile", b""), options.get("exif", b"")
            return encode_png(pixels, profile=profile, exif=exif, comment=comment)
        if comment:
            options["pnginfo"] = PngImagePlugin.PngInfo()
            options["pnginfo"].add_text("Comment", comment)
        image.save(buffer, image_format, **options)
        return buffer.getvalue()


def in_mode(pixels: NDArray[np.uint8], mode: str, wished: str) -> NDArray[np.uint8]:
    """Pixels in the channels that are wished; what is transparent loses its opacity.

    Args:
        pixels: as `decode` returns them, uint8.
        mode: their layout.
        wished: "RGB" or "L".

    Raises:
        DefectError: they are CIELAB.

    Returns:
        uint8, shape (height, width, 3) for "RGB", (height, width) for "L", range 0 to 255.
    """
    if mode == wished:
        return pixels
    if mode == "LAB":
        problem = "its colours are CIELAB, which is not read as colours"
        raise DefectError(problem)
    if pixels.ndim == 2 and wished == "RGB":
        return np.repeat(pixels[..., None], 3, axis=2)
    if pixels.ndim == 2:
        return pixels
    return np.asarray(to_pillow(pixels, mode).convert(wished))


def to_pillow(pixels: NDArray[Any], mode: str = "", palette: bytes = b"") -> Image.Image:
    """Pixels as an image of Pillow's.

    Args:
        pixels: as `decode` returns them.
        mode: their layout, where the array alone does not tell.
        palette: see `Traits`.
    """
    if mode in ("CMYK", "YCbCr", "LAB"):
        return Image.frombytes(mode, (pixels.shape[1], pixels.shape[0]), np.ascontiguousarray(pixels).tobytes())
    if mode == "1":
        return Image.fromarray(pixels * np.uint8(255)).convert("1", dither=Image.Dither.NONE)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if mode == "P":
        image.putpalette(palette, "RGB")
    return image


def _options(image: Image.Image, image_format: str, traits: Traits, quality: int, *, optimize: bool) -> dict[str, Any]:
    fits = image_format in _BESIDE and not (image_format == "WEBP" and image.mode in ("L", "LA"))  # which become RGB
    options: dict[str, Any] = {"icc_profile": traits.profile} if traits.profile and fits else {}
    if traits.exif and image_format in _EXIF:
        options["exif"] = codecs.upright_exif(traits.exif, (image.height, image.width))
    if traits.transparency is not None and image_format in ("PNG", "GIF"):
        options["transparency"] = traits.transparency
    if image_format == "JPEG":
        options |= {"quality": quality, "subsampling": traits.sampling}
    elif image_format == "WEBP":
        options |= {"quality": quality, "lossless": traits.lossless, "exact": True}
    elif image_format == "TIFF" and traits.compression:
        bilevel = traits.compression in ("group3", "group4", "tiff_ccitt") and image.mode != "1"
        options["compression"] = "tiff_lzw" if bilevel else traits.compression
        if traits.compression == "jpeg":
            options["quality"] = quality
    return options | ({"optimize": optimize} if image_format in ("PNG", "JPEG", "GIF") else {})
