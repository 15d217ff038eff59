"""Questions after a local name that no line of the function binds.

An example is `if "best" in locals()`, which is false whenever it is asked.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.scopes import FUNCTIONS, Scopes

_ASKED = ("locals", "vars", "dir")


def asked_in_vain(module: Module, scopes: Scopes) -> Iterator[tuple[ast.Compare, str]]:
    """Return every `"name" in locals()` of a function that never binds the name.

    Also of `vars()` and `dir()`. Left out are functions that stand in one which binds it.

    Notebooks are left out: IPython puts names of its own among those of a cell.
    """
    if module.tree is None or module.path.endswith(".ipynb"):
        return
    for node in module.of(ast.Compare):
        name = _asked_name(node)
        if name is None or not _asks_builtin(node, scopes):
            continue
        around = list(scopes.chain(node))
        functions = [scope for scope in around if isinstance(scope, FUNCTIONS)]
        if not isinstance(around[0], FUNCTIONS) or any(name in scopes.names(scope).bound for scope in functions):
            continue  # a class body, a lambda or a comprehension has names of its own; the module's may come from anywhere
        if not any(_may_bind_unseen(scope) for scope in functions):
            yield node, name


def _asked_name(node: ast.Compare) -> str | None:
    if len(node.ops) != 1 or not isinstance(node.ops[0], ast.In) or not isinstance(node.left, ast.Constant):
        return None
    right = node.comparators[0]
    if isinstance(right, ast.Call) and isinstance(right.func, ast.Attribute) and right.func.attr == "keys":
        right = right.func.value
    is_call = isinstance(right, ast.Call) and isinstance(right.func, ast.Name) and right.func.id in _ASKED
    if not is_call or not isinstance(right, ast.Call) or right.args or right.keywords:
        return None
    return node.left.value if isinstance(node.left.value, str) else None


def _asks_builtin(node: ast.Compare, scopes: Scopes) -> bool:
    """Whether the function that is asked is Python's own: nothing in the file binds its name."""
    return all(scopes.lookup(name, node) is None for name in _ASKED)


def _may_bind_unseen(function: ast.AST) -> bool:
    """Return whether a function may add names that no line shows.

    It executes text, or writes into what `locals()` gives.
    """
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "exec":
            return True
        written = isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and node.value
        updated = isinstance(node, ast.Attribute) and node.attr in ("update", "setdefault", "__setitem__") and node.value
        target = written or updated
        if isinstance(target, ast.Call) and isinstance(target.func, ast.Name) and target.func.id in _ASKED:
            return True
    return False
