"""Apply, recover and undo plans: the only code that changes a user's files.

At every instant, whatever dies:

1. Each original's bytes exist under at least one of its planned places; after `recover`, under exactly one.
2. `recover` ends exactly before or exactly after; once success was reported, only after.
3. Nothing is overwritten; nothing is unlinked but by `purge`, leftovers in `incoming/`, and one of the two names that a
   file has in the midst of a rename by link.
4. A file that is in none of its places, or has unexpected bytes: nothing is touched, it is listed.
5. Undoing what was done restores names, bytes, mtimes and modes.
6. No path resolves outside of the root, as its folders were when the operation began.
"""

from .engine import Journal, Operation, Recovery
from .history import Passage, passages, whereabouts
from .origins import Origins, ancestors, origins
from .purge import read_age
from .records import State, only_looking

__all__ = [
    "Journal",
    "Operation",
    "Origins",
    "Passage",
    "Recovery",
    "State",
    "ancestors",
    "only_looking",
    "origins",
    "passages",
    "read_age",
    "whereabouts",
]
