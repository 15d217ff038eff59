"""What becomes of a failure: which `except` takes it, and whether the code gives up there."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.code.modules import Module
from gonogo.code.names import ancestors, origin

LEAVES = frozenset({"sys.exit", "exit", "quit", "os._exit", "os.abort"})
LOGGERS = frozenset({"print", "warnings.warn", "traceback.print_exc", "rich.print"})
LOG_METHODS = frozenset({"debug", "info", "warning", "warn", "error", "exception", "critical"})


def handler_around(module: Module, node: ast.AST) -> ast.ExceptHandler | None:
    """The innermost `except` clause that a node stands in, within its function."""
    for parent in ancestors(module, node):
        if isinstance(parent, ast.ExceptHandler):
            return parent
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return None
    return None


def handler_of(module: Module, node: ast.AST) -> ast.ExceptHandler | None:
    """The `except` clause that any failure of a node ends in: the innermost around it that takes every exception."""
    inside = node
    for parent in ancestors(module, node):
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return None
        if isinstance(parent, ast.Try) and inside in parent.body:
            return next((entry for entry in parent.handlers if takes_all(entry)), None)
        inside = parent
    return None


def takes_all(handler: ast.ExceptHandler) -> bool:
    """Whether a clause takes whatever goes wrong."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException")) for kind in kinds)


def inner(handler: ast.ExceptHandler) -> Iterator[ast.AST]:
    """Every node of a clause's body."""
    return (node for entry in handler.body for node in ast.walk(entry))


def ends(module: Module, handler: ast.ExceptHandler) -> bool:
    """Whether a clause may end what was tried for good: it raises or leaves the process somewhere."""
    return any(
        isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and origin(module, node.func) in LEAVES) for node in inner(handler)
    )


def only_tells(module: Module, handler: ast.ExceptHandler) -> bool:
    """Whether a clause does nothing about the failure: it is silent or logs, and goes on with nothing or a literal."""
    return all(_is_nothing(module, entry) for entry in handler.body)


def _is_nothing(module: Module, statement: ast.stmt) -> bool:
    if isinstance(statement, (ast.Pass, ast.Continue, ast.Break)):
        return True
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant) or is_logging(module, statement.value)
    if isinstance(statement, (ast.Return, ast.Assign)):
        return statement.value is None or all(
            isinstance(node, (ast.Constant, ast.List, ast.Dict, ast.Tuple, ast.Load, ast.UnaryOp, ast.USub))
            for node in ast.walk(statement.value)
        )
    return False


def is_logging(module: Module, node: ast.expr) -> bool:
    """Whether an expression only tells somebody something."""
    if not isinstance(node, ast.Call):
        return False
    return origin(module, node.func) in LOGGERS or (isinstance(node.func, ast.Attribute) and node.func.attr in LOG_METHODS)
