"""The folders of a root, and the names that may stand in them."""

from __future__ import annotations

import difflib
import errno
import os
import re
import shlex
import unicodedata
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from .errors import NotARootError, RefusedError, UsageError
from .formats import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STAGE = "stage_data"
HELD = "held"
PLAY = "play_data"
STATE = ".imgstage"
LEDGER = "splits.csv"
SETTINGS = "imgstage.toml"
REPORT = "splits.json"
METADATA = "metadata.jsonl"
REASONS = f"{HELD}/reasons.csv"
DEFAULT_RATIOS: Mapping[str, Fraction] = MappingProxyType(
    {"train": Fraction(80, 100), "val": Fraction(12, 100), "test": Fraction(8, 100)}
)
TRAIN = "train"
_RESERVED = {STAGE, PLAY, HELD, STATE, LEDGER, SETTINGS, REPORT}


@dataclass(frozen=True)
class Root:
    """A data folder. Paths inside it are written relative to it, with forward slashes."""

    path: Path

    @property
    def state(self) -> Path:
        """Where imgstage keeps its journal, vault and caches."""
        return self.path / STATE


_SPELLINGS = MappingProxyType({"valid": "val", "validation": "val"})
_TRAINING = frozenset({TRAIN, "training"})
_HELD_OUT = frozenset({"val", "valid", "validation", "test", "testing", "dev", "eval", "holdout"})


@dataclass(frozen=True)
class Layout:
    """Which top-level folder stands for which split, where people have other names: `valid/` or `Val/` for val.

    Attributes:
        folders: the folder of each split that has not its own name.
    """

    folders: Mapping[str, str] = field(default_factory=dict)

    def folder(self, split: str) -> str:
        """The folder of a split."""
        return self.folders.get(split, split)

    def place(self, folder: str) -> str:
        """The split that a folder stands for; any other folder is itself."""
        return self._places.get(folder, folder)

    @cached_property
    def _places(self) -> dict[str, str]:
        return {folder: split for split, folder in self.folders.items()}


def find_layout(path: Path, splits: Iterable[str]) -> Layout:
    """Find the folder of each split: of its own name, else one that is called alike.

    Args:
        path: the root's folder.
        splits: the names of the splits.

    Raises:
        RefusedError: two folders stand for one split.
    """
    splits = list(splits)
    own = {fold(split): split for split in splits}
    found: dict[str, str] = {}
    for entry in sorted(path.iterdir()):
        split = own.get(fold(entry.name)) or own.get(_SPELLINGS.get(fold(entry.name), ""))
        if split is None or not entry.is_dir():
            continue
        if split in found:
            problem = f"{path / found[split]} and {path / entry.name} both stand for {split}"
            raise RefusedError(problem, f"Bring their files together in one folder called {split}")
        found[split] = entry.name
    return Layout({split: folder for split, folder in found.items() if folder != split})


def is_root(path: Path) -> bool:
    """Whether a folder holds `stage_data/`, `.imgstage/` or one of the usual split folders."""
    return _is_made(path) or bool(split_folders(path))


def split_sets(folders: Iterable[str]) -> list[str]:
    """The folders that hold a training set which was split already: one for training, and one to test it.

    Args:
        folders: paths of folders, with forward slashes.

    Returns:
        Their parents, sorted; empty for what has no folder above it.
    """
    names: dict[str, set[str]] = {}
    for folder in folders:
        parent, _, name = folder.rpartition("/")
        names.setdefault(parent, set()).update(re.findall("[a-z]+", fold(name)))  # train2017, seg_test, DIV2K_valid_HR
    return sorted(parent for parent, there in names.items() if there & _TRAINING and there & _HELD_OUT)


def _is_made(path: Path) -> bool:
    """Whether somebody has made a folder a root."""
    return (path / STAGE).is_dir() or (path / STATE).is_dir()


def split_folders(path: Path) -> set[str]:
    """The folders in a folder that are called as splits are; none where it cannot be looked at."""
    try:
        there = {fold(entry.name) for entry in path.iterdir() if entry.is_dir()}
    except OSError:  # that is said when it is read
        return set()
    return {name for name in (*DEFAULT_RATIOS, *_SPELLINGS) if name in there}


