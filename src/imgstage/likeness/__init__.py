"""Which pictures of a root are nearly alike, whatever they are called.

numpy is loaded when pictures are compared, and not to recall what was found of the same ones before.
"""

from .alike import RADIUS, Likeness, Link, compare

__all__ = ["RADIUS", "Likeness", "Link", "compare"]
