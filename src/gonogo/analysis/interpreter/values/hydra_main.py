"""Functions under `@hydra.main(…)`."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from gonogo.analysis.interpreter.base import FEW, Arguments, Value, Walk
from gonogo.analysis.interpreter.values.function import Function


class HydraMain(Value):
    """The result of `@hydra.main(…)` on a function.

    `options` are the decorator's options, as far as they are known, and `node` is the decorator.
    """

    __slots__ = ("function", "node", "options")
    has_identity = True
    choices = FEW

    def __init__(self, function: Function, options: Mapping[str, Value], node: ast.AST) -> None:
        self.function = function
        self.options = options
        self.node = node

    def call(self, walk: Walk, given: Arguments, at: ast.AST) -> Value:
        """Compose the config and call the function with it; called with arguments, it is the function itself."""
        if given.positional or given.keywords:
            return self.function.call(walk, given, at)
        return walk.hydra.start(self, at)
