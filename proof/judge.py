"""Who counts: what is in a root, and whether anything of it was lost, torn, or left between two states."""

from __future__ import annotations

import os
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from imgstage.root import is_own

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE = ".imgstage"


class Entry(NamedTuple):
    """A file or folder: of a folder, only the mode counts."""

    digest: str
    mtime_ns: int
    mode: int


Tree = dict[str, Entry]


def look(root: Path) -> Tree:
    """Everything that the user sees in a root: bytes, times and modes."""
    tree: Tree = {}
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name != STATE]
        for name in folders:
            path = Path(folder, name)
            tree[f"{path.relative_to(root)}/"] = Entry("", 0, stat.S_IMODE(path.lstat().st_mode))
        for name in files:
            path = Path(folder, name)
            status = path.lstat()
            digest = "link" if path.is_symlink() else digest_of(path)
            tree[str(path.relative_to(root))] = Entry(digest, status.st_mtime_ns, stat.S_IMODE(status.st_mode))
    return tree


def digest_of(path: Path) -> str:
    """blake3 of a file, 64 hex digits."""
    return blake3(path.read_bytes()).hexdigest()


def originals(tree: Tree) -> Counter[str]:
    """How often each content is there."""
    return Counter(entry.digest for entry in tree.values() if entry.digest)


def kept(root: Path) -> Counter[str]:
    """How often each content is anywhere below a root where an image may be: in sight, in the vault, or on its way."""
    found = originals(look(root))
    for name in ("vault", "incoming"):
        found += originals(look(root / STATE / name))
    return found


def without_times(tree: Tree) -> Tree:
    """A tree in which the times of imgstage's own tables do not count: they are when each run wrote them."""
    return {path: entry._replace(mtime_ns=0) if is_own(path) else entry for path, entry in tree.items()}


def torn(tree: Tree, samples: Mapping[str, str]) -> list[str]:
    """The samples whose files do not lie in one top-level folder.

    Args:
        tree: what there is.
        samples: the sample of each original, by digest.
    """
    places: dict[str, set[str]] = {}
    for path, entry in tree.items():
        if entry.digest in samples:
            places.setdefault(samples[entry.digest], set()).add(path.partition("/")[0])
    return sorted(sample for sample, tops in places.items() if len(tops) > 1)


@dataclass(frozen=True)
class Verdict:
    """What became of one root.

    Attributes:
        lost: originals that are nowhere, at once or after recovery.
        torn: samples that lie in two places.
        between: why the state is neither before nor after, or not the one it has to be; empty when it is right.
    """

    lost: int = 0
    torn: int = 0
    between: str = ""

    @property
    def is_harm(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.lost or self.torn or self.between)


def difference(one: Tree, other: Tree) -> str:
    """Where two trees differ, in a few words."""
    paths = sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
    return ", ".join(paths[:4]) + (f" and {len(paths) - 4} more" if len(paths) > 4 else "")
