"""Layers that a network makes within its own `forward` and applies there."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import enclosing_function


def forwards(module: Module) -> Iterator[tuple[ast.ClassDef, ast.FunctionDef]]:
    """Each `forward` of a class that inherits from anything, with its class."""
    for node in module.of(ast.ClassDef):
        for entry in node.body:
            if node.bases and isinstance(entry, ast.FunctionDef) and entry.name == "forward":
                yield node, entry


def calls_in_forward(module: Module) -> Iterator[ast.Call]:
    """Calls in a `forward` whose result is applied at once, or kept in a local name that is only applied."""
    for _, function in forwards(module):
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and enclosing_function(module, node) is function and _is_only_applied(module, function, node):
                yield node


def _is_only_applied(module: Module, function: ast.FunctionDef, node: ast.Call) -> bool:
    parent = module.parents.get(node)
    if isinstance(parent, ast.Call):
        return parent.func is node
    if not (isinstance(parent, ast.Assign) and len(parent.targets) == 1 and isinstance(parent.targets[0], ast.Name)):
        return False
    name = parent.targets[0].id
    uses = [entry for entry in ast.walk(function) if isinstance(entry, ast.Name) and entry.id == name and entry is not parent.targets[0]]
    return bool(uses) and all(_is_callee(module, entry) for entry in uses)


def _is_callee(module: Module, node: ast.Name) -> bool:
    parent = module.parents.get(node)
    return isinstance(parent, ast.Call) and parent.func is node
