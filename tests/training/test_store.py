"""Ready-made images: the same pixels as decoded ones, never those of a file that was changed."""

from __future__ import annotations

import os
import pickle
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from imgstage import DefectError, UsageError
from imgstage.cache import Stamp
from imgstage.training import ImageDataset
from imgstage.training.store import Slot

from ..helpers import kit, photo, write
from .test_pixels import encoded

SIZE = (20, 30)


def coloured(value: int) -> bytes:
    return encoded(np.full((40, 60, 3), value, np.uint8))


def pairs(folder: Path, count: int = 6) -> Path:
    for number in range(count):
        write(folder / f"train/{number}_before.png", coloured(number))
        write(folder / f"train/{number}_after.png", coloured(100 + number))
    return folder


def cached(root: Path, **wishes: Any) -> ImageDataset:
    return ImageDataset(root, "train", SIZE, cache=True, **wishes)


def values(dataset: ImageDataset) -> list[tuple[int, int]]:
    return [(int(item["before"][0, 0, 0]), int(item["after"][0, 0, 0])) for item in map(dataset.__getitem__, range(6))]


EXPECTED = [(number, 100 + number) for number in range(6)]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What was decoded, by the roles of each sample."""
    from imgstage.training.pixels import Preprocessing

    calls: list[tuple[str, ...]] = []
    load = Preprocessing.load

    def watched(self: Preprocessing, roles: Any, files: Any) -> Any:
        calls.append(tuple(roles))
        return load(self, roles, files)

    monkeypatch.setattr(Preprocessing, "load", watched)
    return calls


@pytest.mark.parametrize("fit", ["stretch", "cover", "pad"])
@pytest.mark.parametrize("exact", [False, True])
def test_its_images_are_those_that_are_decoded(tmp_path: Path, fit: Any, exact: bool) -> None:
    for name in ("coffee", "chelsea", "camera"):
        write(tmp_path / f"train/images/{name}.jpg", encoded(photo(name), "JPEG"))
        write(
            tmp_path / f"train/masks/{name}.png", encoded(photo(name)[..., 0] if photo(name).ndim > 2 else photo(name))
        )
    plain = ImageDataset(tmp_path, "train", (61, 83), fit=fit, exact=exact)
    ready = ImageDataset(tmp_path, "train", (61, 83), fit=fit, exact=exact, cache=True)
    assert ready.cached == 3
    assert ready.cache_bytes == plain.cache_bytes == 3 * 4 * 61 * 83
    for number in range(3):
        one, other = plain[number], ready[number]
        assert list(one) == list(other)
        for role in plain.roles:
            assert type(one[role]) is type(other[role])
            assert torch.equal(one[role], other[role])


def test_the_second_time_nothing_is_decoded(tmp_path: Path, decoded: list[Any]) -> None:
    root = pairs(tmp_path)
    assert values(cached(root)) == EXPECTED
    assert len(decoded) == 6
    again = cached(root)
    assert (values(again), again.cached, again.is_ready_made) == (EXPECTED, 6, True)
    assert len(decoded) == 6
    for path in sorted((root / "train").iterdir()):
        path.rename(path.with_name("x" + path.name))
    renamed = cached(root)
    assert (values(renamed), renamed[0]["key"]) == (EXPECTED, "x0")
    assert len(decoded) == 6, "files are known by what they hold"
    assert values(cached(root, fit="pad")) == EXPECTED
    assert len(decoded) == 12, "other wishes have a store of their own"


def test_an_image_that_was_changed_is_never_served_as_it_was(tmp_path: Path, decoded: list[Any]) -> None:
    root = pairs(tmp_path)
    dataset = cached(root)
    assert values(dataset) == EXPECTED
    path = root / "train/3_after.png"
    before = path.stat()
    write(path, coloured(203))
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # only the bytes tell, and the time of the change
    expected = [*EXPECTED[:3], (3, 203), *EXPECTED[4:]]
    assert values(dataset) == expected
    assert len(decoded) == 7
    again = cached(root)
    assert values(again) == expected
    assert (again.cached, len(decoded)) == (6, 8), "made anew, and only that one"
    path.unlink()
    with pytest.raises(DefectError, match=r"3_after\.png cannot be read"):
        again[3]


def test_a_file_that_changes_within_a_tick_of_the_clock_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where times are coarse, a young file may change and look the same for ever."""
    root = pairs(tmp_path)
    of = Stamp.of
    still = {path.stat().st_ino: of(path.stat()) for path in (root / "train").iterdir()}
    monkeypatch.setattr(Stamp, "of", lambda status: still.get(status.st_ino) or of(status))
    dataset = cached(root)
    (root / "train/3_after.png").write_bytes(coloured(203))
    monkeypatch.setattr("imgstage.cache._TRUSTED_AGE_NS", -(10**12))  # much later
    expected = [*EXPECTED[:3], (3, 203), *EXPECTED[4:]]
    assert values(dataset) == expected
    assert values(cached(root)) == expected


