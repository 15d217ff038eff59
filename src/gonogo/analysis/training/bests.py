"""Where code keeps the best so far: `if loss < best: best = loss; …`, and what the best begins with."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, body_nodes, enclosing_function, last_name

INFINITE = frozenset({"inf", "Inf", "infty", "INFINITY", "PINF"})
KEEPS = frozenset({"state_dict", "save", "save_pretrained", "save_checkpoint", "save_model", "save_weights", "save_state"})


@dataclass(frozen=True)
class Kept:
    """A branch that is taken where something is better than the best so far.

    Attributes:
        test: the comparison.
        value: what is compared.
        best: what it is compared with, and then given to.
        larger: whether the larger one is kept.
        branch: the statement.
    """

    module: Module
    test: ast.Compare
    value: ast.expr
    best: ast.expr
    larger: bool
    branch: ast.If

    def keeps_state(self) -> bool:
        """Whether the state of a network is kept with it, by copy or in a file."""
        nodes = (node for statement in self.branch.body for node in ast.walk(statement) if isinstance(node, ast.Call))
        return any(last_name(node.func) in KEEPS or (last_name(node.func) == "deepcopy" and _is_network(node)) for node in nodes)


def kept_bests(module: Module) -> Iterator[Kept]:
    """Every branch of a module that keeps the larger, or the smaller, of what comes by."""
    for branch in module.of(ast.If):
        for test in _comparisons(branch.test):
            left, right = test.left, test.comparators[0]
            more = isinstance(test.ops[0], (ast.Gt, ast.GtE))
            for value, best, larger in ((left, right, more), (right, left, not more)):
                if any(given is not None and ast.dump(value) == ast.dump(given) for given in _given(branch.body, best)):
                    yield Kept(module, test, value, best, larger, branch)


def beginnings(kept: Kept) -> list[float] | None:
    """Return the numbers that a best score starts with.

    None where something other than the branch may give it another value.
    """
    scope: ast.AST
    if isinstance(kept.best, ast.Name):
        function = enclosing_function(kept.module, kept.branch)
        if kept.module.tree is None:
            return None
        scope = function if function is not None else kept.module.tree
        if kept.best.id in kept.module.once(_foreign, scope):
            return None
    elif isinstance(kept.best, ast.Attribute) and isinstance(kept.best.value, ast.Name) and kept.best.value.id == "self":
        found = next((node for node in ancestors(kept.module, kept.branch) if isinstance(node, ast.ClassDef)), None)
        if found is None or _is_written_elsewhere(kept.module, found, kept.best.attr):
            return None
        scope = found
    else:
        return None
    inside = {node for statement in kept.branch.body for node in ast.walk(statement)}
    given = [value for node, value in kept.module.once(_bound, scope).get(_key(kept.best), ()) if node not in inside]
    numbers = [number for value in given if value is not None and (number := number_of(value)) is not None]
    return numbers if numbers and len(numbers) == len(given) else None


def _comparisons(test: ast.expr) -> Iterator[ast.Compare]:
    """The comparisons that must all hold."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        for part in test.values:
            yield from _comparisons(part)
    elif isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], (ast.Lt, ast.Gt, ast.LtE, ast.GtE)):
        yield test


def _given(body: Iterable[ast.stmt], target: ast.expr) -> Iterator[ast.expr | None]:
    """What a target is given by statements; None where that is not written out, as by `+=` or a loop."""
    wanted = _key(target)
    for statement in body:
        for node in ast.walk(statement):
            yield from (value for key, value in _binds(node) if key == wanted)


def _bound(scope: ast.AST) -> dict[str, list[tuple[ast.stmt, ast.expr | None]]]:
    """What each name and attribute of a scope is given, and by which statement."""
    found: dict[str, list[tuple[ast.stmt, ast.expr | None]]] = {}
    for node in ast.walk(scope) if isinstance(scope, ast.ClassDef) else body_nodes(scope):
        if isinstance(node, ast.stmt):
            for key, value in _binds(node):
                found.setdefault(key, []).append((node, value))
    return found


def _binds(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """What one statement binds, with the value where it is written out."""
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        if node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                yield from _parts(target, node.value)
    else:
        yield from ((key, None) for target in _other_targets(node) for key in _keys(target))


def _other_targets(node: ast.AST) -> list[ast.expr]:
    """What a statement binds other than by `=`."""
    if isinstance(node, (ast.AugAssign, ast.For)):
        return [node.target]
    return [item.optional_vars for item in node.items if item.optional_vars is not None] if isinstance(node, ast.With) else []


def _parts(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr | None]]:
    if key := _key(target):
        yield key, value
    elif isinstance(target, (ast.Tuple, ast.List)):
        if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
            for entry, part in zip(target.elts, value.elts, strict=True):
                yield from _parts(entry, part)
        else:
            yield from ((key, None) for key in _keys(target))


def _keys(target: ast.expr) -> Iterator[str]:
    return (key for inner in ast.walk(target) if (key := _key(inner)))


def _key(node: ast.AST) -> str:
    """A name or attribute as text, whether it is read or written."""
    return ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) else ""


def _foreign(scope: ast.AST) -> set[str]:
    """Names of a scope that come from its caller, or belong to another scope as well."""
    found: set[str] = set()
    if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
        given = scope.args
        found |= {entry.arg for entry in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
    for node in ast.walk(scope):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            found.update(node.names)
        elif isinstance(node, ast.NamedExpr):
            found.add(node.target.id)
    return found


def _is_written_elsewhere(module: Module, owner: ast.ClassDef, name: str) -> bool:
    """Whether an attribute is set from outside of its class, or by its name as a text."""
    stores = module.once(_stores, module.tree).get(name, ()) if module.tree is not None else ()
    inside = module.once(_nodes, owner)
    return any(node not in inside for node in stores) or module.once(_sets_by_name, owner)


def _stores(tree: ast.AST) -> dict[str, list[ast.Attribute]]:
    found: dict[str, list[ast.Attribute]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.setdefault(node.attr, []).append(node)
    return found


def _nodes(owner: ast.AST) -> frozenset[ast.AST]:
    return frozenset(ast.walk(owner))


def _sets_by_name(owner: ast.AST) -> bool:
    return any(last_name(node.func) in ("setattr", "update", "load_state_dict") for node in ast.walk(owner) if isinstance(node, ast.Call))


def number_of(node: ast.expr) -> float | None:
    """The number that an expression is: a literal, or one of the ways to write infinity."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        inner = number_of(node.operand)
        return None if inner is None else -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return float(node.value)
    if isinstance(node, ast.Attribute) and node.attr in INFINITE:
        return math.inf
    if isinstance(node, ast.Name) and node.id == "inf":
        return math.inf
    if isinstance(node, ast.Call) and last_name(node.func) == "float" and len(node.args) == 1 and isinstance(node.args[0], ast.Constant):
        try:
            return float(node.args[0].value)  # type: ignore[arg-type]  # whatever `float` itself takes
        except (TypeError, ValueError):
            return None
    return None


def _is_network(call: ast.Call) -> bool:
    """Whether what is copied is called a network."""
    return any(word in ast.unparse(entry).lower() for entry in call.args[:1] for word in ("model", "net", "student", "classifier"))
