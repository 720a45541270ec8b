"""What a root holds: samples, and what belongs to none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ..pairing import LONE, read_all
from ..plan import Note
from ..reasons import Why, is_because
from ..root import HELD, STAGE, Layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..index import FileRecord, Index
    from ..ledger import Row
    from ..pairing import FolderPairing


class Sample(NamedTuple):
    """Images, by role, and sidecars that travel together.

    Attributes:
        id: outlives renaming, resizing and edits.
        key: what the names of its images have in common, with their folders.
        split: the split it was assigned to; empty when it is new.
        group: the group it was assigned with; empty when it stood alone.
        images: files by role.
        files: all of its files, images first, then sidecars.
        place: where it lies: `stage_data`, `held`, or a split when at least one of its files is in one.
        held: why no verb uses it; empty when it is fine. See `reasons`.
    """

    id: str
    key: str
    split: str
    group: str
    images: Mapping[str, tuple[FileRecord, ...]]
    files: tuple[FileRecord, ...]
    place: str
    held: str = ""

    @property
    def sidecars(self) -> tuple[FileRecord, ...]:
        """Its files that are no images."""
        return self.files[sum(map(len, self.images.values())) :]

    @property
    def label(self) -> str:
        """The folder of its key: the class, when images are sorted into class folders."""
        return self.key.rpartition("/")[0]


@dataclass(frozen=True)
class Catalog:
    """Everything in a root.

    Attributes:
        index: every file.
        pairings: the rule of each top-level folder.
        samples: sorted by key.
        strays: files that belong to no sample and must be looked at.
        ignored: files that are none of imgstage's business.
        rows: the ledger's row of each file that has one, by path.
        missing: rows whose file is gone.
        unread: rows whose file is there and cannot be read.
        edited: paths of files whose content is not what the ledger last saw.
        layout: which folder stands for which split.
        ancestors: the digests of what files of a digest were made from, by resizing.
        labels: of each sample, by id; None when its folder is its label.
    """

    index: Index
    pairings: tuple[FolderPairing, ...]
    samples: tuple[Sample, ...]
    strays: tuple[Note, ...]
    ignored: tuple[Note, ...]
    rows: Mapping[str, Row]
    missing: tuple[Row, ...]
    edited: tuple[str, ...] = ()
    unread: tuple[Row, ...] = ()
    layout: Layout = field(default_factory=Layout)
    ancestors: Mapping[str, frozenset[str]] = field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] | None = None

    def labels_of(self, sample: Sample) -> tuple[str, ...]:
        """The labels of a sample: its class folder, or what a table or its annotation says."""
        if self.labels is None:
            return (sample.label,)
        return self.labels.get(sample.id, ())

    def strays_of_splits(self) -> dict[str, str]:
        """Sound files in a split that belong to no whole sample, with the reason: no row could remember their split."""
        inside = [note for note in self.strays if top(note.path) not in (STAGE, HELD)]
        strays = {note.path: note.reason for note in inside if self.index.by_path[note.path].digest}
        for sample in self.samples:
            unfit = (
                sample.held
                and is_because(sample.held, Why.INCOMPLETE, Why.AMBIGUOUS)
                and sample.place not in (STAGE, HELD)
            )
            if unfit and not any(record.path in self.rows for record in sample.files):
                strays |= {record.path: sample.held for record in sample.files}
        return strays

    def unrecorded(self) -> dict[str, str]:
        """Images in a split of which no row could tell: those of no whole sample, and those that cannot be read."""
        known = {row.path for row in self.unread}
        shut = [note for note in self.strays if is_because(note.reason, Why.UNREADABLE) and note.path not in known]
        shut = [note for note in shut if top(note.path) not in (STAGE, HELD)]
        return self.strays_of_splits() | {note.path: note.reason for note in shut}

    def assigned_as_lone(self) -> list[Sample]:
        """Samples of one image that were assigned so, and by the rule there is now are part of a larger one."""
        slots = read_all([one for one in self.pairings if not one.rule.is_lone])
        if not slots:
            return []
        known = {row.sample for row in self.rows.values()}
        lone = [sample for sample in self.samples if tuple(sample.images) == LONE.roles and sample.id in known]
        return [sample for sample in lone if below(sample.files[0].path) in slots]

    def held(self) -> tuple[Note, ...]:
        """Every file that is held, with the reason."""
        notes = [Note(record.path, sample.held) for sample in self.samples if sample.held for record in sample.files]
        return tuple(sorted((*notes, *self.strays)))


def top(path: str) -> str:
    """The top-level folder of a path."""
    return path.partition("/")[0]


def below(path: str) -> str:
    """A path without its top-level folder: equal for `train/x.jpg` and `stage_data/x.jpg`."""
    return path.partition("/")[2]
