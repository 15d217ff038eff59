"""Whether a piece of code may come to its end, told from its statements alone."""

from __future__ import annotations

import ast
from collections.abc import Sequence

LEAVES = frozenset({"sys.exit", "exit", "quit", "os._exit", "os.abort"})


def comes_to_its_end(body: Sequence[ast.stmt]) -> bool:
    """Return whether control may reach the end of a list of statements.

    False where each path surely returns, raises or loops forever.
    """
    return all(_goes_on(statement) for statement in body)


def _goes_on(node: ast.stmt) -> bool:
    if isinstance(node, (ast.Return, ast.Raise, ast.Continue, ast.Break)):
        return False
    if isinstance(node, ast.If):
        return comes_to_its_end(node.body) or comes_to_its_end(node.orelse)
    if isinstance(node, (ast.With, ast.AsyncWith)):
        return comes_to_its_end(node.body)
    if isinstance(node, (ast.Try, ast.TryStar)):
        if not comes_to_its_end(node.finalbody):
            return False
        tried = comes_to_its_end(node.body) and comes_to_its_end(node.orelse)
        return tried or any(comes_to_its_end(handler.body) for handler in node.handlers)
    if isinstance(node, ast.Match):
        last = node.cases[-1].pattern
        is_whole = isinstance(last, ast.MatchAs) and last.pattern is None and node.cases[-1].guard is None
        return not is_whole or any(comes_to_its_end(case.body) for case in node.cases)
    if isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and node.test.value:
        return any(isinstance(inner, ast.Break) for entry in node.body for inner in ast.walk(entry))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return ast.unparse(node.value.func) not in LEAVES
    return not (isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant) and not node.test.value)
