"""Pictures that do not look alike, and copies that look like them."""

from __future__ import annotations

import io
import itertools
from functools import cache

import numpy as np
from PIL import Image

from imgstage.fingerprint import fingerprint

from .helpers import photo


@cache
def cuts(count: int) -> list[Image.Image]:
    """So many pictures that do not look alike, with enough to see in each."""
    found: list[Image.Image] = []
    for number in itertools.count():
        whole = photo(("astronaut", "coffee", "chelsea", "rocket", "camera", "brick")[number % 6])
        place = np.random.default_rng(number)
        top, left = place.integers(0, whole.shape[0] - 250), place.integers(0, whole.shape[1] - 250)
        angle = int(place.integers(5, 40)) * (number // 6)  # what is turned by an odd angle is another picture
        image = Image.fromarray(whole[top : top + 250, left : left + 250]).resize((320, 320)).rotate(angle)
        if fingerprint(np.asarray(image.convert("L"))).quality > 90:
            found.append(image)
        if len(found) == count:
            return found
    raise AssertionError


def encoded(image: Image.Image, image_format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def small_copy(image: Image.Image) -> bytes:
    return encoded(image.resize((200, 200)).transpose(Image.Transpose.ROTATE_90), "JPEG", quality=85)
