"""Which files are images, by their names."""

from __future__ import annotations

import subprocess
import sys

from imgstage.formats import SIDECAR_SUFFIXES, SUFFIXES, UNSUPPORTED_SUFFIXES


def test_no_suffix_means_two_things() -> None:
    assert len(SUFFIXES | UNSUPPORTED_SUFFIXES | SIDECAR_SUFFIXES) == sum(
        map(len, (SUFFIXES, UNSUPPORTED_SUFFIXES, SIDECAR_SUFFIXES))
    )
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in SUFFIXES | SIDECAR_SUFFIXES)


def test_what_was_scanned_before_needs_no_decoder() -> None:
    """`status` on a root that did not change must not load numpy and Pillow: that takes longer than the look itself."""
    code = "import imgstage.dataset, sys; print(sorted({'numpy', 'PIL', 'simplejpeg'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
