"""What a loss is a sum of, each part with its sign: whether a step makes it smaller or larger."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.values import Call, Choice, Const, Operation, Value, number, plain
from gonogo.analysis.training.ops import op_of

MOST_TERMS = 40
# What leaves the sign as it is.
SAME = frozenset(
    {"mean", "sum", "squeeze", "clone", "float", "double", "half", "to", "cuda", "cpu", "view", "reshape", "flatten", "scale", "contiguous"}
)
TURNS = frozenset({"neg", "negative"})


def signed_terms(loss: Value) -> list[tuple[Value, int]] | None:
    """Return the parts that a loss is a sum of, each with 1, or with -1 for what is subtracted.

    Numbers are left out, and so are the factors that are numbers. None where there are too many parts, or a sign is not known: where a
    part is multiplied by something that is no number.
    """
    found: list[tuple[Value, int]] = []
    pending, seen = [(loss, 1)], set[tuple[Value, int]]()
    while pending:
        value, sign = pending.pop()
        entry = plain(value)
        if (entry, sign) in seen:
            continue
        seen.add((entry, sign))
        if len(seen) > MOST_TERMS:
            return None
        inner = list(_inner(entry, sign))
        if inner:
            pending += inner
        elif isinstance(entry, Operation) and entry.operator in ("*", "/"):
            return None
        elif not isinstance(entry, Const):
            found.append((entry, sign))
    return found


def _inner(entry: Value, sign: int) -> Iterator[tuple[Value, int]]:
    """What a value is a sum, a choice or a multiple of."""
    if isinstance(entry, Choice):
        yield from ((option, sign) for option in entry.options)
    elif isinstance(entry, Operation):
        yield from _of_operation(entry, sign)
    elif isinstance(entry, Call):
        op = op_of(entry)
        if op is None or not op.operands or op.maker is not None:
            return
        if op.name in SAME:
            yield op.operands[0], sign
        elif op.name in TURNS:
            yield op.operands[0], -sign
        elif op.name in ("mul", "div", "add", "sub") and len(op.operands) == 2 and not entry.keywords:
            yield from _of_two({"mul": "*", "div": "/", "add": "+", "sub": "-"}[op.name], op.operands[0], op.operands[1], sign)


def _of_operation(entry: Operation, sign: int) -> Iterator[tuple[Value, int]]:
    if entry.operator == "neg" and len(entry.operands) == 1:
        yield entry.operands[0], -sign
    elif len(entry.operands) == 2:
        yield from _of_two(entry.operator, entry.operands[0], entry.operands[1], sign)


def _of_two(operator: str, left: Value, right: Value, sign: int) -> Iterator[tuple[Value, int]]:
    if operator in ("+", "-"):
        yield left, sign
        yield right, sign if operator == "+" else -sign
    elif operator == "*" and (factor := _number(left)):
        yield right, sign if factor > 0 else -sign
    elif operator in ("*", "/") and (factor := _number(right)):
        yield left, sign if factor > 0 else -sign
    elif operator == "/" and isinstance(right := plain(right), Call) and right.name == "len":
        yield left, sign


def _number(value: Value) -> float | None:
    """A number that is written out, with its sign."""
    entry = plain(value)
    if isinstance(entry, Operation) and entry.operator == "neg" and len(entry.operands) == 1:
        inner = number(entry.operands[0])
        return -inner if inner is not None else None
    return number(entry)
