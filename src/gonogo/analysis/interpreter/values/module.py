"""Modules of the experiment that have been imported."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, AccessKind, Names, Value, Walk
from gonogo.analysis.interpreter.memory import Cells
from gonogo.analysis.interpreter.sentinels import ABSENT, NO_DEFAULT, NoDefault
from gonogo.analysis.python.modules import Module


class ModuleValue(Value):
    """A module; `names` are its globals."""

    __slots__ = ("module", "names")

    def __init__(self, module: Module, names: dict[str, Value]) -> None:
        self.module = module
        self.names: Names = Cells(names)

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A global."""
        found = self.names.look(name)
        return UNKNOWN if found is ABSENT else found

    def set_member(self, walk: Walk, name: str, value: Value, at: ast.AST) -> None:
        """Another global."""
        walk.memory.put(self.names, name, value)
