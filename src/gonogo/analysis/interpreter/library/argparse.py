"""`argparse`: its namespaces."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import Arguments, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.values.objects import Instance


@LIBRARY.call("argparse.Namespace")
def namespace(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`Namespace(key=…)`."""
    return Instance(None, dict(given.keywords))
