"""`functools.partial`."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Reach, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.values.partial import Partial


@LIBRARY.call("functools.partial", reach=Reach.TOGETHER)
def partial(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`partial(function, …)`."""
    if not given.positional:
        return UNKNOWN
    return Partial(given.positional[0], Arguments(given.positional[1:], given.keywords, given.open))
