"""What came of pictures, to look at: a contact sheet, and a page with a slider that needs nothing beside it."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, Any

import numpy as np
from blake3 import blake3

from .. import images
from ..errors import DefectError
from ..root import show
from ..sheet import fit, stack
from .tasks import PALETTE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .pixels import Source
    from .tasks import Outcome

MARK = "imgstage play: before, output, after"
"""By what a later run knows that it may put its own sheet or page in the place of this one, with a digest of it."""
MOST = 100
"""Pictures that a page shows: a browser has enough of them."""
_ROWS = 24  # of a contact sheet
_SIDE = 800  # pixels of the longer side on the page
_CELL = (240, 320)
_LINE = 22


def shown(source: Source, made: NDArray[Any], true: NDArray[Any] | None, *, is_mask: bool) -> dict[str, bytes]:
    """Small pictures of what went in, of what came out, and, where it is known, of what should have.

    Args:
        source: what went in.
        made: the result.
        true: what it should have become.
        is_mask: whether these two are masks.
    """
    parts = {"before": small(source.pixels), "output": small(made, is_mask=is_mask)}
    return parts if true is None else {**parts, "after": small(true, is_mask=is_mask)}


def small(pixels: NDArray[Any], *, is_mask: bool = False) -> bytes:
    """A picture as it is shown: no larger than 800 pixels a side, in eight bits, as JPEG.

    Args:
        pixels: uint8 or uint16, shape (height, width), or (height, width, channels), where the second or fourth is
            opacity, which is left out; of a mask the classes, any whole numbers.
        is_mask: whether it is one.
    """
    if is_mask:
        colours = np.frombuffer(PALETTE, np.uint8).reshape(-1, 3)
        seen = colours[np.clip(pixels, 0, len(colours) - 1)]
    else:
        seen = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
        if seen.ndim == 3:
            seen = seen[..., 0] if seen.shape[2] == 2 else seen[..., :3]
    share = min(1.0, _SIDE / max(seen.shape[:2]))
    size = max(1, round(seen.shape[0] * share)), max(1, round(seen.shape[1] * share))
    made = images.resize(np.ascontiguousarray(seen), size, "nearest" if is_mask else "lanczos")
    return images.encode(made, "JPEG", quality=85)


def told_scores(outcome: Outcome) -> str:
    """The scores of a picture in a line; empty where there are none."""
    if outcome.score is not None:
        before = f"{outcome.baseline.psnr:.2f} to " if outcome.baseline else ""
        ssim = f", SSIM {outcome.score.ssim:.4f}" if outcome.score.ssim is not None else ""
        return f"{before}{outcome.score.psnr:.2f} dB{ssim}"
    if outcome.confusion is not None and outcome.confusion.mean_iou is not None:
        return f"mean IoU {outcome.confusion.mean_iou:.4f}"
    return ""


def contact_sheet(outcomes: Sequence[Outcome]) -> bytes:
    """Rows of before, output, and after where a true one is known.

    Args:
        outcomes: with small pictures; no more than the first 24 are drawn.

    Returns:
        A PNG.
    """
    rows = []
    for outcome in outcomes[:_ROWS]:
        cells = []
        for what, data in outcome.shown.items():
            pixels, traits = images.decode(data)
            seen = images.in_mode(pixels, traits.mode, "RGB")
            share = min(_CELL[0] / seen.shape[0], _CELL[1] / seen.shape[1], 2.0)
            size = max(1, round(seen.shape[0] * share)), max(1, round(seen.shape[1] * share))
            cell = fit(images.resize(seen, size, "lanczos"), _CELL)
            cells.append(stack([cell, images.caption(what, (_LINE, _CELL[1]), 13)], axis=0, gap=0))
        row = stack(cells, axis=1)
        told = f"{show(outcome.path)}   {told_scores(outcome)}"
        rows.append(stack([row, images.caption(told, (_LINE, row.shape[1]), 13)], axis=0, gap=0))
    sheet = stack(rows, axis=0)
    return images.encode(sheet, "PNG", optimize=True, comment=_mark(sheet.tobytes()))


def is_own(data: bytes) -> bool:
    """Whether a file is a sheet or a page as `contact_sheet` or `page` made it, and no hand has changed it since.

    Call it inside `quiet_codecs`.
    """
    if comment := images.png_comment(data):
        try:
            return comment == _mark(images.decode(data).pixels.tobytes())
        except DefectError:
            return False
    head, _, rest = data.partition(b"\n")
    return head == _first_line(rest)


def _mark(content: bytes) -> str:
    return f"{MARK} {blake3(content).hexdigest()}"


def _first_line(rest: bytes) -> bytes:
    return f"<!doctype html><!-- {_mark(rest)} -->".encode()


_STYLE = (
    "body{font:15px/1.4 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em;color:#222}"
    "section{border-top:1px solid #ccc;padding:1em 0}h2{font-size:16px;margin:0 0 .5em;overflow-wrap:anywhere}"
    ".compare{position:relative;width:min(100%,var(--width));--at:50%}"
    ".compare img{display:block;width:100%;background:#eee}"
    ".compare .over{position:absolute;inset:0;height:100%;clip-path:inset(0 0 0 var(--at))}"
    ".compare::after{content:'';position:absolute;top:0;bottom:0;left:var(--at);width:2px;margin-left:-1px;"
    "background:#fff;box-shadow:0 0 3px #000;pointer-events:none}"
    ".compare input{position:absolute;inset:0;width:100%;height:100%;margin:0;opacity:0;cursor:ew-resize}"
    ".compare input:focus-visible{opacity:.4}"
    "nav button{font:inherit;margin:.5em .5em 0 0}nav button[aria-pressed=true]{font-weight:bold}"
)
_SCRIPT = (
    "document.querySelectorAll('section').forEach(of=>{const box=of.querySelector('.compare'),"
    "range=of.querySelector('input'),over=of.querySelector('.over'),shown=[over.src,"
    "...[...of.querySelector('template').content.querySelectorAll('img')].map(one=>one.src)];"
    "range.addEventListener('input',()=>box.style.setProperty('--at',range.value+'%'));"
    "of.querySelectorAll('button').forEach((one,_,all)=>one.addEventListener('click',()=>{"
    "over.src=shown[one.value];"
    "all.forEach(each=>each.setAttribute('aria-pressed',each===one))}))})"
)


def page(title: str, outcomes: Sequence[Outcome], left_out: int) -> bytes:
    """A page that shows each picture, what was made of it, and what it should have become, with a slider between.

    Args:
        title: what was played.
        outcomes: with small pictures.
        left_out: how many others there are, which are not shown.

    Returns:
        HTML in UTF-8, which needs no other file.
    """
    more = f"<p>{left_out:,} others are not shown.</p>" if left_out > 0 else ""
    sections = "".join(_section(of) for of in outcomes)
    text = (
        f"<html lang='en'><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width'><title>{html.escape(title)}</title>"
        f"<style>{_STYLE}</style><h1>{html.escape(title)}</h1>"
        f"<p>Left of the line the picture before, right of it the output; drag it.</p>{more}{sections}"
        f"<script>{_SCRIPT}</script></html>\n"
    )
    rest = text.encode()
    return _first_line(rest) + b"\n" + rest


def _section(outcome: Outcome) -> str:
    name, scores = html.escape(show(outcome.path)), html.escape(told_scores(outcome))
    urls = {what: f"data:image/jpeg;base64,{base64.b64encode(of).decode()}" for what, of in outcome.shown.items()}
    height, width = images.read_header(outcome.shown["output"]).size
    shown = max(width, min(640, 640 * width // height)) if width else 640
    others = [what for what in urls if what != "before"]
    buttons = "".join(
        f"<button value='{number}' aria-pressed='{str(not number).lower()}'>{what}</button>"
        for number, what in enumerate(others)
    )
    kept = "".join(f"<img alt='{what}' src='{urls[what]}'>" for what in others[1:])
    return (
        f"<section><h2>{name}</h2><div class='compare' style='--width:{shown}px'>"
        f"<img alt='before' src='{urls['before']}'><img class='over' alt='output' src='{urls['output']}'>"
        f"<input type='range' min='0' max='100' value='50' aria-label='before or output'></div>"
        f"<nav>{buttons if len(others) > 1 else ''}</nav><template>{kept}</template><p>{scores}</p></section>"
    )
