"""Expressions of literals that surely raise an exception.

Examples: an item that is not there, a conversion that fails, an attribute of None.
"""

from __future__ import annotations

import ast


def sure_error(node: ast.AST) -> str:
    """The name of the exception that some part of an expression surely raises, empty where none does."""
    pending = [node]
    while pending:
        part = pending.pop()
        if isinstance(part, (ast.Lambda, ast.IfExp, ast.BoolOp, ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp)):
            continue  # it may not be evaluated
        error = _error(part)
        if error:
            return error
        pending += ast.iter_child_nodes(part)
    return ""


def _error(node: ast.AST) -> str:
    if isinstance(node, ast.Subscript):
        return _of_entry(node)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Constant):
        return "" if hasattr(node.value.value, node.attr) else "AttributeError"
    if isinstance(node, ast.Call):
        return _of_call(node)
    return ""


def _of_entry(node: ast.Subscript) -> str:
    """`[][0]`, `{}["a"]`."""
    key = node.slice.value if isinstance(node.slice, ast.Constant) else None
    if isinstance(node.value, (ast.List, ast.Tuple)) and isinstance(key, int):
        is_open = any(isinstance(entry, ast.Starred) for entry in node.value.elts)
        return "IndexError" if not is_open and key >= len(node.value.elts) else ""
    if isinstance(node.value, ast.Dict) and isinstance(node.slice, ast.Constant):
        keys = [entry.value if isinstance(entry, ast.Constant) else ... for entry in node.value.keys]
        return "KeyError" if ... not in keys and key not in keys else ""
    return ""


def _of_call(node: ast.Call) -> str:
    """`int("abc")`, `None()`."""
    if isinstance(node.func, ast.Constant):
        return "TypeError"
    first = node.args[0] if len(node.args) == 1 and not node.keywords else None
    kind = {"int": int, "float": float}.get(node.func.id) if isinstance(node.func, ast.Name) else None
    if kind is not None and isinstance(first, ast.Constant) and isinstance(first.value, str) and len(first.value) < 100:
        try:
            kind(first.value)
        except ValueError:
            return "ValueError"
    return ""
