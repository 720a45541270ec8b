"""What is wrong, or odd, with a set of images: findings, each with what mends it. Pure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from math import log2
from typing import TYPE_CHECKING, NamedTuple

from .bonds import Kind
from .formats import SUFFIXES_OF
from .reasons import HELP, Why, is_because, why
from .root import LEDGER, STAGE, STATE, TRAIN, show
from .verbs.guard import unknown_to_ledger
from .verbs.ties import find_pictures, is_picture, lineage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .catalog import Catalog, Sample
    from .index import FileRecord, Index
    from .leaks import Leaks

_GONE = "restore it; where it is gone for good, say so with `imgstage split --accept-new`"
ERROR, WARNING = "error", "warning"
_ENOUGH = 10  # of fewer images, nobody can tell which is the odd one
_FAR = 0.5  # octaves: an aspect or a side so far from the median is worth a look, when most are nearer
_NEAR = 0.05  # octaves: a crop to whole pixels makes scales differ that much
_SHARE = 0.1  # what more than this share of images has in common is no exception


class Finding(NamedTuple):
    """One thing that is wrong or odd.

    Attributes:
        code: what kind of thing, for programs.
        severity: "error" or "warning".
        path: of the file, below the root.
        sentence: what it is.
        remedy: the command or the deed that mends it.
    """

    code: str
    severity: str
    path: str
    sentence: str
    remedy: str

    @property
    def is_error(self) -> bool:
        """Whether it should stop whoever trains."""
        return self.severity == ERROR

    @property
    def goes_with_its_sample(self) -> bool:
        """Whether setting its sample aside helps, without taking away what must be looked at."""
        return self.code not in _STAYING


_BROKEN_OFF, _LEDGER, _CLOSED = "broken-off", "ledger", "closed"
_STAYING = {*("missing", "disagrees", "edited", "unreadable", "name", "torn", "mixed"), _BROKEN_OFF, _LEDGER, _CLOSED}


def broken_off(number: int) -> Finding:
    """What stands for all others while an operation waits for recovery: until then nothing need make sense."""
    path = f"{STATE}/journal/{number:06d}.plan"
    return Finding(_BROKEN_OFF, ERROR, path, f"operation {number} broke off before it was done", "`imgstage recover`")


def check(
    catalog: Catalog,
    leaks: Leaks,
    *,
    depth: int = 0,
    fresh: Index | None = None,
    foreign_ledger: bool = False,
) -> list[Finding]:
    """Look for everything that is wrong or odd in a root.

    Args:
        catalog: what there is.
        leaks: what lies in two splits and should not.
        depth: how often a network halves the images; their sides must divide by two to that power.
        fresh: the files once more, read anew without a cache, to find bytes that changed by themselves.
        foreign_ledger: `splits.csv` is gone, or is not the one that was last written here.

    Returns:
        The findings, errors first, then in the order of the paths.
    """
    samples = [sample for sample in catalog.samples if not sample.held]
    found = [
        *_held(catalog),
        *_unseen(catalog),
        *(_unknown(catalog) if foreign_ledger else ()),
        *_drift(catalog),
        *_extensions(catalog.index),
        *_sizes(samples),
        *(finding for sample in samples for finding in _forgotten_edits(sample)),
        *_leaking(leaks),
        *_duplicates(catalog, samples),
        *(finding for role, records in _by_role(samples).items() for finding in _odd_ones(role, records)),
        *(_indivisible(samples, depth) if depth else ()),
        *(_rotten(catalog.index, fresh) if fresh is not None else ()),
    ]
    return sorted(found, key=lambda finding: (not finding.is_error, finding.path, finding.code))


_NO_FAULT = (Why.ASIDE, Why.TIED)


def _held(catalog: Catalog) -> Iterator[Finding]:
    """What status holds, for the same reasons; what was set aside is known."""
    for note in catalog.held():
        if not is_because(note.reason, *_NO_FAULT):
            kind, _, sentence = note.reason.partition(": ")
            code = "empty" if "the file is empty" in sentence else kind
            yield Finding(code, ERROR, note.path, sentence, HELP[why(note.reason)])


def _unseen(catalog: Catalog) -> Iterator[Finding]:
    """Folders of which nobody knows what lies there."""
    for note in catalog.ignored:
        if is_because(note.reason, Why.CLOSED) or ("/" not in note.path and is_because(note.reason, Why.LINK)):
            sentence = f"what lies there is not seen ({note.reason.partition(': ')[2]})"
            yield Finding(_CLOSED, ERROR, note.path, sentence, "allow reading it, and let it be a folder, not a link")


def _unknown(catalog: Catalog) -> Iterator[Finding]:
    """A table of splits that is not the last one."""
    count = len(unknown_to_ledger(catalog, catalog.samples))
    sentence = f"it is gone, or is not the one imgstage wrote last; {count:,} samples are not in it"
    remedy = "restore it from git or a backup, or take back what was done since with `imgstage undo --without-missing`"
    yield Finding(_LEDGER, ERROR if count else WARNING, LEDGER, sentence, remedy)


def _drift(catalog: Catalog) -> Iterator[Finding]:
    """What is other than `splits.csv` says."""
    for row in catalog.missing:
        if not row.is_acknowledged:
            sentence = f"it was assigned to {row.split} and is gone"
            yield Finding("missing", ERROR, row.last_path, sentence, _GONE)
    for path in catalog.edited:
        sentence = "its bytes are not those that splits.csv knows"
        yield Finding("edited", WARNING, path, sentence, "`imgstage split` writes them down, when the edit is yours")
    for sample in catalog.samples:
        if sample.split and not sample.held and sample.place not in (STAGE, sample.split):
            sentence = f"it lies in {sample.place}, and splits.csv says {sample.split}"
            remedy = "`imgstage split --trust folders` (or csv)"
            yield Finding("disagrees", ERROR, sample.files[0].path, sentence, remedy)


def _extensions(index: Index) -> Iterator[Finding]:
    for record in index.files:
        suffix = record.path[record.path.rfind(".") :].lower()
        if record.image is not None and suffix not in SUFFIXES_OF.get(record.image.format, (suffix,)):
            sentence = f"its name says {suffix}, its content is {record.image.format}"
            yield Finding("extension", WARNING, record.path, sentence, "rename it by hand to what it is")


def _sizes(samples: Iterable[Sample]) -> Iterator[Finding]:
    """Images of one sample that differ in size, unless most of their role do so alike, as in super-resolution."""
    by_role: dict[str, list[tuple[FileRecord, FileRecord]]] = defaultdict(list)
    for sample in samples:
        (_, first), *others = [(role, record) for role, of in sample.images.items() for record in of]
        for role, other in others:
            by_role[role].append((first, other))
    for pairs in by_role.values():
        scales = [_octaves(first, other) for first, other in pairs]
        usual, near = (0.0, 0.0), 0.0
        if len(pairs) >= _ENOUGH and 2 * scales.count(usual) < len(pairs):
            usual, near = (statistics.median(h for h, _ in scales), statistics.median(w for _, w in scales)), _NEAR
        for (first, other), scale in zip(pairs, scales, strict=True):
            if max(abs(scale[0] - usual[0]), abs(scale[1] - usual[1])) > near:
                yield _differs(first, other)


def _octaves(first: FileRecord, other: FileRecord) -> tuple[float, float]:
    """How much higher and wider one image is than another, as powers of two."""
    (height, width), (its_height, its_width) = _size(first), _size(other)
    return log2(its_height / height), log2(its_width / width)


def _size(record: FileRecord) -> tuple[int, int]:
    assert record.image is not None, "an image of a sample that is not held decodes whole"
    return record.image.height, record.image.width


def _differs(first: FileRecord, other: FileRecord) -> Finding:
    size, its = _size(first), _size(other)
    beside = f"{show(first.path)} has {size[0]}x{size[1]}, {show(other.path)} {its[0]}x{its[1]} (height x width)"
    if size == its[::-1]:
        remedy = "turn one of them, or set the sample aside with `imgstage hold NAME`"
        return Finding("orientation-differs", ERROR, other.path, f"one is turned: {beside}", remedy)
    remedy = "bring them to one size, or set the sample aside with `imgstage hold NAME`"
    return Finding("size-differs", ERROR, other.path, f"the sizes differ: {beside}", remedy)


def _forgotten_edits(sample: Sample) -> Iterator[Finding]:
    pictures = [record for role, of in sample.images.items() if is_picture(role) for record in of]
    first: dict[str, FileRecord] = {}
    for record in pictures:
        other = first.setdefault(record.digest, record)
        if other is not record:
            sentence = f"it has the same bytes as {show(other.path)}: a forgotten edit"
            yield Finding("identical-halves", WARNING, record.path, sentence, "put the edited image in its place")
            break


_LEAKS = {
    Kind.SAME: "duplicate-across-splits",
    Kind.ALIKE: "near-duplicate-across-splits",
    Kind.GROUP: "group-across-splits",
}


def _leaking(leaks: Leaks) -> Iterator[Finding]:
    """The worst of each kind for each sample."""
    told: set[tuple[str, str]] = set()
    for leak in leaks.listed():
        code, path = _LEAKS[leak.kind], leak.lesser.path
        if (code, path) not in told:
            told.add((code, path))
            remedy = "`imgstage split --fix-leaks` sets aside the fewest that end it; or one with `imgstage hold NAME`"
            yield Finding(code, ERROR, path, leak.sentence, remedy)


def _duplicates(catalog: Catalog, samples: Iterable[Sample]) -> Iterator[Finding]:
    """Pictures that are in several samples of one split, or wait in `stage_data/`, or were before they were resized."""
    pictures = find_pictures(catalog)
    homes: dict[str, list[tuple[str, FileRecord]]] = defaultdict(list)
    for sample in samples:
        seen: set[str] = set()
        for record in (record for role, of in sample.images.items() if is_picture(role) for record in of):
            for digest in pictures.repeated.intersection(lineage(catalog, record)) - seen:
                seen.add(digest)
                homes[digest].append((sample.split or sample.place, record))
    told: set[str] = set()
    for _, members in sorted(homes.items()):
        home, first = min(members, key=lambda member: (member[0] in (TRAIN, STAGE), member[1].path))
        for split, record in members:
            together = split == home or STAGE in (split, home)
            if record is not first and together and record.path not in told:
                told.add(record.path)
                same = "has the same bytes as" if record.digest == first.digest else "is, or was, the same picture as"
                remedy = "set one of the two aside with `imgstage hold NAME`"
                yield Finding("duplicate", WARNING, record.path, f"it {same} {show(first.path)}", remedy)


def _by_role(samples: Iterable[Sample]) -> dict[str, list[FileRecord]]:
    roles: dict[str, list[FileRecord]] = defaultdict(list)
    for sample in samples:
        for role, records in sample.images.items():
            roles[role] += [record for record in records if record.image is not None]
    return roles


def _odd_ones(role: str, records: list[FileRecord]) -> Iterator[Finding]:
    """What a few images of a role have otherwise than the others."""
    if len(records) < _ENOUGH:
        return
    yield from _rare(records, "mode", lambda r: r.image.mode if r.image else "", role, "pixels")
    yield from _rare(records, "profile", lambda r: r.image.profile if r.image else "", role, "a colour profile")
    sides = {r.path: (r.image.height, r.image.width) for r in records if r.image is not None}
    measures: Mapping[str, dict[str, float]] = {
        "aspect": {path: log2(width / height) for path, (height, width) in sides.items()},
        "size": {path: log2(width * height) / 2 for path, (height, width) in sides.items()},
    }
    for what, of in measures.items():
        median = statistics.median(of.values())
        far = [path for path, value in of.items() if abs(value - median) > _FAR]
        for path in far if len(far) <= _SHARE * len(of) else ():
            height, width = sides[path]
            sentence = f"{height}x{width} (height x width) is far from the {what} of most {role} images"
            yield Finding(f"{what}-outlier", WARNING, path, sentence, "look at it; `imgstage hold NAME` sets it aside")


def _rare(
    records: list[FileRecord], code: str, of: Callable[[FileRecord], str], role: str, what: str
) -> Iterator[Finding]:
    by_kind: dict[str, list[FileRecord]] = defaultdict(list)
    for record in records:
        by_kind[of(record)].append(record)
    usual = max(by_kind, key=lambda kind: len(by_kind[kind]))
    remedy = "convert it, or set it aside with `imgstage hold NAME`"
    for kind, members in by_kind.items():
        if kind != usual:
            others = f", most {role} images {usual or 'none'}"
            for record in members if len(members) <= _SHARE * len(records) else ():
                yield Finding(code, WARNING, record.path, f"it has {what} {kind or 'of none'}{others}", remedy)
            if len(members) > _SHARE * len(records):
                sentence = f"it and {len(members) - 1:,} more have {what} {kind or 'of none'}{others}"
                yield Finding(
                    code, WARNING, members[0].path, sentence, "convert one kind to the other, if they differ by mistake"
                )


def _indivisible(samples: Iterable[Sample], depth: int) -> Iterator[Finding]:
    step = 2**depth
    for records in _by_role(samples).values():
        for record in records:
            if record.image is not None and (record.image.height % step or record.image.width % step):
                sentence = f"{record.image.height}x{record.image.width} (height x width) does not divide by {step}"
                yield Finding("indivisible", WARNING, record.path, sentence, "resize or crop it, or pad in the loader")


def _rotten(index: Index, fresh: Index) -> Iterator[Finding]:
    """Files whose bytes changed while nobody wrote to them."""
    for record in index.files:
        now = fresh.by_path.get(record.path)
        if now is None or not record.digest or not now.digest:
            continue
        untouched = (now.size, now.mtime_ns, now.inode) == (record.size, record.mtime_ns, record.inode)
        if untouched and now.digest != record.digest:
            sentence = "its bytes changed while its size and time did not: the disk may be failing"
            yield Finding("rot", ERROR, record.path, sentence, "restore it from a backup")
