"""Batches of a split, in an order that can be taken up again at any step, by any number of processes."""

from __future__ import annotations

import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import distributed
from torch.utils.data import Dataset, Sampler, get_worker_info
from torch.utils.data._utils.collate import collate, default_collate_fn_map

from ..errors import DefectError, ImgstageError, UsageError
from ..parallel import default_threads
from .buffers import BufferPool
from .order import Schedule
from .randomness import drawn_alike
from .workers import WorkerLoader, init_worker

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

OnError = Literal["raise", "skip"]

_SHOWN = 3  # samples that could not be loaded are named in a warning
_BITS = 255.0


class Loader:
    """An iterable of batches: one pass is one epoch.

    Decoding goes on in worker processes (PyTorch's `DataLoader`), a few batches ahead; what the dataset's cache has
    ready made, with no transform to come, a thread of this process copies. The order of an epoch depends on the seed
    and its number alone, and is never held in memory. Which batches were taken is told by `state_dict`: with it,
    another loader goes on at the very next one, also with other numbers of workers or processes; what all processes
    together have had is never drawn again in that epoch. What a transform draws from PyTorch's, Python's or NumPy's
    generators depends on the seed, the epoch and the sample alone, so that it is the same whoever loads it.

    Args:
        dataset: such as `ImageDataset`; its items are collated as PyTorch does it.
        batch_size: samples a batch, in each process.
        seed: of the order; any whole number.
        shuffle: False takes samples as they stand.
        drop_last: leave out the last, smaller batch.
        num_workers: processes that decode; 0 decodes here. None means one for each core, or 0 where all is ready made.
        prefetch_factor: batches that each worker makes ahead.
        on_error: "raise" ends the epoch at a sample that cannot be loaded; "skip" leaves it out of its batch, and warns
            at the end of the epoch; it is for one process, for several would get different numbers of batches.
        pin_memory: whether batches lie in memory that a GPU reads faster; None means where CUDA is there.
        multiprocessing_context: how workers are started, such as "spawn"; None means the usual way.
        rank: the number of this process; None asks `torch.distributed`, where that is initialised.
        world_size: how many processes train together; None asks as well. All of them get equally many batches: where
            the samples do not go round, some from the beginning of the epoch come twice, which a warning says.

    Raises:
        UsageError: a number makes no sense.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        batch_size: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool = False,
        num_workers: int | None = None,
        prefetch_factor: int = 2,
        on_error: OnError = "raise",
        pin_memory: bool | None = None,
        multiprocessing_context: str | None = None,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        self._given = rank, world_size
        rank, world_size = _place(rank, world_size)
        ready = bool(getattr(dataset, "is_ready_made", False))
        num_workers = (0 if ready else default_threads()) if num_workers is None else num_workers
        count = len(dataset)  # type: ignore[arg-type]
        _check(1, batch_size=batch_size, prefetch_factor=prefetch_factor, world_size=world_size, samples=count)
        _check(0, num_workers=num_workers, rank=rank)
        if rank >= world_size or on_error not in ("raise", "skip"):
            problem = f"rank {rank} of {world_size} and on_error={on_error!r} make no sense"
            raise UsageError(problem, "rank is below world_size, on_error 'raise' or 'skip'")
        schedule = Schedule(count, batch_size, seed, shuffle, drop_last, rank, world_size)
        if not schedule.steps():
            problem = f"{count:,} samples fill no batch of {batch_size} in {world_size} processes, with drop_last"
            raise UsageError(problem, "Choose a smaller batch_size, or drop_last=False")
        self._on_error = on_error
        self._ahead = prefetch_factor
        self._dataset = dataset
        self._at = _Position(schedule)
        self.skipped: list[str] = []
        self._new_loader = partial(
            WorkerLoader,
            _Guarded(dataset),
            batch_sampler=_BatchSampler(self._at),
            num_workers=num_workers,
            collate_fn=_Collate(BufferPool()),
            pin_memory=torch.cuda.is_available() if pin_memory is None else pin_memory,
            persistent_workers=num_workers > 0,
            multiprocessing_context=multiprocessing_context if num_workers else None,
            generator=torch.Generator(),  # else each epoch draws from the one that the model draws from
            prefetch_factor=prefetch_factor if num_workers else None,
            worker_init_fn=init_worker,
        )
        self._loader = self._new_loader()

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return self._schedule().steps()

    def _schedule(self) -> Schedule:
        """As it is now: processes may have met since this loader was made."""
        rank, world_size = _place(*self._given)
        self._at.schedule = self._at.schedule._replace(rank=rank, world_size=world_size)
        return self._at.schedule

    @property
    def epoch(self) -> int:
        """The number of the epoch that the next batch is of."""
        return self._at.epoch

    def __iter__(self) -> Iterator[Any]:
        """The batches of this epoch that were not taken yet, or, where all were, of the next.

        Raises:
            DefectError: a sample cannot be loaded, and that is not to be skipped; the message names it.
            WorkerDiedError: a RuntimeError; a worker died, and the next pass starts others, at the batch that did not
                come.
        """
        at, schedule = self._at, self._schedule()
        if schedule.world_size > 1 and self._on_error == "skip":
            problem = "With on_error='skip', processes that train together would get different numbers of batches"
            raise UsageError(problem, "Mend or hold what `imgstage check` finds, and use on_error='raise'")
        if not schedule.steps(at.cursor):  # all were taken, but nobody asked for one more
            self._end_epoch()
        if padding := schedule.padding(at.cursor):
            told = (
                f"{schedule.samples:,} samples do not go round in {schedule.world_size} processes: {padding} come twice"
            )
            warnings.warn(told, stacklevel=2)
        with closing(self._batches()) as batches:
            for batch, failures in batches:
                for failure in failures:
                    if self._on_error == "raise" or not isinstance(failure, DefectError):
                        self._renew()
                        raise failure
                    self.skipped.append(str(failure))
                at.cursor = min(at.cursor + schedule.stride, schedule.samples)
                if batch is not None:
                    yield batch
        self._end_epoch()

    def _end_epoch(self) -> None:
        self._at.epoch, self._at.cursor = self._at.epoch + 1, 0
        if self.skipped:
            skipped, self.skipped = self.skipped, []
            shown = "; ".join(skipped[:_SHOWN]) + (" …" if len(skipped) > _SHOWN else "")
            warnings.warn(f"{len(skipped)} samples were left out of this epoch: {shown}", stacklevel=3)

    def _batches(self) -> Generator[_Batch]:
        if not self._loader.are_there():
            self._renew()
        try:
            here = not self._loader.num_workers and getattr(self._dataset, "is_ready_made", False)
            yield from _made_ahead(iter(self._loader), self._ahead) if here else self._loader
        except (Exception, KeyboardInterrupt):  # half a batch may be left in the pipe
            self._renew()
            raise

    def _renew(self) -> None:
        """Take another of PyTorch's loaders, with other workers."""
        old, self._loader = self._loader, self._new_loader()
        old.end()

    def state_dict(self) -> dict[str, int]:
        """Where this loader is: the seed, the epoch, and how many samples of it all processes have had."""
        at = self._at
        return {"seed": at.schedule.seed, "epoch": at.epoch, "cursor": at.cursor, "samples": at.schedule.samples}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on where another loader was.

        Raises:
            UsageError: that one had another number of samples.
        """
        at = self._at
        if missing := {"seed", "epoch", "cursor", "samples"} - state.keys():
            problem = f"The state lacks {', '.join(sorted(missing))}"
            raise UsageError(problem, "Give what state_dict() returned")
        if state["samples"] != at.schedule.samples:
            problem = f"The state is of {state['samples']:,} samples, and there are {at.schedule.samples:,} now"
            raise UsageError(problem, "Begin a new epoch instead: their order is another one")
        at.schedule = at.schedule._replace(seed=state["seed"])
        at.epoch, at.cursor = state["epoch"], state["cursor"]


@dataclass
class _Position:
    """Where a loader is. It does not know the loader: a ring would be cleared away late, and the workers with it."""

    schedule: Schedule
    epoch: int = 0
    cursor: int = 0


class _Draw(NamedTuple):
    """A sample that is to be loaded, and what its randomness comes from."""

    seed: int
    epoch: int
    sample: int


class _BatchSampler(Sampler[list[_Draw]]):
    """What PyTorch's loader asks for the next batches; it runs ahead of what was taken."""

    def __init__(self, at: _Position) -> None:
        self._at = at

    def __iter__(self) -> Iterator[list[_Draw]]:
        schedule, epoch = self._at.schedule, self._at.epoch
        for indices in schedule.batches(epoch, self._at.cursor):
            yield [_Draw(schedule.seed, epoch, index) for index in indices]

    def __len__(self) -> int:
        return self._at.schedule.steps()


