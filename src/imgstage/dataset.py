"""Dataset: the public Python API. It reads a root, asks a planner, and hands the plan to the journal."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from . import settings, status
from .cache import CACHE
from .catalog import top
from .checks import Finding, check
from .errors import ImgstageError, UsageError
from .index import Index, scan
from .journal import Journal, Operation, Passage, Recovery, passages
from .look import GroupRule, Look, homes_of, look
from .parallel import thinking
from .root import (
    Root,
    check_new_root,
    clean_folder,
    find_root,
    real_path,
    root_path,
)
from .sources import read_source
from .verbs.add import plan_add
from .verbs.guard import SplitWish, Trust
from .verbs.hold import plan_hold, plan_release
from .verbs.rename import RenameWish, plan_rename
from .verbs.split import plan_split
from .verbs.unsplit import plan_unsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    from .catalog import Sample
    from .parallel import Progress
    from .plan import Plan
    from .status import Status
    from .verbs.guard import SplitOptions
    from .verbs.rename import RenameOptions


class Dataset:
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

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        threads: int | None = None,
        progress: Progress | None = None,
        remember: bool = True,
    ) -> None:
        self.root: Root = find_root(root_path(path) if path is not None else None)
        self.journal = Journal(self.root.path)
        self._threads = threads
        self._progress = progress
        self._remember = remember

    @classmethod
    def create(cls, path: str | Path) -> Dataset:
        """Make a root: `stage_data/` and `.imgstage/`. In a root that exists already, nothing changes.

        Raises:
            RefusedError: the path is a file, lies inside another root, or cannot be written.
        """
        check_new_root(root_path(path))
        Journal(Path(path).resolve()).create()
        return cls(path)

    def __repr__(self) -> str:
        return f"Dataset({str(self.root.path)!r})"

    # -- looking ------------------------------------------------------------------------------------------------------

    @property
    def samples(self) -> tuple[Sample, ...]:
        """All samples, held ones too, sorted by key."""
        return self._look().catalog.samples

    def status(self) -> Status:
        """What is in the root, and what somebody did to it between two verbs.

        Raises:
            UsageError: `imgstage.toml` or `splits.csv` cannot be read.
            PendingError: an operation broke off in such a way that nothing more can be told.
        """
        try:
            return self._status(self._look())
        except ImgstageError:
            self.journal.refuse_if_pending()  # in the midst of an operation, nothing need make sense
            raise

    def _status(self, seen: Look) -> Status:
        return status.take(seen, self.journal.pending(), self.journal.last())

    def check(self, *, depth: int = 0, digests: bool = False) -> list[Finding]:
        """Everything that is wrong or odd, errors first.

        Args:
            depth: how often a network halves the images; their sides must divide by two to that power.
            digests: read every byte again, to find files that changed by themselves.
        """
        return self._check(self._look(), depth, digests)

    def plan_check(self, *, depth: int = 0, digests: bool = False) -> tuple[list[Finding], Plan]:
        """`check(...)`, and the plan to put the samples that have errors into `held/`, each with its reason."""
        seen = self._look_to_change()
        found = self._check(seen, depth, digests)
        bad = {one.path: f"{one.code}: {one.sentence}" for one in found if one.is_of_a_sample}
        return found, self._bound(plan_hold(seen.catalog, (), "", seen.draft, bad))

    def _check(self, seen: Look, depth: int, digests: bool) -> list[Finding]:
        tops = sorted({top(record.path) for record in seen.catalog.index.files}) if digests else ()
        fresh = scan(self.root.path, tops, threads=self._threads, progress=self._progress) if digests else None
        return check(seen.catalog, depth=depth, fresh=fresh)

    def log(self) -> list[Operation]:
        """Every operation, oldest first."""
        return self.journal.log()

    def history(self, name: str | Path) -> list[Passage]:
        """Every move of the file that lies at a path now, oldest first, as far as the journal knows.

        Args:
            name: the path of the file, as seen from here or in the root.
        """
        with thinking(self._progress, "Reading the journal"):
            return passages(self.journal.records, self._meant((name,), otherwise=False)[0])

    # -- planning -----------------------------------------------------------------------------------------------------

    def plan_add(self, *sources: str | Path, into: str = "") -> Plan:
        """Plan to copy images and sidecars into `stage_data/`.

        Args:
            sources: files and folders; of a folder, what it holds is added, its sub-folders kept.
            into: a sub-folder of `stage_data/` to add to.

        Raises:
            UsageError: a source does not exist, or overlaps the root.
            DestinationError: a name is taken by other bytes; nothing was changed.
            PairingError: the names can be read in two ways; nothing was changed.
        """
        self.journal.refuse_if_pending()
        folder = clean_folder(into)
        found = [read_source(self.root, source, self._scan) for source in sources]
        seen = self._look_whole()
        return self._bound(plan_add(seen.catalog, found, folder, seen.rows, seen.settings.pairing, seen.draft))

    def plan_split(
        self,
        *,
        ratios: str | Mapping[str, Fraction] | None = None,
        seed: int | None = None,
        group: str | None = None,
        group_csv: str | None = None,
        rounding: str | None = None,
        reshuffle: bool = False,
        accept_new: bool = False,
        trust: Trust | None = None,
        manifest: bool = False,
    ) -> Plan:
        """Plan to move whole samples into the splits. What is not given comes from `imgstage.toml`, else from defaults.

        Args:
            ratios: such as `80/12/8` (the default) or `train=0.8,val=0.2`.
            seed: any whole number; 0 by default.
            group: a regular expression whose first bracket, searched in a sample's key, names its group.
            group_csv: `FILE:COLUMN`; the column names the groups, another one the images.
            rounding: "remainder" (the default) or "truncate".
            reshuffle: draw all samples anew, old ones too.
            accept_new: go on although held-out images are missing while unknown ones have appeared.
            trust: "folders" or "csv", where a folder and `splits.csv` disagree.
            manifest: move nothing; write down in `splits.csv` and one `metadata.jsonl` a split who is where.

        Raises:
            RefusedError: see `imgstage.verbs.split.plan_split`; nothing was changed.
            UsageError: a wish makes no sense; nothing was changed.
        """
        self.journal.refuse_if_pending()
        stored = settings.read(self.root)
        shares = settings.shares_of(ratios, rounding, stored)
        rule = GroupRule.of(group, group_csv, stored, self.root)
        seen = self._look_whole(tuple(shares))
        with thinking(self._progress, "Grouping"):  # a rule may take its time
            group_of = rule.groups(seen.catalog)
        wish = SplitWish(
            ratios=shares,
            seed=seed if seed is not None else stored.seed or 0,
            rounding=rounding or stored.rounding or "remainder",
            group_line=rule.line(self.root),
            stored_group_line=GroupRule.of(None, None, stored, self.root).line(self.root),
            groups=group_of,
            reshuffle=reshuffle,
            accept_new=accept_new,
            trust=trust,
            foreign_ledger=seen.has_foreign_ledger,
            manifest=manifest,
        )
        with thinking(self._progress, "Planning"):
            return self._bound(plan_split(seen.catalog, wish, seen.draft))

    def plan_unsplit(self, *, trust: Trust | None = None) -> Plan:
        """Plan to move everything back to `stage_data/`.

        Args:
            trust: "folders" or "csv", where a folder and `splits.csv` disagree.

        Raises:
            DestinationError: two files with different bytes have one name; nothing was changed.
            ChangedError: `splits.csv` is not the last one, and does not know all samples, or disagrees with the
                folders; nothing was changed.
        """
        seen = self._look_to_change()
        with thinking(self._progress, "Planning"):
            return self._bound(plan_unsplit(seen.catalog, seen.draft, trust))

    def plan_hold(self, *names: str | Path, reason: str = "", troubled: bool = False) -> Plan:
        """Plan to put samples out of the way, into `held/`.

        Args:
            names: keys of samples, or paths of their files or folders.
            reason: why; `status` shows it.
            troubled: put everything there that is held where it lies, if it can go.

        Raises:
            UsageError: a name means nothing here, or nothing was named.
            DestinationError: a name in `held/` is taken; nothing was changed.
        """
        seen = self._look_to_change()
        also = dict(seen.catalog.held()) if troubled else {}
        return self._bound(plan_hold(seen.catalog, self._meant(names, troubled), reason, seen.draft, also))

    def plan_release(self, *names: str | Path, everything: bool = False) -> Plan:
        """Plan to bring samples back from `held/`.

        Args:
            names: keys of samples, or paths of their files or folders.
            everything: all that lies there.

        Raises:
            UsageError: a name means nothing here, or nothing was named.
            DestinationError: a name is taken where a file would go; nothing was changed.
        """
        seen = self._look_to_change()
        return self._bound(
            plan_release(seen.catalog, self._meant(names, everything), seen.draft, everything=everything)
        )

    def plan_rename(
        self,
        *names: str | Path,
        prefix: str = "",
        start: int = 1,
        width: int | None = None,
        template: str | None = None,
    ) -> Plan:
        """Plan to rename whole samples where they lie, numbered in natural order.

        Args:
            names: keys of samples, or paths of their files or folders; none means all.
            prefix: what every name begins with.
            start: the first number.
            width: digits of a number at least; None fits them to the last number, but two at least.
            template: such as `{prefix}{n}_{role}{ext}`; None changes only what the names of a sample have in common.

        Raises:
            UsageError: a wish makes no sense, or images would go together otherwise by their new names.
            DestinationError: a name is taken; nothing was changed.
        """
        seen = self._look_to_change()
        rule = GroupRule.of(None, None, seen.settings, self.root)
        wish = RenameWish(prefix, start, width, template, seen.settings.pairing, rule.groups)
        return self._bound(plan_rename(seen.catalog, self._meant(names, otherwise=True), wish, seen.draft))

    def plan_undo(self, operation: int | None = None, *, without_missing: bool = False) -> Plan:
        """Plan to take back an operation and everything after it; None means the last one, be it an undo itself.

        Args:
            operation: its number, as `log` shows it.
            without_missing: leave out files that are gone instead of refusing.

        Raises:
            UsageError: there is no such operation.
            ChangedError: files are gone, or an edit would be taken out of sight.
        """
        return self._bound(self.journal.plan_undo(operation, homes_of(self.root), without_missing=without_missing))

    # -- doing --------------------------------------------------------------------------------------------------------

    def add(self, *sources: str | Path, into: str = "") -> Operation | None:
        """`plan_add(...)`, applied. None when there was nothing to do."""
        return self._done(self.plan_add(*sources, into=into))

    def split(self, **wishes: Unpack[SplitOptions]) -> Operation | None:
        """`plan_split(...)`, applied. None when there was nothing to do."""
        return self._done(self.plan_split(**wishes))

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

    # -- inside -------------------------------------------------------------------------------------------------------

    def _bound(self, plan: Plan) -> Plan:
        return replace(plan, applier=self._done)

    def _done(self, plan: Plan) -> Operation | None:
        return self.journal.apply(plan, self._progress)

    def _look(self, also: Sequence[str] = ()) -> Look:
        return look(self.root, self.journal, partial(self._scan, self.root.path), also, self._progress)

    def _look_whole(self, also: Sequence[str] = ()) -> Look:
        """What there is, for a verb that changes it: all of it must be known."""
        seen = self._look(also)
        seen.refuse_unseen()
        return seen

    def _look_to_change(self) -> Look:
        """The same, for verbs that write the ledger on: the journal and the ledger must be in order."""
        self.journal.refuse_if_pending()
        seen = self._look_whole()
        seen.refuse_foreign_ledger()
        return seen

    def _meant(self, names: Sequence[str | Path], otherwise: bool) -> list[str]:
        """Names of samples as they stand in the root: a path that is there from here is one there too."""
        if not names and not otherwise:
            problem = "No sample was named"
            raise UsageError(problem, "Give the path of one of its files, or its key")
        found: list[str] = []
        for name in map(str, names):
            real = real_path(name)
            inside = real is not None and self.root.path in real.parents
            found.append(real.relative_to(self.root.path).as_posix() if real and inside else name.rstrip("/") or name)
        return found

    def _scan(self, folder: Path, within: Sequence[str]) -> Index:
        return scan(
            folder,
            within,
            self.root.state / CACHE,
            write_cache=self._remember,
            threads=self._threads,
            progress=self._progress,
        )

    # -- showing ------------------------------------------------------------------------------------------------------

    def _repr_html_(self) -> str:
        """Counts and six thumbnails, for notebooks."""
        from . import notebook  # loads the decoders

        return notebook.of(self.root.path, lambda: ((seen := self._look()).catalog, self._status(seen)))
