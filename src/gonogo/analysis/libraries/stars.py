"""What `from x import *` gives."""

from __future__ import annotations

import ast
import importlib

from gonogo.analysis.libraries.table import library_table
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.scopes import bound_names
from gonogo.analysis.python.symbols import Symbols

# Modules of the standard library that are asked themselves: importing them does nothing else.
STANDARD = frozenset(
    {
        "math", "cmath", "os", "os.path", "sys", "re", "random", "time", "datetime", "typing", "collections", "itertools", "functools",
        "pathlib", "json", "copy", "string", "statistics", "operator", "abc", "dataclasses", "enum", "decimal", "fractions", "struct",
    }
)  # fmt: skip
MAX_DEPTH = 4


def star_sources(module: Module) -> list[str]:
    """The dotted names of the modules all names of which a module imports."""
    return [module.resolve_import(node) for node in module.of(ast.ImportFrom) if node.names[0].name == "*"]


def gives_by_star(symbols: Symbols, source: str, name: str, depth: int = 0) -> bool | None:
    """Whether a module has a name that `import *` may give; None where that can't be told."""
    own = symbols.by_name.get(source)
    if own is not None:
        return _of_project(symbols, own, name, depth)
    if source in STANDARD:
        return hasattr(importlib.import_module(source), name)
    known = library_table().names_of(source)
    if known is None or name.startswith("_"):
        return None
    return name in known[1]


def _of_project(symbols: Symbols, module: Module, name: str, depth: int) -> bool | None:
    if module.tree is None or depth > MAX_DEPTH or "__getattr__" in module.definitions:
        return None
    if any(name in bound_names(node) for node in ast.walk(module.tree)):
        return True
    if any(isinstance(node, ast.Name) and node.id in ("globals", "exec", "vars", "setattr") for node in module.of(ast.Name)):
        return None
    further = [gives_by_star(symbols, source, name, depth + 1) for source in star_sources(module)]
    return True if True in further else None if None in further else False
