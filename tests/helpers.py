"""What many tests need: small real images, and snapshots of a folder."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from imgstage import Dataset

KIT = Path(os.environ.get("IMGSTAGE_KIT", Path(__file__).parents[2] / "shared" / "data"))
"""Real image sets, not part of the repository; tests on them are skipped by name where they are absent."""

REQUIRE_FAULTS = "IMGSTAGE_REQUIRE_FAULTS" in os.environ
"""Whether a missing strace or mount is a failure instead of a skip."""

KIT_SETS = (
    "pairs/kodak24_seedstyle",
    "pairs/polyu_full",
    "pairs/polyu_crops",
    "pairs/funie_underwater",
    "classes/clothing_cc0",
    "groups/nuclei_dsb2018_cc0",
    "groups/video_frames_dlc",
    "groups/xray_patients",
    "multilabel/bccd",
)


def kit(name: str) -> Path:
    """The folder of a real set, or a skip that names it."""
    if not (KIT / name).is_dir():
        pytest.skip(f"the real image set {name} is not on this machine")
    return KIT / name


def picture(seed: int, image_format: str = "JPEG", size: tuple[int, int] = (24, 32)) -> bytes:
    """A small picture of (height, width) pixels; another seed, other bytes."""
    noise = np.random.default_rng(seed)
    coarse = noise.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, image_format)
    return buffer.getvalue()


def photo(name: str) -> NDArray[np.uint8]:
    """One of scikit-image's photographs: RGB, or grey."""
    loaded: NDArray[np.uint8] = getattr(data, name)()
    return loaded


def write(path: Path, content: bytes, mtime: int = 1_600_000_000, mode: int = 0o644) -> Path:
    """Write a file with a time and mode of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    os.utime(path, ns=(mtime * 10**9 + 123, mtime * 10**9 + 123))
    return path


def write_pairs(folder: Path, numbers: range, prefix: str = "github") -> None:
    """`github_01_before.jpg`, `github_01_after.jpg` and so on, each with its own bytes, mtime and mode."""
    for number in numbers:
        for side, role in enumerate(("before", "after")):
            name = f"{prefix}_{number:02d}_{role}.jpg"
            write(folder / name, picture(2 * number + side), 1_500_000_000 + number, 0o640 if side else 0o604)


@contextmanager
def dying_at(owner: object, name: str) -> Iterator[None]:
    """What is done within dies, as a killed process does, where it calls that method."""

    def die(*_: object) -> None:
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, die)
        try:
            yield
        except SystemExit:
            return
    pytest.fail(f"{name} was never called")


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Root ignores modes: let a user without rights own the folder and act for a while."""
    if os.geteuid() != 0:
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, 65534)
    for parent in folder.parents:
        if parent.stat().st_uid == 0 and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


Entry = tuple[bytes, int, int]


def snapshot(root: Path) -> dict[str, Entry | int]:
    """Every file's bytes, mtime and mode, and every folder's mode, but for imgstage's own state."""
    found: dict[str, Entry | int] = {}
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name != ".imgstage"]
        for name in folders:
            path = Path(folder, name)
            found[f"{path.relative_to(root)}/"] = stat.S_IMODE(path.stat().st_mode)
        for name in files:
            path = Path(folder, name)
            status = path.lstat()
            found[str(path.relative_to(root))] = (path.read_bytes(), status.st_mtime_ns, stat.S_IMODE(status.st_mode))
    return found


def names(root: Path, within: str = "") -> set[str]:
    """The files below a folder, as paths relative to it."""
    base = root / within
    return {str(path.relative_to(base)) for path in base.rglob("*") if path.is_file() and ".imgstage" not in path.parts}


def stage(dataset: Dataset) -> Path:
    return dataset.root.path / "stage_data"


def where(dataset: Dataset) -> dict[str, str]:
    """The top-level folder of each file, by its name."""
    root = dataset.root.path
    return {path.name: path.relative_to(root).parts[0] for path in root.rglob("*.jpg") if ".imgstage" not in path.parts}
