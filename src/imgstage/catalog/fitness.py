"""Whether the images of a sample are whole, and why no verb may use it when they are not."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..pairing import LONE, SIDECAR
from ..reasons import Why, about, because
from ..root import HELD, STAGE, show

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..index import FileRecord
    from ..ledger import Row
    from ..pairing import Rule


def why_held(
    images: Mapping[str, tuple[FileRecord, ...]],
    rows: Sequence[Row],
    rule: Rule | None,
    places: set[str],
    aside: Mapping[str, str],
) -> str:
    if HELD in places and len(places) == 1:
        paths = [record.path for records in images.values() for record in records]
        reason = next((aside[path] for path in paths if path in aside), "")
        return because(Why.ASIDE, reason or f"it lies in {HELD}/")
    unfit = _why_unfit(images, rows, rule)
    if unfit and not rows:
        return unfit
    for records in images.values():
        for record in records:
            if record.trouble:
                return about(show(record.path), record.trouble)
    if not unfit and len(places) > 1 and (HELD in places or len(places - {STAGE}) > 1):
        return because(Why.TORN, f"its files lie in {' and '.join(sorted(places))}")
    return unfit


def _why_unfit(images: Mapping[str, tuple[FileRecord, ...]], rows: Sequence[Row], rule: Rule | None) -> str:
    """Why these images are not one whole sample; empty when they are."""
    if rule is not None and not rows and tuple(images) == rule.roles and max(map(len, images.values())) == 1:
        return ""
    if rows:
        had = {row.role for row in rows} - {SIDECAR}
        if rule is not None and had < set(rule.roles) and had != set(LONE.roles):  # half of a pair had got rows alone
            had = set(rule.roles)
        lacking = [role for role in sorted(had) if role not in images]
        times = Counter(row.role for row in rows)
        many = rule.many if rule is not None else lambda _: False
        doubled = [role for role, records in images.items() if len(records) > max(times[role], 1) and not many(role)]
    elif rule is not None:
        lacking = [role for role in rule.roles if role not in images]
        doubled = [role for role, records in images.items() if len(records) > 1 and not rule.many(role)]
    else:
        return ""
    if not lacking and not doubled and (rows or any(len(records) == 1 for records in images.values())):
        return ""
    here = show(next(iter(images.values()))[0].path)
    if lacking:
        return because(Why.INCOMPLETE, f"{here} has no {' and no '.join(lacking)} beside it")
    if doubled:
        names = ", ".join(show(record.path) for record in images[doubled[0]])
        return because(Why.AMBIGUOUS, f"{names} would all be the {doubled[0]} of one sample")
    return because(Why.AMBIGUOUS, f"{here} is one of several images in each role")
