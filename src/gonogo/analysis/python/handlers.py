"""What becomes of a failure: which `except` takes it, and whether the code gives up there."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import ancestors, calls, enclosing_function, last_name, origin, statement_of

EVERYTHING = frozenset({"Exception", "BaseException"})
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


def handler_of(module: Module, node: ast.AST, kinds: frozenset[str] = EVERYTHING) -> ast.ExceptHandler | None:
    """Return the `except` clause that handles a failure of a node.

    In the innermost `try` around the node, it is the first clause that takes one of the given kinds.
    """
    inside = node
    for parent in ancestors(module, node):
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return None
        if isinstance(parent, ast.Try) and inside in parent.body:
            return next((entry for entry in parent.handlers if takes(entry, kinds)), None)
        inside = parent
    return None


def takes(handler: ast.ExceptHandler, kinds: frozenset[str] = EVERYTHING) -> bool:
    """Return whether a clause takes exceptions of one of some kinds, by their names.

    Unless others are named, the kinds are those that take any failure.
    """
    named = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in kinds) for kind in named)


def inner(handler: ast.ExceptHandler) -> Iterator[ast.AST]:
    """Every node of a clause's body."""
    return (node for entry in handler.body for node in ast.walk(entry))


def ends(module: Module, handler: ast.ExceptHandler) -> bool:
    """Whether a clause may end what was tried for good: it raises or leaves the process somewhere."""
    return any(
        isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and origin(module, node.func) in LEAVES) for node in inner(handler)
    )


def only_tells(module: Module, handler: ast.ExceptHandler) -> bool:
    """Return whether a clause does nothing about the failure.

    It is silent or logs, and goes on with nothing or a literal.
    """
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


def may_be_made_good(module: Module, handler: ast.ExceptHandler, modules: Iterable[Module]) -> bool:
    """Return whether code after a clause that does nothing may see the failure and handle it.

    Then nothing is surely swallowed.

    It may where success leaves the `try` (what follows is another way, or another attempt), where the `try` is tried again for as long as
    something holds, or where somebody asks for what the `try` binds or the function returns before it is used.
    """
    tried = module.parents[handler]
    assert isinstance(tried, ast.Try)
    function = enclosing_function(module, handler)
    body = [node for entry in (*tried.body, *tried.orelse) for node in ast.walk(entry)]
    if any(isinstance(node, ast.Break) for node in body) or _is_in_while(module, tried):
        return True  # a loop over attempts or mirrors, or one that asks again and again
    gives_back = any(isinstance(node, ast.Return) for node in inner(handler))
    if any(isinstance(node, ast.Return) for node in body) and not gives_back:
        if _something_follows(module, tried, function):
            return True
        gives_back = True
    bound = {name for node in (*body, *inner(handler)) for name in _bound(node)}
    if _is_tested(module, function, bound, tried):
        return True
    return gives_back and function is not None and any(_result_is_tested(other, function.name) for other in modules)


def _is_in_while(module: Module, node: ast.AST) -> bool:
    """Whether the innermost loop around a node, in its function, is a `while`."""
    kinds = (ast.For, ast.AsyncFor, ast.While, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    around = next((parent for parent in ancestors(module, node) if isinstance(parent, kinds)), None)
    return isinstance(around, ast.While)


def _something_follows(module: Module, node: ast.AST, function: Function | None) -> bool:
    """Whether any statement of the function may run after a node."""
    inside = node
    for parent in ancestors(module, node):
        if isinstance(parent, (ast.For, ast.While, ast.AsyncFor)):
            return True
        for block in (getattr(parent, name, None) for name in ("body", "orelse", "finalbody")):
            if isinstance(block, list) and inside in block and block[-1] is not inside:
                return True
        if parent is function:
            return False
        inside = parent
    return False


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield node.attr


def _is_tested(module: Module, function: Function | None, names: set[str], outside: ast.AST) -> bool:
    """Return whether the function tests one of some names elsewhere than within a node.

    For an attribute, this asks whether the module does.
    """
    skipped = {id(node) for node in ast.walk(outside)}
    for node in _asked_for(module):
        name = node.id if isinstance(node, ast.Name) else node.attr
        if name in names and id(node) not in skipped and (isinstance(node, ast.Attribute) or enclosing_function(module, node) is function):
            return True
    return False


def _result_is_tested(module: Module, name: str) -> bool:
    """Whether somebody asks what calls of a function of this name gave."""
    for call in calls(module):
        if last_name(call.func) != name:
            continue
        parent, statement = module.parents.get(call), statement_of(module, call)
        if statement is None or isinstance(parent, (ast.If, ast.IfExp, ast.While, ast.Assert, ast.BoolOp, ast.UnaryOp, ast.Compare)):
            return True
        if _is_tested(module, enclosing_function(module, call), {bound for node in ast.walk(statement) for bound in _bound(node)}, call):
            return True
    return False


def _asked_for(module: Module) -> Iterator[ast.Name | ast.Attribute]:
    """Yield every name of which some condition asks whether there is anything.

    Examples: `x`, `not x`, `x is None`, `len(x) == 0`, `x or y`, `valid(x)`.
    """
    for node in module.of(ast.If, ast.While, ast.IfExp, ast.Assert, ast.BoolOp, ast.UnaryOp, ast.Compare):
        if isinstance(node, ast.BoolOp):
            asked = node.values
        elif isinstance(node, ast.UnaryOp):
            asked = [node.operand] if isinstance(node.op, ast.Not) else []
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            asked = sides if any(isinstance(side, (ast.Constant, ast.List, ast.Tuple, ast.Dict)) for side in sides) else []
        else:
            assert isinstance(node, (ast.If, ast.While, ast.IfExp, ast.Assert))
            asked = [node.test]
        for entry in asked:
            inside = entry.args if isinstance(entry, ast.Call) else [entry]
            yield from (part for part in inside if isinstance(part, (ast.Name, ast.Attribute)))
