"""Where code draws random numbers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.code.modules import Module
from gonogo.code.names import ancestors, calls, origin

DRAWS = re.compile(
    r"^(?:numpy\.random\.(?:rand|randn|random|random_sample|normal|uniform|randint|beta|standard_normal|poisson|binomial|lognormal|exponential)"
    r"|random\.(?:random|uniform|gauss|normalvariate|randint|betavariate)"
    r"|torch\.(?:rand|randn|randint|rand_like|randn_like|normal))$"
)
FAKE_DATASETS = re.compile(r"(?:^|\.)FakeData$")
MADE_UP = re.compile(r"synthe|dummy|fake|mock|placeholder|made_up|artificial", re.IGNORECASE)


def draws(module: Module) -> Iterator[ast.Call]:
    """Every call that draws numbers: not those that seed, shuffle, choose or split."""
    return (call for call in calls(module) if DRAWS.match(origin(module, call.func)))


def guard_of_absence(module: Module, node: ast.AST) -> ast.If | ast.IfExp | None:
    """The innermost condition within the function under which a node stands because something is not there."""
    inside = node
    for parent in ancestors(module, node):
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return None
        if isinstance(parent, (ast.If, ast.IfExp)):
            body = parent.body if isinstance(parent.body, list) else [parent.body]
            denied = inside in body and _denies(parent.test)
            other = parent.orelse if isinstance(parent.orelse, list) else [parent.orelse]
            if denied or (inside in other and _affirms(parent.test)):
                return parent
        inside = parent
    return None


def _denies(test: ast.expr) -> bool:
    """`x is None`, `not path.exists()`, `len(x) == 0`: the test holds where something is missing."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _affirms(test.operand) or isinstance(test.operand, ast.Name)
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        right = test.comparators[0]
        is_none = isinstance(test.ops[0], ast.Is) and isinstance(right, ast.Constant) and right.value is None
        return is_none or (
            isinstance(test.ops[0], ast.Eq) and isinstance(right, ast.Constant) and right.value == 0 and "len(" in ast.unparse(test.left)
        )
    return isinstance(test, ast.Attribute) and test.attr == "empty"


def _affirms(test: ast.expr) -> bool:
    """`path.exists()`, `x is not None`: the test holds where something is there."""
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute):
        return test.func.attr in ("exists", "is_file", "isfile", "is_dir", "isdir")
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.IsNot):
        right = test.comparators[0]
        return isinstance(right, ast.Constant) and right.value is None
    return False
