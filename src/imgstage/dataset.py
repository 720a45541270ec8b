"""Dataset: the public Python API. It reads a root, asks a planner, and hands the plan to the journal."""

from __future__ import annotations

import base64
import html
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import catalog, groups, ledger
from .cache import CACHE
from .errors import ChangedError, RefusedError, UsageError
from .index import Index, scan
from .journal import Journal, Operation, Recovery
from .pairing import describe
from .plan import Report
from .reasons import Why, why
from .root import (
    DEFAULT_RATIOS,
    LEDGER,
    STAGE,
    Root,
    check_new_root,
    check_split_names,
    clean_folder,
    find_root,
    is_there,
    parse_ratios,
    show,
)
from .verbs.add import Source, plan_add
from .verbs.split import SplitWish, Trust, plan_split
from .verbs.tables import Draft, pairing_details
from .verbs.unsplit import plan_unsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    from .catalog import Catalog, Sample
    from .parallel import Progress
    from .plan import Plan

_THUMBNAIL = (96, 128)
_THUMBNAILS = 6


@dataclass(frozen=True)
class Status:
    """What is in a root.

    Attributes:
        report: the accounting of its files.
        samples: how many usable samples lie in `stage_data/` and in each split.
        unassigned: how many usable samples no split was drawn for yet.
        pending: the operation that broke off; None when none did.
        last: the last operation that was done.
    """

    report: Report
    samples: dict[str, int]
    unassigned: int
    pending: int | None
    last: Operation | None

    def as_json(self) -> dict[str, Any]:
        """Ready for JSON."""
        last = {"operation": self.last.number, "verb": self.last.verb} if self.last else None
        own = {"samples": self.samples, "unassigned": self.unassigned, "pending": self.pending, "last": last}
        return own | self.report.as_json()


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
        self.root: Root = find_root(Path(path) if path is not None else None)
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
        check_new_root(Path(path))
        Journal(Path(path).resolve()).create()
        return cls(path)

    def __repr__(self) -> str:
        return f"Dataset({str(self.root.path)!r})"

    # -- looking ------------------------------------------------------------------------------------------------------

    @property
    def samples(self) -> tuple[Sample, ...]:
        """All samples, held ones too, sorted by key."""
        return self._catalog().samples

    def status(self) -> Status:
        """What is in the root, and what somebody did to it between two verbs.

        Raises:
            UsageError: `imgstage.toml` or `splits.csv` cannot be read.
        """
        what = self._catalog()
        usable = [sample for sample in what.samples if not sample.held]
        known = {row.sample for row in what.rows.values()}
        lying = Counter(sample.place for sample in usable)
        disagreeing = [s for s in usable if s.split and s.place not in (STAGE, s.split)]
        details = {
            "pairing": pairing_details(what.pairings),
            "missing": [{"path": show(row.last_path), "split": row.split} for row in what.missing],
            "edited": [show(path) for path in what.edited],
            "disagreeing": [{"sample": show(s.key), "folder": s.place, "split": s.split} for s in disagreeing],
        }
        report = Report(
            done=sum(len(sample.files) for sample in usable), held=what.held(), ignored=what.ignored, details=details
        )
        places = {STAGE: lying[STAGE]} | {name: lying[name] for name in self._split_names() if lying[name] or known}
        unassigned = sum(1 for sample in usable if not sample.split)
        return Status(report, places, unassigned, self.journal.pending(), self.journal.last())

    def log(self) -> list[Operation]:
        """Every operation, oldest first."""
        return self.journal.log()

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
        found = [self._scan_source(source) for source in sources]
        rows, given = ledger.read(self.root), self.root.settings().pairing
        return self._bound(plan_add(self._catalog(), found, folder, rows, given, self._draft()))

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

        Raises:
            RefusedError: see `imgstage.verbs.split.plan_split`; nothing was changed.
            UsageError: a wish makes no sense; nothing was changed.
        """
        self.journal.refuse_if_pending()
        if group is not None and group_csv is not None:
            problem = "Both a group rule and a table of groups are given"
            raise UsageError(problem, "Give one of --group and --group-csv")
        settings = self.root.settings()
        shares = parse_ratios(ratios) if isinstance(ratios, str) else ratios or settings.ratios or DEFAULT_RATIOS
        check_split_names(list(shares))
        if sum(shares.values()) != 1 or min(shares.values()) < 0 or rounding not in (None, "remainder", "truncate"):
            problem = f"The ratios {dict(shares)} do not sum to 1, or the rounding {rounding!r} is none"
            raise UsageError(problem, "Give shares that sum to exactly 1, and remainder or truncate")
        pattern = group if group is not None or group_csv is not None else settings.group
        draft = self._draft()  # before the long look at the files: what changes meanwhile is then noticed
        what = self._catalog(tuple(shares))
        _refuse_unreadable(what)
        usable = [sample for sample in what.samples if not sample.held]
        wish = SplitWish(
            ratios=shares,
            seed=seed if seed is not None else settings.seed or 0,
            rounding=rounding or settings.rounding or "remainder",
            group_rule=pattern,
            groups=_groups(usable, pattern, group_csv),
            reshuffle=reshuffle,
            accept_new=accept_new,
            trust=trust,
        )
        written = self.journal.last_written().get(LEDGER)
        foreign = bool(written) and (draft.ledger is None or draft.ledger.digest != written)
        return self._bound(plan_split(what, replace(wish, foreign_ledger=foreign), draft))

    def plan_unsplit(self) -> Plan:
        """Plan to move everything back to `stage_data/`.

        Raises:
            DestinationError: two files with different bytes have one name; nothing was changed.
        """
        self.journal.refuse_if_pending()
        draft = self._draft()
        what = self._catalog()
        _refuse_unreadable(what)
        return self._bound(plan_unsplit(what, draft))

    def plan_undo(self, operation: int | None = None, *, without_missing: bool = False) -> Plan:
        """Plan to take back an operation and everything after it; None means the last one, be it an undo itself.

        Args:
            operation: its number, as `log` shows it.
            without_missing: leave out files that are gone instead of refusing.

        Raises:
            UsageError: there is no such operation.
            ChangedError: files are gone, or an edit would be taken out of sight.
        """
        return self._bound(self.journal.plan_undo(operation, without_missing=without_missing))

    # -- doing --------------------------------------------------------------------------------------------------------

    def add(self, *sources: str | Path, into: str = "") -> Operation | None:
        """`plan_add(...)`, applied. None when there was nothing to do."""
        return self._done(self.plan_add(*sources, into=into))

    def split(self, **wishes: Any) -> Operation | None:
        """`plan_split(...)`, applied. None when there was nothing to do."""
        return self._done(self.plan_split(**wishes))

    def unsplit(self) -> Operation | None:
        """`plan_unsplit()`, applied. None when there was nothing to do."""
        return self._done(self.plan_unsplit())

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

    def _draft(self) -> Draft:
        present = self.root.settings().present
        return Draft(self.journal.next_number(), time.time_ns(), ledger.identity(self.root), settings_present=present)

    def _split_names(self, also: Sequence[str] = ()) -> tuple[str, ...]:
        settings = self.root.settings()
        rows = sorted({row.split for row in ledger.read(self.root) if row.split})
        names = tuple(dict.fromkeys((*(settings.ratios or DEFAULT_RATIOS), *DEFAULT_RATIOS, *also, *rows)))
        check_split_names(list(names))
        return names

    def _catalog(self, also: Sequence[str] = ()) -> Catalog:
        rows, given = ledger.read(self.root), self.root.settings().pairing
        return catalog.build(self._scan(self.root.path, (STAGE, *self._split_names(also))), rows, given)

    def _scan(self, folder: Path, within: Sequence[str]) -> Index:
        return scan(
            folder,
            within,
            self.root.state / CACHE,
            write_cache=self._remember,
            threads=self._threads,
            progress=self._progress,
        )

    def _scan_source(self, given: str | Path) -> Source:
        source = Path(given)
        real = source.resolve()
        if not str(given) or not is_there(real):  # an empty word is a shell variable that was never set
            problem = f"There is no file or folder {show(str(given)) or repr('')}"
            raise UsageError(problem, "Check the path")
        root = self.root.path
        if real == root or root in real.parents or real in root.parents:
            problem = f"{show(str(source))} overlaps the root {root}"
            raise RefusedError(
                problem, f"Give a folder outside of it; files may also be put into {root / STAGE} by hand"
            )
        base = source if real.is_dir() else real.parent
        found = self._scan(base, (".",) if real.is_dir() else (real.name,))
        if real.is_dir() and not found.files:
            problem = f"{show(str(source))} holds no files"
            raise UsageError(problem, "Check the path")
        return Source(base, found)

    # -- showing ------------------------------------------------------------------------------------------------------

    def _repr_html_(self) -> str:
        """Counts and six thumbnails, for notebooks."""
        try:
            status, samples = self.status(), [sample for sample in self.samples if not sample.held]
        except (UsageError, RefusedError, ChangedError) as error:
            return f"<b>{html.escape(str(self.root.path))}</b><br>{html.escape(str(error))}"
        cells = "".join(
            f"<td style='text-align:left'>{html.escape(place)}<br><b>{count}</b></td>"
            for place, count in status.samples.items()
        )
        step = max(1, len(samples) // _THUMBNAILS)
        pictures = "".join(self._picture(sample) for sample in samples[::step][:_THUMBNAILS])
        rules = "; ".join(sorted({describe(p.rule) for p in self._catalog().pairings}))
        title = html.escape(str(self.root.path))
        return (
            f"<div><b>{title}</b> · {len(samples)} samples · {len(status.report.held)} files held"
            f"<table><tr>{cells}</tr></table><small>{html.escape(rules)}</small><br>{pictures}</div>"
        )

    def _picture(self, sample: Sample) -> str:
        from . import images  # loads the decoders

        record = sample.files[0]
        data = images.encode(images.thumbnail(self.root.path / record.path, _THUMBNAIL), "JPEG", quality=85)
        source = base64.b64encode(data).decode()
        return f"<img title='{html.escape(show(record.path), quote=True)}' src='data:image/jpeg;base64,{source}'> "


def _refuse_unreadable(what: Catalog) -> None:
    """While it is unknown what lies in a folder, its samples would count as gone, and their places as free."""
    closed = [show(note.path) for note in what.ignored if why(note.reason) is Why.CLOSED]
    if closed:
        problem = f"The folder {', '.join(closed)} cannot be read, so it is unknown what lies there"
        raise RefusedError(problem, "Allow reading it, then run the command again")


def _groups(usable: Sequence[Sample], pattern: str | None, table: str | None) -> dict[str, str]:
    if table is not None:
        name, _, column = table.rpartition(":")
        if not name or not column:
            problem = f"{table!r} does not say which column of which file"
            raise UsageError(problem, "Write it as --group-csv metadata.csv:patient")
        try:
            data = Path(name).read_bytes()
        except OSError as error:
            problem = f"{name} cannot be read ({error.strerror})"
            raise UsageError(problem, "Check the path") from error
        rows = groups.read_table(data, name, column)
        keys = {catalog.below(record.path): sample.key for sample in usable for record in sample.files}
        return groups.merge(groups.by_column(rows, column, keys))
    if pattern is not None:
        return groups.by_pattern(pattern, [sample.key for sample in usable])
    return {}
