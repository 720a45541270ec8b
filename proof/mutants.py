"""Mutants of the journal: each leaves one line of its safety out, and must be caught.

They are found in the source itself, so that a new fsync or a new check is put to the test without anybody's thinking
of it: each call that makes something durable is left out; each comparison of a file with what the plan saw says yes;
each refusal to replace is gone.
"""

from __future__ import annotations

import ast
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import imgstage

if TYPE_CHECKING:
    from collections.abc import Iterator

_SOURCE = Path(imgstage.__file__).parent
_SYNCS = {"fsync", "sync_folder", "sync"}
_CHECKS = {"is_file", "is_same_file", "samestat", "_is_prepared", "_is_unchanged"}
_DIGESTS = {"digest_of", "copy_durable"}


@dataclass(frozen=True)
class Mutant:
    """One line of the journal, changed.

    Attributes:
        kind: "fsync", "identity", "no-replace" or "control".
        path: of the module, relative to the package.
        line: where.
        was: the code that was changed.
        source: the whole module, changed.
    """

    kind: str
    path: str
    line: int
    was: str
    source: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.was}"

    def write(self, folder: Path) -> None:
        """Write the whole package, mutated, into a folder for PYTHONPATH."""
        shutil.copytree(_SOURCE, folder / "imgstage", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "imgstage" / self.path).write_text(self.source, encoding="utf-8")


CONTROL = "nothing was changed: this one must survive"


def mutants() -> Iterator[Mutant]:
    """All mutants there are; first the control, which is none: who catches it cries wolf."""
    engine = "journal/engine.py"
    yield Mutant("control", engine, 0, CONTROL, (_SOURCE / engine).read_text(encoding="utf-8"))
    for path in sorted((_SOURCE / "journal").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        for number in range(len(text)):
            changer = _Changer(number)
            tree = changer.visit(ast.parse(text))
            if changer.done is None:
                break
            kind, line, was = changer.done
            yield Mutant(kind, f"journal/{path.name}", line, was, ast.unparse(ast.fix_missing_locations(tree)))


class _Changer(ast.NodeTransformer):
    """Changes the one place of that number, counted from 0."""

    def __init__(self, number: int) -> None:
        self._left = number
        self.done: tuple[str, int, str] | None = None

    def visit(self, node: ast.AST) -> ast.AST:
        """Change this node, or go on below it."""
        changed = _changed(node) if self.done is None else None
        if changed is not None:
            if self._left == 0:
                self.done = (changed[0], getattr(node, "lineno", 0), ast.unparse(node))
                return changed[1]
            self._left -= 1
        below: ast.AST = self.generic_visit(node)
        return below


def _changed(node: ast.AST) -> tuple[str, ast.AST] | None:
    """What a node becomes; None when it has nothing to do with safety."""
    match node:
        case ast.Expr(value=ast.Call(func=function)) if _name(function) in _SYNCS:
            return "fsync", ast.Expr(ast.Constant(None))
        case ast.Compare(left=ast.Call(func=function) as left, ops=[ast.Eq()]) if _name(function) in _DIGESTS:
            return "identity", ast.Call(ast.Name("bool"), [left], [])  # a digest is never empty
        case ast.Compare(left=ast.Call(func=function) as left, ops=[ast.NotEq()]) if _name(function) in _DIGESTS:
            return "identity", ast.UnaryOp(ast.Not(), left)
        case ast.Call(func=function) if _name(function) in _CHECKS:
            return "identity", ast.Constant(True)
        case ast.Call(func=ast.Attribute(attr="lexists")):
            return "no-replace", ast.Constant(False)
        case ast.Call(func=ast.Name(id="_taken")):
            return "no-replace", ast.Tuple([])
        case ast.Call(func=ast.Attribute(attr="link"), args=arguments):
            return "no-replace", ast.Call(ast.Attribute(ast.Name("os"), "replace"), arguments, [])
        case ast.Assign(targets=[ast.Name(id="_RENAME_NOREPLACE")] as targets):
            return "no-replace", ast.Assign(targets, ast.Constant(0))
        case _:
            return None


def _name(function: ast.expr) -> str:
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
