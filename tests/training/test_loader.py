"""Batches: their order, going on, skipping, crashes, and the way to the device."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset as TorchDataset

from imgstage import DefectError, UsageError
from imgstage.training import ImageDataset, Loader, to_device

from ..helpers import write
from .test_pixels import encoded


class Numbers(TorchDataset[Any]):
    """Samples that tell who they are."""

    def __init__(self, count: int, bad: tuple[int, ...] = (), deadly: int = -1) -> None:
        self.count, self.bad, self.deadly = count, bad, deadly

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index in self.bad:
            problem = f"picture {index} is broken"
            raise DefectError(problem)
        if index == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"number": torch.tensor(index), "key": str(index)}


class Labelled(NamedTuple):
    """What somebody else's dataset may give."""

    image: torch.Tensor
    label: int


def numbers(batches: Any) -> list[int]:
    return [int(one) for batch in batches for one in batch["number"]]


def images(folder: Path, count: int) -> Path:
    for number in range(count):
        pixels = np.full((20, 30, 3), number, np.uint8)
        pixels[:, :15] = 255 - number
        write(folder / f"train/{number:03d}_before.png", encoded(pixels))
        write(folder / f"train/{number:03d}_after.png", encoded(pixels[::-1]))
    return folder


@pytest.mark.parametrize("workers", [0, 2])
def test_every_sample_comes_once_an_epoch_in_another_order_each(workers: int) -> None:
    loader = Loader(Numbers(50), 8, num_workers=workers)
    first, second = list(loader), list(loader)
    assert len(first) == len(second) == len(loader) == 7
    assert sorted(numbers(first)) == sorted(numbers(second)) == list(range(50))
    assert numbers(first) != numbers(second)
    assert numbers(Loader(Numbers(50), 8, num_workers=0)) == numbers(first), "the workers do not matter"
    assert numbers(Loader(Numbers(50), 8, seed=1, num_workers=0)) != numbers(first)
    assert numbers(Loader(Numbers(50), 8, shuffle=False, num_workers=0)) == list(range(50))
    assert len(list(Loader(Numbers(50), 8, drop_last=True, num_workers=0))) == 6


def test_batches_of_pairs_stay_uint8(tmp_path: Path) -> None:
    found = ImageDataset(images(tmp_path, 10), "train", (10, 16))
    for batch in Loader(found, 5, num_workers=2):
        assert batch["before"].dtype == torch.uint8
        assert batch["before"].shape == batch["after"].shape == (5, 3, 10, 16)
        assert torch.equal(
            batch["before"][:, :, :, -1].float().mean((1, 2)), torch.tensor([float(key) for key in batch["key"]])
        )


@pytest.mark.parametrize("stop", [0, 1, 4, 6, 7])
@pytest.mark.parametrize("workers", [0, 2])
def test_another_loader_goes_on_at_the_very_next_batch(stop: int, workers: int) -> None:
    whole = Loader(Numbers(50), 8, seed=3, num_workers=0)
    expected = [numbers(whole), numbers(whole)]
    broken_off = Loader(Numbers(50), 8, seed=3, num_workers=workers)
    taken: list[int] = []
    for batch in broken_off if stop else ():
        taken += numbers([batch])
        if len(taken) >= min(stop * 8, 50):
            break
    state = broken_off.state_dict()
    assert state["cursor"] == len(taken)
    again = Loader(Numbers(50), 5, num_workers=1)
    again.load_state_dict(state)
    rest = expected[0][len(taken) :] or expected[1]  # where nothing is left, the next epoch begins
    assert numbers(again) == rest
    assert again.state_dict() == {"seed": 3, "epoch": 1 + (stop == 7), "cursor": 0, "samples": 50}
    assert sorted(numbers(again)) == sorted(expected[1])
    assert numbers(broken_off) == rest, "as does the one that was broken off"


