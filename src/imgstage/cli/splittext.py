"""What a split came to, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..root import show
from .render import counted, table

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIRST = 5
NOT_COMPARED = 'Not looked for: pictures that look nearly the same (near_duplicates = "ignore")'


def splits(details: Mapping[str, Any]) -> list[str]:
    """Samples by split: now, new, asked and reached."""
    names = list(details["samples"])
    total = sum(details["samples"].values())
    asked = dict(part.split("=") for part in details["asked"].split(","))
    rows = [
        ["", *names, "all"],
        ["samples", *(f"{details['samples'][name]:,}" for name in names), f"{total:,}"],
        ["new", *(f"{details['new_samples'][name]:,}" for name in names), f"{sum(details['new_samples'].values()):,}"],
        ["asked", *(_percent(asked[name]) for name in names), ""],
        ["reached", *(_percent(details["reached"][name]) for name in names), ""],
    ]
    return table(rows)


def redrawn(details: Mapping[str, Any]) -> list[str]:
    """What was held out, and is not any more."""
    if not details["redrawn"]:
        return []
    of = ", ".join(f"{count:,} of {show(split)}" for split, count in details["redrawn"].items())
    count = counted(sum(details["redrawn"].values()), "sample")
    return [f"{count} that had been held out got another split ({of}); what was tested on them proves nothing now"]


def labels(details: Mapping[str, Any]) -> list[str]:
    """How evenly labels are spread, and what has none."""
    lines = []
    if len(details["labels"]) > 1:
        names = f"{len(details['labels']):,} labels" + _from(details["label_source"])
        worst = max(
            (abs(count - sum(of.values()) * share), label, name)
            for label, of in details["labels"].items()
            for name, count in of.items()
            for share in (details["shares"][name],)
        )
        lines.append(f"{names}; the farthest from its share: {show(worst[1])} in {worst[2]}, by {worst[0]:.1f} samples")
    without, unlisted = details["samples_without_label"], details["samples_unlisted"]
    if without:
        lines.append(f"{counted(without, 'sample')} without a label{_from(details['label_source'])}")
    if unlisted:
        lines.append(
            f"{counted(unlisted, 'sample')} held, for nothing tells group or label; `--unlisted alone` takes all"
        )
    unread = details["unread_annotations"]
    if unread:
        shown = "; ".join(f"{one['path']}: {one['reason']}" for one in unread[:_FIRST])
        more = f" and {len(unread) - _FIRST:,} more" if len(unread) > _FIRST else ""
        lines.append(f"{counted(len(unread), 'annotation')} unreadable: {shown}{more}")
    return lines


def _from(source: str) -> str:
    if ":" in source:
        return f" in {show(source)}"
    return "" if source == "folder" else f" in {source.upper()} annotations"


def groups(details: Mapping[str, Any]) -> list[str]:
    """What holds samples together beyond their names, and where that comes too late."""
    lines = []
    if details["groups"]:
        without = details["samples_without_group"]
        lines.append(f"Groups: {details['groups']:,}" + (f"; {without:,} samples have none" if without else ""))
    for name, places in list(details["divided_groups"].items())[:_FIRST]:
        lines.append(f"  group {show(name)} was divided before it was named: it lies in {' and '.join(places)}")
    if len(details["divided_groups"]) > _FIRST:
        lines.append(f"  … and {len(details['divided_groups']) - _FIRST:,} more such groups; --json lists them")
    if details["add_to_settings"]:
        told = "imgstage.toml is never written over; for the next split to do the same, put there"
        lines.append(f"{told}: {'; '.join(details['add_to_settings'])}")
    divided = details["divided_copies"]
    together = details["samples_sharing_a_picture"] - len(divided)
    if together:
        lines.append(f"{together:,} samples share a picture with another; they are not divided")
    if divided:
        shown = ", ".join(f"{copy['sample']} ({copy['split']})" for copy in divided[:_FIRST])
        more = f" and {len(divided) - _FIRST:,} more" if len(divided) > _FIRST else ""
        lines.append(
            f"  {len(divided):,} samples share a picture with one in another split, and stay there: {shown}{more};"
            " `imgstage hold` sets one aside, `imgstage split --reshuffle` draws all anew"
        )
    return lines


def lookalikes(details: Mapping[str, Any]) -> list[str]:
    """Samples that look nearly like others."""
    if details["near_duplicates"] == "ignore":
        return [NOT_COMPARED]
    lines = []
    divided = details["divided_alike"]
    if details["samples_alike"]:
        kept = f"; {len(divided):,} of them are divided, and stay so" if divided else "; they are not divided"
        groups = "1 group" if details["alike_groups"] == 1 else f"{details['alike_groups']:,} groups"
        lines.append(f"{details['samples_alike']:,} samples look nearly like another, in {groups}{kept}")
    if divided:
        shown = ", ".join(f"{one['sample']} ({one['split']})" for one in divided[:_FIRST])
        more = f" and {len(divided) - _FIRST:,} more" if len(divided) > _FIRST else ""
        lines.append(f"  divided: {shown}{more}; `imgstage check` lists them")
    small = min((count for count in details["targets"].values() if count), default=0)
    if details["largest_alike"] > small:
        lines.append(
            f"  the largest of these groups has {details['largest_alike']:,} samples, and the smallest split {small:,}:"
            " `imgstage check --groups` shows what holds it together, --max-group N cuts the weakest ties"
        )
    cut, nearest = details["search"]["cut"], details["search"]["nearest_cut"][:_FIRST]
    if cut:
        shown = "; ".join(f"{' and '.join(one['pictures'])} ({one['bits']} bits)" for one in nearest)
        more = f" and {cut - _FIRST:,} more" if cut > _FIRST else ""
        lines.append(f"  cut for --max-group, so these may be divided: {shown}{more}")
    if details["search"]["too_flat"]:
        lines.append(f"{_pictures(details['search']['too_flat'])} too flat to be compared with others by look")
    return lines


def _pictures(count: int) -> str:
    return "1 picture is" if count == 1 else f"{count:,} pictures are"


def _percent(share: str | float) -> str:
    numerator, _, denominator = str(share).partition("/")
    return f"{float(numerator) / float(denominator or 1) * 100:.1f} %"
