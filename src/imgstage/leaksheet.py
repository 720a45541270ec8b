"""What leaks between splits, side by side, as one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING

from . import images
from .bonds import Kind
from .errors import DefectError
from .root import show

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .leaks import Leak, Side

MARK = "<!doctype html><!-- imgstage: leaks between splits -->"
"""The first line, by which a later report knows that it may take the place of this one."""

_MOST = 300  # pairs that are shown; a browser has enough of them
_THUMBNAIL = (240, 320)
_TITLES = {
    Kind.SAME: "the same picture",
    Kind.ALIKE: "nearly alike",
    Kind.GROUP: "one group",
}
_STYLE = (
    "body{font:15px/1.4 system-ui,sans-serif;margin:2em auto;max-width:62em;padding:0 1em;color:#222}"
    "figure{display:inline-block;margin:0 1em 0 0;vertical-align:top;max-width:21em}"
    "img{display:block;max-width:100%;background:#eee}"
    "figcaption{overflow-wrap:anywhere;font-size:13px}"
    "section{border-top:1px solid #ccc;padding:1em 0}h2{font-size:16px;margin:0 0 .5em}"
)


def render(root: Path, leaks: Sequence[Leak]) -> str:
    """The page.

    Args:
        root: the root's folder.
        leaks: in the order in which they are shown; no more than the first 300.
    """
    name = html.escape(show(root.name))
    count = f"{len(leaks):,} pairs of samples leak between splits" if leaks else "Nothing leaks between splits"
    more = f"<p>Only the first {_MOST} are shown.</p>" if len(leaks) > _MOST else ""
    pairs = "".join(_section(root, number, leak) for number, leak in enumerate(leaks[:_MOST], start=1))
    way = "<p><code>imgstage split --fix-leaks</code> sets aside the fewest samples that end them.</p>" if leaks else ""
    return (
        f"{MARK}\n<html lang='en'><meta charset='utf-8'><title>Leaks in {name}</title>"
        f"<style>{_STYLE}</style><h1>{name}: {count}</h1>{way}{more}{pairs}</html>\n"
    )


def _section(root: Path, number: int, leak: Leak) -> str:
    what = _TITLES[leak.kind]
    if leak.kind is Kind.ALIKE:
        what += f": {leak.bits} of 256 bits differ"
    if leak.kind is Kind.GROUP:
        what += f": {html.escape(show(leak.group))}"
    return f"<section><h2>{number}. {what}</h2>{_figure(root, leak.lesser)}{_figure(root, leak.other)}</section>"


def _figure(root: Path, side: Side) -> str:
    caption = f"<figcaption><b>{html.escape(side.split)}</b> {html.escape(show(side.path))}</figcaption>"
    try:
        thumbnail = images.encode(images.thumbnail(root / side.path, _THUMBNAIL), "JPEG", quality=80)
    except DefectError as error:
        return f"<figure><p>{html.escape(str(error))}</p>{caption}</figure>"
    source = base64.b64encode(thumbnail).decode()
    return f"<figure><img alt='' src='data:image/jpeg;base64,{source}'>{caption}</figure>"
