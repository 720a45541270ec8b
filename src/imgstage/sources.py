"""What `add` is given: checked, and read."""

from __future__ import annotations

import shlex
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from .errors import RefusedError, UsageError
from .index import Kind
from .root import STAGE, TRAIN, real_path, show, split_folders, split_sets
from .verbs.add import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .index import Index
    from .root import Root


_PARTS = ("images", "labels", "masks", "annotations")


def read_sources(root: Root, given: Sequence[str | Path], scan: Callable[[Path, Sequence[str]], Index]) -> list[Source]:
    """Read all files of some folders, or single files.

    Args:
        root: the root they are to be added to.
        given: their paths.
        scan: reads every file below some sub-folders (or single files) of a folder.

    Raises:
        UsageError: one does not exist, cannot be read, or holds nothing.
        RefusedError: one overlaps the root, or they are a set that is split already.
    """
    together = split_sets(path.as_posix() for one in given if (path := real_path(one)) is not None and path.is_dir())
    if together:
        _refuse_split(Path(together[0]))
    return [_read(root, source, scan) for source in given]


def _refuse_split(folder: Path) -> None:
    problem = f"{show(str(folder))} is split already, and its images would be drawn anew here"
    as_it_stands = shlex.join(("imgstage", "-C", str(folder), "split"))
    remedy = f"Use it as it stands, with: {as_it_stands}"
    if not split_folders(folder) >= {TRAIN} or len(split_folders(folder)) < 2:
        remedy = f"Call its folders train, val and test, and use it as it stands then, with: {as_it_stands}"
    remedy += "; or add its folders one at a time, to draw them anew"
    if folder.name in _PARTS:  # as YOLO wants it: images/train beside labels/train
        remedy = "Put its parts the other way round (train/images, train/labels, test/images …) and use that as it is"
    raise RefusedError(problem, remedy)


def _read(root: Root, given: str | Path, scan: Callable[[Path, Sequence[str]], Index]) -> Source:
    """Read a file, or all files of a folder.

    Args:
        root: the root they are to be added to.
        given: the path.
        scan: reads every file below some sub-folders (or single files) of a folder.

    Raises:
        UsageError: it does not exist, cannot be read, or holds nothing.
        RefusedError: it overlaps the root, or is a set that is split already.
    """
    source = Path(given)
    real = real_path(source)
    if not str(given) or real is None:  # an empty word is a shell variable that was never set
        problem = f"There is no file or folder {show(str(given)) or repr('')}"
        raise UsageError(problem, "Check the path")
    if real == root.path or root.path in real.parents or real in root.path.parents:
        problem = f"{show(str(source))} overlaps the root {root.path}"
        remedy = f"Give a folder outside of it; files may also be put into {root.path / STAGE} by hand"
        raise RefusedError(problem, remedy)
    base = source if real.is_dir() else real.parent
    found = scan(base, (".",) if real.is_dir() else (real.name,))
    closed = next((record for record in found.files if not record.path), None)
    if closed is not None:
        problem = f"{show(str(source))}: {closed.trouble.partition(': ')[2]}"
        raise UsageError(problem, "Allow reading it, then run the command again")
    if real.is_dir() and not found.files:
        problem = f"{show(str(source))} holds no files"
        raise UsageError(problem, "Check the path")
    folders = {PurePosixPath(r.path.rpartition("/")[0]) for r in found.files if r.kind is Kind.IMAGE}
    inside = split_sets({str(parent) for folder in folders for parent in (folder, *folder.parents)})
    if inside:
        _refuse_split(source / inside[0])
    return Source(base, found)
