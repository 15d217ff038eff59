"""Which values are surely a whole data set of the Hugging Face hub, with all of its splits."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import argument, body_nodes, calls, enclosing_function, origin
from gonogo.analysis.python.symbols import Symbols

LOADERS = frozenset({"datasets.load_dataset", "datasets.load.load_dataset"})
# Methods of a `DatasetDict` that give one with the same splits.
SAME = frozenset(
    {
        "map", "filter", "shuffle", "sort", "flatten", "rename_column", "rename_columns", "remove_columns", "select_columns", "cast",
        "cast_column", "with_format", "with_transform", "class_encode_column",
    }
)  # fmt: skip
MAX_DEPTH = 12


class LoadedSets:
    """Follows values backwards: through names, functions and modules of the project.

    Args:
        symbols: what the modules define.
        modules: those that may hand a data set on.
    """

    def __init__(self, symbols: Symbols, modules: Mapping[str, Module]) -> None:
        self.symbols = symbols
        self.modules = list(modules.values())
        self._seen: set[ast.AST] = set()

    def is_whole(self, module: Module, node: ast.expr) -> bool:
        """Whether a value can be nothing but what `load_dataset` gives without `split`."""
        self._seen = set()
        return self._whole(module, node, MAX_DEPTH)

    def _whole(self, module: Module, node: ast.expr, depth: int) -> bool:
        if depth == 0:
            return False
        if isinstance(node, ast.Call):
            if origin(module, node.func) in LOADERS:
                return argument(node, 4, "split") is None
            if isinstance(node.func, ast.Attribute) and node.func.attr in SAME:
                return self._whole(module, node.func.value, depth - 1)
            return self._returned(module, node, None, depth)
        return isinstance(node, ast.Name) and self._bound(module, node, depth)

    def _bound(self, module: Module, name: ast.Name, depth: int) -> bool:
        """Whether everything that binds a name is one; `raw = raw.map(…)` says nothing."""
        found = self.symbols.scopes(module).lookup(name.id, name)
        if found is None or not found[1]:
            return False
        for binding in found[1]:
            if binding in self._seen:
                continue
            self._seen.add(binding)
            if not self._one(module, binding, depth):
                return False
        return True

    def _one(self, module: Module, binding: ast.AST, depth: int) -> bool:
        if isinstance(binding, ast.arg):
            return self._given(module, binding, depth)
        outer = module.parents.get(binding)
        if isinstance(outer, ast.Assign) and isinstance(binding, ast.Name):
            return self._whole(module, outer.value, depth - 1)
        statement = module.parents.get(outer) if isinstance(outer, ast.Tuple) else None
        if not isinstance(outer, ast.Tuple) or not isinstance(statement, ast.Assign) or binding not in outer.elts:
            return False
        place, value = outer.elts.index(binding), statement.value
        if isinstance(value, ast.Tuple):
            return len(value.elts) == len(outer.elts) and self._whole(module, value.elts[place], depth - 1)
        return isinstance(value, ast.Call) and self._returned(module, value, place, depth)

    def _given(self, module: Module, parameter: ast.arg, depth: int) -> bool:
        """Whether every call of a function gives one for a parameter."""
        function = enclosing_function(module, parameter)
        names = list(function.args.args) if function is not None else []
        if function is None or parameter not in names or names[0].arg in ("self", "cls"):
            return False
        place = names.index(parameter)
        found = [
            (other, argument(call, place, parameter.arg))
            for other in self.modules
            for call in calls(other)
            if (meant := self.symbols.resolve(other, call.func)) is not None and meant.node is function
        ]
        return bool(found) and all(value is not None and self._whole(other, value, depth - 1) for other, value in found)

    def _returned(self, module: Module, call: ast.Call, place: int | None, depth: int) -> bool:
        """Whether a function of the project returns one, or has one at a place of the tuple that it returns."""
        meant = self.symbols.resolve(module, call.func)
        if meant is None or not isinstance(meant.node, Function):
            return False
        values = [node.value for node in body_nodes(meant.node) if isinstance(node, ast.Return)]
        if place is not None:
            values = [value.elts[place] if isinstance(value, ast.Tuple) and place < len(value.elts) else None for value in values]
        return bool(values) and all(value is not None and self._whole(meant.module, value, depth - 1) for value in values)
