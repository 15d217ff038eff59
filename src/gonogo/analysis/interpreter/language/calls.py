"""Calls."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Frame, Value, Walk
from gonogo.analysis.interpreter.endings import EXITS
from gonogo.analysis.interpreter.language.certain import sure_error
from gonogo.analysis.interpreter.language.tables import Signal, expression, statement
from gonogo.analysis.interpreter.trace import Exited, Raised
from gonogo.analysis.interpreter.values.objects import Class, Super
from gonogo.analysis.python.names import ancestors, origin


@expression(ast.Call)
def call(walk: Walk, node: ast.Call, frame: Frame) -> Value:
    """`callee(…)`."""
    if type(node.func) is ast.Name and node.func.id == "super" and not node.args:
        return _super(frame)
    callee = walk.evaluate(node.func, frame)
    return callee.call(walk, arguments(walk, node, frame), node)


def _super(frame: Frame) -> Value:
    scope: Frame | None = frame
    while scope is not None:
        function = scope.function
        if function is not None and function.bound is not None and isinstance(function.owner, Class):
            return Super(function.bound, function.owner)
        scope = scope.outer
    return UNKNOWN


def arguments(walk: Walk, node: ast.Call, frame: Frame) -> Arguments:
    """The arguments of a call, evaluated."""
    given = Arguments()
    for part in node.args:
        if type(part) is ast.Starred:
            items, complete = walk.evaluate(part.value, frame).iterate(walk)
            given.positional.extend(items if complete else [])
            given.open = given.open or not complete
        else:
            given.positional.append(walk.evaluate(part, frame))
    for keyword in node.keywords:
        value = walk.evaluate(keyword.value, frame)
        if keyword.arg is not None:
            given.keywords[keyword.arg] = value
            continue
        content = value.spread(walk)
        for key, item in content.items.items():
            if key in content.maybe:
                continue  # taken out where the code may not run (`options.pop("type")`): one of those that there may be
            given.keywords[str(key)] = item
            if key in content.origins:
                given.spread[str(key)] = content.origins[key]
        given.open = given.open or content.open or bool(content.maybe)
    return given


@statement(ast.Expr)
def expression_statement(walk: Walk, node: ast.Expr, frame: Frame) -> Signal | None:
    """An expression on its own, which may end the program."""
    walk.evaluate(node.value, frame)
    error = walk.state.module.once(sure_error, node.value)
    if (
        error
        and walk.state.is_inevitable
        and not any(isinstance(entry, (ast.Try, ast.With)) for entry in ancestors(walk.state.module, node))
    ):
        walk.state.record(Raised(walk.state.site(node), walk.state.loops, error=error))
    ends = isinstance(node.value, ast.Call) and origin(walk.state.module, node.value.func) in EXITS
    if ends and walk.state.is_inevitable:
        walk.state.record(Exited(walk.state.site(node)))
        walk.memory.set(walk.state, "over", True)
    return Signal.RAISE if ends or walk.state.over else None