@pytest.mark.parametrize("as_tuple", [False, True])
@pytest.mark.parametrize("workers", [None, 0, 2])
def test_batches_of_the_cache_are_those_that_are_decoded(tmp_path: Path, workers: int | None, as_tuple: bool) -> None:
    root = images(tmp_path, 10)
    plain = Loader(ImageDataset(root, "train", (10, 16), as_tuple=as_tuple), 4, num_workers=0)
    ready = Loader(ImageDataset(root, "train", (10, 16), as_tuple=as_tuple, cache=True), 4, num_workers=workers)
    for _ in range(2):
        expected, found = list(plain), list(ready)  # all held at once
        assert len(found) == len(expected) == 3
        for one, other in zip(expected, found, strict=True):
            assert type(one) is type(other)
            for role in range(2) if as_tuple else ("before", "after"):
                assert torch.equal(one[role], other[role])
                assert type(one[role]) is type(other[role]) is torch.Tensor
            assert as_tuple or one["key"] == other["key"]
    taken = next(iter(ready))
    assert torch.equal(taken[0] if as_tuple else taken["before"], next(iter(plain))[0 if as_tuple else "before"])
    assert ready.state_dict()["cursor"] == 4, "what was made ahead was not taken"


def test_a_class_folder_from_the_cache_has_its_targets(tmp_path: Path) -> None:
    for number in range(9):
        write(tmp_path / f"train/{'abc'[number % 3]}/{number}.png", encoded(np.full((20, 30, 3), number, np.uint8)))
    for workers in (None, 1):
        loader = Loader(ImageDataset(tmp_path, "train", (10, 16), cache=True), 9, num_workers=workers)
        ((pictures, targets),) = list(loader)
        assert torch.equal(pictures[:, 0, 0, 0] % 3, targets.to(torch.uint8))


@pytest.mark.parametrize("workers", [0, 2])
def test_images_of_different_sizes_make_no_batch_and_that_is_said(tmp_path: Path, workers: int) -> None:
    for number in range(4):
        write(tmp_path / f"train/a/{number}.png", encoded(np.zeros((20 + number, 30, 3), np.uint8)))
    for wishes in ({"size": None}, {"size": (10, 10), "fit": "contain"}):
        loader = Loader(ImageDataset(tmp_path, "train", **wishes), 4, num_workers=workers)
        with pytest.raises(UsageError, match=r"^The images of a batch have different shapes: 3x\d+x\d+ and 3x"):
            list(loader)
    assert ImageDataset(tmp_path, "train", (10, 10), fit="contain")[0][0].shape == (3, 7, 10)


@pytest.mark.parametrize("workers", [0, 2])
def test_who_takes_as_many_batches_as_there_are_gets_the_next_epoch_then(workers: int) -> None:
    """Lightning does not ask for one more than `len` tells."""
    expected = Loader(Numbers(50), 8, drop_last=True, num_workers=0)
    loader = Loader(Numbers(50, bad=(3,)), 8, drop_last=True, num_workers=workers, on_error="skip")
    assert [one for one in numbers(expected) if one != 3] == numbers(zip_to(len(loader), loader))
    assert loader.skipped == ["picture 3 is broken"]
    with pytest.warns(UserWarning, match="1 samples were left out"):
        found = numbers(zip_to(len(loader), loader))
    assert found == [one for one in numbers(expected) if one != 3]


def zip_to(count: int, batches: Any) -> list[Any]:
    iterator = iter(batches)
    return [next(iterator) for _ in range(count)]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("cache", [False, True])
