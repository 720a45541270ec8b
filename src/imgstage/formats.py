"""Which files are images, by their names, and what is known of one. Names only: no decoder is loaded here."""

from __future__ import annotations

from typing import NamedTuple

SUFFIXES = frozenset(".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .tif .tiff .bmp .dib .gif".split())
"""Lower-case file name suffixes that make a file an image."""

SUFFIXES_OF = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
    "DIB": (".bmp", ".dib"),
    "GIF": (".gif",),
}
"""Which suffixes tell the truth about each format."""

UNSUPPORTED_SUFFIXES = frozenset(
    ".heic .heif .avif .jp2 .j2k .jxl .jxr .dng .cr2 .cr3 .nef .arw .orf .rw2 .raf .psd .svg .exr .hdr .dcm .ico .tga "
    ".ppm .pgm .pbm .pnm .pcx .qoi .eps .ai .pdf".split()
)
"""Pictures of a kind, but none that imgstage reads: ignored with that reason, never called broken."""

SIDECAR_SUFFIXES = frozenset(".txt .json .xml .csv .tsv .yaml .yml .toml .xmp .npy .npz .caption .cap".split())
"""What may go with an image of its name."""


MAX_PIXELS = 200_000_000
"""The size cap: a header that claims more pixels is refused before memory is allocated. The largest phones reach it."""


class ImageInfo(NamedTuple):
    """What is known of an image without its pixels.

    Attributes:
        format: Pillow's name of the format the bytes are in, such as "JPEG"; an MPO counts as the JPEG it starts with.
        height: pixels from top to bottom as seen, that is after the EXIF orientation.
        width: pixels from left to right as seen.
        mode: Pillow's name of the pixel layout, such as "RGB", "L", "I;16".
        orientation: the EXIF orientation, 1 to 8.
        profile: by what an embedded ICC profile is recognised, 8 hex digits; empty when there is none.
    """

    format: str
    height: int
    width: int
    mode: str
    orientation: int
    profile: str = ""
