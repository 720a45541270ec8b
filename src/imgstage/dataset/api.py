"""Dataset: the public Python API. It reads a root, asks a planner, and hands the plan to the journal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from ..journal import Journal, Operation, Recovery
from ..root import check_new_root, root_path
from .planning import Planning

if TYPE_CHECKING:
    from datetime import timedelta

    from ..verbs.rename import RenameOptions
    from ..verbs.resizewish import ResizeOptions
    from ..verbs.splitwish import SplitOptions, Trust


class Dataset(Planning):
    """A root: a folder of images on its way to a training set.

    Every verb exists twice: `plan_split(...)` returns a `Plan`, which changes nothing until its `apply()` is called;
    `split(...)` plans and applies at once.

    Args:
        path: the root; None means the current folder when it is a root, else `./data`.
        threads: how many files to read at once; None means one for each core.
        progress: told how long work goes on.
        remember: write what was read into the cache, so that the next look is fast.

    Raises:
        NotARootError: the folder is no root.
    """

    @classmethod
    def create(cls, path: str | Path) -> Dataset:
        """Make a root: `stage_data/` and `.imgstage/`. In a root that exists already, nothing changes.

        Raises:
            RefusedError: the path is a file, lies inside another root, or cannot be written.
        """
        check_new_root(root_path(path))
        Journal(Path(path).resolve()).create()
        return cls(path)

    def add(self, *sources: str | Path, into: str = "") -> Operation | None:
        """`plan_add(...)`, applied. None when there was nothing to do."""
        return self._done(self.plan_add(*sources, into=into))

    def split(self, **wishes: Unpack[SplitOptions]) -> Operation | None:
        """`plan_split(...)`, applied. None when there was nothing to do."""
        return self._done(self.plan_split(**wishes))

    def fix_leaks(self) -> Operation | None:
        """`plan_fix_leaks()`, applied. None when there was nothing to do."""
        return self._done(self.plan_fix_leaks())

    def unsplit(self, *, trust: Trust | None = None) -> Operation | None:
        """`plan_unsplit(...)`, applied. None when there was nothing to do."""
        return self._done(self.plan_unsplit(trust=trust))

    def hold(self, *names: str | Path, reason: str = "", troubled: bool = False) -> Operation | None:
        """`plan_hold(...)`, applied. None when there was nothing to do."""
        return self._done(self.plan_hold(*names, reason=reason, troubled=troubled))

    def release(self, *names: str | Path, everything: bool = False) -> Operation | None:
        """`plan_release(...)`, applied. None when there was nothing to do."""
        return self._done(self.plan_release(*names, everything=everything))

    def rename(self, *names: str | Path, **wishes: Unpack[RenameOptions]) -> Operation | None:
        """`plan_rename(...)`, applied. None when there was nothing to do."""
        return self._done(self.plan_rename(*names, **wishes))

    def resize(self, *names: str | Path, **wishes: Unpack[ResizeOptions]) -> Operation | None:
        """`plan_resize(...)`, applied. None when there was nothing to do."""
        return self._done(self.plan_resize(*names, **wishes))

    def purge(self, *, older_than: str | timedelta | None = None) -> Operation | None:
        """`plan_purge(...)`, applied. None when there was nothing to do."""
        return self._done(self.plan_purge(older_than=older_than))

    def undo(self, operation: int | None = None, *, without_missing: bool = False) -> Operation | None:
        """`plan_undo(...)`, applied. None when there was nothing to do."""
        return self._done(self.plan_undo(operation, without_missing=without_missing))

    def recover(self, *, without_missing: bool = False) -> Recovery:
        """Take back the operation that broke off.

        Args:
            without_missing: leave out files that are gone or were changed since; they stay where they are.

        Raises:
            BrokenOffError: a file is at none of its places; nothing was touched.
        """
        return self.journal.recover(self._progress, without_missing=without_missing)
