"""Literals that look like results.

Also whether a literal is a value that something else replaces later on.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from gonogo.analysis.dataflow.values import Const
from gonogo.analysis.python.modules import Module

# Numbers that stand for "nothing yet", "all" or "half", and units.
ORDINARY = frozenset({0.0, 1.0, -1.0, 0.5, 100.0, 1000.0, 0.01, 0.1, 10.0, 2.0})


def is_result(value: object) -> bool:
    """Whether a literal reads like a measured score: a fraction, or a percentage with digits."""
    return isinstance(value, float) and value not in ORDINARY and 0.001 < abs(value) < 100 and value == value


def may_be_replaced(modules: Mapping[str, Module], const: Const) -> bool:
    """Return whether a literal is put into a place that other code writes to as well.

    Such a place is an attribute, an item, or a default.
    """
    module, node = const.module, const.node
    parent = module.parents.get(node)
    while isinstance(parent, (ast.IfExp, ast.UnaryOp, ast.BinOp, ast.Tuple, ast.List)):
        node, parent = parent, module.parents.get(parent)
    if isinstance(parent, (ast.arguments, ast.keyword, ast.Call)):
        return isinstance(parent, ast.arguments)
    names: set[str] = set()
    if isinstance(parent, (ast.Assign, ast.AnnAssign)):
        targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
        names = {name for target in targets for name in _parts(target)}
        if isinstance(module.parents.get(parent), ast.ClassDef):
            names |= {entry.id for target in targets for entry in ast.walk(target) if isinstance(entry, ast.Name)}
    elif isinstance(parent, ast.Dict):
        key = next((key for key, value in zip(parent.keys, parent.values, strict=True) if value is node), None)
        names = {key.value} if isinstance(key, ast.Constant) and isinstance(key.value, str) else {"*"}
    if not names:
        return False
    if isinstance(parent, ast.Dict) and isinstance(module.parents.get(parent), ast.Call):
        return False  # it is handed over at once
    writes = sum(_writes(other, names if other is module else names - {"*"}, other is module) for other in modules.values())
    return writes > (0 if isinstance(parent, ast.Dict) else 1)


def _parts(target: ast.expr) -> list[str]:
    """The names of the attributes and entries that a target writes to."""
    found = []
    for inner in ast.walk(target):
        if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
            found.append(inner.attr)
        elif isinstance(inner, ast.Subscript) and isinstance(inner.ctx, ast.Store):
            found.append(str(inner.slice.value) if isinstance(inner.slice, ast.Constant) else "*")
    return found


def _writes(module: Module, names: set[str], is_own: bool) -> int:
    count = 0
    for node in module.of(ast.Attribute, ast.Subscript):
        if isinstance(node.ctx, ast.Store):
            own = set(_parts(node))
            count += bool(own & names or (is_own and "*" in own))
    return count
