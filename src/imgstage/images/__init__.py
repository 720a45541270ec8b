"""One image: inspect, decode, orient, resize, encode. The only room that knows a codec."""

from ..errors import DefectError
from ..formats import MAX_PIXELS
from .arrays import COUNTER_CLOCKWISE, Kernel, inherits_libvips, orient, resize, resize_upright, turned_left
from .codecs import defects, quiet_codecs
from .drawing import area, bars, caption, stacked_bars, thumbnail
from .inspection import SIDEWAYS, Header, Inspected, inspect, read_header
from .pictures import MODES_OF, Picture, Traits, decode, encode, in_mode
from .png import encode_png, png_comment

__all__ = [
    "COUNTER_CLOCKWISE",
    "MAX_PIXELS",
    "MODES_OF",
    "SIDEWAYS",
    "DefectError",
    "Header",
    "Inspected",
    "Kernel",
    "Picture",
    "Traits",
    "area",
    "bars",
    "caption",
    "decode",
    "defects",
    "encode",
    "encode_png",
    "in_mode",
    "inherits_libvips",
    "inspect",
    "orient",
    "png_comment",
    "quiet_codecs",
    "read_header",
    "resize",
    "resize_upright",
    "stacked_bars",
    "thumbnail",
    "turned_left",
]
