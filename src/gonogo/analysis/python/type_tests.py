"""What code does with the answer to `isinstance`."""

from __future__ import annotations

import ast
from collections.abc import Mapping


def told_apart(at: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> bool:
    """Return whether code that takes values of several types asks which type it has.

    Otherwise the value is read in another way.

    Args:
        at: The call of `isinstance`.
        parents: The node around each node.
    """
    if not isinstance(at, ast.Call) or not at.args:
        return False
    inner: ast.AST = at
    outer = parents.get(at)
    while outer is not None and not isinstance(outer, (ast.If, ast.IfExp)):
        if isinstance(outer, ast.UnaryOp) and isinstance(outer.op, ast.Not):
            return True  # what follows converts the value, or refuses it
        inner, outer = outer, parents.get(outer)
    if outer is None or inner is not outer.test:
        return False
    value = ast.dump(at.args[0])
    reads = (
        node
        for otherwise in _otherwise(outer, parents)
        for node in ast.walk(otherwise)
        if isinstance(node, (ast.Attribute, ast.Subscript, ast.Call))
    )
    return any(ast.dump(part) == value for node in reads for part in ast.iter_child_nodes(node))


def _otherwise(branch: ast.If | ast.IfExp, parents: Mapping[ast.AST, ast.AST]) -> list[ast.AST]:
    """What runs where the test is false."""
    if isinstance(branch, ast.IfExp):
        return [branch.orelse]
    found: list[ast.AST] = [*branch.orelse]
    if isinstance(branch.body[-1], (ast.Return, ast.Continue, ast.Break)):
        block = getattr(parents[branch], "body", [])
        found += block[block.index(branch) + 1 :] if branch in block else []
    return found