def test_masks_of_few_and_of_many_values_make_one_batch(tmp_path: Path, workers: int, cache: bool) -> None:
    values = [7, 300, 7, 300, 7, 7]
    for number, value in enumerate(values):
        write(tmp_path / f"train/{number}.png", encoded(np.zeros((8, 8, 3), np.uint8)))
        deep = np.full((8, 8), value, np.uint16 if value > 255 else np.uint8)
        write(tmp_path / f"train/{number}_mask.png", encoded(deep))
    dataset = ImageDataset(tmp_path, "train", (8, 8), cache=cache)
    batches = [batch["mask"] for batch in Loader(dataset, 2, shuffle=False, num_workers=workers)]
    assert [int(mask[0, 0]) for batch in batches for mask in batch] == values
    assert [batch.dtype for batch in batches] == [torch.int32, torch.int32, torch.uint8]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_draws_nothing_from_the_generator_of_the_model(workers: int) -> None:
    torch.manual_seed(7)
    state = torch.get_rng_state()
    loader = Loader(Numbers(20), 4, num_workers=workers)
    for _ in range(2):
        list(loader)
    assert torch.equal(torch.get_rng_state(), state)


def test_what_is_no_sample_s_fault_is_not_skipped(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path / f"train/a/{number}.png", encoded(np.zeros((20 + number, 30, 3), np.uint8)))
    with pytest.raises(UsageError, match="different shapes"):
        list(Loader(ImageDataset(tmp_path, "train"), 4, num_workers=0, on_error="skip"))
    together = Loader(Numbers(20), 4, num_workers=0, on_error="skip", rank=0, world_size=2)
    with pytest.raises(UsageError, match="different numbers of batches"):
        list(together)


