"""Rows of a table chosen by one column, where the table surely has one row for each run."""

from __future__ import annotations

import ast

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, enclosing_function, origin
from gonogo.analysis.python.sources.origins import Part
from gonogo.analysis.python.sources.resolve import Sources

TABLES = frozenset({"pandas.DataFrame", "pandas.DataFrame.from_records"})
SAME_ROWS = frozenset({"dropna", "to_numpy", "tolist", "to_list", "astype", "copy", "values", "reset_index"})
LOOPS = (ast.For, ast.While, ast.comprehension, ast.ListComp, ast.GeneratorExp)


class Groups:
    """The groups that one call is given.

    Args:
        module: where the call stands.
        call: the call.
        sources: follows expressions.
        identity: the name of the column that tells runs apart.
    """

    def __init__(self, module: Module, call: ast.Call, sources: Sources, identity: str) -> None:
        self.module = module
        self.sources = sources
        self.identity = identity
        self._function = enclosing_function(module, call)

    def column_of(self, node: ast.expr) -> str | None:
        """The column by which the rows of a sample are chosen; None if it is no such sample, or the table may have more rows for a run."""
        column_of_sample = self._plain(node)
        if not isinstance(column_of_sample, ast.Subscript):
            return None
        rows = self._plain(column_of_sample.value)
        if not isinstance(rows, ast.Subscript) or not isinstance(rows.slice, ast.Compare) or not isinstance(rows.slice.ops[0], ast.Eq):
            return None
        chosen = rows.slice.left
        if len(rows.slice.ops) != 1 or not isinstance(chosen, ast.Subscript) or not isinstance(chosen.slice, ast.Constant):
            return None
        column = chosen.slice.value
        return column if isinstance(column, str) and self._has_a_row_for_each_run(rows.value) else None

    def _plain(self, node: ast.expr) -> ast.expr:
        """An expression without names that stand for it here, and without methods that leave the rows as they are."""
        for _ in range(8):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SAME_ROWS:
                node = node.func.value
            elif isinstance(node, ast.Attribute) and node.attr in SAME_ROWS:
                node = node.value
            elif isinstance(node, ast.Name) and (value := self._assigned(node.id)) is not None:
                node = value
            else:
                break
        return node

    def _assigned(self, name: str) -> ast.expr | None:
        """What a variable of the function is assigned, if it is assigned once."""
        found: list[ast.expr] = []
        for node in ast.walk(self._function) if self._function is not None else ():
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    found += _values(target, node.value, name)
        return found[0] if len(found) == 1 else None

    def _has_a_row_for_each_run(self, table: ast.expr) -> bool:
        result = self.sources.follow(self.module, table)
        if not result.complete or len(result.sources) != 1:
            return False
        made = result.sources[0]
        call = made.node
        if made.path or not isinstance(call, ast.Call) or origin(made.module, call.func) not in TABLES or len(call.args) != 1:
            return False
        rows = self.sources.follow(made.module, call.args[0], Part.ENTRY)
        return (
            rows.complete
            and bool(rows.sources)
            and all(not row.path and isinstance(row.node, ast.Dict) and self._is_of_a_run(row.module, row.node) for row in rows.sources)
        )

    def _is_of_a_run(self, module: Module, row: ast.Dict) -> bool:
        """Whether a row names its run and is made once for each: in one loop, not in one within another."""
        loops = 0
        for parent in ancestors(module, row):
            if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
                break
            if isinstance(parent, LOOPS):
                loops += len(parent.generators) if isinstance(parent, (ast.ListComp, ast.GeneratorExp)) else 1
        return loops == 1 and any(isinstance(key, ast.Constant) and key.value == self.identity for key in row.keys)


def _values(target: ast.expr, value: ast.expr, name: str) -> list[ast.expr]:
    """What an assignment gives a name; the value as a whole where it is taken apart in a way that is not written out."""
    if isinstance(target, ast.Name):
        return [value] if target.id == name else []
    if isinstance(target, (ast.Tuple, ast.List)):
        if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
            return [found for entry, part in zip(target.elts, value.elts, strict=True) for found in _values(entry, part, name)]
        return [value] if any(isinstance(entry, ast.Name) and entry.id == name for entry in ast.walk(target)) else []
    return []