def _nearest_root() -> Path:
    """The current folder or `./data`: a made root first, then `./data`, then what looks like a training set; else the
    made root that the current folder lies in.

    That nobody named it calls for more than one split folder: `test/` alone may hold the tests of a program.
    """
    here, data = Path(), Path("data")
    found = split_folders(here)
    if _is_made(here) or (not is_root(data) and (TRAIN in found or len(found) > 1)):
        return here
    around = None if is_root(data) else _made_around(here)
    return around or data


def _made_around(path: Path) -> Path | None:
    """The root that somebody has made of one of the folders that a path lies in."""
    return next((parent for parent in Path(os.path.realpath(path)).parents if _is_made(parent)), None)


def is_there(path: Path) -> bool:
    """Whether there is something at a path.

    Raises:
        UsageError: that cannot be told: the name is too long, or a folder on the way is closed.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        problem = f"{show(str(path))} cannot be looked at ({error.strerror})"
        raise UsageError(problem, "Check the path, and that you may read there") from error
    return True


def real_path(given: str | Path) -> Path | None:
    """Where a path leads, links followed; None when nothing is there.

    Raises:
        UsageError: that cannot be told, as of a link that leads to itself.
    """
    path = Path(given)
    return path.resolve() if is_there(path) else None


def read_regular(path: Path) -> bytes:
    """The bytes of a file; what is no regular file, such as a pipe, might never come to its end.

    Raises:
        OSError: it cannot be read.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return path.read_bytes()


def images_astray(path: Path) -> str:
    """The first image by name that lies directly in a folder, or in one of its folders that mean nothing here."""
    known = {STAGE, STATE, HELD, PLAY, *DEFAULT_RATIOS, *_SPELLINGS}
    try:
        for entry in sorted(path.iterdir()):
            inside = [] if entry.is_symlink() or not entry.is_dir() or entry.name in known else sorted(entry.iterdir())
            for file in (entry, *inside):
                if file.suffix.lower() in SUFFIXES and file.is_file():
                    return str(file.relative_to(path))
    except OSError:  # what cannot be looked at gives no hint
        return ""
    return ""


def root_path(given: str | Path) -> Path:
    """The path of a root as it was given.

    Raises:
        UsageError: it is empty, as a shell variable that was never set.
    """
    if not str(given):
        problem = "The name of the root is empty"
        raise UsageError(problem, "Give a folder, or leave the name out")
    return Path(given)


def find_root(given: Path | None) -> Root:
    """The root a verb works on.

    Args:
        given: what the user named; None means the current folder when it is a root, else `./data`, else the root that
            the current folder lies in.

    Raises:
        NotARootError: there is none; the message says how to make one.
        RefusedError: it lies in a folder whose images are another root's.
    """
    path = _nearest_root() if given is None else given
    if not is_there(path):
        problem = f"There is no folder {path}"
    elif not path.is_dir():
        problem = f"{path} is a file, not a folder"
        raise NotARootError(problem, "Give a folder; make a root with: imgstage init")
    elif (path / STAGE).exists() and not (path / STAGE).is_dir():
        problem = f"{path / STAGE} is a file, not a folder"
        raise NotARootError(problem, "Move that file away, then make the folder with: imgstage init")
    elif is_root(path):
        real = path.resolve()
        _refuse_inside_another(real)
        return Root(real)
    elif (around := _made_around(path)) is not None:
        problem = f"{path} lies inside the root {around}"
        raise NotARootError(problem, f"Use that root: {shlex.join(('imgstage', '-C', str(around), 'status'))}")
    elif images_astray(path):
        problem = f"{path} holds images, but is not an imgstage root: it has no {STAGE}/ and no split folder"
        command = shlex.join(("imgstage", "-C", "data", "add", str(path)))
        remedy = f"Make a root beside it and copy them in: imgstage init data, then {command}"
        raise NotARootError(problem, remedy)
    else:
        problem = f"{path} is not an imgstage root: it holds no {STAGE}/, no split folder and no {STATE}/"
    raise NotARootError(problem, f"Make one with: {shlex.join(('imgstage', 'init', str(path)))}")


