"""Plan: what a verb would do, step by step, made without touching anything.

A plan knows one way to change things: rename a file without replacing another, and make or remove a folder. New bytes
are prepared aside first; replacing a file is then two renames, the old one into the vault and the new one in its place.
Destination conflicts are found here, before anything starts.
"""

from .arranging import FOLDER_MODE, arrange, emptied_folders, folder_modes
from .model import (
    HOP,
    INCOMING,
    MADE,
    VAULT,
    Identity,
    Job,
    Journey,
    Made,
    MakeFolder,
    Making,
    Move,
    Note,
    Plan,
    Preparation,
    RemoveFolder,
    Rename,
    Report,
    Step,
    some,
    vault_place,
)

__all__ = [
    "FOLDER_MODE",
    "HOP",
    "INCOMING",
    "MADE",
    "VAULT",
    "Identity",
    "Job",
    "Journey",
    "Made",
    "MakeFolder",
    "Making",
    "Move",
    "Note",
    "Plan",
    "Preparation",
    "RemoveFolder",
    "Rename",
    "Report",
    "Step",
    "arrange",
    "emptied_folders",
    "folder_modes",
    "some",
    "vault_place",
]
