"""Where code puts NaN away: it writes null in its place, or leaves the key out.

That is right for a file that others read, and hides from who reads the file that nothing was measured.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import enclosing_function, is_none_literal, last_name, text_of

QUESTIONS = frozenset({"isfinite", "isnan", "isna", "isnull", "notna", "notnull", "isinf"})
MOST_ROUNDS = 4  # of functions that call functions that put away


@dataclass
class PutAway:
    """What an evaluation does with numbers that are none.

    Attributes:
        nulls: keys whose value may be null in their place, and where.
        left_out: keys that are not written then, and where.
        anywhere: a place where it does so with values of any key; None if there is none.
        plain: keys that are null for another reason: the code says None outright.
    """

    nulls: dict[str, tuple[Module, ast.AST]] = field(default_factory=dict)
    left_out: dict[str, tuple[Module, ast.AST]] = field(default_factory=dict)
    anywhere: tuple[Module, ast.AST] | None = None
    plain: set[str] = field(default_factory=set)


def put_away(modules: Iterable[Module]) -> PutAway:
    """What the modules of an evaluation do with numbers that are none."""
    listed, found = list(modules), PutAway()
    functions = _functions(listed)
    for module in listed:
        names = _names(module, functions)
        for key, value in _written(module):
            scope = enclosing_function(module, value)
            is_named = any(isinstance(node, ast.Name) and (scope, node.id) in names for node in ast.walk(value))
            if is_named or _puts_away(value, functions):
                found.nulls.setdefault(key, (module, value))
            elif is_none_literal(value):
                found.plain.add(key)
        for branch in module.of(ast.If):
            if _asks(branch.test):
                inside = {id(node) for statement in (*branch.body, *branch.orelse) for node in ast.walk(statement)}
                for key, value in _written(module):
                    if id(value) in inside and not is_none_literal(value):
                        found.left_out.setdefault(key, (module, branch.test))
        found.anywhere = found.anywhere or next(((module, node) for node in _of_any_key(module, functions)), None)
    return found


def _written(module: Module) -> Iterator[tuple[str, ast.expr]]:
    """Keys that are texts, and the expressions that they get.

    In displays, in `dict(…)` and `update(…)`, by assignment.
    """
    for display in module.of(ast.Dict):
        for key, value in zip(display.keys, display.values, strict=True):
            text = text_of(key)
            if text is not None:
                yield text, value
    for call in module.of(ast.Call):
        if last_name(call.func) in ("dict", "update"):
            yield from ((keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg)
    for assignment in module.of(ast.Assign):
        for target in assignment.targets:
            text = text_of(target.slice) if isinstance(target, ast.Subscript) else None
            if text is not None:
                yield text, assignment.value


def _asks(test: ast.expr) -> bool:
    """Whether a condition asks if something is a number: `np.isnan(p)`, `p != p`."""
    for node in ast.walk(test):
        if isinstance(node, ast.Call) and last_name(node.func) in QUESTIONS:
            return True
        if isinstance(node, ast.Compare) and len(node.comparators) == 1 and ast.dump(node.left) == ast.dump(node.comparators[0]):
            return True
    return False


def _puts_away(expression: ast.expr, functions: frozenset[str]) -> bool:
    """Whether an expression is None where its number is none."""
    for node in ast.walk(expression):
        if isinstance(node, ast.IfExp) and _asks(node.test) and any(map(_is_nothing, (node.body, node.orelse))):
            return True
        if isinstance(node, ast.Call):
            name = last_name(node.func)
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            if name in functions or (name == "where" and any(map(is_none_literal, given)) and any(map(_asks, given))):
                return True
            if name == "replace" and _replaces(given):
                return True
    return False


def _replaces(given: list[ast.expr]) -> bool:
    """`replace({np.nan: None})` and `replace(np.nan, None)`."""
    nodes = [node for each in given for node in ast.walk(each)]
    return any(map(is_none_literal, nodes)) and any(
        isinstance(node, (ast.Attribute, ast.Name)) and last_name(node).lower() == "nan" for node in nodes
    )


def _is_nothing(node: ast.expr) -> bool:
    return is_none_literal(node) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _functions(modules: list[Module]) -> frozenset[str]:
    """The names of functions that give None for a number that is none."""
    found: frozenset[str] = frozenset()
    for _ in range(MOST_ROUNDS):
        more = {function.name for module in modules for function in module.of(ast.FunctionDef) if _gives_nothing(function, found)}
        if more <= found:
            break
        found |= more
    return found


def _gives_nothing(function: ast.FunctionDef, known: frozenset[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.If) and _asks(node.test):
            inside = [inner for statement in (*node.body, *node.orelse) for inner in ast.walk(statement)]
            if any(isinstance(inner, ast.Return) and (inner.value is None or _is_nothing(inner.value)) for inner in inside):
                return True
        value = node.value if isinstance(node, ast.Return) else None
        if value is not None and not isinstance(value, ast.Dict) and _puts_away(value, known):
            return True
    return False


def _names(module: Module, functions: frozenset[str]) -> set[tuple[ast.AST | None, str]]:
    """Names, each with its function, that are None where their number is none."""
    found: set[tuple[ast.AST | None, str]] = set()
    for assignment in module.of(ast.Assign):
        around = module.parents.get(assignment)
        asked = isinstance(around, ast.If) and _asks(around.test) and _is_nothing(assignment.value)
        value = assignment.value
        if asked or (not isinstance(value, (ast.Dict, ast.List)) and _puts_away(value, functions)):
            for target in assignment.targets:
                if isinstance(target, ast.Name):
                    found.add((enclosing_function(module, assignment), target.id))
    return found


def _of_any_key(module: Module, functions: frozenset[str]) -> Iterator[ast.AST]:
    """Places where values are put away whatever their key is.

    In comprehensions, of all that is written, by functions that always do.
    """
    for comprehension in module.of(ast.DictComp, ast.ListComp):
        value = comprehension.value if isinstance(comprehension, ast.DictComp) else comprehension.elt
        if _puts_away(value, functions):
            yield comprehension
    for call in module.of(ast.Call):
        name = last_name(call.func)
        is_silent = (
            name == "to_json" or ast.unparse(call.func) == "orjson.dumps" or any(entry.arg == "ignore_nan" for entry in call.keywords)
        )
        if is_silent or (name in ("dump", "dumps") and call.args and _puts_away(call.args[0], functions)):
            yield call
