"""The rules by which samples have groups and labels: given, or stored in `imgstage.toml`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from . import groups, labels
from .errors import UsageError
from .pairing import SIDECAR
from .reasons import Why, because
from .root import read_regular, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .catalog import Catalog, Sample
    from .root import Root
    from .settings import Settings


class GroupRule(NamedTuple):
    """How samples are put into groups: by a regular expression or a table, given or stored.

    Attributes:
        pattern: the expression.
        table: `FILE:COLUMN`, which goes before the pattern.
        base: what the path of the table is relative to.
    """

    pattern: str | None
    table: str | None
    base: Path

    @classmethod
    def of(cls, group: str | None, group_csv: str | None, stored: Settings, root: Root) -> GroupRule:
        """The rule that is given, else the one that `imgstage.toml` stores.

        Raises:
            UsageError: both kinds are given.
        """
        if group is not None and group_csv is not None:
            problem = "Both a group rule and a table of groups are given"
            raise UsageError(problem, "Give one of --group and --group-csv")
        if group is None and group_csv is None:
            return cls(stored.group, stored.group_csv, root.path)
        return cls(group, group_csv, Path())

    def lines(self, root: Root) -> list[str]:
        """The line of `imgstage.toml` that stores it, if there is one.

        Raises:
            UsageError: it is no UTF-8.
        """
        if self.table is not None:
            return [groups.setting("group_csv", groups.stored_table(root.path, self.base, self.table))]
        return [groups.setting("group", self.pattern)] if self.pattern is not None else []

    def groups(self, what: Catalog) -> dict[str, str]:
        """The group of each sample, by id; samples without one are not in it.

        Held ones have a say too; and so have missing and unreadable files, under their `groups.gone_key`.

        Raises:
            UsageError: the table cannot be read, or the rule fits nothing.
        """
        lost = [row.last_path for row in (*what.missing, *what.unread) if row.role != SIDECAR]
        gone = {path: groups.gone_key(path) for path in (*lost, *what.unrecorded())}
        if self.table is not None:
            return groups.merge(_read_column(self.base, self.table, "group_csv", gone | _owners(what)))
        if self.pattern is not None:
            by_key = groups.by_pattern(self.pattern, [*(sample.key for sample in what.samples), *gone.values()])
            own = {sample.id: by_key[sample.key] for sample in what.samples if sample.key in by_key}
            return {key: by_key[key] for key in gone.values() if key in by_key} | own
        return {}

    def unlisted(self, what: Catalog, found: Mapping[str, str]) -> dict[str, str]:
        """Why samples have no group of which a table should tell, by id.

        Args:
            what: the samples.
            found: their groups; see `groups`.
        """
        if self.table is None:
            return {}
        return _unlisted(self.table, (sample for sample in what.samples if sample.id not in found and not sample.group))


class LabelRule(NamedTuple):
    """Where the labels of samples come from: one of `labels.SOURCES`, or a table; given or stored.

    Attributes:
        source: such as "voc", or `FILE:COLUMN`.
        separator: what stands between several labels in one cell of the table.
        base: what the path of the table is relative to.
    """

    source: str
    separator: str
    base: Path

    @classmethod
    def of(
        cls, label: str | None, separator: str | None, stored: Settings, root: Root, report: bytes = b""
    ) -> LabelRule:
        """The rule that is given, else the one that `imgstage.toml` stores, else the last split's, else the folder.

        Args:
            label: the source that is given.
            separator: the one that is given.
            stored: what `imgstage.toml` says.
            root: the root.
            report: the content of `splits.json`, which tells of the last split.

        Raises:
            UsageError: it is none.
        """
        base = root.path if label is None else Path()
        last = _of_last_split(report) if label is None and stored.label is None else ("", "")
        source = label if label is not None else stored.label or last[0] or labels.FOLDER
        if source not in labels.SOURCES:
            if ":" not in source:
                problem = f"There is no source of labels {source!r}"
                raise UsageError(problem, f"Choose one of {', '.join(labels.SOURCES)}, or FILE:COLUMN of a table")
            groups.parse_table(source)
        elif separator is not None:
            problem = f"--label-separator says how cells of a table are divided, and labels come from {source!r}"
            raise UsageError(problem, "Leave it out, or give --label FILE:COLUMN")
        known = last[1] if stored.label_separator is None else stored.label_separator
        return cls(source, known if separator is None else separator, base)

    @property
    def is_table(self) -> bool:
        """Whether a table tells the labels."""
        return self.source not in labels.SOURCES

    def stored(self, root: Root) -> str:
        """The source as `imgstage.toml` stores it."""
        return groups.stored_table(root.path, self.base, self.source) if self.is_table else self.source

    def lines(self, root: Root) -> list[str]:
        """The lines of `imgstage.toml` that store it.

        Raises:
            UsageError: it is no UTF-8.
        """
        lines = [groups.setting("label", self.stored(root))]
        if self.is_table and self.separator:
            lines.append(groups.setting("label_separator", self.separator))
        return lines

    def apply(self, what: Catalog, root: Root) -> Labelled:
        """Find the labels of all samples.

        Raises:
            UsageError: the table cannot be read, or names nothing; or there is no annotation at all.
        """
        if self.source == labels.FOLDER:
            return Labelled(what, {}, {})
        return self._by_table(what) if self.is_table else self._by_annotations(what, root)

    def _by_table(self, what: Catalog) -> Labelled:
        found = _read_column(self.base, self.source, "label", _owners(what))
        of = {s.id: labels.split_values(found.get(s.id, set()), self.separator) for s in what.samples}
        unlisted = _unlisted(self.source, (sample for sample in what.samples if sample.id not in found))
        return Labelled(replace(what, labels=of), unlisted, {})

    def _by_annotations(self, what: Catalog, root: Root) -> Labelled:
        of: dict[str, tuple[str, ...]] = {}
        unread: dict[str, str] = {}
        unlisted: dict[str, str] = {}
        voc = self.source == "voc"
        tables = [r.path for r in what.index.files if not voc and r.path.endswith(f"/{labels.NAMES}") and r.digest]
        names = {path: labels.read_names(read_regular(root.path / path)) for path in tables}
        for sample, path in _annotations(what, labels.SUFFIXES[self.source]):
            try:
                data = read_regular(root.path / path)
                found = labels.read_voc(data) if voc else labels.read_yolo(data, labels.names_for(path, names))
                of[sample.id] = tuple(sorted({*of.get(sample.id, ()), *found}))
            except (OSError, ValueError) as error:
                unread[path] = getattr(error, "strerror", None) or str(error)
                unlisted[sample.id] = because(Why.UNLISTED, f"{show(path)} cannot be read: {unread[path]}")
        if what.samples and not of and not unread:
            problem = f"No image has an annotation ({labels.SUFFIXES[self.source]}) beside it or in a parallel folder"
            raise UsageError(problem, "Add the annotations, or choose another source with --label")
        return Labelled(replace(what, labels=of), unlisted, unread)


def _of_last_split(report: bytes) -> tuple[str, str]:
    """Where the labels of a split came from, and their separator, as its `splits.json` says; empty when it does not."""
    try:
        told = json.loads(report)
        return str(told["label_source"]), str(told["label_separator"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", ""


def names_tell(stored: Settings, root: Root, report: bytes) -> Callable[[Catalog], dict[str, str]]:
    """What the stored rules read from the names of images: which group and labels a sample has, by its id."""
    group_rule = GroupRule.of(None, None, stored, root)
    label_rule = LabelRule.of(None, None, stored, root, report)

    def read(what: Catalog) -> dict[str, str]:
        found = group_rule.groups(what)
        if label_rule.is_table:
            labels_of = label_rule.apply(what, root).catalog.labels or {}
            found |= {name: "\0".join((found.get(name, ""), *of)) for name, of in labels_of.items() if of}
        return found

    return read


class Labelled(NamedTuple):
    """What a rule for labels found.

    Attributes:
        catalog: with the labels of its samples.
        unlisted: why samples have no label of which a table or annotation should tell, by id.
        unread: why annotations could not be read, by path.
    """

    catalog: Catalog
    unlisted: dict[str, str]
    unread: dict[str, str]


def _annotations(what: Catalog, suffix: str) -> Iterator[tuple[Sample, str]]:
    """The annotations of all samples, by their paths; each half of a pair may have one."""
    for sample in what.samples:
        for record in sample.sidecars:
            if record.path.lower().endswith(suffix):
                yield sample, record.path


def _unlisted(table: str, samples: Iterable[Sample]) -> dict[str, str]:
    name, column = groups.parse_table(table)
    reason = because(Why.UNLISTED, f"{show(name)} gives it no {show(column)}")
    return {sample.id: reason for sample in samples}


def _owners(what: Catalog) -> dict[str, str]:
    """The id of each file's sample, and that of each sample by its key, as if it were a path too."""
    keys = {f"{sample.place}/{sample.key}": sample.id for sample in what.samples}
    return keys | {record.path: sample.id for sample in what.samples for record in sample.files}


def _read_column(base: Path, table: str, setting: str, owners: Mapping[str, str]) -> dict[str, set[str]]:
    """What a column of a table says of each image, by whom it belongs to.

    Raises:
        UsageError: the table cannot be read, or names none of the images.
    """
    name, column = groups.parse_table(table)
    try:
        data = read_regular(base / name)
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        problem = f"The table {show(str(base / name))} cannot be read ({getattr(error, 'strerror', None) or error})"
        remedy = (
            f"Put it back, or give another: its path is given on the command line, or by {setting} in imgstage.toml"
        )
        raise UsageError(problem, remedy) from error
    return groups.by_column(groups.read_table(data, name, column), column, owners)
