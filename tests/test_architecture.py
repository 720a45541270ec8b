"""The rules of ARCHITECTURE.md that a machine can check."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "imgstage"
LAYERS = (
    "errors",
    "formats",
    "digests",
    "root",
    "settings",
    "reasons",
    "parallel",
    "progress",
    "geometry",
    "fingerprint",
    "images",
    "resizing",
    "cache",
    "index",
    "pairing",
    "groups",
    "labels",
    "assign",
    "plan",
    "tables",
    "ledger",
    "catalog",
    "rules",
    "verbs",
    "journal",
    "look",
    "likeness",
    "bonds",
    "leaks",
    "checks",
    "sources",
    "status",
    "notebook",
    "leaksheet",
    "labelplot",
    "sheet",
    "demo",
    "dataset",
    "training",
    "networks",
    "memory",
    "play",
    "cli",
)
"""From the ground up: a room may import only from rooms before it, and from itself."""

CHANGING = set(
    "rename renames link symlink symlink_to hardlink_to unlink remove rmdir removedirs rmtree mkdir makedirs "
    "write_bytes write_text touch truncate chmod utime copy copy2 copytree move".split()
)
"""Calls that change files, by the name of the method or function."""

MAY_CHANGE = {
    "fingerprint/compiled.py": {"copy"},  # of arrays; numba knows no other word
    "cache.py": {"mkdir"},  # its cache, which may be deleted at any time
    "demo.py": {"mkdir", "write_bytes"},  # photographs, into a folder of its own
    "training/filling.py": {"unlink"},  # its cache, which may be deleted at any time
    "training/listing_cache.py": {"write_bytes"},  # likewise
    "images/png.py": {"copy"},  # of images in memory
    "play/scores.py": {"copy"},  # of arrays
    "play/tiles.py": {"copy"},  # likewise
    "play/run.py": {"remove"},  # of lists
    "memory/allocator.py": {"remove"},  # of lists
    "networks/loading.py": {"remove"},  # likewise
    "memory/calibration.py": {"mkdir", "write_text"},  # what was measured, in the user's own data folder
    "cli/writing.py": {"write_bytes"},  # reports and plots, where the user wants them
    "cli/demo.py": {"write_bytes"},  # the contact sheet beside them
}

MAY_OPEN = {"training/filling.py": {"open"}, "training/listing_cache.py": {"replace"}}  # likewise

MODULES = sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))


def room(module: str) -> str:
    return module.partition("/")[0].removesuffix(".py")


def imports(module: str) -> set[str]:
    """Absolute names of what a module imports, type checking included."""
    package = ("imgstage", *Path(module).parts[:-1])
    found: set[str] = set()
    for node in ast.walk(ast.parse((SOURCE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            base += node.module.split(".") if node.module else []
            found |= {".".join([*base, alias.name]) for alias in node.names}
    return found


def calls(module: str) -> set[str]:
    """Names of the functions and methods that a module calls."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((SOURCE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                found.add(node.func.attr)
            elif isinstance(node.func, ast.Name):
                found.add(node.func.id)
    return found


def writes(module: str) -> set[str]:
    """Ways to change files that the name of the call alone does not tell: `replace` of a path, `open` for writing."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((SOURCE / module).read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        on_os = isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "os"
        if name == "replace" and isinstance(node.func, ast.Attribute) and (on_os or len(node.args) == 1):
            found.add("replace")  # that of a text takes two
        inside = [part for argument in (*node.args, *node.keywords) for part in ast.walk(argument)]
        modes = {part.value for part in inside if isinstance(part, ast.Constant) and isinstance(part.value, str)}
        flags = {part.attr for part in inside if isinstance(part, ast.Attribute)}
        if name == "open" and (
            any(set(mode) <= set("rwxabt+") and set(mode) & set("wxa+") for mode in modes if mode)
            or flags & {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"}
        ):
            found.add("open")
    return found


def test_writing_is_seen_in_all_its_ways() -> None:
    """The journal does both; else the test below could not fail."""
    assert writes("journal/system.py") == {"open"}
    assert {"rename", "link", "unlink", "rmdir"} & calls("journal/system.py")


def test_every_room_has_its_layer() -> None:
    assert {room(module) for module in MODULES} - {"__init__", "__main__"} == set(LAYERS)


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_point_down(module: str) -> None:
    own = room(module)
    if own in ("__init__", "__main__"):
        return
    used = {name.split(".")[1] for name in imports(module) if name.startswith("imgstage.")} & set(LAYERS)
    assert {name for name in used if LAYERS.index(name) > LAYERS.index(own)} == set()


@pytest.mark.parametrize("module", [module for module in MODULES if room(module) != "journal"])
def test_only_the_journal_changes_files(module: str) -> None:
    assert calls(module) & CHANGING <= MAY_CHANGE.get(module, set())
    assert writes(module) == MAY_OPEN.get(module, set())


@pytest.mark.parametrize("module", [module for module in MODULES if room(module) != "images"])
def test_only_images_names_a_codec(module: str) -> None:
    assert {name.split(".")[0] for name in imports(module)} & {"PIL", "simplejpeg", "pyvips", "cv2"} == set()


@pytest.mark.parametrize("module", [module for module in MODULES if room(module) != "cli"])
def test_only_the_command_line_prints_and_knows_click(module: str) -> None:
    assert calls(module) & {"print", "echo", "input"} == set()
    terminal = {"click"} if room(module) == "progress" else {"click", "rich"}
    assert {name.split(".")[0] for name in imports(module)} & terminal == set()


TORCH = {f"memory/{name}.py" for name in "cuda trace shortcuts loop probe refusals recording planner inference".split()}
TORCH |= {"play/network.py", "play/engines.py"}


@pytest.mark.parametrize("module", [m for m in MODULES if room(m) not in ("training", "networks") and m not in TORCH])
def test_torch_is_named_where_it_is_needed_alone(module: str) -> None:
    assert not {name for name in imports(module) if name.split(".")[0] in ("torch", "torchvision")}


@pytest.mark.parametrize("module", MODULES)
def test_no_file_is_so_long_that_it_wants_dividing(module: str) -> None:
    assert len((SOURCE / module).read_text(encoding="utf-8").splitlines()) <= 400


def test_tests_mirror_the_source_tree() -> None:
    tests = Path(__file__).parent
    for name in LAYERS:
        source = SOURCE / name if (SOURCE / name).is_dir() else None
        assert (tests / name).is_dir() if source else (tests / f"test_{name}.py").is_file(), name


def test_without_torch_all_tests_that_do_not_need_it_are_found() -> None:
    """As with `make test-core`: a file that imports it would end the run before its first test."""
    code = (
        "import sys\nfrom importlib.machinery import PathFinder\nimport pytest\nfind = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda name, *where: None if name == 'torch' else find(name, *where)\n"
        "sys.exit(pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider']))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=SOURCE.parents[1], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout[-2000:]
    assert "tests/memory/test_allocator.py" in found.stdout
    assert "tests/memory/test_trace.py" not in found.stdout
