"""An option that is one of some plain values, whoever gives it."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from gonogo.analysis.interpreter.base import Constant, Value, Walk
from gonogo.analysis.interpreter.sentinels import NOT_KNOWN


class OneOf(Value):
    """One of some values, and it is not known which."""

    __slots__ = ("values",)
    inert = immutable = unknown = True
    never_none = False
    tells_apart = False

    def __init__(self, values: Iterable[Constant]) -> None:
        self.values = tuple(values)

    def is_none(self) -> bool | None:
        """Whether it is None, where that is the only one, or is not among them."""
        return None if None in self.values and set(self.values) != {None} else None in self.values

    def compare(self, walk: Walk, op: ast.cmpop, other: Value) -> bool | None:
        """Whether it equals something: not where that is none of them."""
        wanted = other.constant()
        if not isinstance(op, (ast.Eq, ast.NotEq)) or wanted is NOT_KNOWN:
            return None
        equal = {value == wanted for value in self.values}
        return None if len(equal) > 1 else equal.pop() is isinstance(op, ast.Eq)
