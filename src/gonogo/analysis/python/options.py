"""The keyword arguments of a call, those of `**options` among them."""

from __future__ import annotations

import ast

from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.names import enclosing_function, origin, text_of


def keyword_arguments(module: Module, call: ast.Call) -> dict[str, ast.expr]:
    """Return the keyword arguments of a call, including those of `**options`.

    The latter are included where the function that makes the call writes them out.
    """
    given: dict[str, ast.expr] = {}
    for keyword in call.keywords:
        if keyword.arg is not None:
            given[keyword.arg] = keyword.value
        else:
            given |= _entries(module, keyword.value)
    return given


def _entries(module: Module, node: ast.expr, within: frozenset[str] = frozenset()) -> dict[str, ast.expr]:
    """The entries of a dict by their keys, of a variable all that its function gives it.

    Args:
        module: where it stands.
        node: the dict, or what stands for it.
        within: the variables whose entries are being looked for, which may be made of themselves (`options = {**options, "a": 1}`).
    """
    if isinstance(node, ast.Dict):
        found: dict[str, ast.expr] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                found |= _entries(module, value, within)
            elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                found[key.value] = value
        return found
    if isinstance(node, ast.Call) and origin(module, node.func) == "dict":
        return {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    if not isinstance(node, ast.Name) or node.id in within:
        return {}
    within |= {node.id}
    scope = enclosing_function(module, node) or module.tree
    found = {}
    for inner in ast.walk(scope) if scope is not None else ():
        if isinstance(inner, (ast.Assign, ast.AnnAssign)) and inner.value is not None:
            for target in inner.targets if isinstance(inner, ast.Assign) else [inner.target]:
                found |= _assigned(module, target, inner.value, node.id, within)
        elif isinstance(inner, ast.Call) and qualified_name(inner.func) == f"{node.id}.update":
            found |= {keyword.arg: keyword.value for keyword in inner.keywords if keyword.arg}
            found |= _entries(module, inner.args[0], within) if inner.args and not isinstance(inner.args[0], ast.Name) else {}
    return found


def _assigned(module: Module, target: ast.expr, value: ast.expr, name: str, within: frozenset[str]) -> dict[str, ast.expr]:
    """The entries that an assignment gives the dict of a name."""
    if isinstance(target, ast.Name) and target.id == name and not isinstance(value, ast.Name):
        return _entries(module, value, within)
    if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name) and target.value.id == name:
        key = text_of(target.slice)
        return {key: value} if key is not None else {}
    return {}
