"""From a name to a network: one of imgstage's, of timm, of torchvision, of a module or a file."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from contextlib import contextmanager, nullcontext, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blake3 import blake3
from torch import nn
from torch.overrides import TorchFunctionMode

from ..errors import UsageError, line_of
from ..root import show
from .unet import UNet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FORMS = "unet, unet:32 (its width), timm:NAME, torchvision:NAME, package.module:build or file.py:Class"


def build(name: str, *, channels: int = 3, with_values: bool = True) -> nn.Module:
    """Build the network of a name.

    Args:
        name: `unet` (imgstage's own, 64 channels wide; `unet:32` is narrower), `timm:convnext_tiny`,
            `torchvision:resnet50`, `package.module:build` or `folder/file.py:Class`. What is named there is a class or
            a function that can be called with nothing, and gives an `nn.Module`; or such a module.
        channels: of the images, for imgstage's own and timm's.
        with_values: False leaves most initialisers of PyTorch out, which take long: for who wants shapes alone.

    Raises:
        UsageError: there is no such network, or it cannot be built.
    """
    kind, _, rest = name.partition(":")
    make: Callable[[], Any]
    with nullcontext() if kind in ("unet", "timm", "torchvision") else _found_beside(name):
        if kind == "unet":
            make = _own(name, rest, channels)
        elif kind == "timm":
            make = _from_timm(rest, channels)
        elif kind == "torchvision":
            make = _from_torchvision(rest)
        else:
            make = _from_code(name)
        with nothing_drawn(with_values):
            try:
                network = make()
            except (Exception, SystemExit) as error:
                raise _unbuilt(name, make, error) from error
    if not isinstance(network, nn.Module):
        problem = f"{name} gives a {type(network).__name__}, which is no torch.nn.Module"
        raise UsageError(problem, "Name a class or a function that gives one")
    return network


def source_of(name: str) -> bytes:
    """The code of the file or module of a name that `build` has built; empty where a library built it."""
    place, _, _ = name.rpartition(":")
    path = place if place.endswith(".py") else getattr(sys.modules.get(place), "__file__", None)
    try:
        return Path(path).expanduser().read_bytes() if path else b""
    except OSError:
        return b""


def _own(name: str, width: str, channels: int) -> Callable[[], Any]:
    if width and not (width.isascii() and width.isdecimal() and 0 < int(width) <= 4096):
        problem = f"{name} names no width: {width!r} is no number of channels from 1 to 4096"
        raise UsageError(problem, "Give such as unet:32")
    return lambda: UNet(int(width or 64), channels=channels, outputs=channels)


def _from_timm(name: str, channels: int) -> Callable[[], Any]:
    try:
        timm = importlib.import_module("timm")
    except ImportError as error:
        problem = f"timm:{name} needs timm, which is not installed"
        raise UsageError(problem, "Run: pip install timm") from error
    if not timm.is_model(name):
        raise _unknown(name, "timm", timm.list_models())
    return lambda: timm.create_model(name, pretrained=False, in_chans=channels)


def _from_torchvision(name: str) -> Callable[[], Any]:
    models = importlib.import_module("torchvision.models")
    if name not in models.list_models():
        raise _unknown(name, "torchvision", models.list_models())
    backbone = {"weights_backbone": None} if "weights_backbone" in inspect.signature(_maker(name)).parameters else {}
    return lambda: models.get_model(name, weights=None, **backbone)


def _maker(name: str) -> Callable[..., Any]:
    made: Callable[..., Any] = importlib.import_module("torchvision.models").get_model_builder(name)
    return made


def _unknown(name: str, library: str, known: list[str]) -> UsageError:
    near = get_close_matches(name, known, 3)
    problem = f"{library} knows no network {name!r}"
    return UsageError(problem, f"The nearest are {', '.join(near)}" if near else f"It knows {len(known):,} others")


def _from_code(name: str) -> Callable[[], Any]:
    place, _, attribute = name.rpartition(":")
    if not place or not attribute:
        problem = f"{show(name)} names no network"
        raise UsageError(problem, f"Give one of: {FORMS}")
    module = _module_of_file(Path(place).expanduser()) if place.endswith(".py") else _module(place)
    thing: Any = module
    for part in attribute.split("."):
        if not hasattr(thing, part):
            own = [(word, of) for word, of in vars(module).items() if callable(of) and not word.startswith("_")]
            public = [word for word, of in own if getattr(of, "__module__", "") == module.__name__]
            problem = f"{show(place)} has no {attribute}"
            raise UsageError(problem, f"It has {', '.join(public[:8]) or 'nothing that can be called'}")
        thing = getattr(thing, part)
    if isinstance(thing, nn.Module):
        return lambda: thing
    if not callable(thing):
        problem = f"{name} is a {type(thing).__name__}, which is neither a network nor a function that builds one"
        raise UsageError(problem, "Name a class or a function that gives a torch.nn.Module")
    made: Callable[[], Any] = thing
    return made


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        problem = f"The module {show(name)} cannot be imported: {line_of(error)}"
        raise UsageError(problem, "Mend that, or name a file, as in folder/file.py:Class") from error


def _module_of_file(path: Path) -> Any:
    if not path.is_file():
        problem = f"{show(str(path))} is no file"
        raise UsageError(problem, "Give the path of a Python file, as in folder/file.py:Class")
    spec = importlib.util.spec_from_file_location(_module_name(path), path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(module.__name__, module)  # dataclasses, pickles and who asks for the source look there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        if sys.modules.get(module.__name__) is module:  # half of it is no module for who imports it later
            del sys.modules[module.__name__]
        problem = f"{show(str(path))} cannot be imported: {line_of(error)}"
        raise UsageError(problem, "Mend that first") from error
    return module


def _module_name(path: Path) -> str:
    """As `import` would call it, unless another file's module is called so."""
    place = path.resolve()
    there = sys.modules.get(path.stem)
    if there is None or Path(getattr(there, "__file__", None) or "").resolve() == place:
        return path.stem
    return f"{path.stem}_{blake3(bytes(place)).hexdigest()[:16]}"


@contextmanager
def _found_beside(name: str) -> Iterator[None]:
    """What a user's code imports, now or when it is called, is found beside its file, or as with `python -m`."""
    place = name.rpartition(":")[0]
    is_file = place.endswith(".py")
    folder = str(Path(place).expanduser().parent.resolve()) if is_file else ""
    if folder in sys.path:
        yield
        return
    sys.path.insert(len(sys.path) if is_file else 0, folder)
    try:
        yield
    finally:
        with suppress(ValueError):  # the code may have taken it away
            sys.path.remove(folder)


def _unbuilt(name: str, make: Callable[[], Any], error: BaseException) -> UsageError:
    needs = ""
    if isinstance(error, TypeError):
        try:
            inspect.signature(make).bind()
        except TypeError as missing:
            needs = str(missing)
        except ValueError:  # what has no signature
            needs = ""
    if needs:
        problem = f"{name} cannot be called with nothing: {needs}"
        return UsageError(problem, "Write a function that builds it with what it needs, and name that")
    return UsageError(f"{name} cannot be built: {line_of(error)}", "Mend that first")


class _NothingDrawn(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


@contextmanager
def nothing_drawn(with_values: bool = False) -> Iterator[None]:
    """Random values are not drawn inside; what would get some has any. With values, all is as ever."""
    if with_values:
        yield
        return
    with _NothingDrawn():
        yield
