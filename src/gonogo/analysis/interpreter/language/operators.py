"""Operators: arithmetic, comparisons, `and`, `or`, `not`."""

from __future__ import annotations

import ast
from contextlib import ExitStack

from gonogo.analysis.interpreter.base import UNKNOWN, Frame, Value, Walk
from gonogo.analysis.interpreter.language.tables import expression
from gonogo.analysis.interpreter.memory import Alternatives
from gonogo.analysis.interpreter.sentinels import UNHANDLED
from gonogo.analysis.interpreter.trace import NoSuchChoice, Raised
from gonogo.analysis.interpreter.values.choice import join, lose
from gonogo.analysis.interpreter.values.column import Column
from gonogo.analysis.interpreter.values.mistyped import note_operands
from gonogo.analysis.interpreter.values.one_of import OneOf
from gonogo.analysis.interpreter.values.scalar import FALSE, TRUE, Scalar, truth_value
from gonogo.analysis.interpreter.values.text import concatenated
from gonogo.analysis.interpreter.values.tracked import note_gain
from gonogo.analysis.python.names import ancestors

DIVISIONS = (ast.Div, ast.FloorDiv, ast.Mod)


@expression(ast.BinOp)
def binary(walk: Walk, node: ast.BinOp, frame: Frame) -> Value:
    """`left + right` and the like."""
    left, right = walk.evaluate(node.left, frame), walk.evaluate(node.right, frame)
    if isinstance(node.op, DIVISIONS) and _is_number(left) and _is_number(right) and right.constant() == 0 and _surely_ends(walk, node):
        walk.state.record(Raised(walk.state.site(node), walk.state.loops, error="ZeroDivisionError"))
    note_operands(walk, left, node.op, right, node)
    for one, other in _entries(left, right):
        note_gain(walk, one, node.op, other, node)
    return combine(walk, left, node.op, right)


def _entries(left: Value, right: Value) -> list[tuple[Value, Value]]:
    """What an operator is given: both sides, entry by entry where one is a column."""
    if isinstance(left, Column):
        return left.beside(right) or []
    return [(left, entry) for entry in right.entries] if isinstance(right, Column) else [(left, right)]


def _surely_ends(walk: Walk, node: ast.BinOp) -> bool:
    """Whether a division by zero here ends the run: nothing near handles it."""
    return walk.state.is_inevitable and not any(isinstance(entry, (ast.Try, ast.With)) for entry in ancestors(walk.state.module, node))


def _is_number(value: Value) -> bool:
    return not isinstance(value, Alternatives) and isinstance(value.constant(), (int, float))


def combine(walk: Walk, left: Value, op: ast.operator, right: Value) -> Value:
    """The result of a binary operator, unknown where no value knows it."""
    if isinstance(left, Alternatives) or isinstance(right, Alternatives):
        result = walk.memory.over((left, right), lambda values: _combine(walk, values[0], op, values[1]))
    else:
        result = _combine(walk, left, op, right)
    if result.unknown:
        lose(walk, (left, right))
    return result


def _combine(walk: Walk, left: Value, op: ast.operator, right: Value) -> Value:
    if isinstance(op, ast.Add) and not (left.unknown and right.unknown):
        one, other = left.concatenates(), right.concatenates()
        if one is not None and other is not None:
            return concatenated((one, other))
    result = left.binary(walk, op, right)
    if result is UNHANDLED:
        result = right.reflected(walk, op, left)
    return UNKNOWN if result is UNHANDLED else result


@expression(ast.BoolOp)
def boolean(walk: Walk, node: ast.BoolOp, frame: Frame) -> Value:
    """`and` and `or`: what is not evaluated is not read; what may be is."""
    is_and = isinstance(node.op, ast.And)
    possible: Value | None = None
    with ExitStack() as stack:
        for part in node.values:
            value = walk.evaluate(part, frame)
            answer = value.truth()
            if answer is not None and answer is not is_and:
                return value if possible is None else join(possible, value)
            if answer is None:
                stack.enter_context(walk.state.maybe())
                possible = value if possible is None else join(possible, value)
    last = value
    return last if possible is None else join(possible, last)


@expression(ast.UnaryOp)
def unary(walk: Walk, node: ast.UnaryOp, frame: Frame) -> Value:
    """`not value`, `-value`."""
    value = walk.evaluate(node.operand, frame)
    if not isinstance(node.op, ast.Not):
        return value.negated(node.op)
    answer = value.truth()
    return truth_value(None if answer is None else not answer)


@expression(ast.Compare)
def comparison(walk: Walk, node: ast.Compare, frame: Frame) -> Value:
    """`left < middle < right`."""
    left = walk.evaluate(node.left, frame)
    if isinstance(left, Column) and len(node.ops) == 1:
        return left.compared(walk, node.ops[0], walk.evaluate(node.comparators[0], frame))
    result = TRUE
    for op, part in zip(node.ops, node.comparators, strict=True):
        right = walk.evaluate(part, frame)
        answer = compare(walk, left, op, right, node)
        if answer is False:
            return FALSE
        if answer is None:
            result = UNKNOWN  # type: ignore[assignment]
        left = right
    return result


def compare(walk: Walk, left: Value, op: ast.cmpop, right: Value, at: ast.AST) -> bool | None:
    """What a comparison says, None where it is not known."""
    if isinstance(op, (ast.In, ast.NotIn)):
        answers = {right.contains(walk, each, at) for each in (map(Scalar, left.values) if isinstance(left, OneOf) else (left,))}
        answer = answers.pop() if len(answers) == 1 else None
        return answer if answer is None or isinstance(op, ast.In) else not answer
    if isinstance(op, (ast.Is, ast.IsNot)):
        answer = identical(left, right)
        return answer if answer is None or isinstance(op, ast.Is) else not answer
    answer = left.compare(walk, op, right)
    if answer is None:
        note_operands(walk, left, op, right, at)
    elif isinstance(left, OneOf) and isinstance(op, ast.Eq) and not answer and isinstance(text := right.constant(), str):
        walk.state.record(NoSuchChoice(walk.state.site(at), text, left.values))
    return answer


def identical(left: Value, right: Value) -> bool | None:
    """What `left is right` says, None where it is not known."""
    one, other = left.is_none(), right.is_none()
    if one is True or other is True:
        return other if one is True else one
    if isinstance(left.constant(), bool) and isinstance(right.constant(), bool):
        return left.constant() is right.constant()
    return True if left.has_identity and left.same_as(right) else None
