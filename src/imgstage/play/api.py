"""From a root and a network to results, scores, and what to look at."""

from __future__ import annotations

import math
import os
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BrokenOffError, RefusedError, UsageError
from ..images import quiet_codecs
from ..journal.results import open_results
from ..parallel import Silent
from ..plan import Note, Report
from ..reasons import Why, because
from ..root import PLAY, TRAIN, find_root, fold, show
from . import preview
from .classtable import NAME as CLASS_TABLE
from .classtable import ClassTable
from .config import FILE, read_config
from .engines import is_onnx, open_engine
from .network import Network, Tiling
from .run import Look, Player, Run
from .scores import Confusion, Score, mean_score
from .sources import OUTPUT, Gathered, of_files, of_folder, of_split
from .store import Files, Rows, Store, is_result
from .tasks import Classes, Masks, Outcome, Pictures, settle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..journal.results import Results
    from ..parallel import Progress
    from ..root import Root
    from .tasks import Task

_WORST = 10


@dataclass(frozen=True)
class Played:
    """What came of pictures.

    Attributes:
        report: which files were met, and what became of each.
        outcomes: of the pictures that went through.
        baseline: the mean score of what went in; None where nothing was compared.
        score: the mean score of what came out; its PSNR leaves out the `identical`.
        confusion: of masks and classes, the same by counts, over all pictures.
        folder: where results lie; None where none were kept.
        written: sheets and pages that were written, relative to it.
        seconds: from the first picture to the last.
        tiled: how many went through in tiles.
        tiles_agree: whether what comes of tiles is what would come of whole pictures, as far as asking has told.
        pairing: how names were read, in words.
        network: what is told of the network, and of the run, ready for JSON.
    """

    report: Report
    outcomes: tuple[Outcome, ...]
    baseline: Score | None = None
    score: Score | None = None
    confusion: Confusion | None = None
    folder: Path | None = None
    written: tuple[str, ...] = ()
    seconds: float = 0.0
    tiled: int = 0
    tiles_agree: bool = True
    pairing: str = ""
    network: dict[str, Any] = field(default_factory=dict)

    @property
    def worst(self) -> list[Outcome]:
        """The ten pictures that are farthest from the true ones, the farthest first."""
        compared = [of for of in self.outcomes if of.is_compared]
        return sorted(compared, key=lambda of: (-of.badness, of.path))[:_WORST]

    @property
    def identical(self) -> int:
        """How many pictures came out as the very pixels of the true one, so that their PSNR is infinite."""
        return sum(1 for of in self.outcomes if of.score is not None and math.isinf(of.score.psnr))

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        scores: dict[str, Any] = {"compared": sum(1 for of in self.outcomes if of.is_compared)}
        if self.score is not None:
            scores |= {**self.score.as_json(), "identical": self.identical}
            scores["baseline"] = self.baseline.as_json() if self.baseline else None
        if self.confusion is not None:
            scores |= {"accuracy": self.confusion.accuracy, "mean_iou": self.confusion.mean_iou}
        return {
            **self.network,
            "folder": show(str(self.folder)) if self.folder else None,
            "seconds": round(self.seconds, 3),
            "tiled": self.tiled,
            **self.report.as_json(),
            "written": list(self.written),
            "scores": scores,
            "worst": [show(of.path) for of in self.worst],
            "pictures": [_as_json(of) for of in self.outcomes],
        }


def _as_json(of: Outcome) -> dict[str, Any]:
    made: dict[str, Any] = {"path": show(of.path), "result": show(of.result) or None, "new": of.is_new}
    if of.score is not None:
        made |= {**of.score.as_json(), "baseline": of.baseline.as_json() if of.baseline else None}
    if of.confusion is not None and not of.classes:
        made |= {"accuracy": of.confusion.accuracy, "mean_iou": of.confusion.mean_iou}
    if of.classes:
        made |= {"class": of.classes[0][0], "probability": of.classes[0][1], "true_class": of.label or None}
    return made | ({"unscored": of.why_unscored} if of.why_unscored else {})


def open_network(
    model: str | Path,
    weights: str | Path | None = None,
    *,
    device: str = "auto",
    batch: int = 1,
    tiling: Tiling | None = None,
    **options: Any,
) -> Network:
    """Make a network ready to be played.

    Args:
        model: a name that `imgstage.networks.build` knows, such as "folder/file.py:Class", or the path of an ONNX file.
        weights: safetensors, or a file that holds nothing but tensors; None where the model brings its own. A
            `model.toml` beside it says what the network takes.
        device: "cpu", "cuda", "mps"; "auto" is the fastest that PyTorch finds, and the CPU for ONNX.
        batch: images that go in at once, where they have one size.
        tiling: how pictures that are too large are cut.
        **options: fields of `ModelConfig` that are other than `model.toml` says.

    Raises:
        UsageError: there is no such network; its weights, or what is said of it, do not fit.
    """
    model = str(model)
    if batch < 1:
        problem = f"batch is {batch}"
        raise UsageError(problem, "It must be 1 or more")
    if weights is not None and not str(weights):
        problem = "The name of the file of weights is empty"
        raise UsageError(problem, "Name the file with --weights, or leave that out")
    path = Path(weights).expanduser() if weights is not None else None
    beside = path or (Path(model).expanduser() if is_onnx(model) else None)
    config = read_config(beside.with_name(FILE) if beside else None).with_options(**options)
    engine = open_engine(model, path, device, config.channel_count)
    return Network(engine, config, tiling or Tiling(), batch)


