"""What a listing of a split found, kept in `.imgstage/cache/listings`, where it may be deleted at any time.

It holds as long as no folder of the split was changed since, nor `imgstage.toml`: to add, remove or rename a file
changes the stamp of its folder.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import Any

from blake3 import blake3

from ..cache import Stamp, make_folder
from ..root import SETTINGS, Root

LISTINGS = PurePosixPath("cache/listings")
_WORTH = 1000  # files; what has fewer is quickly listed


class ListingCache:
    """The place of one listing.

    Args:
        root: what is listed.
        wish: a text that is another one for every listing of the same root.
    """

    def __init__(self, root: Root, wish: str) -> None:
        self._root = root
        self._path = root.state / LISTINGS / f"{blake3(wish.encode()).hexdigest(8)}.json"
        self._head = {"imgstage": version("imgstage"), "wish": wish, "settings": self.stamp(SETTINGS)}

    def recall(self) -> Any | None:
        """What was kept, if it still holds."""
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            found = json.loads(self._path.read_bytes())
            if found["head"] == self._head and all(self.stamp(path) == of for path, of in found["folders"].items()):
                return found["result"]
        return None

    def keep(self, folders: dict[str, Any], files: int, result: Any) -> None:
        """Keep what was found, if a later change would be seen, and it is worth it.

        Args:
            folders: the stamps that all had before they were listed.
            files: how many were found.
            result: what can be written as JSON.
        """
        whole = [Stamp(*stamp) if stamp else None for stamp in (*folders.values(), self._head["settings"] or ())]
        if files < _WORTH or not all(stamp.tells for stamp in whole if stamp):
            return
        told = json.dumps({"head": self._head, "folders": folders, "result": result}, ensure_ascii=False)
        with suppress(OSError, UnicodeEncodeError):
            make_folder(self._path.parent)
            new = self._path.with_suffix(f".{os.getpid()}")
            new.write_bytes(told.encode())
            new.replace(self._path)

    def stamp(self, path: str) -> list[int] | None:
        """By what a file or folder is recognised, given its path below the root; None where there is none."""
        try:
            return list(Stamp.of((self._root.path / path).stat()))
        except FileNotFoundError:
            return None
