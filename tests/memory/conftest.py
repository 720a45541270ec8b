"""`make test-core` goes without torch; these need it, though they do not import it themselves."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["test_recordings.py"]