def test_a_file_that_was_looked_at_when_it_was_young_is_not_trusted_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = pairs(tmp_path)
    dataset = cached(root)
    path = root / "train/3_after.png"
    path.write_bytes(path.read_bytes())
    of, still = Stamp.of, Stamp.of(path.stat())
    monkeypatch.setattr(Stamp, "of", lambda status: still if status.st_ino == still.inode else of(status))
    assert values(dataset) == EXPECTED, "the same bytes again"
    path.write_bytes(coloured(203))
    assert values(dataset) == [*EXPECTED[:3], (3, 203), *EXPECTED[4:]]


def test_names_in_no_encoding_will_do(tmp_path: Path) -> None:
    for role in ("before", "after"):
        name = os.fsencode(tmp_path) + b"/train/\xff_" + role.encode() + b".png"
        write(Path(os.fsdecode(name)), coloured(9))
    for _ in range(2):
        dataset = cached(tmp_path)
        assert int(dataset[0]["after"][0, 0, 0]) == 9
        assert dataset.cached == 1


def test_a_file_that_is_known_to_be_old_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = pairs(tmp_path)
    time.sleep(2.1)
    dataset = cached(root)
    read = Path.read_bytes
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: pytest.fail(f"{path}") if path.suffix == ".png" else read(path)
    )
    assert values(dataset) == EXPECTED
    assert values(cached(root)) == EXPECTED


def test_transforms_come_after_it_anew_each_time_and_do_not_change_it(tmp_path: Path) -> None:
    root = pairs(tmp_path)

    def invert(item: dict[str, Any]) -> dict[str, Any]:
        item["before"].neg_()  # in place
        return item

    dataset = cached(root, transform=invert)
    assert not dataset.is_ready_made
    for _ in range(2):
        assert [int(dataset[number]["before"][0, 0, 0]) for number in range(1, 6)] == [256 - n for n in range(1, 6)]
        assert [int(dataset.lend(number)["before"][0, 0, 0]) for number in range(1, 6)] == [
            256 - n for n in range(1, 6)
        ]
    write(root / "train/0_before.png", encoded(np.indices((40, 60)).sum(0).astype(np.uint8)))
    noisy = cached(root, transform=v2.RandomCrop(10))
    assert len({noisy[0]["before"].numpy().tobytes() for _ in range(30)}) > 5


def test_a_real_set_is_the_same_from_the_cache(tmp_path: Path) -> None:
    shutil.copytree(kit("pairs/polyu_crops"), tmp_path / "train")
    plain = ImageDataset(tmp_path, "train", (96, 128), fit="cover")
    ready = ImageDataset(tmp_path, "train", (96, 128), fit="cover", cache=True)
    assert (len(plain), ready.cached) == (100, 100)
    for number in range(0, 100, 7):
        for role in plain.roles:
            assert torch.equal(plain[number][role], ready[number][role])


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_read_it(tmp_path: Path, start: str, decoded: list[Any]) -> None:
    root = pairs(tmp_path)
    dataset = cached(root)
    dataset[0]
    for _ in range(2):
        loader = DataLoader(dataset, 3, num_workers=2, multiprocessing_context=start)
        found = [int(value) for batch in loader for value in batch["after"][:, 0, 0, 0]]
        assert found == [after for _, after in EXPECTED]
    again = pickle.loads(pickle.dumps(dataset))
    assert values(again) == EXPECTED
    assert len(decoded) == 6


def test_who_has_it_open_reads_on_when_it_is_deleted_or_made_anew(tmp_path: Path) -> None:
    root = pairs(tmp_path)
    opened, unopened = cached(root), cached(root)
    assert values(opened) == EXPECTED
    for path in root.glob(".imgstage/cache/pixels/*/*"):
        path.unlink()
    assert values(opened) == values(unopened) == EXPECTED
    for number in range(6):
        write(root / f"train/{number}_before.png", coloured(50 + number))
    changed = [(50 + number, 100 + number) for number in range(6)]
    assert values(cached(root)) == values(opened) == changed


def test_a_file_that_was_cut_off_is_not_read_beyond_its_end(tmp_path: Path) -> None:
    root = pairs(tmp_path)
    dataset = cached(root)
    (file,) = root.glob(".imgstage/cache/pixels/*/*.u8")
    os.truncate(file, dataset.cache_bytes // 2)
    assert values(dataset) == EXPECTED
    assert values(cached(root)) == EXPECTED
    assert values(dataset) == EXPECTED


def test_what_has_no_common_size_is_refused(tmp_path: Path) -> None:
    pairs(tmp_path)
    for size, fit in ((None, "stretch"), (SIZE, "contain")):
        with pytest.raises(UsageError, match="no common size"):
            ImageDataset(tmp_path, "train", size, fit=fit, cache=True)  # type: ignore[arg-type]


def test_the_images_of_a_slot_lie_one_after_the_other() -> None:
    slot = Slot([(3, 2, 5), (2, 5)])
    assert slot.nbytes == 40
    image, mask = slot.split(torch.arange(40, dtype=torch.uint8))
    assert image[1, 0].tolist() == [10, 11, 12, 13, 14]
    assert mask[1].tolist() == [35, 36, 37, 38, 39]
