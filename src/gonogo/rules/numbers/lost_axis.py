"""NUM103."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Operation, Value, constant, number, plain
from gonogo.analysis.training.ops import NUMERIC, Op, op_of
from gonogo.analysis.training.shapes import Shapes, is_frame
from gonogo.analysis.training.uses import operations
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

REDUCTIONS = frozenset({"sum", "mean", "std", "var", "norm", "max", "min", "median", "prod", "logsumexp"})

PRODUCTS = frozenset(
    {"mm", "matmul", "bmm", "einsum", "dot", "cov", "corrcoef", "cdist", "confusion_matrix", "outer", "inner", "tensordot"}
)


@rule("NUM103", "lost-axis", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def lost_axis(programs: list[Program]) -> Iterator[Violation]:
    """An array is combined with its own sum or mean along an axis that is not kept: the wrong axes meet.

    What it does:
        Speaks where `x` is divided by, or reduced by, a sum, mean, norm or extreme of itself along an axis other than the first,
        without `keepdims` (`keepdim` of PyTorch), an index with `None` or `unsqueeze`. A reduction along the first axis lines up by
        itself.

    Why it matters:
        Axes are matched from the last one: an array of (n, m) and its row sums of (n) do not fit, unless n equals m, or another axis
        happens to be as long: then each column is divided by a row's sum, without a message (NumPy, "Broadcasting").

    Instead:
        Keep the axis: `x / x.sum(axis=1, keepdims=True)`; for a pandas table `x.div(x.sum(axis=1), axis=0)`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    shapes = Shapes(walked)
    for operation in walked.known(operations):
        if operation.operator not in ("/", "-") or len(operation.operands) != 2:
            continue
        data, reduced = operation.operands
        op = op_of(reduced)
        if op is None or op.name not in REDUCTIONS or not op.operands or not _is_same(op.operands[0], data):
            continue
        axis = _axis_of(op)
        shape = shapes.of(data)
        rank = len(shape) if shape is not None else None
        if axis is None or axis == 0 or (axis < 0 and (rank is None or rank < 2)) or (rank is not None and rank + axis == 0):
            continue
        if constant(op.option(1, "keepdim", "keepdims")) is not ... and constant(op.option(1, "keepdim", "keepdims")) is True:
            continue
        if op.call.is_open or "keepdims" in op.call.keywords or "keepdim" in op.call.keywords:
            continue
        word = "keepdim" if op.library == "torch" or "dim" in op.call.keywords else "keepdims"
        frame = is_frame(data)
        yield violation(
            operation,
            f"the {op.name} along axis {axis} has lost this axis: it is matched with another one",
            "use `sub` or `div` with `axis=0`" if frame else f"give `{op.name}` `{word}=True`",
            sure=not _is_square(data),
            related=((op.call, "it is reduced here"),),
        )


def _is_square(data: Value) -> bool:
    """Return whether an array is a product of two arrays.

    It may have as many rows as columns, and be the same both ways.
    """
    data = plain(data)
    op = op_of(data)
    return (isinstance(data, Operation) and data.operator == "@") or (op is not None and op.name in PRODUCTS)


def _axis_of(op: Op) -> int | None:
    if op.maker is None and op.library not in {"", *NUMERIC}:
        return None  # `min(size, 512)` and `sum(values, 1)` of the language have no axes
    if op.name == "norm":
        given = op.call.argument(None, "dim", "axis")
    elif op.name in ("max", "min") and op.library == "" and "dim" in op.call.keywords:
        return None  # PyTorch gives a pair
    else:
        given = op.option(0, "dim", "axis")
    place = number(given)
    if place is None or place != int(place):
        return None
    if op.name in ("max", "min", "median") and op.library in ("torch", "") and "axis" not in op.call.keywords:
        return None
    return int(place)


def _is_same(one: Value, other: Value) -> bool:
    """Whether a reduction is of the data themselves, or of their exponential or absolute value."""
    first, second = plain(one), plain(other)
    if first is second:
        return True
    op = op_of(first)
    if op is not None and op.name in ("abs", "square") and op.operands:
        return plain(op.operands[0]) is second
    return isinstance(first, Operation) and first.operator == "**" and plain(first.operands[0]) is second


PROGRAM = """import numpy as np

scores = np.load("scores.npy")
{line}
print(shares)
"""
BAD = [
    program(PROGRAM.format(line="shares = scores / scores.sum(axis=1)  # <- here")),
    program(PROGRAM.format(line="mean = np.mean(scores, axis=1)\nshares = scores - mean  # <- here")),
]
GOOD = [
    program(PROGRAM.format(line="shares = scores / scores.sum(axis=1, keepdims=True)")),
    program(PROGRAM.format(line="shares = scores / scores.sum(axis=1)[:, None]")),
    program(PROGRAM.format(line="shares = (scores - scores.mean(axis=0)) / scores.std(0)")),
]
