"""Functions and types of Python's own."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Known, Value, Walk, let_go
from gonogo.analysis.interpreter.sentinels import UNHANDLED
from gonogo.analysis.interpreter.values.outside import called


class Builtin(Value):
    """A builtin by its name; what a call gives is in `library.builtins`."""

    __slots__ = ("known", "name")
    has_identity = True
    immutable = True

    def __init__(self, name: str, known: Known) -> None:
        self.name = name
        self.known = known

    def outside_name(self) -> str:
        """Its name."""
        return self.name

    def call(self, walk: Walk, given: Arguments, at: ast.AST) -> Value:
        """A call of it."""
        result = called(self.known, walk, given, at)
        if result is not UNHANDLED:
            return result
        if not self.known.shows:
            let_go(walk, given)
        return UNKNOWN
