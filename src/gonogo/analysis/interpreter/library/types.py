"""Plain namespaces of attributes."""

from __future__ import annotations

import argparse
import ast
import types

from gonogo.analysis.interpreter.base import Arguments, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.values.lacking import Words
from gonogo.analysis.interpreter.values.options import Options

WORDS = Words("the namespace has no attribute `{name}`", "give it one where it is made, or read the one that is meant")

LIBRARY.reads_options("Namespace(")


def _of_keywords(name: str, native: frozenset[str]) -> None:
    """A namespace that has what it is given; `native`: what it has besides."""

    @LIBRARY.call(name)
    def namespace(walk: Walk, given: Arguments, at: ast.AST) -> Value:
        made = Options(dict(given.keywords), native, WORDS)
        if given.open or given.positional:
            walk.memory.set(made, "open", True)
        return made


_of_keywords("types.SimpleNamespace", frozenset(dir(types.SimpleNamespace)))
_of_keywords("argparse.Namespace", frozenset(dir(argparse.Namespace)))
