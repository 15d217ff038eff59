"""Bodies of functions: what they return and yield."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, Frame, FunctionNode, Value, Walk
from gonogo.analysis.interpreter.language.bindings import declare
from gonogo.analysis.interpreter.language.blocks import ends_of
from gonogo.analysis.interpreter.language.tables import Signal, expression, statement
from gonogo.analysis.interpreter.memory import Diverged
from gonogo.analysis.interpreter.values.choice import joined
from gonogo.analysis.interpreter.values.scalar import NONE
from gonogo.analysis.interpreter.values.sequence import Sequence


def run_function(walk: Walk, node: FunctionNode, frame: Frame) -> Value:
    """Walk a function's body and give what it returns."""
    if isinstance(node, ast.Lambda):
        return walk.evaluate(node.body, frame)
    memory = walk.memory
    declare(node, frame)
    if id(node) in frame.module.generators:
        memory.set(frame, "yields", ())
    ends = ends_of(walk, node.body, frame)
    if len(ends) == 1:
        try:
            return _result(frame, ends[0][1])
        except Diverged:
            pass
    results: list[tuple[int, Value]] = []
    for runs, signal in ends:
        with memory.only(runs):
            results += memory.apart(lambda signal=signal: _result(frame, signal))  # type: ignore[misc]
    return memory.combine(results)  # type: ignore[no-any-return]


def _result(frame: Frame, signal: Signal | None) -> Value:
    if frame.yields is not None:
        return Sequence(frame.yields, open=True)
    values = frame.returns if signal in (Signal.RETURN, Signal.RAISE) else (*frame.returns, NONE)
    return joined(values)


@statement(ast.Return)
def return_(walk: Walk, node: ast.Return, frame: Frame) -> Signal:
    """`return value`."""
    value = NONE if node.value is None else walk.evaluate(node.value, frame)
    walk.memory.set(frame, "returns", (*frame.returns, value))
    return Signal.RETURN


@expression(ast.Yield, ast.YieldFrom)
def yield_(walk: Walk, node: ast.Yield | ast.YieldFrom, frame: Frame) -> Value:
    """`yield value`: what is sent is not known."""
    value = walk.evaluate(node.value, frame) if node.value is not None else NONE
    scope: Frame | None = frame
    while scope is not None and scope.yields is None:
        scope = scope.outer
    if scope is not None and scope.yields is not None:
        walk.memory.set(scope, "yields", (*scope.yields, value if isinstance(node, ast.Yield) else UNKNOWN))
    return UNKNOWN
