"""Expressions that look up, display or choose values.

Names, constants and attributes are so frequent that the interpreter does them itself.
"""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, Frame, Spread, Value, Walk
from gonogo.analysis.interpreter.language.tables import expression
from gonogo.analysis.interpreter.memory import Alternatives
from gonogo.analysis.interpreter.sentinels import ABSENT, NOT_KNOWN, Absent
from gonogo.analysis.interpreter.values.choice import join
from gonogo.analysis.interpreter.values.function import Function, parameters
from gonogo.analysis.interpreter.values.mapping import Mapping
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.text import concatenated

KINDS: dict[type[ast.expr], str] = {ast.List: "list", ast.Tuple: "tuple", ast.Set: "set"}


def look_up(walk: Walk, name: str, frame: Frame) -> Value:
    """The value of a name, from the innermost scope that binds it."""
    found: Value | Absent | None = frame.locals.get(name)
    scope = frame.outer
    while True:
        if isinstance(found, Alternatives):
            found = found.seen()
        if found is not None and found is not ABSENT:
            return found
        if scope is None:
            found = frame.globals.look(name)
            return walk.builtin(name) if found is ABSENT else found
        found = None if scope.is_class else scope.locals.get(name)
        scope = scope.outer


def other(walk: Walk, node: ast.expr, frame: Frame) -> Value:
    """An expression of a kind that nobody knows: its parts are evaluated."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            walk.evaluate(child, frame)
    return UNKNOWN


@expression(ast.Subscript)
def subscript(walk: Walk, node: ast.Subscript, frame: Frame) -> Value:
    """`value[key]`."""
    owner = walk.evaluate(node.value, frame)
    if not isinstance(node.slice, ast.Slice):
        return owner.item(walk, walk.evaluate(node.slice, frame), node)
    bounds = (node.slice.lower, node.slice.upper, node.slice.step)
    return owner.slice(walk, [None if part is None else walk.evaluate(part, frame) for part in bounds])


@expression(ast.JoinedStr)
def joined_text(walk: Walk, node: ast.JoinedStr, frame: Frame) -> Value:
    """`f"…"`: what has a format of its own is not known."""
    parts: list[Value] = []
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            value = walk.evaluate(part.value, frame)
            if part.format_spec is not None:
                walk.evaluate(part.format_spec, frame)
            parts.append(value if part.format_spec is None and part.conversion == -1 else UNKNOWN)
        else:
            parts.append(walk.evaluate(part, frame))
    return walk.memory.over(parts, lambda values: concatenated(value.shown() for value in values))


@expression(ast.FormattedValue)
def formatted(walk: Walk, node: ast.FormattedValue, frame: Frame) -> Value:
    """A part of an f-string on its own: a format."""
    walk.evaluate(node.value, frame)
    return UNKNOWN


@expression(ast.List, ast.Tuple, ast.Set)
def sequence(walk: Walk, node: ast.List | ast.Tuple | ast.Set, frame: Frame) -> Value:
    """`[a, *b]`, `(a, b)`, `{a, b}`."""
    found: list[Value] = []
    open_ = False
    for part in node.elts:
        if isinstance(part, ast.Starred):
            items, complete = walk.evaluate(part.value, frame).iterate(walk)
            found.extend(items if complete else [])
            open_ = open_ or not complete
        else:
            found.append(walk.evaluate(part, frame))
    return Sequence(found, open_, KINDS[type(node)])


@expression(ast.Dict)
def mapping(walk: Walk, node: ast.Dict, frame: Frame) -> Value:
    """`{key: value, **other}`."""
    content = Spread()
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        value = walk.evaluate(value_node, frame)
        if key_node is None:
            content.take(value.spread(walk), join)
            continue
        key = walk.evaluate(key_node, frame).constant()
        if key is NOT_KNOWN:
            content.open = True
        else:
            content.add(key, value)
    return Mapping(content, written_out=bool(node.keys) and not content.open and None not in node.keys)


@expression(ast.IfExp)
def conditional(walk: Walk, node: ast.IfExp, frame: Frame) -> Value:
    """`one if test else other`."""
    answer = walk.evaluate(node.test, frame).truth()
    if answer is not None:
        return walk.evaluate(node.body if answer else node.orelse, frame)
    with walk.state.maybe():
        return join(walk.evaluate(node.body, frame), walk.evaluate(node.orelse, frame))


@expression(ast.Lambda)
def lambda_(walk: Walk, node: ast.Lambda, frame: Frame) -> Value:
    """`lambda …: …`."""
    return Function(node, frame.module, frame, defaults=defaults_of(walk, node, frame))


def defaults_of(walk: Walk, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, frame: Frame) -> dict[str, Value]:
    """A function's defaults, evaluated where it is defined."""
    arguments = node.args
    names, _, _ = frame.module.once(parameters, arguments)
    with_default = names[len(names) - len(arguments.defaults) :]
    found = {name: walk.evaluate(default, frame) for name, default in zip(with_default, arguments.defaults, strict=True)}
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is not None:
            found[argument.arg] = walk.evaluate(default, frame)
    return found


@expression(ast.NamedExpr)
def walrus(walk: Walk, node: ast.NamedExpr, frame: Frame) -> Value:
    """`name := value`."""
    value = walk.evaluate(node.value, frame)
    walk.memory.put(frame.locals, node.target.id, value)
    return value


@expression(ast.Await)
def await_(walk: Walk, node: ast.Await, frame: Frame) -> Value:
    """`await value`."""
    return walk.evaluate(node.value, frame)


@expression(ast.Starred)
def starred(walk: Walk, node: ast.Starred, frame: Frame) -> Value:
    """`*value`, where nothing is made of it."""
    return walk.evaluate(node.value, frame)
