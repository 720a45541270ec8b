"""GPU memory, before the first step: `input_bytes`, `safe_sizes`, `estimate`, `solve`. Importing it loads no torch."""

from .arithmetic import SafeSizes, input_bytes, safe_sizes
from .plan import MemoryPlan, Training
from .planner import Advice, Solution, estimate, solve

__all__ = [
    "Advice",
    "MemoryPlan",
    "SafeSizes",
    "Solution",
    "Training",
    "estimate",
    "input_bytes",
    "safe_sizes",
    "solve",
]
