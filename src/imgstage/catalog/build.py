"""Index + ledger + pairing rules -> the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import ledger, pairing
from ..index import Index, Kind
from ..plan import Note
from ..reasons import Why, is_because
from ..root import Layout, is_own
from .assembly import Assembly
from .model import Catalog, below

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..ledger import Row


def build(
    index: Index,
    rows: Sequence[Row],
    given: Mapping[str, Mapping[str, str]],
    layout: Layout | None = None,
    aside: Mapping[str, str] | None = None,
) -> Catalog:
    """Find the samples of a root.

    Args:
        index: of `stage_data/`, the split folders and `held/`.
        rows: the ledger.
        given: pairing templates from `imgstage.toml`.
        layout: which folder stands for which split; None when each has its own name.
        aside: why files were put into `held/`, by path.

    Returns:
        The catalog.

    Raises:
        PairingError: a folder's names can be read in two ways.
        UsageError: a given template is none.
    """
    sound = [
        record for record in index.files if record.digest and (record.kind is Kind.IMAGE or not is_own(record.path))
    ]
    unread = [record for record in index.files if not record.digest and not is_own(record.path)]
    names = {record.path: below(record.path) for record in sound}
    known = ledger.match(rows, index.by_path, names) if rows else {}
    shut = [record for record in unread if is_because(record.trouble, Why.UNREADABLE)]
    names |= {record.path: below(record.path) for record in shut}
    images = [record for record in (*sound, *shut) if record.kind is Kind.IMAGE]
    pairings = pairing.detect([names[record.path] for record in images], given)
    assembly = Assembly(names, pairings, known, rows, layout or Layout())
    assembly.place_images(images)
    assembly.place_sidecars([record for record in (*sound, *shut) if record.kind is Kind.SIDECAR])
    assembly.hold_twins(sound)
    assembly.hold_mixed()
    assembly.hold_shut()
    unreadable = [Note(record.path, record.trouble) for record in unread if record.kind is not Kind.IGNORED]
    ignored = [Note(record.path, record.trouble) for record in unread if record.kind is Kind.IGNORED]
    found = {id(row) for row in known.values()}
    closed = {record.path for record in unread if record.kind is not Kind.IGNORED}
    folders = tuple(f"{note.path}/" for note in ignored if is_because(note.reason, Why.CLOSED))
    closed |= {row.path for row in rows if row.path.startswith(folders)} if folders else set()
    absent = [row for row in rows if id(row) not in found]
    return Catalog(
        index,
        pairings,
        assembly.samples(aside or {}),
        tuple(sorted((*assembly.strays, *unreadable))),
        tuple(sorted((*assembly.ignored, *ignored))),
        known,
        tuple(row for row in absent if row.path not in closed),
        tuple(sorted(path for path, row in known.items() if index.by_path[path].digest != row.digest)),
        tuple(row for row in absent if row.path in closed),
        assembly.layout,
    )
