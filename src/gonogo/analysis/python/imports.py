"""Imports: what each import statement names, and which ones leave the project.

Also whether an import may fail without harm.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.names import last_names
from gonogo.model.finding import Location

_IMPORT_FAILURES = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
# A test that mentions one of these asks what the machine has before it imports.
_CONDITIONS = {"TYPE_CHECKING", "version_info", "platform", "find_spec", "is_available", "PYTHON_VERSION"}


@dataclass(frozen=True)
class Import:
    """One module named by one import statement.

    Attributes:
        module: where the statement stands.
        target: absolute dotted name of the imported module; empty where a relative import leaves the tree.
        names: what `from … import` takes from it, with `*` for all; none for `import …`.
        guarded: the code provides for its failure (`try … except ImportError`), or it never runs (`TYPE_CHECKING`).
    """

    module: Module
    node: ast.Import | ast.ImportFrom
    target: str
    names: tuple[str, ...]
    guarded: bool

    @property
    def top(self) -> str:
        """The first part of the dotted name."""
        return self.target.partition(".")[0]

    @property
    def is_relative(self) -> bool:
        """Whether it is written with leading dots."""
        return isinstance(self.node, ast.ImportFrom) and bool(self.node.level)

    @property
    def location(self) -> Location:
        """The place of the statement."""
        return self.module.location(self.node)


def find_imports(modules: dict[str, Module]) -> list[Import]:
    """Every import of every module, in order of path and line."""
    found: list[Import] = []
    for path in sorted(modules):
        module = modules[path]
        for node in sorted(module.of(ast.Import, ast.ImportFrom), key=lambda statement: statement.lineno):
            guarded = is_guarded(module, node)
            if isinstance(node, ast.Import):
                found.extend(Import(module, node, alias.name, (), guarded) for alias in node.names)
            else:
                target = module.resolve_import(node) if not leaves_tree(module, node) else ""
                found.append(Import(module, node, target, tuple(alias.name for alias in node.names), guarded))
    return found


def leaves_tree(module: Module, node: ast.ImportFrom) -> bool:
    """Whether a relative import has more dots than its module has packages above it."""
    depth = module.name.count(".") + (1 if module.is_package else 0)
    return node.level > depth


def is_guarded(module: Module, node: ast.AST) -> bool:
    """Return whether a failing import is handled here, or the statement runs only on some machines.

    A condition at a module's top level asks about the machine, as there is nothing else to ask about yet.
    """
    child, parent = node, module.parents.get(node)
    while parent is not None:
        if isinstance(parent, ast.Try) and any(catches_import(handler) for handler in parent.handlers):
            return True
        if isinstance(parent, ast.With) and any(_suppresses(item.context_expr) for item in parent.items):
            return True
        if isinstance(parent, ast.If) and child is not parent.test:
            at_top_level = isinstance(module.parents.get(parent), ast.Module) and not _mentions(parent.test, {"__name__"})
            if at_top_level or _mentions(parent.test, _CONDITIONS):
                return True
        child, parent = parent, module.parents.get(parent)
    return False


def catches_import(handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches a failing import."""
    if handler.type is None:
        return True
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(qualified_name(entry).rpartition(".")[2] in _IMPORT_FAILURES for entry in caught)


def _suppresses(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and qualified_name(node.func).rpartition(".")[2] == "suppress"


def _mentions(node: ast.AST, words: set[str]) -> bool:
    return any(word in words or word.startswith(("HAS_", "HAVE_", "_HAS_")) or word.endswith("_AVAILABLE") for word in last_names(node))


def third_party(imports: Iterable[Import], paths: Iterable[str]) -> list[Import]:
    """The imports that neither the standard library nor a file or folder of the tree can serve.

    A name that any module or folder of the tree bears counts as the tree's own, wherever it stands; IMP105 asks whether it resolves.
    """
    own = {part.removesuffix(".py") for path in paths if path.endswith(".py") for part in PurePosixPath(path).parts}
    return [entry for entry in imports if entry.target and entry.top not in own and entry.top not in sys.stdlib_module_names]
