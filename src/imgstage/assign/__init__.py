"""Which group of samples goes into which split. Pure: the same groups, ratios, seed and past give the same answer."""

from .draw import Assignment, Group, targets
from .portfolio import assign

__all__ = ["Assignment", "Group", "assign", "targets"]
