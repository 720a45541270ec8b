"""Memory over one training step, and sizes of images, as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import images
from .allocator import GIB
from .arithmetic import safe_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .plan import MemoryPlan

MARK = "imgstage: memory"
"""A comment inside, by which a later plot knows that it may take the place of this one."""

_FAR = 5  # times the peak
_MOST = 40  # bars; the rarest sizes are added up


def of_step(plan: MemoryPlan) -> bytes:
    """What is allocated during one step, and what the GPU has for it, as a PNG."""
    how = plan.training
    title = f"{plan.model}, {how.size[0]}x{how.size[1]}, batch {how.batch}: allocated over one step"
    phases = [("forward", 0), ("backward", plan.phases[0]), ("optimizer", plan.phases[1])]
    level = None
    if plan.gpu:
        usable = plan.gpu.usable_bytes - (plan.process_bytes.mid - plan.reserved_bytes.mid)
        level = (f"{plan.gpu.name}, less its context", usable / GIB)
        if usable > _FAR * max(plan.timeline_bytes):  # nothing could be told from a curve so low
            title, level = f"{title} (of {usable / GIB:.1f} GiB)", None
    drawn = images.area(title, [value / GIB for value in plan.timeline_bytes], phases, level, "GiB")
    return images.encode(drawn, "PNG", optimize=True, comment=MARK)


def of_sizes(name: str, sizes: Mapping[tuple[int, int], int], divisor: int) -> bytes:
    """How many images there are of each size, and which of them a network can take, as a PNG.

    Args:
        name: of the set.
        sizes: images by (height, width).
        divisor: what height and width must be multiples of.
    """
    ranked = sorted(sizes, key=lambda size: (-sizes[size], size))
    rows = [(f"{h}x{w}", sizes[h, w], 0 if safe_sizes((h, w), divisor).is_safe else 1) for h, w in ranked[:_MOST]]
    if rest := ranked[_MOST:]:
        rows.append((f"{len(rest):,} rarer sizes", sum(sizes[size] for size in rest), 7))
    title = f"{name}: {sum(sizes.values()):,} images of {len(sizes):,} sizes (height x width)"
    parts = [f"multiples of {divisor}", "not"]
    return images.encode(images.bars(title, parts, rows), "PNG", optimize=True, comment=MARK)
