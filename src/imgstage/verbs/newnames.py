"""What new names bring about: sidecars follow those of the images, and no sample may be another one by them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ..catalog import Catalog, Sample, build
from ..errors import ImgstageError, UsageError
from ..index import Index
from ..pairing import SIDECAR, stem_of
from ..root import fold, show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def follow(name: str, new: Mapping[str, str], key: str, common: str) -> str:
    """Where a sidecar goes, below its top-level folder.

    Args:
        name: where it is.
        new: where the images of its sample go, by where they are.
        key: what the names of the sample's images have in common.
        common: what they will have in common.
    """
    stem = stem_of(name)
    for old, to in new.items():  # beside an image: into the folder that this goes to
        for before, after in ((old, to), (stem_of(old), stem_of(to))):
            if fold(stem) == fold(before):
                return after + name[len(stem) :]
    folder, slash, own = name.rpartition("/")
    choices = [(old.rpartition("/")[2], to.rpartition("/")[2]) for old, to in new.items()]
    choices += [(stem_of(old), stem_of(to)) for old, to in choices]
    choices += [(of, common) for of in (key.rpartition("/")[2], stem_of(key.rpartition("/")[2]))]
    for old, to in sorted(choices, key=lambda choice: -len(choice[0])):
        stem = stem_of(own)
        if fold(stem) == fold(old):
            return f"{folder}{slash}{to}{own[len(stem) :]}"
    return name


def refuse_other_reading(
    catalog: Catalog,
    target: Mapping[str, str],
    given: Mapping[str, Mapping[str, str]],
    grouping: Callable[[Catalog], Mapping[str, str]],
    remedy: str,
) -> bool:
    """New names must tell the same samples as the old ones did, for they are all that tells them until they are split.

    Returns:
        Whether a given template fits none of the new names where it fitted some of the old.

    Raises:
        UsageError: naming the first that would not.
    """
    index = catalog.index
    files = tuple(sorted(record._replace(path=target.get(record.path, record.path)) for record in index.files))
    made = {str(parent) for path in target.values() for parent in PurePosixPath(path).parents}
    rows = [
        row._replace(path=target.get(path, row.path), digest=index.by_path[path].digest)
        for path, row in catalog.rows.items()
    ]
    rows += [*catalog.missing, *catalog.unread]
    try:
        after = build(Index(files, index.folders | dict.fromkeys(made, 0)), rows, given, catalog.layout)
    except ImgstageError as error:
        problem = f"By their new names it would not be clear which images go together ({error.problem})"
        raise UsageError(problem, remedy) from error
    wanted = {target.get(r.path, r.path): _portrait(s, target) for s in catalog.samples for r in s.files}
    found = {r.path: _portrait(s, {}) for s in after.samples for r in s.files}
    other = [path for path in target.values() if found.get(path) != wanted[path]]
    if other:
        problem = f"By the new names, {show(other[0])} would be part of another sample than now"
        raise UsageError(problem, remedy)
    _refuse_other_groups(catalog, after, target, grouping, remedy)
    before, now = ({one.name: one.explained for one in of.pairings if one.given} for of in (catalog, after))
    return any(before.get(name, 0) and not explained for name, explained in now.items())


def _refuse_other_groups(
    catalog: Catalog,
    after: Catalog,
    target: Mapping[str, str],
    grouping: Callable[[Catalog], Mapping[str, str]],
    remedy: str,
) -> None:
    before = grouping(catalog)
    if not before:
        return
    try:
        now = grouping(after)
    except UsageError:
        now = {}
    group = {target.get(s.files[0].path, s.files[0].path): before.get(s.id) for s in catalog.samples}
    lost = [s for s in after.samples for r in s.files if group.get(r.path, now.get(s.id)) != now.get(s.id)]
    if lost:
        problem = (
            f"A rule of imgstage.toml reads groups or labels from names, and would not find that of {show(lost[0].key)}"
        )
        way = "put the new names into its table first, if it has one; or take the rule out of imgstage.toml"
        raise UsageError(problem, f"{remedy}, and keep in the names what it looks for; or {way}")


def _portrait(sample: Sample, target: Mapping[str, str]) -> tuple[bool, tuple[tuple[str, tuple[str, ...]], ...]]:
    roles = [*sample.images.items(), (SIDECAR, sample.sidecars)]
    return bool(sample.held), tuple(
        sorted((role, tuple(sorted(target.get(r.path, r.path) for r in records))) for role, records in roles)
    )
