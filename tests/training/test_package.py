"""What is said where PyTorch is not there, or does not work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def said(code: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def test_without_pytorch_it_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys\nsys.modules['torch'] = None\nimport imgstage.training"
    assert "which is not installed: pip install 'imgstage[torch]'" in said(code, tmp_path)


def test_a_pytorch_that_is_broken_is_not_called_missing(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so is missing')")
    assert said("import imgstage.training", tmp_path) == "ImportError: libcudart.so is missing"
