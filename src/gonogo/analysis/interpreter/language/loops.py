"""`for` and `while`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from gonogo.analysis.interpreter.base import UNKNOWN, Frame, Value, Walk
from gonogo.analysis.interpreter.language.bindings import assign
from gonogo.analysis.interpreter.language.blocks import branch, execute, execute_round
from gonogo.analysis.interpreter.language.comprehensions import MAX_UNROLLED
from gonogo.analysis.interpreter.language.tables import Signal, statement
from gonogo.analysis.interpreter.sentinels import ABSENT
from gonogo.analysis.interpreter.values.choice import any_of


@statement(ast.For, ast.AsyncFor)
def for_(walk: Walk, node: ast.For | ast.AsyncFor, frame: Frame) -> Signal | None:
    """`for target in source: …`: round by round where all items are known, else once for all of them."""
    source = walk.evaluate(node.iter, frame)
    items, complete = source.iterate(walk)
    with walk.state.looping(source.loop_path):
        if complete and len(items) <= MAX_UNROLLED and (not items or any(item.tells_apart for item in items)):
            return _unrolled(walk, node, items, frame)
        return _once(walk, node, frame, lambda: assign(walk, node.target, any_of(walk, items), frame))


def _unrolled(walk: Walk, node: ast.For | ast.AsyncFor, items: Sequence[Value], frame: Frame) -> Signal | None:
    for item in items:
        assign(walk, node.target, item, frame)
        signal = execute_round(walk, node.body, frame)
        if signal is Signal.BREAK:
            return None
        if signal is not None:
            return signal
    return execute(walk, node.orelse, frame)


@statement(ast.While)
def while_(walk: Walk, node: ast.While, frame: Frame) -> Signal | None:
    """`while test: …`."""
    signal = _once(walk, node, frame, lambda: walk.evaluate(node.test, frame))
    if signal is None and isinstance(node.test, ast.Constant) and node.test.value and walk.state.module.once(_never_ends, node):
        return Signal.RAISE  # what follows is never reached
    return signal


def _once(walk: Walk, node: ast.For | ast.AsyncFor | ast.While, frame: Frame, start: Callable[[], object]) -> Signal | None:
    """Walk a loop's body once for all its rounds: what it assigns is unknown from the start."""
    for name in walk.state.module.once(_assigned_names, node):
        found = frame.locals.look(name)
        if found is not ABSENT and found.inert:
            walk.memory.put(frame.locals, name, UNKNOWN)

    def body() -> Signal | None:
        start()
        signal = execute_round(walk, node.body, frame)
        return signal if signal in (Signal.RETURN, Signal.RAISE) else None

    branch(walk, [body, lambda: None], frame)
    return execute(walk, node.orelse, frame)


def _never_ends(node: ast.While) -> bool:
    """Return whether nothing in the body of an endless loop leaves it.

    A loop that yields or awaits continues elsewhere, so it does not count.
    """
    leaving = (ast.Break, ast.Return, ast.Raise, ast.Yield, ast.YieldFrom, ast.Await, ast.Try, ast.With)
    return not any(isinstance(inner, leaving) for inner in ast.walk(node))


def _assigned_names(node: ast.stmt) -> set[str]:
    """The names that a loop's body binds."""
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store)}


@statement(ast.Break)
def break_(walk: Walk, node: ast.Break, frame: Frame) -> Signal:
    """`break`."""
    return Signal.BREAK


@statement(ast.Continue)
def continue_(walk: Walk, node: ast.Continue, frame: Frame) -> Signal:
    """`continue`."""
    return Signal.CONTINUE
