"""Plain namespaces of attributes."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import Arguments, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.values.objects import Instance


@LIBRARY.call("types.SimpleNamespace")
def simple_namespace(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`SimpleNamespace(key=…)`."""
    return Instance(None, dict(given.keywords))