def play(
    root: str | Path | None,
    network: Network,
    *,
    files: Sequence[str | Path] = (),
    split: str | None = None,
    suffix: str | None = None,
    overwrite: bool = False,
    sheet: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Played:
    """Run a network over pictures.

    Args:
        root: None means the current folder when it is a root, else `./data`.
        network: see `open_network`.
        files: pictures; none for all in `play_data/`. Results go to `play_data/output/`.
        split: its samples instead, which are scored; no results are written.
        suffix: what names of results end with; None for "_after", or "_mask" where masks are made.
        overwrite: whether earlier results may go.
        sheet: also write a contact sheet, and a page with a slider.
        dry_run: write nothing, and do not run the network.
        progress: is told of each picture.

    Raises:
        ImgstageError: a wish that makes no sense; another process is at work; results cannot be written; it was
            interrupted, and what was written stays.
    """
    place = find_root(Path(root) if root is not None else None)
    task = _task(network, place)
    folder = place.path / PLAY / OUTPUT
    if split is None or sheet:
        _check_folder(folder, files)
    gathered = _gather(place, [str(of) for of in files], split, _ending(task, suffix), masks=task.is_mask)
    told = {
        "model": network.engine.name,
        "device": network.engine.device,
        "task": network.task,
        "size_multiple": network.multiple,
        "only_size": list(network.only) if network.only else None,
        "split": split,
        "dry_run": dry_run,
    }
    pages = (f"{split}-contact-sheet.png", f"{split}.html") if split else ("contact-sheet.png", "index.html")
    if sheet:
        _check_pages(folder, pages, task)
    if split is None and not isinstance(task, Classes):
        gathered = _beside_pages(gathered, pages)
    if dry_run:
        return _dry(gathered, folder, None if split else task, told, overwrite=overwrite)
    keeps = sheet or split is None
    with ExitStack() as stack:
        results = stack.enter_context(open_results(folder)) if keeps else None
        store = _store(results, task, overwrite=overwrite) if results is not None and split is None else None
        most = (_WORST if split else preview.MOST) if sheet else 0
        player = Player(network, task, store, Look(most, worst=split is not None), progress or Silent())
        run = player.play(gathered.jobs)
        settle(run.outcomes)
        written: tuple[str, ...] = ()
        if sheet and results is not None:
            title = f"{split or PLAY} of {place.path.name}"
            written = _write_pages(results, pages, title, run, worst_first=split is not None)
    return _played(gathered, run, network, folder if keeps else None, written, told)


def _check_folder(folder: Path, files: Sequence[str | Path]) -> None:
    """What is written lies in the root itself, and nothing that lies there already is read."""
    if folder.parent.is_symlink():
        problem = f"{show(str(folder.parent))} is a link"
        raise RefusedError(problem, "Make a folder there and put pictures into it; results are written beside them")
    for given in files:
        if Path(given).resolve().is_relative_to(folder.resolve()):
            problem = f"{show(str(given))} lies in {PLAY}/{OUTPUT}/, among the results"
            raise UsageError(problem, f"To run a model on a result, copy it to {PLAY}/ first")


def _gather(root: Root, files: Sequence[str], split: str | None, suffix: str | None, *, masks: bool) -> Gathered:
    if split is not None:
        if files:
            problem = "A split is played whole, so no files can be named beside it"
            raise UsageError(problem, "Give one of the two")
        return of_split(root, split, suffix, masks=masks)
    return of_files(files, Path(), suffix, masks=masks) if files else of_folder(root, suffix, masks=masks)


def _task(network: Network, root: Root) -> Task | Classes:
    if network.task == "image-to-image":
        return Pictures(network)
    if network.task == "segmentation":
        return Masks(network)
    count = max(2, network.outputs)
    named = network.config.classes
    if named and len(named) != count:
        problem = f"{FILE} names {len(named)} classes, and {network.engine.name} tells {count} apart"
        raise UsageError(problem, f"Name each of them in {FILE}")
    train = root.path / TRAIN
    there = sorted(of.name for of in train.iterdir() if of.is_dir() and of.name[0] != ".") if train.is_dir() else []
    names = named or (there if len(there) == count else [str(number) for number in range(count)])
    return Classes(names, network.config.outputs)


def _store(results: Results, task: Task | Classes, *, overwrite: bool) -> Store:
    if isinstance(task, Classes):
        return Rows(results, task, overwrite=overwrite)
    return Files(results, task, overwrite=overwrite)


def _ending(task: Task | Classes, suffix: str | None) -> str | None:
    """What names of results end with; None where they are rows of a table."""
    if isinstance(task, Classes):
        if suffix is not None:
            problem = f"--suffix is for results that are files; of classes, {CLASS_TABLE} is written"
            raise UsageError(problem, "Leave it out")
        return None
    if suffix is None:
        return task.suffix
    if "/" in suffix or not suffix.isprintable() or any("\ud800" <= c <= "\udfff" for c in suffix):
        problem = f"{suffix!r} cannot end the name of a file"
        raise UsageError(problem, "Give such as --suffix _after")
    return suffix


def _check_pages(folder: Path, pages: Sequence[str], task: Task | Classes) -> None:
    if isinstance(task, Classes):
        problem = "Of classes there is nothing to be seen beside pictures"
        raise UsageError(problem, "Leave --sheet out; the table of classes is written all the same")
    for name in pages:
        path = folder / name
        if os.path.lexists(path) and not _is_page(path):
            problem = f"{show(str(path))} is there, and not as --sheet wrote it"
            raise RefusedError(problem, "Move it away, then run the command again")


def _is_page(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with quiet_codecs():
        return preview.is_own(path.read_bytes())


def _write_pages(results: Results, pages: Sequence[str], title: str, run: Run, *, worst_first: bool) -> tuple[str, ...]:
    shown = [of for of in run.outcomes if of.shown]
    if not shown:
        return ()
    if worst_first:
        shown.sort(key=lambda of: (-of.badness, of.path))
    made = preview.contact_sheet(shown), preview.page(title, shown, len(run.outcomes) - len(shown))
    for name, data in zip(pages, made, strict=True):
        path = Path(results.path(name))
        try:
            results.put(name, data, replace=_is_page(path))
        except FileExistsError as error:
            problem = f"{show(str(path))} came to be there meanwhile, and stays; the results are written"
            raise BrokenOffError(problem, "Move it away, then run the command again") from error
    return tuple(pages)


def _beside_pages(gathered: Gathered, pages: Sequence[str]) -> Gathered:
    """Without pictures whose results would have the name of a sheet."""
    taken = [job for job in gathered.jobs if fold(f"{job.name}.png") in pages]
    held = (Note(job.path, because(Why.TWINS, "its result would have the name of the contact sheet")) for job in taken)
    jobs = tuple(job for job in gathered.jobs if job not in taken)
    truths = gathered.truths - sum(1 for job in taken if job.truth)
    why = because(Why.TWINS, "the picture that should become it is held")
    lost = (Note(str(job.truth), why) for job in taken if job.truth)
    return replace(gathered, jobs=jobs, truths=truths, held=(*gathered.held, *held, *lost))


def _dry(
    gathered: Gathered, folder: Path, task: Task | Classes | None, network: dict[str, Any], *, overwrite: bool
) -> Played:
    """What would be, as far as names tell: what a result was made of is looked at in the run itself.

    Args:
        gathered: the pictures.
        folder: of results.
        task: what is made of the network's answers; None where no results are kept.
        network: what is told of it.
        overwrite: whether earlier results may go.
    """
    if isinstance(task, Classes):
        table = ClassTable(folder / CLASS_TABLE, task.names, overwrite=overwrite)
        names = [CLASS_TABLE] * len(gathered.jobs)
        new = [overwrite or table.row(of.path) is None for of in gathered.jobs]
    else:
        names = [f"{of.name}.png" if task is not None else "" for of in gathered.jobs]
        new = [bool(name) and _would_go(folder / name, overwrite=overwrite) for name in names]
    told = zip(gathered.jobs, names, new, strict=True)
    outcomes = [Outcome(of.path, name, is_new=is_new) for of, name, is_new in told]
    report = Report(len(outcomes) + gathered.truths, sum(new), gathered.held, gathered.ignored)
    return Played(report, tuple(outcomes), folder=folder, pairing=gathered.pairing, network=network)


def _would_go(path: Path, *, overwrite: bool) -> bool:
    return not os.path.lexists(path) or (overwrite and is_result(path))


def _played(
    gathered: Gathered, run: Run, network: Network, folder: Path | None, written: tuple[str, ...], told: dict[str, Any]
) -> Played:
    held = tuple(sorted([*gathered.held, *run.held]))
    changed = sum(1 for of in run.outcomes if of.is_new and of.result)
    report = Report(len(run.outcomes) + gathered.truths, changed, held, gathered.ignored)
    compared = [of for of in run.outcomes if of.score is not None]
    confusions = [of.confusion for of in run.outcomes if of.confusion is not None]
    return Played(
        report,
        tuple(run.outcomes),
        baseline=mean_score([of.baseline for of in compared if of.baseline is not None]),
        score=mean_score([of.score for of in compared if of.score is not None]),
        confusion=sum(confusions[1:], start=confusions[0]) if confusions else None,
        folder=folder,
        written=written,
        seconds=run.seconds,
        tiled=run.tiled,
        tiles_agree=network.tiles_agree or not run.tiled,
        pairing=gathered.pairing,
        network=told,
    )
