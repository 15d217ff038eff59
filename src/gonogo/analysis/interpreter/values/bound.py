"""A method of a value that the interpreter knows (a text, list, mapping or path), not yet called."""

from __future__ import annotations

import ast
from collections.abc import Hashable

from gonogo.analysis.interpreter.base import FEW, AccessKind, Arguments, Value, Walk
from gonogo.analysis.interpreter.sentinels import NO_DEFAULT, NoDefault


class BoundMethod(Value):
    """`owner.name`."""

    __slots__ = ("name", "owner")
    never_none = False
    choices = FEW

    def __init__(self, owner: Value, name: str) -> None:
        self.owner = owner
        self.name = name

    def truth(self) -> bool:
        """A method counts as true."""
        return True

    def identity(self) -> Hashable:
        """The same method of the same value is the same."""
        return (BoundMethod, self.owner.identity(), self.name)

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """`method.name`: hardly anything is there."""
        if default is NO_DEFAULT:
            walk.state.may_have_failed()
        return super().member(walk, name, at, default, kind)

    def call(self, walk: Walk, given: Arguments, at: ast.AST) -> Value:
        """Call it."""
        return self.owner.call_method(walk, self.name, given, at)