class Missing(Numbers):
    """A dataset of somebody else that cannot open a file."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        raise FileNotFoundError(2, "No such file or directory", f"x{index}.bin")


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_another_dataset_stays_what_it_is(workers: int) -> None:
    with pytest.raises(FileNotFoundError, match=r"x\d\.bin"):
        list(Loader(Missing(8), 4, num_workers=workers))


def test_each_epoch_tells_its_own_failures() -> None:
    loader = Loader(Numbers(8, bad=(3,)), 4, num_workers=0, on_error="skip")
    for _ in range(2):
        with pytest.warns(UserWarning, match="^1 samples were left out"):
            list(loader)


def test_processes_get_equally_many_batches_and_padding_is_said() -> None:
    loaders = [Loader(Numbers(50), 4, num_workers=0, rank=rank, world_size=3) for rank in range(3)]
    with pytest.warns(UserWarning, match="50 samples do not go round in 3 processes: 1 come twice"):
        taken = [list(loader) for loader in loaders]
    assert [len(of) for of in taken] == [5, 5, 5]
    together = [one for of in taken for one in numbers(of)]
    assert set(together) == set(range(50))
    assert len(together) == 51


def test_processes_that_train_together_share_the_samples(tmp_path: Path) -> None:
    """By `torch.distributed`, in processes of their own."""
    code = (
        "import sys\nfrom torch import distributed\nfrom imgstage.training import Loader\n"
        "place, rank = sys.argv[1:]\n"
        "loader = Loader(range(22), 4, num_workers=0)\n"  # made before they meet, as for Lightning
        "distributed.init_process_group('gloo', init_method=f'file://{place}', rank=int(rank), world_size=2)\n"
        "print(*(int(one) for batch in loader for one in batch))\n"
        "distributed.destroy_process_group()\n"
    )
    commands = [[sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "meet"), str(rank)] for rank in range(2)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    shares = [list(map(int, process.communicate(timeout=120)[0].split())) for process in processes]
    assert [len(share) for share in shares] == [11, 11]
    assert sorted(shares[0] + shares[1]) == list(range(22))
    alone = [int(one) for batch in Loader(range(22), 4, num_workers=0) for one in batch]  # type: ignore[arg-type]
    assert shares == [alone[0::2], alone[1::2]]


def test_a_file_that_goes_away_during_an_epoch_is_named_or_left_out(tmp_path: Path) -> None:
    for on_error in ("raise", "skip"):
        root = images(tmp_path / on_error, 12)
        loader = Loader(ImageDataset(root, "train", (10, 16)), 2, num_workers=1, shuffle=False, on_error=on_error)
        batches = iter(loader)
        next(batches)
        (root / "train/010_after.png").unlink()
        if on_error == "raise":
            with pytest.raises(DefectError, match=r"010_after\.png cannot be read"):
                list(batches)
        else:
            with pytest.warns(UserWarning, match=r"1 samples were left out of this epoch: .*010_after\.png"):
                assert sum(len(batch["key"]) for batch in batches) == 9


@pytest.mark.parametrize("workers", [0, 2])
def test_a_sample_that_cannot_be_loaded_ends_the_epoch_with_a_sentence(workers: int) -> None:
    loader = Loader(Numbers(20, bad=(7,)), 4, num_workers=workers)
    with pytest.raises(DefectError, match=r"^picture 7 is broken$"):
        list(loader)


@pytest.mark.parametrize("workers", [0, 2])
def test_it_is_left_out_where_that_is_wished_and_told_at_the_end(workers: int) -> None:
    loader = Loader(Numbers(20, bad=(7, 8, 11, 15, 16)), 4, num_workers=workers, on_error="skip")
    with pytest.warns(UserWarning, match=r"5 samples were left out of this epoch: picture \d+ is broken; .* …"):
        found = numbers(loader)
    assert sorted(found) == [one for one in range(20) if one not in (7, 8, 11, 15, 16)]
    nothing = Loader(Numbers(4, bad=(0, 1, 2, 3)), 2, num_workers=0, on_error="skip")
    with pytest.warns(UserWarning, match="4 samples were left out"):
        assert list(nothing) == []


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"prefetch_factor": 0}, "prefetch_factor is 0"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"rank": 2, "world_size": 2}, "rank 2 of 2"),
        ({"num_workers": -1}, "num_workers is -1"),
        ({"num_workers": "2"}, "num_workers is '2'"),
        ({"num_workers": 1.5}, "num_workers is 1.5"),
        ({"on_error": "ignore"}, "on_error='ignore'"),
        ({"batch_size": 100, "drop_last": True}, "fill no batch of 100"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(wishes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Loader(Numbers(10), **{"batch_size": 2, **wishes})


def test_a_state_of_another_set_is_refused() -> None:
    loader = Loader(Numbers(10), 2, num_workers=0)
    with pytest.raises(UsageError, match="lacks cursor, epoch"):
        loader.load_state_dict({"seed": 0, "samples": 10})
    with pytest.raises(UsageError, match="of 9 samples, and there are 10 now"):
        loader.load_state_dict({"seed": 0, "epoch": 0, "cursor": 4, "samples": 9})


def test_images_become_numbers_on_the_device_and_nothing_else_changes() -> None:
    image = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)
    mask = torch.randint(0, 9, (2, 4, 5), dtype=torch.uint8)
    batch = {"before": image, "mask": mask, "key": ["a", "b"], "more": (image, 3)}
    moved = to_device(batch, "cpu", mean=(0.5, 0.25, 0.0), std=(0.5, 1.0, 2.0), channels_last=True)
    expected = (image.double() / 255 - torch.tensor([0.5, 0.25, 0.0]).view(1, 3, 1, 1)) / torch.tensor(
        [0.5, 1, 2]
    ).view(1, 3, 1, 1)
    assert torch.allclose(moved["before"].double(), expected, atol=1e-6)
    assert moved["before"].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(moved["mask"], mask)
    assert moved["key"] == ["a", "b"]
    assert torch.equal(moved["more"][0], moved["before"])
    named = Labelled(image, 1)
    assert torch.equal(to_device(named, "cpu").image, image.float() / 255)
    assert to_device(image, "cpu", dtype=torch.bfloat16).dtype == torch.bfloat16
    assert torch.equal(to_device(image, "cpu"), image.float() / 255)
    assert image.dtype == torch.uint8
    for wrong in ({"mean": (0.5,)}, {"std": (1.0, 1.0)}):
        with pytest.raises(UsageError, match="images of 3 channels"):
            to_device(image, "cpu", **wrong)
