"""Some of these tests need torch, or ONNX Runtime; `make test-core` goes without."""

from __future__ import annotations

from importlib.util import find_spec

_TORCH = ("command", "engines", "killed")
collect_ignore_glob = [] if find_spec("torch") else [f"test_{name}.py" for name in _TORCH]
