"""Plain namespaces of attributes."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import Arguments, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.values.lacking import Words
from gonogo.analysis.interpreter.values.options import Options

WORDS = Words("the namespace has no attribute `{name}`", "give it one where it is made, or read the one that is meant")

LIBRARY.reads_options("Namespace(")


@LIBRARY.call("types.SimpleNamespace", "argparse.Namespace")
def simple_namespace(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`SimpleNamespace(key=…)`: has what it is given, and what the program sets on it later."""
    made = Options(dict(given.keywords), frozenset(dir(object)), WORDS)
    if given.open or given.positional:
        walk.memory.set(made, "open", True)
    return made
