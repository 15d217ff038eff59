"""Where code draws random numbers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import ancestors, calls, enclosing_function, is_none_literal, origin

DRAWS = re.compile(
    r"^(?:numpy\.random\.(?:rand|randn|random|random_sample|normal|uniform|randint|beta|standard_normal|poisson|binomial|lognormal|exponential)"
    r"|random\.(?:random|uniform|gauss|normalvariate|randint|betavariate)"
    r"|torch\.(?:rand|randn|randint|rand_like|randn_like|normal))$"
)
FAKE_DATASETS = re.compile(r"(?:^|\.)FakeData$")
# A name for what was found or loaded: `if not files`. Of any other name, `not x` is a choice.
HELD = re.compile(r"^(?:\w+_)?(?:files?|paths?|data|images|samples|records|rows|examples|dataset|found)$")
MADE_UP = re.compile(r"synthe|dummy|fake|mock|placeholder|made_up|artificial", re.IGNORECASE)


def draws(module: Module) -> Iterator[ast.Call]:
    """Every call that draws numbers: not those that seed, shuffle, choose or split."""
    return (call for call in calls(module) if DRAWS.match(origin(module, call.func)))


def guard_of_absence(module: Module, node: ast.AST, strict: bool = False) -> ast.If | ast.IfExp | None:
    """Return the innermost condition in the function under which a node runs as something is missing.

    Args:
        module: where the node is.
        node: what stands under a condition.
        strict: what may be a choice is no absence: a parameter that the caller may leave out, `not x` for a name that says nothing.
    """
    function = enclosing_function(module, node)
    optional = _optional(function) if strict and function is not None else set()
    missing = modules_missed(module)
    inside = node
    for parent in ancestors(module, node):
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return None
        if isinstance(parent, (ast.If, ast.IfExp)) and not (names_in(parent.test) & optional):
            body = parent.body if isinstance(parent.body, list) else [parent.body]
            denied = inside in body and _denies(parent.test, missing, strict)
            other = parent.orelse if isinstance(parent.orelse, list) else [parent.orelse]
            if denied or (inside in other and _affirms(parent.test, missing)):
                return parent
        inside = parent
    return None


def modules_missed(module: Module) -> set[str]:
    """Return names that say whether a library is available.

    Examples: `HAS_X = False`, `load = None` in the `except` clause of its import.
    """
    found: set[str] = set()
    for handler in module.of(ast.ExceptHandler):
        tried = module.parents[handler]
        if isinstance(tried, ast.Try) and any(isinstance(entry, (ast.Import, ast.ImportFrom)) for entry in tried.body):
            for entry in handler.body:
                targets = entry.targets if isinstance(entry, ast.Assign) else [entry.target] if isinstance(entry, ast.AnnAssign) else []
                value = entry.value if isinstance(entry, (ast.Assign, ast.AnnAssign)) else None
                if isinstance(value, ast.Constant) and not value.value:
                    found.update(target.id for target in targets if isinstance(target, ast.Name))
    return found


def names_in(node: ast.AST) -> set[str]:
    """Every plain name within a node."""
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _optional(function: Function) -> set[str]:
    """The parameters that a caller may leave out."""
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    named = [entry for entry, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is not None]
    return {entry.arg for entry in (*positional[len(positional) - len(given.defaults) :], *named)}


def _denies(test: ast.expr, missing: set[str], strict: bool) -> bool:
    """Return whether a test holds where something is missing.

    Examples: `x is None`, `not path.exists()`, `not files`, `len(x) == 0`.
    """
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        held = isinstance(test.operand, ast.Name) and (not strict or HELD.match(test.operand.id) is not None)
        return held or _affirms(test.operand, missing)
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        right = test.comparators[0]
        is_none = isinstance(test.ops[0], ast.Is) and is_none_literal(right)
        return is_none or (
            isinstance(test.ops[0], ast.Eq) and isinstance(right, ast.Constant) and right.value == 0 and "len(" in ast.unparse(test.left)
        )
    return isinstance(test, ast.Attribute) and test.attr == "empty"


def _affirms(test: ast.expr, missing: set[str]) -> bool:
    """`path.exists()`, `x is not None`, `HAS_LIBRARY`: the test holds where something is there."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(isinstance(value, ast.Name) and value.id in missing for value in test.values)
    if isinstance(test, ast.Name):
        return test.id in missing
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute):
        return test.func.attr in ("exists", "is_file", "isfile", "is_dir", "isdir")
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.IsNot):
        right = test.comparators[0]
        return is_none_literal(right)
    return False
