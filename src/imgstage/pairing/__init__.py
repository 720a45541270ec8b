"""File names -> samples: which images, in which roles, go together, and which sidecars go with them. Pure."""

from .detect import FolderPairing, describe, detect, is_complete, read_all, read_rule, stem_of, toml_table
from .rules import LONE, SIDECAR, Rule, Slot, without_noise
from .sidecars import attach
from .words import CONVENTIONS, is_mask

__all__ = [
    "CONVENTIONS",
    "LONE",
    "SIDECAR",
    "FolderPairing",
    "Rule",
    "Slot",
    "attach",
    "describe",
    "detect",
    "is_complete",
    "is_mask",
    "read_all",
    "read_rule",
    "stem_of",
    "toml_table",
    "without_noise",
]