def is_own(path: str) -> bool:
    """Whether a path in a root is that of a text file which imgstage itself writes."""
    folder, slash, name = path.partition("/")
    if not slash:
        return path in (LEDGER, SETTINGS, REPORT) or path.endswith(f".{METADATA}")
    return path == REASONS or (name == METADATA and folder not in (STATE, STAGE, HELD))


def fold(name: str) -> str:
    """The form in which two names are compared: NFC, case folded. Equal folds are one name on some file system."""
    if name.isascii():
        lower = name.lower()
        return name if lower == name else lower  # most are; of a hundred thousand paths, copies take much memory
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def show(path: str) -> str:
    """A path as it may be printed: what is not UTF-8, and control characters, as escapes."""
    if path.isprintable():
        return path
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def show_apart(*paths: str) -> list[str]:
    """Paths as they may be printed side by side: what looks alike, such as NFC and NFD, is told apart by escapes."""
    shown = [show(path) for path in paths]
    alike = len({unicodedata.normalize("NFC", text) for text in shown}) < len(set(paths))
    return [path.encode("unicode_escape").decode("ascii") for path in paths] if alike else shown


def clean_folder(into: str) -> str:
    """A sub-folder of `stage_data/` that a user named, without needless slashes.

    Raises:
        UsageError: it leads out of there, into something hidden, or has a name that no table can hold.
    """
    parts = [part for part in into.split("/") if part]
    hidden = any(part.startswith(".") for part in parts)
    if hidden or into.startswith("/") or any(c < " " or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in into):
        problem = f"{into!r} is no folder inside {STAGE}/"
        raise UsageError(problem, "Give a plain name such as cats, or cats/indoor")
    return "/".join(parts)


def check_split_names(names: list[str]) -> None:
    """Refuse split names that cannot be folders beside `stage_data/`.

    Raises:
        UsageError: a name is empty, taken by imgstage, hidden, holds a slash, or stands twice.
    """
    folded: dict[str, str] = {}
    for name in names:
        if not re.fullmatch(r"[^\W_][\w.-]*", name) or fold(name) in _RESERVED:
            problem = f"{name!r} cannot be the name of a split"
            raise UsageError(problem, "Use a plain folder name such as train, val or test")
        other = folded.get(fold(name))
        if other == name:
            problem = f"The split {name!r} is given twice"
            raise UsageError(problem, "Give each split once")
        if other:
            problem = f"The splits {other!r} and {name!r} would be one folder on many disks"
            raise UsageError(problem, "Spell it as it is spelled already, or choose another name")
        folded[fold(name)] = name


def did_you_mean(word: str, known: tuple[str, ...]) -> str:
    """The remedy for a word nobody knows."""
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known are: {', '.join(known)}" if known else "It has none at all"


def _refuse_inside_another(path: Path) -> None:
    """Two roots must not both move the same images."""
    for parent in path.parents:
        if _is_made(parent) and path.relative_to(parent).parts[0] in (STAGE, HELD, *DEFAULT_RATIOS, *_SPELLINGS):
            problem = f"{path} lies inside the root {parent}, which moves its images"
            raise RefusedError(problem, f"Use that root (imgstage -C {parent} ...), or move this one out of it")


def check_new_root(path: Path) -> None:
    """Refuse to make a root where none should be.

    Raises:
        RefusedError: the path is a file, or lies inside another root.
    """
    if is_there(path) and not path.is_dir():
        problem = f"{path} is a file, not a folder"
        raise RefusedError(problem, "Choose another place")
    real = Path(os.path.realpath(path))
    if fold(real.name) in {fold(name) for name in (STAGE, STATE, HELD, *DEFAULT_RATIOS, *_SPELLINGS)}:
        problem = f"{path} has the name of a folder in a root"
        raise RefusedError(problem, f"Make the folder above it the root: imgstage init {real.parent}")
    for parent in real.parents:
        if _is_made(parent):
            problem = f"{path} lies inside the root {parent}"
            raise RefusedError(problem, f"Use that root (imgstage -C {parent} ...), or choose a place outside of it")
