"""One `metadata.jsonl` a split, in the form that Hugging Face's `imagefolder` reads.

Each line is a sample: `before_file_name`, `after_file_name` and so on (`file_name` for lone images, `..._file_names`
where some sample has several in a role), and `label`, where there is one: the class folder, or what a table or
annotations say, a list where some sample has several. Paths are relative to
the table's folder.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..root import METADATA
from ..tables import in_split, manifest
from .wishes import Draft, Wishes, is_own_table, write_ledger, write_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..catalog import Catalog, Sample

_LONE = "image"
_quote = json.encoder.encode_basestring  # quicker than a whole encoder a line


def write_tables(
    draft: Draft,
    catalog: Catalog,
    target: Mapping[str, str],
    *,
    usable: Iterable[Sample] | None = None,
    settled: Iterable[Sample] = (),
    digests: Mapping[str, str] | None = None,
) -> tuple[Wishes, list[str]]:
    """The wishes of a verb by which every sample keeps its split: `splits.csv` and the tables beside it, brought up.

    Args:
        draft: about the plan.
        catalog: what there is.
        target: where files go, by path; the others stay.
        usable: the samples that are not held when the plan is done; None means that none changes in this.
        settled: samples that shall have rows besides those that have some. Who else is new is for `split` to look at.
        digests: of files that get other bytes, what they will hold, by path.

    Returns:
        See `write_metadata`.
    """
    splits = {sample.id: sample.split for sample in catalog.samples if sample.split}
    known = {row.sample for row in catalog.rows.values()} | {sample.id for sample in settled}
    rows = {name: split for name, split in splits.items() if name in known}
    whole = usable if usable is not None else [sample for sample in catalog.samples if not sample.held]
    tables, foreign = write_metadata(draft, catalog, whole, splits, target)
    return write_ledger(draft, catalog, rows, target, digests=digests) | tables, foreign


def write_metadata(
    draft: Draft,
    catalog: Catalog,
    usable: Iterable[Sample],
    splits: Mapping[str, str],
    target: Mapping[str, str],
    wanted: Iterable[str] = (),
) -> tuple[Wishes, list[str]]:
    """The wishes that bring those tables up to date that imgstage wrote, and write those that are wanted.

    Args:
        draft: about the plan.
        catalog: what there is.
        usable: the samples that are not held when the plan is done.
        splits: the split of each sample, by id.
        target: where files go, by path; the others stay.
        wanted: paths of tables that shall be there, besides those that are.

    Returns:
        The wishes, and the paths of tables that are wanted, or were imgstage's, but are somebody else's now: these stay
        as they are.
    """
    by_split: dict[str, list[Sample]] = {}
    for sample in usable:
        if sample.id in splits:
            by_split.setdefault(splits[sample.id], []).append(sample)
    listed = [sample for samples in by_split.values() for sample in samples]
    many = {role for sample in listed for role, records in sample.images.items() if len(records) > 1}
    label = _labels_of(catalog) if any(name for s in listed for name in catalog.labels_of(s)) else None
    needed = {*wanted, *(path for path in draft.tables if path.endswith(METADATA) and draft.written.get(path))}
    content: dict[str, bytes] = {}
    for split, members in by_split.items():
        folder = catalog.layout.folder(split) + "/"
        for path, base in ((in_split(catalog.layout, split), folder), (manifest(split), "")):
            if path in needed:
                lines = (_line(sample, target, base, many, label) for sample in members)
                content[path] = "".join(line for line in lines if line).encode()
    wishes = Wishes([], [])
    foreign: list[str] = []
    for path in sorted(needed):
        if not is_own_table(draft, path):
            foreign.append(path)
        else:
            wishes |= write_table(draft, path, content.get(path) or None)
    return wishes, foreign


def _labels_of(catalog: Catalog) -> Callable[[Sample], str]:
    """What stands in the column: a label, or a list for all when one has several."""
    if catalog.labels is None or all(len(labels) < 2 for labels in catalog.labels.values()):
        return lambda sample: _quote("".join(catalog.labels_of(sample)))
    return lambda sample: f"[{', '.join(map(_quote, catalog.labels_of(sample)))}]"


def _line(
    sample: Sample, target: Mapping[str, str], folder: str, many: set[str], label: Callable[[Sample], str] | None
) -> str | None:
    """A sample's line; None when one of its images will not lie below the folder."""
    columns: list[str] = []
    for role, records in sample.images.items():
        names: list[str] = []
        for record in records:
            path = target.get(record.path, record.path)
            if not path.startswith(folder):
                return None
            names.append(_quote(path[len(folder) :]))
        column = "file_name" if role == _LONE else f"{role}_file_name"
        columns.append(f'"{column}s": [{", ".join(names)}]' if role in many else f'"{column}": {names[0]}')
    if label:
        columns.append(f'"label": {label(sample)}')
    return f"{{{', '.join(columns)}}}\n"
