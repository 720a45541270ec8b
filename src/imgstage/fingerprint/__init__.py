"""Perceptual fingerprints, and the search for those that are nearly alike. Pure."""

from .pdq import BYTES, ORIENTATIONS, PACKED, TOO_FLAT, Fingerprint, fingerprint, pack
from .search import Prints, components

__all__ = [
    "BYTES",
    "ORIENTATIONS",
    "PACKED",
    "TOO_FLAT",
    "Fingerprint",
    "Prints",
    "components",
    "fingerprint",
    "pack",
]
