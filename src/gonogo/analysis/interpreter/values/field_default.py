"""What `dataclasses.field(…)` leaves in the body of a class."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Value, Walk


class FieldDefault(Value):
    """The default of a field: a value, or what makes one for each object."""

    __slots__ = ("default", "factory")
    inert = unknown = True
    never_none = False

    def __init__(self, default: Value | None, factory: Value | None) -> None:
        self.default = default
        self.factory = factory

    def made(self, walk: Walk, at: ast.AST) -> Value:
        """The value that one object gets; unknown where there is none."""
        if self.factory is not None:
            return self.factory.call(walk, Arguments(), at)
        return UNKNOWN if self.default is None else self.default
