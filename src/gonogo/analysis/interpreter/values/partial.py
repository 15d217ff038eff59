"""A callable with some arguments already given."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Value, Walk
from gonogo.analysis.interpreter.values.function import Function
from gonogo.analysis.interpreter.values.varied import settled


class Partial(Value):
    """`functools.partial(callee, …)`."""

    __slots__ = ("arguments", "callee")

    def __init__(self, callee: Value, arguments: Arguments) -> None:
        self.callee = callee
        self.arguments = arguments

    def call(self, walk: Walk, given: Arguments, at: ast.AST) -> Value:
        """Call it with the other arguments."""
        return self.callee.call(walk, given.after(self.arguments), at)

    def call_back(self, walk: Walk) -> Value:
        """Call it as a library would."""
        return self.call_back_with(walk, Arguments())

    def call_back_with(self, walk: Walk, given: Arguments) -> Value:
        """Call it as a library would that gives some more arguments."""
        callee = settled(self.callee)
        given = given.after(self.arguments)
        while isinstance(callee, Partial):
            given, callee = given.after(callee.arguments), settled(callee.callee)
        return callee.call_back_with(walk, given) if isinstance(callee, Function) else UNKNOWN

    def release(self, walk: Walk, depth: int = 0) -> None:
        """The library may call it."""
        self.call_back(walk)