class _Guarded(Dataset[Any]):
    """A dataset that hands over what went wrong with a sample instead of raising it: from a worker, it would come as a
    traceback."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self._dataset = dataset

    def __getitem__(self, draw: _Draw) -> Any:
        try:
            if getattr(self._dataset, "is_ready_made", False):
                return self._dataset.lend(draw.sample)  # type: ignore[attr-defined]
            with drawn_alike(*draw):
                return self._dataset[draw.sample]
        except (DefectError, ImgstageError, OSError) as error:
            return error

    def __len__(self) -> int:
        return len(self._dataset)  # type: ignore[arg-type]


def _made_ahead(batches: Iterator[_Batch], ahead: int) -> Generator[_Batch]:
    """The same batches, made by a thread while others are used."""
    with ThreadPoolExecutor(1) as thread:
        pending = deque(thread.submit(next, batches, None) for _ in range(ahead))
        try:
            while (batch := pending.popleft().result()) is not None:
                pending.append(thread.submit(next, batches, None))
                yield batch
        finally:
            for waiting in pending:
                waiting.cancel()


class _Batch(NamedTuple):
    """What could be loaded, None where nothing could, and what went wrong with the others."""

    whole: Any
    failures: list[Exception]


@dataclass
class _Collate:
    """Makes a batch of items as PyTorch does, and says what is wrong with them. In the process that uses the batches,
    they lie in memory that earlier ones had.
    """

    buffers: BufferPool

    def __call__(self, items: list[Any]) -> _Batch:
        failures = [item for item in items if isinstance(item, Exception)]
        whole = [item for item in items if not isinstance(item, Exception)] if failures else items
        ways = {**default_collate_fn_map, torch.Tensor: self._stack}
        try:
            return _Batch(collate(whole, collate_fn_map=ways) if whole else None, failures)
        except UsageError as error:
            return _Batch(None, [*failures, error])

    def _stack(self, tensors: Sequence[torch.Tensor], **_: object) -> torch.Tensor:
        shapes = {tuple(tensor.shape) for tensor in tensors}
        if len(shapes) > 1:
            shown = " and ".join("x".join(map(str, shape)) for shape in sorted(shapes)[:2])
            problem = f"The images of a batch have different shapes: {shown}"
            raise UsageError(problem, "Give the dataset a size, with fit='stretch', 'cover' or 'pad', or a transform")
        first = tensors[0]
        if len({tensor.dtype for tensor in tensors}) > 1:  # masks, of which one has numbers above 255
            tensors = [tensor.to(torch.int32) for tensor in tensors]
        elif get_worker_info() is None and first.dtype == torch.uint8:
            memory = self.buffers.take((len(tensors), *first.shape))
            return torch.stack([tensor.as_subclass(torch.Tensor) for tensor in tensors], out=memory)
        stacked: torch.Tensor = default_collate_fn_map[torch.Tensor](tensors)
        return stacked


def _place(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """The number of this process, and how many there are; what is None is what `torch.distributed` says."""
    together = distributed.is_available() and distributed.is_initialized()
    if rank is None:
        rank = distributed.get_rank() if together else 0
    if world_size is None:
        world_size = distributed.get_world_size() if together else 1
    return rank, world_size


def _check(least: int, **numbers: int) -> None:
    for name, number in numbers.items():
        if not isinstance(number, int) or number < least:
            problem = f"{name} is {number!r}"
            raise UsageError(problem, f"It must be a whole number, {least} or more")


def to_device(
    batch: Any,
    device: torch.device | str,
    *,
    dtype: torch.dtype = torch.float32,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    channels_last: bool = False,
) -> Any:
    """Bring a batch to a device, and make its images numbers to train with there: a quarter of the bytes travel.

    Args:
        batch: a tensor, or dictionaries, tuples and lists of them; what is no tensor stays.
        device: such as "cuda".
        dtype: of images. Images are uint8 tensors of shape (batch, channels, height, width).
        mean: of each channel, subtracted after the range 0 to 255 was brought to 0 to 1; empty for none.
        std: of each channel, divided by after that; empty for none.
        channels_last: whether images lie in memory channel by channel of each pixel, which suits convolutions on a GPU.

    Returns:
        The same structure. Images have the dtype, and the range 0 to 1 before `mean` and `std`; other tensors keep
        dtype and values.

    Raises:
        UsageError: `mean` or `std` has another number of channels than the images.
    """
    part = partial(to_device, device=device, dtype=dtype, mean=mean, std=std, channels_last=channels_last)
    if isinstance(batch, dict):
        return {key: part(value) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*map(part, batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(map(part, batch))
    if not isinstance(batch, torch.Tensor):
        return batch
    moved = batch.to(device, non_blocking=torch.device(device).type == "cuda")  # else it is used before it is there
    if moved.ndim != 4 or moved.dtype != torch.uint8:
        return moved
    layout = torch.channels_last if channels_last else torch.contiguous_format
    images = moved.to(dtype, memory_format=layout).div_(_BITS)
    for numbers, apply in ((mean, images.sub_), (std, images.div_)):
        if len(numbers) not in (0, images.shape[1]):
            problem = f"{len(numbers)} numbers in mean or std do not go with images of {images.shape[1]} channels"
            raise UsageError(problem, "Give one for each channel, or none")
        if len(numbers):
            apply(torch.as_tensor(numbers, dtype=dtype, device=images.device).view(1, -1, 1, 1))
    return images
