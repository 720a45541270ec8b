"""A root as HTML, for notebooks: its counts and six thumbnails."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING

from . import images
from .errors import ImgstageError
from .pairing import describe
from .root import show

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .catalog import Catalog, Sample
    from .status import Status

_THUMBNAIL = (96, 128)
_THUMBNAILS = 6


def render(root: Path, catalog: Catalog, status: Status) -> str:
    """HTML of a root.

    Args:
        root: its folder.
        catalog: what there is.
        status: the sums of it.
    """
    samples = [sample for sample in catalog.samples if not sample.held]
    cells = "".join(
        f"<td style='text-align:left'>{html.escape(place)}<br><b>{count}</b></td>"
        for place, count in status.samples.items()
    )
    step = max(1, len(samples) // _THUMBNAILS)
    pictures = "".join(_picture(root, sample) for sample in samples[::step][:_THUMBNAILS])
    rules = "; ".join(sorted({describe(pairing.rule) for pairing in catalog.pairings}))
    return (
        f"<div><b>{html.escape(str(root))}</b> · {len(samples)} samples · {len(status.report.held)} files held"
        f"<table><tr>{cells}</tr></table><small>{html.escape(rules)}</small><br>{pictures}</div>"
    )


def _picture(root: Path, sample: Sample) -> str:
    record = sample.files[0]
    data = images.encode(images.thumbnail(root / record.path, _THUMBNAIL), "JPEG", quality=85)
    source = base64.b64encode(data).decode()
    return f"<img title='{html.escape(show(record.path), quote=True)}' src='data:image/jpeg;base64,{source}'> "


def of(path: Path, look: Callable[[], tuple[Catalog, Status]]) -> str:
    """What a notebook shows of a root; of one that cannot be looked at, why."""
    try:
        return render(path, *look())
    except ImgstageError as error:
        return f"<b>{html.escape(str(path))}</b><br>{html.escape(str(error))}"
