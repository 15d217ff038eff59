"""How names, attributes and items get their values."""

from __future__ import annotations

import ast
from collections.abc import Sequence as PlainSequence

from gonogo.analysis.interpreter.base import UNKNOWN, Frame, Value, Walk
from gonogo.analysis.interpreter.language.operators import combine
from gonogo.analysis.interpreter.language.tables import statement
from gonogo.analysis.interpreter.sentinels import ABSENT, UNHANDLED
from gonogo.analysis.interpreter.values.choice import lose
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.python.modules import children


def assign(walk: Walk, target: ast.expr, value: Value, frame: Frame) -> None:
    """Bind a target to a value."""
    if isinstance(target, ast.Name):
        bind(walk, target.id, value, frame)
    elif isinstance(target, ast.Attribute):
        walk.evaluate(target.value, frame).set_member(walk, target.attr, value, target)
    elif isinstance(target, ast.Subscript):
        owner = walk.evaluate(target.value, frame)
        owner.set_item(walk, _key(walk, target, frame), value, target)
    elif isinstance(target, (ast.Tuple, ast.List)):
        _unpack(walk, target.elts, value, frame)
    elif isinstance(target, ast.Starred):
        assign(walk, target.value, value, frame)


def bind(walk: Walk, name: str, value: Value, frame: Frame) -> None:
    """Bind a name in the scope that it belongs to."""
    walk.memory.put(frame.elsewhere.get(name, frame.locals) if frame.elsewhere else frame.locals, name, value)


def _key(walk: Walk, target: ast.Subscript, frame: Frame) -> Value:
    return UNKNOWN if isinstance(target.slice, ast.Slice) else walk.evaluate(target.slice, frame)


def _unpack(walk: Walk, targets: PlainSequence[ast.expr], value: Value, frame: Frame) -> None:
    places = [index for index, target in enumerate(targets) if isinstance(target, ast.Starred)]
    items = _with_rest(walk, value, places[0], len(targets)) if places else value.unpack(len(targets))
    if items is None:
        lose(walk, (value,))
    for index, target in enumerate(targets):
        assign(walk, target, UNKNOWN if items is None else items[index], frame)


def _with_rest(walk: Walk, value: Value, place: int, count: int) -> list[Value] | None:
    """Return the values for assignment targets of which the one at `place` is starred.

    That target takes a list of all that is left. None where the values are not known.
    """
    items, complete = value.iterate(walk)
    behind = count - place - 1
    if not complete or len(items) < place + behind:
        return None
    end = len(items) - behind
    return [*items[:place], Sequence(items[place:end]), *items[end:]]


@statement(ast.Assign)
def assignment(walk: Walk, node: ast.Assign, frame: Frame) -> None:
    """`target = value`."""
    value = walk.evaluate(node.value, frame)
    for target in node.targets:
        assign(walk, target, value, frame)


@statement(ast.AnnAssign)
def annotated(walk: Walk, node: ast.AnnAssign, frame: Frame) -> None:
    """`target: kind = value`; a field without a value has one that is not known."""
    if node.value is not None:
        assign(walk, node.target, walk.evaluate(node.value, frame), frame)
    elif frame.is_class and isinstance(node.target, ast.Name) and frame.locals.look(node.target.id) is ABSENT:
        walk.memory.put(frame.locals, node.target.id, UNKNOWN)


@statement(ast.AugAssign)
def augmented(walk: Walk, node: ast.AugAssign, frame: Frame) -> None:
    """`target += value`."""
    old, value = walk.evaluate(_as_load(node.target), frame), walk.evaluate(node.value, frame)
    changed = old.in_place(walk, node.op, value)
    if changed is UNHANDLED:
        assign(walk, node.target, combine(walk, old, node.op, value), frame)


def _as_load(target: ast.expr) -> ast.expr:
    if isinstance(target, ast.Name):
        return ast.copy_location(ast.Name(target.id, ast.Load()), target)
    return target  # evaluation looks at the kind of node only, not at its context


@statement(ast.Delete)
def delete(walk: Walk, node: ast.Delete, frame: Frame) -> None:
    """`del target`."""
    for target in node.targets:
        if isinstance(target, ast.Name):
            walk.memory.drop(frame.locals, target.id)
        elif isinstance(target, ast.Attribute):
            walk.evaluate(target.value, frame).delete_member(walk, target.attr, target)
        elif isinstance(target, ast.Subscript):
            owner = walk.evaluate(target.value, frame)
            owner.delete_item(walk, _key(walk, target, frame), target)


def declare(node: ast.AST, frame: Frame) -> None:
    """Bind the names that a function or class body declares `global` or `nonlocal` to other scopes.

    They belong to those scopes from the start of the body.
    """
    for name, is_global in frame.module.once(declared, node):
        scope = frame.outer
        while not is_global and scope is not None and (scope.is_class or name not in scope.locals):
            scope = scope.outer
        frame.elsewhere[name] = frame.globals if is_global or scope is None else scope.locals


def declared(node: ast.AST) -> list[tuple[str, bool]]:
    """The names that a body declares `global` (True) or `nonlocal`, those of the bodies in it left out."""
    found, pending = [], list(getattr(node, "body", []))
    while pending:
        inner = pending.pop()
        if isinstance(inner, (ast.Global, ast.Nonlocal)):
            found += [(name, isinstance(inner, ast.Global)) for name in inner.names]
        elif not isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.expr)):
            pending += children(inner)
    return found
