"""Splits that are none: one side is used, the other thrown away.

Some of the rows are left, and nothing is held out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.values import Call
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import enclosing_function

SPLITS = frozenset({"train_test_split", "random_split"})


def is_subsample(call: Call) -> bool:
    """Whether a call that splits rows is there for the rows of one side alone.

    A name that is never read may be read one day, by whoever goes on with the program: only what is called `_` is thrown away.
    Examples: `X, _, y, _ = train_test_split(X, y)`, `few = train_test_split(rows)[0]`, `split = …` of which only `split[0]` and `split[2]`
    are read.
    """
    if call.short not in SPLITS or not isinstance(call.node, ast.Call):
        return False
    sides = _sides_used(call.module, call.node)
    return sides is not None and len(sides) == 1


def _sides_used(module: Module, node: ast.Call) -> set[int] | None:
    """The sides of a split that are used, 0 and 1; None where that can't be told."""
    around = module.parents.get(node)
    if isinstance(around, ast.Subscript) and around.value is node:
        return _sides_of(around.slice)
    if not isinstance(around, ast.Assign) or len(around.targets) != 1:
        return None
    target = around.targets[0]
    if isinstance(target, (ast.Tuple, ast.List)):
        return {place % 2 for place, entry in enumerate(target.elts) if not (isinstance(entry, ast.Name) and entry.id.startswith("_"))}
    if isinstance(target, ast.Name):
        found: set[int] = set()
        for name in _names(module, node):
            if name.id == target.id:
                use = module.parents.get(name)
                sides = _sides_of(use.slice) if isinstance(use, ast.Subscript) and use.value is name else None
                if sides is None:
                    return None
                found |= sides
        return found
    return None


def _sides_of(key: ast.expr) -> set[int] | None:
    """The sides that a subscript takes: `[0]`, `[2]`, `[::2]`, `[1::2]`."""
    if isinstance(key, ast.Constant) and isinstance(key.value, int):
        return {key.value % 2}
    if isinstance(key, ast.Slice) and key.upper is None and isinstance(key.step, ast.Constant) and key.step.value == 2:
        start = key.lower.value if isinstance(key.lower, ast.Constant) else 0 if key.lower is None else None
        return {start % 2} if isinstance(start, int) else None
    return None


def _names(module: Module, node: ast.Call) -> Iterator[ast.Name]:
    """The names that are read where a call stands: in its function, or anywhere in a file."""
    function = enclosing_function(module, node)
    for entry in ast.walk(function) if function is not None else module.of(ast.Name):
        if isinstance(entry, ast.Name) and isinstance(entry.ctx, ast.Load):
            yield entry
