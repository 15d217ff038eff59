"""The constructs of the language, by kind of syntax node.

A new one is a function under `@expression` or `@statement`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from gonogo.analysis.interpreter.base import Frame, Value, Walk


class Signal(Enum):
    """How a block is left before its end."""

    RETURN = "return"
    RAISE = "raise"
    BREAK = "break"
    CONTINUE = "continue"


Evaluate = Callable[[Walk, Any, Frame], Value]
Execute = Callable[[Walk, Any, Frame], Signal | None]
_E = TypeVar("_E", bound=Evaluate)
_S = TypeVar("_S", bound=Execute)

#: What each kind of expression gives.
EXPRESSIONS: dict[type[ast.AST], Evaluate] = {}
#: What each kind of statement does; None where it runs to its end.
STATEMENTS: dict[type[ast.AST], Execute] = {}


def expression(*kinds: type[ast.expr]) -> Callable[[_E], _E]:
    """Let a function evaluate expressions of some kinds."""

    def declare(function: _E) -> _E:
        EXPRESSIONS.update(dict.fromkeys(kinds, function))
        return function

    return declare


def statement(*kinds: type[ast.stmt]) -> Callable[[_S], _S]:
    """Let a function execute statements of some kinds."""

    def declare(function: _S) -> _S:
        STATEMENTS.update(dict.fromkeys(kinds, function))
        return function

    return declare
