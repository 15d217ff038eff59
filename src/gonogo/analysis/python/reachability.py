"""Code that Python never comes to, as far as the text alone says it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from gonogo.analysis.python.imports import catches_import
from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.scopes import FUNCTIONS

_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_EXITS = frozenset({"sys.exit", "exit", "quit", "os._exit"})
_PYTHON_2 = frozenset({"PY2", "IS_PY2", "PYTHON2", "six.PY2"})


def is_never_reached(module: Module, node: ast.AST) -> bool:
    """Return whether a node can never be reached.

    It comes after a `return` or `raise`, or is in a branch for Python 2 or for an absent standard library.
    """
    behind = module.once(_behind, module.tree) if module.tree is not None else frozenset()
    child, parent = node, module.parents.get(node)
    while parent is not None:
        if child in behind:
            return True
        if isinstance(parent, (ast.If, ast.IfExp)) and child is not parent.test:
            answer = _answer(parent.test)
            in_body = child in parent.body if isinstance(parent.body, list) else child is parent.body
            if answer is not None and answer is not in_body:
                return True
        for_import = isinstance(child, ast.ExceptHandler) and child.type is not None and catches_import(child)
        if for_import and isinstance(parent, ast.Try) and all(_is_standard_import(each) for each in parent.body):
            return True
        child, parent = parent, module.parents.get(parent)
    return False


def _behind(tree: ast.AST) -> frozenset[ast.AST]:
    """Every statement of a module that stands in its block behind one which leaves."""
    return frozenset(statement for block, place in _cuts(tree) for statement in block[place + 1 :])


def cut_off(tree: ast.AST) -> dict[ast.stmt, ast.stmt]:
    """The first statement of each block that is never reached, and the one before it that leaves.

    Only what stands behind a `return`, `raise`, `break`, `continue`, an exit or an endless loop; a branch with a constant condition is
    how somebody chooses.
    """
    return {block[place + 1]: block[place] for block, place in _cuts(tree)}


def _cuts(tree: ast.AST) -> Iterator[tuple[list[ast.stmt], int]]:
    """Each block that goes on behind a statement which leaves, and the place of the first of them."""
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                place = next((place for place, each in enumerate(block[:-1]) if leaves(each)), None)
                if place is not None:
                    yield block, place


def leaves(node: ast.stmt) -> bool:
    """Whether nothing behind a statement is reached."""
    if isinstance(node, _LEAVES):
        return True
    if isinstance(node, ast.Assert):
        return isinstance(node.test, ast.Constant) and not node.test.value
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return qualified_name(node.value.func) in _EXITS
    if isinstance(node, ast.If):
        return bool(node.orelse) and _block_leaves(node.body) and _block_leaves(node.orelse)
    if isinstance(node, (ast.With, ast.AsyncWith)):
        return False  # what it enters may swallow an exception
    if isinstance(node, ast.Try):
        ends = _block_leaves(node.body) or _block_leaves(node.orelse)
        return _block_leaves(node.finalbody) or (ends and all(_block_leaves(handler.body) for handler in node.handlers))
    if isinstance(node, ast.While) and _answer(node.test) is True:
        return not any(isinstance(each, ast.Break) for each in _own(node))
    return False


def _block_leaves(block: list[ast.stmt]) -> bool:
    return any(leaves(each) for each in block)


def _own(loop: ast.While) -> list[ast.AST]:
    """What is in a loop, loops and functions within it aside."""
    found: list[ast.AST] = []
    pending: list[ast.AST] = [*loop.body]
    while pending:
        node = pending.pop()
        found.append(node)
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Lambda, ast.For, ast.AsyncFor, ast.While)):
            pending.extend(ast.iter_child_nodes(node))
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            pending.extend(node.orelse)
    return found


def _answer(test: ast.expr) -> bool | None:
    """What a condition is in every Python 3, None where that is not plain."""
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _answer(test.operand)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        answers = [_answer(value) for value in test.values]
        decisive = isinstance(test.op, ast.Or)
        if decisive in answers:
            return decisive
        return None if None in answers else not decisive
    name = qualified_name(test)
    if name in _PYTHON_2 or name.endswith(".PY2"):
        return False
    if name == "six.PY3":
        return True
    return _version_answer(test) if isinstance(test, ast.Compare) and len(test.ops) == 1 else None


def _version_answer(test: ast.Compare) -> bool | None:
    """What `sys.version_info < (3,)` and its like are in every Python 3."""
    left, operator, right = test.left, test.ops[0], test.comparators[0]
    is_major = qualified_name(left) == "sys.version_info.major" or (
        isinstance(left, ast.Subscript)
        and qualified_name(left.value) == "sys.version_info"
        and isinstance(left.slice, ast.Constant)
        and left.slice.value == 0
    )
    if is_major and isinstance(right, ast.Constant) and isinstance(right.value, int):
        major = right.value
    elif (
        qualified_name(left) == "sys.version_info"
        and isinstance(right, ast.Tuple)
        and right.elts
        and isinstance(right.elts[0], ast.Constant)
    ):
        first, more = right.elts[0].value, len(right.elts) > 1
        if not isinstance(first, int) or (first == 3 and more) or (first == 3 and isinstance(operator, (ast.Eq, ast.NotEq))):
            return None
        return {ast.Lt: first > 3, ast.LtE: first > 3, ast.Gt: first <= 3, ast.GtE: first <= 3}.get(type(operator))
    else:
        return None
    answers = {ast.Lt: major > 3, ast.LtE: major >= 3, ast.Gt: major < 3, ast.GtE: major <= 3, ast.Eq: major == 3, ast.NotEq: major != 3}
    return answers.get(type(operator))


def _is_standard_import(node: ast.stmt) -> bool:
    """Whether a statement imports whole modules that every Python 3 has."""
    return isinstance(node, ast.Import) and all("." not in alias.name and alias.name in sys.stdlib_module_names for alias in node.names)
