"""Which files are meant by names on the command line: keys and ids of samples, paths of files and folders."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..reasons import Why, is_because
from ..root import STAGE, fold, show

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..catalog import Catalog, Sample
    from ..index import FileRecord


def named(catalog: Catalog, names: Sequence[str], fits: Callable[[FileRecord], bool], where: str) -> list[FileRecord]:
    """The files that are meant, in the order of their paths; the error says where they may lie.

    Raises:
        UsageError: a name means nothing here.
    """
    folders = {name for name in names if name in catalog.index.folders}
    by_name = _by_name(catalog, folders, fits)
    found: dict[str, FileRecord] = {}
    keys = {sample.key for sample in catalog.samples}
    for name in names:
        if name in folders and name in keys:
            problem = f"{show(name)} is both the key of a sample and a folder"
            raise UsageError(problem, "Give the path of one of the sample's files, or of one in the folder")
        if name not in by_name:
            shown = show(name) or repr(name)
            problem = f"{shown} is no sample that could go: neither a key, nor the path of a file or folder"
            raise UsageError(problem, f"Give the path of one of its files, such as {where}/x.jpg, or of a folder there")
        found |= {record.path: record for record in by_name[name]}
    return sorted(found.values())


def chosen_samples(catalog: Catalog, names: Sequence[str]) -> tuple[Sample, ...]:
    """The samples that are meant, wherever they lie; all when nothing is named.

    Raises:
        UsageError: a name means nothing here.
    """
    if not names:
        return catalog.samples
    paths = {record.path for record in named(catalog, names, lambda _: True, STAGE)}
    return tuple(sample for sample in catalog.samples if any(record.path in paths for record in sample.files))


def _by_name(catalog: Catalog, folders: set[str], fits: Callable[[FileRecord], bool]) -> dict[str, list[FileRecord]]:
    """The files that each name means: keys, ids, paths, and some folders."""
    by_name: dict[str, list[FileRecord]] = {}
    for sample in catalog.samples:
        files = [record for record in sample.files if fits(record)]
        for name in (sample.key, sample.id) if files else ():
            by_name.setdefault(name, []).extend(files)
        divided = is_because(sample.held, Why.AMBIGUOUS) or _is_called_alike(sample)
        for record in files:
            one_too_many = divided and record.path not in catalog.rows
            by_name[record.path] = [record] if one_too_many else files
            for folder in folders.intersection(map(str, PurePosixPath(record.path).parents)):
                by_name.setdefault(folder, []).extend(files)
    strays = catalog.strays_of_splits()
    for note in catalog.strays:
        record = catalog.index.by_path[note.path]
        if record.digest and fits(record) and note.path not in strays:
            by_name[note.path] = [record]
            for folder in folders.intersection(map(str, PurePosixPath(record.path).parents)):
                by_name.setdefault(folder, []).append(record)
    return by_name


def _is_called_alike(sample: Sample) -> bool:
    """Whether some of a sample's own files differ only in the case of their names."""
    return len({fold(record.path) for record in sample.files}) < len(sample.files)
