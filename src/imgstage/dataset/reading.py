"""A root, looked at."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import settings, status
from ..bonds import Cluster, find_clusters
from ..cache import CACHE
from ..catalog import top
from ..checks import ERROR, WARNING, Finding, broken_off, check
from ..digests import digest_of
from ..errors import ChangedError, ImgstageError, UsageError
from ..index import Index, scan
from ..journal import Journal, Operation, Passage, only_looking, origins, passages, whereabouts
from ..leaks import Leaks, find_leaks
from ..likeness import Likeness, compare
from ..look import Look, look
from ..parallel import thinking
from ..plan import Plan, some
from ..root import HELD, REPORT, SETTINGS, STAGE, STATE, Root, find_root, fold, real_path, root_path, show
from ..rules import GroupRule, LabelRule
from ..verbs.splitreport import contradictions, count
from ..verbs.wishes import is_own_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ..catalog import Catalog, Sample
    from ..parallel import Progress
    from ..status import Status


class Reading:
    """What can be told of a root without changing it; see `Dataset`."""

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
        try:
            seen = self._look()
        except ImgstageError:
            number = self.journal.pending()
            if number is None:
                raise
            return [broken_off(number)]
        return self._check(seen, depth, digests)

    def _check(self, seen: Look, depth: int, digests: bool) -> list[Finding]:
        number = self.journal.pending()
        if number is not None:
            return [broken_off(number)]
        tops = sorted({top(record.path) for record in seen.catalog.index.files}) if digests else ()
        fresh = scan(self.root.path, tops, threads=self._threads, progress=self._progress) if digests else None
        leaks, trouble = self._leaks(seen)
        trouble += self._label_trouble(seen)
        found = check(seen.catalog, leaks, depth=depth, fresh=fresh, foreign_ledger=seen.has_foreign_ledger)
        return [*trouble, *(self._rotten_originals() if digests else ()), *found]

    def _label_trouble(self, seen: Look) -> list[Finding]:
        """Labels that cannot be read, and a `splits.json` that is not true any more."""
        try:
            labelled = LabelRule.of(None, None, seen.settings, self.root, seen.draft.report).apply(
                seen.catalog, self.root
            )
        except UsageError as error:
            return [Finding("label-rule", ERROR, SETTINGS, error.problem, error.remedy)]
        remedy = "mend the file, or put the right one in its place"
        found = [Finding("annotation", WARNING, path, why, remedy) for path, why in sorted(labelled.unread.items())]
        if REPORT in seen.draft.tables:
            for sentence in contradictions(seen.draft.report, self._counts(labelled.catalog)):
                remedy = "`imgstage split` writes it anew"
                if not is_own_table(seen.draft, REPORT):
                    remedy = f"move it away, for it is not the one imgstage wrote last; then {remedy}"
                found.append(Finding("split-report", WARNING, REPORT, sentence, remedy))
        return found

    @property
    def compares(self) -> bool:
        """Whether `imgstage.toml` wants pictures that look nearly the same to be looked for."""
        return settings.word_of("near_duplicates", None, settings.read(self.root)) == "tie"

    def keeps(self, path: Path) -> bool:
        """Whether a path lies in a folder that imgstage looks after: `stage_data/`, a split, `held/`, its own."""
        real = path.resolve()
        if self.root.path not in real.parents:
            return False
        seen = self._look()
        own = {STATE, STAGE, HELD, *(seen.catalog.layout.folder(split) for split in seen.splits)}
        return real.relative_to(self.root.path).parts[0] in own and real.parent != self.root.path

    def image_sizes(self) -> Counter[tuple[int, int]]:
        """How many images there are of each (height, width) in pixels, as seen; of samples that are held, none."""
        files = (file for sample in self.samples if not sample.held for of in sample.images.values() for file in of)
        return Counter((file.image.height, file.image.width) for file in files if file.image is not None)

    def label_counts(self) -> dict[str, Any]:
        """How many usable samples each split has, and how many of each label: `samples` and `labels`.

        Raises:
            UsageError: the source of labels in `imgstage.toml` cannot be read.
        """
        seen = self._look()
        rule = self._label_rule(seen)
        found = self._counts(rule.apply(seen.catalog, self.root).catalog)
        samples = found["samples"]
        return {**found, "samples": {name: samples[name] for name in seen.splits if name in samples}}

    def _counts(self, catalog: Catalog) -> dict[str, Any]:
        samples = [sample for sample in catalog.samples if not sample.held]
        return count(catalog, {sample.id: sample.split for sample in samples}, samples)

    @property
    def max_group(self) -> int | None:
        """How many samples look may tie together at most, as `imgstage.toml` says."""
        return settings.read(self.root).max_group

    def leaks(self) -> Leaks:
        """What lies in two splits and should not: the same picture, nearly the same, or one group.

        Raises:
            UsageError: the group rule of `imgstage.toml` cannot be read or fits nothing.
        """
        seen = self._look()
        return self._find_leaks(seen, GroupRule.of(None, None, seen.settings, self.root).groups(seen.catalog))

    def groups(self) -> list[Cluster]:
        """Samples that must share a split, two and more, the largest group first, with what binds them.

        Raises:
            UsageError: the group rule of `imgstage.toml` cannot be read or fits nothing.
        """
        seen = self._look()
        rule = GroupRule.of(None, None, seen.settings, self.root)
        return find_clusters(seen.catalog, self._likeness(seen), _by_id(seen, rule.groups(seen.catalog)))

    def _label_rule(self, seen: Look) -> LabelRule:
        """That of `imgstage.toml`, else the last split's."""
        return LabelRule.of(None, None, seen.settings, self.root, seen.draft.report)

    def _leaks(self, seen: Look) -> tuple[Leaks, list[Finding]]:
        """The leaks, and what keeps some from being seen."""
        try:
            rule = GroupRule.of(None, None, seen.settings, self.root)
            return self._find_leaks(seen, rule.groups(seen.catalog)), []
        except UsageError as error:
            trouble = Finding("group-rule", ERROR, SETTINGS, error.problem, error.remedy)
            return self._find_leaks(seen, {}), [trouble]

    def _find_leaks(self, seen: Look, groups: Mapping[str, str]) -> Leaks:
        return find_leaks(seen.catalog, self._likeness(seen), _by_id(seen, groups))

    def _kept(self) -> Mapping[str, str]:
        """The digest of each original in the vault, by its place; nothing where the journal is damaged."""
        try:
            return origins(self.journal.records).kept
        except ChangedError:
            return {}

    def _rotten_originals(self) -> Iterator[Finding]:
        """Originals in the vault that are not what was put there."""
        try:
            kept = origins(self.journal.records).kept
        except ChangedError as error:
            yield Finding("journal", ERROR, f"{STATE}/journal", error.problem, error.remedy)
            return
        for place, digest in kept.items():
            path = self.root.path / place
            if path.is_file() and digest_of(path) != digest:
                sentence = "this original in the vault is not what was put there: the disk may be failing"
                yield Finding("rot", ERROR, place, sentence, "restore it from a backup; undo and resize refuse it")

    def log(self) -> list[Operation]:
        """Every operation, oldest first."""
        return self.journal.log()

    def history(self, name: str | Path) -> list[Passage]:
        """Every move of a file, oldest first, as far as the journal knows; none when it was never moved.

        Args:
            name: the path of the file, as seen from here or in the root; or a name or path that it had once.

        Raises:
            UsageError: no file has that name, or had it; or several.
        """
        with thinking(self._progress, "Reading the journal"), only_looking():
            path = self._meant((name,), otherwise=False)[0]
            if not (self.root.path / path).is_file():
                found = [one for one in whereabouts(self.journal.records, path) if (self.root.path / one).is_file()]
                found = found or self._called(path)
                if not found:
                    problem = f"No file is called {show(path)}, and none of those that are there was"
                    raise UsageError(problem, "Give a file's name, with its suffix; see what is there: imgstage status")
                if len(found) > 1:
                    problem = f"Several files were called {show(path)}: {some([show(one) for one in found])}"
                    raise UsageError(problem, "Give the path of one of them")
                path = found[0]
            return passages(self.journal.records, path)

    def _called(self, name: str) -> list[str]:
        """The files in sight that have a name now, whoever gave it."""
        known = (record.path for record in self._look().catalog.index.files)
        return [path for path in known if fold(path.rpartition("/")[2]) == fold(name)]

    # -- inside -------------------------------------------------------------------------------------------------------

    def _look(self, also: Sequence[str] = ()) -> Look:
        return look(self.root, self.journal, partial(self._scan, self.root.path), also, self._progress)

    def _look_whole(self, also: Sequence[str] = ()) -> Look:
        """What there is, for a verb that changes it: all of it must be known."""
        seen = self._look(also)
        seen.refuse_unseen()
        return seen

    def _look_to_change(self, *, labelled: bool = True) -> Look:
        """The same, for verbs that write the ledger on: the journal and the ledger must be in order.

        Args:
            labelled: whether tables will be written that tell labels.
        """
        self.journal.refuse_if_pending()
        seen = self._look_whole()
        seen.refuse_foreign_ledger()
        return self._labelled(seen) if labelled else seen

    def _labelled(self, seen: Look) -> Look:
        """With the labels of samples, which tables tell.

        Raises:
            UsageError: their source cannot be read.
        """
        rule = self._label_rule(seen)
        return replace(seen, catalog=rule.apply(seen.catalog, self.root).catalog)

    def _meant(self, names: Sequence[str | Path], otherwise: bool) -> list[str]:
        """Names of samples as they stand in the root: a path that is there from here is one there too."""
        if not names and not otherwise:
            problem = "No sample was named"
            raise UsageError(problem, "Give the path of one of its files, or its key")
        found: list[str] = []
        if not all(map(str, names)):  # an empty word is a shell variable that was never set
            problem = "One of the names is empty"
            raise UsageError(problem, "Give the path of a file, or the key of a sample")
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

    def _likeness(self, seen: Look) -> Likeness | None:
        """Which pictures are nearly alike, as far as `imgstage.toml` wants to know."""
        if settings.word_of("near_duplicates", None, seen.settings) == "ignore":
            return None
        return self._compare(seen, seen.settings.max_group)

    def _compare(self, seen: Look, most: int | None) -> Likeness:
        """Which pictures are nearly alike, in groups of so many at most."""
        with thinking(self._progress, "Comparing pictures"):
            scan = partial(self._scan, self.root.path)
            kept = {digest: place for place, digest in self._kept().items()} if seen.catalog.ancestors else {}
            found = compare(seen.catalog, self.root.state / CACHE, scan, kept, remember=self._remember)
            return found if most is None else found.capped(most)

    def _bound(self, plan: Plan) -> Plan:
        return replace(plan, applier=self._done)

    def _done(self, plan: Plan) -> Operation | None:
        return self.journal.apply(plan, self._progress, self._threads)

    # -- showing ------------------------------------------------------------------------------------------------------

    def _repr_html_(self) -> str:
        """Counts and six thumbnails, for notebooks."""
        from .. import notebook  # loads the decoders

        return notebook.of(self.root.path, lambda: ((seen := self._look()).catalog, self._status(seen)))


def _by_id(seen: Look, groups: Mapping[str, str]) -> dict[str, str]:
    """The group of each sample by id: by the rule, else the one it was assigned with."""
    return {sample.id: groups.get(sample.id, sample.group) for sample in seen.catalog.samples}
