"""Pools of worker processes, and the names that they have."""

from __future__ import annotations

import ast

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, origin
from gonogo.analysis.python.scopes import Scopes

POOLS = frozenset(
    {"multiprocessing.Pool", "multiprocessing.pool.Pool", "concurrent.futures.ProcessPoolExecutor", "torch.multiprocessing.Pool"}
)


def pool_of_processes(module: Module, scopes: Scopes, name: ast.Name) -> ast.Call | None:
    """The call that makes a name a pool of processes, surely: threads share what processes copy.

    Args:
        module: the file.
        scopes: its scopes.
        name: a use of the name. Its `with` counts, if it is in one; otherwise all that binds it in its scope.
    """
    for parent in ancestors(module, name):
        if isinstance(parent, (ast.With, ast.AsyncWith)):
            entered = [item for item in parent.items if isinstance(item.optional_vars, ast.Name) and item.optional_vars.id == name.id]
            if entered:
                return _pool(module, entered[-1].context_expr)
    found = scopes.lookup(name.id, name)
    made = [_pool(module, _bound_to(module.parents.get(bound))) for bound in found[1]] if found is not None else []
    return made[-1] if made and all(call is not None for call in made) else None


def _bound_to(statement: ast.AST | None) -> ast.expr | None:
    if isinstance(statement, ast.withitem):
        return statement.context_expr
    return statement.value if isinstance(statement, (ast.Assign, ast.AnnAssign)) else None


def _pool(module: Module, node: ast.expr | None) -> ast.Call | None:
    return node if isinstance(node, ast.Call) and origin(module, node.func) in POOLS else None
