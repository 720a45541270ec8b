"""Plans: what each verb would do in a root."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..geometry import SizeWish, read_scale, read_size
from ..journal import origins, read_age
from ..look import homes_of, naming_settings
from ..parallel import thinking
from ..root import clean_folder, fold
from ..rules import names_tell
from ..sources import read_sources
from ..tables import manifest
from ..verbs.add import plan_add
from ..verbs.hold import plan_hold, plan_release
from ..verbs.rename import RenameWish, plan_rename
from ..verbs.resizewish import Original, ResizeWish, check_wish
from ..verbs.unsplit import plan_unsplit
from .splitting import SplitPlanning

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta
    from fractions import Fraction
    from pathlib import Path

    from ..checks import Finding
    from ..geometry import Fit, Orient, Size
    from ..index import FileRecord
    from ..look import Look
    from ..plan import Plan
    from ..resizing import Estimate, Recipe
    from ..verbs.resizewish import Format
    from ..verbs.splitwish import Trust


class Planning(SplitPlanning):
    """The plans of the verbs; see `Dataset`."""

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
        found = read_sources(self.root, sources, self._scan)
        seen = self._look_whole()
        with naming_settings(self.root):
            return self._bound(plan_add(seen.catalog, found, folder, seen.rows, seen.settings.pairing, seen.draft))

    def plan_unsplit(self, *, trust: Trust | None = None) -> Plan:
        """Plan to move everything back to `stage_data/`.

        Args:
            trust: "folders" or "csv", where a folder and `splits.csv` disagree.

        Raises:
            DestinationError: two files with different bytes have one name; nothing was changed.
            ChangedError: `splits.csv` is not the last one, and does not know all samples, or disagrees with the
                folders; nothing was changed.
        """
        seen = self._look_to_change(labelled=False)
        tables = {manifest(split) for split in seen.splits}
        if not tables.isdisjoint(seen.draft.tables):  # these stay, and tell labels
            seen = self._labelled(seen)
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
        grouping = names_tell(seen.settings, self.root, seen.draft.report)
        wish = RenameWish(prefix, start, width, template, seen.settings.pairing, grouping)
        return self._bound(plan_rename(seen.catalog, self._meant(names, otherwise=True), wish, seen.draft))

    def plan_resize(
        self,
        *names: str | Path,
        size: Size | str | None = None,
        long_side: int | None = None,
        scale: Fraction | str | None = None,
        multiple_of: int | None = None,
        fit: Fit = "stretch",
        orient: Orient = "keep",
        format: Format = "keep",  # noqa: A002 - what it is called everywhere
        quality: int = 95,
        labels: Sequence[str] | None = None,
        enlarge: bool = False,
    ) -> Plan:
        """Plan to give images another size where they lie. A few are made in memory, to tell what all of it will take.

        An image that was resized before is made from its original once more.

        Args:
            names: keys of samples, or paths of their files or folders; none means all.
            size: (height, width) in pixels, or a text such as "1920x1280".
            long_side: pixels of the longer side at most.
            scale: of both sides, such as "0.5".
            multiple_of: what shall divide both sides.
            fit: how an image of another aspect comes to a size: "stretch", "contain", "cover" or "pad".
            orient: "portrait" or "landscape" turn images a quarter to the left that are otherwise.
            format: "jpg", "png" or "webp"; "keep" leaves each image its own.
            quality: 1 to 100, where the format is lossy.
            labels: the roles whose values mean something by themselves, beside those whose names tell, such as "mask";
                None holds what looks like labels in another role.
            enlarge: whether images may become larger than they are.

        Raises:
            UsageError: a wish makes no sense.
            DestinationError: a name is taken; nothing was changed.
        """
        from ..resizing import probe  # loads the decoders
        from ..verbs.resize import plan_resize

        wished = SizeWish(
            read_size(size) if isinstance(size, str) else size and (size[0], size[1]),
            long_side,
            read_scale(scale) if isinstance(scale, str) else scale,
            multiple_of,
            fit,
            orient,
            enlarge,
        )
        check_wish(wished, format, quality)
        seen = self._look_to_change()
        grouping = names_tell(seen.settings, self.root, seen.draft.report)
        originals, uncertain = self._originals(seen)

        def expect(work: Sequence[tuple[Recipe, FileRecord]]) -> Estimate:
            with thinking(self._progress, "Trying a few"):
                return probe(
                    [(recipe, self.root.path / record.path) for recipe, record in work],
                    [(record.image.height, record.image.width) for _, record in work if record.image],
                    self._threads,
                )

        wish = ResizeWish(
            wished,
            format,
            quality,
            frozenset(map(fold, labels)) if labels is not None else None,
            originals,
            uncertain,
            seen.settings.pairing,
            grouping,
            expect,
        )
        return self._bound(plan_resize(seen.catalog, self._meant(names, otherwise=True), wish, seen.draft))

    def _originals(self, seen: Look) -> tuple[dict[str, Original], dict[str, str]]:
        """What images were made from by an earlier resize, by their path, and why that cannot be used of others."""
        known = origins(self.journal.records)
        images = [(record.path, record.digest) for record in seen.catalog.index.files if record.image is not None]
        made = {path: found for path, digest in images if (found := known.find(path, digest))}
        several = "it was resized before, and which of several originals it was made from cannot be told"
        uncertain = {path: several for path, digest in images if known.is_uncertain(path, digest)}
        places = sorted({found.origin for found in made.values()})
        kept = {record.path: record for record in self._scan(self.root.path, places).files} if places else {}
        changed = {place for place, record in kept.items() if record.digest != known.kept.get(place)}
        spoiled = {
            path: f"its original {found.origin} is not what was put there; restore that file, or purge the vault"
            for path, found in made.items()
            if found.origin in changed
        }
        there = {path: found for path, found in made.items() if found.origin in kept and path not in spoiled}
        originals = {path: Original(kept[found.origin], found.recipe) for path, found in there.items()}
        return originals, uncertain | spoiled

    def plan_purge(self, *, older_than: str | timedelta | None = None) -> Plan:
        """Plan to empty the vault, for good: what operations took out of sight, such as originals of resized images.

        Args:
            older_than: keep what younger operations put there, such as "30d"; None keeps nothing.

        Raises:
            UsageError: that is no span of time.
        """
        age = read_age(older_than) if isinstance(older_than, str) else older_than
        return self._bound(self.journal.plan_purge(age))

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

    def plan_check(self, *, depth: int = 0, digests: bool = False, strict: bool = False) -> tuple[list[Finding], Plan]:
        """`check(...)`, and the plan to put the samples that have errors into `held/`, each with its reason.

        Args:
            depth: see `check`.
            digests: see `check`.
            strict: warnings are errors.

        Returns:
            The findings, and the plan; its `details["errors_left"]` counts the errors that would be left.
        """
        seen = self._look_to_change()
        found = self._check(seen, depth, digests)
        errors = [one for one in found if one.is_error or strict]
        bad = {one.path: f"{one.code}: {one.sentence}" for one in errors if one.goes_with_its_sample}
        plan = plan_hold(seen.catalog, (), "", seen.draft, bad)
        going = {source for source, _ in plan.moves()}
        left = sum(one.path not in going for one in errors)
        report = replace(plan.report, details={**plan.report.details, "errors_left": left})
        return found, self._bound(replace(plan, verb="check", report=report))
