"""NUM102."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Attempt, Branch
from gonogo.analysis.dataflow.contents import Contents
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Item, Operation, Value, constant, number, plain
from gonogo.analysis.python.names import last_name
from gonogo.analysis.rows.flow import name_of
from gonogo.analysis.training.ops import op_of
from gonogo.analysis.training.uses import ancestry, operations
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import Placed, violation

SQUARES = re.compile(r"sq|squares?|sum2", re.IGNORECASE)
LOGS = ("log", "log2", "log10")
COUNTS = frozenset({"histogram", "bincount", "histc", "one_hot", "confusion_matrix"})
GUARDS = frozenset({"clip", "maximum", "where", "max", "nan_to_num", "log1p", "any", "nonzero", "clamp_min", "errstate", "add"})


@rule("NUM102", "unsafe-logarithm", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def unsafe_logarithm(programs: list[Program]) -> Iterator[Violation]:
    """A logarithm, root, exponential or quotient is taken of what can be zero, negative or too large.

    What it does:
        Speaks only where the code itself shows it: the logarithm of a softmax or sigmoid; of counts (`histogram`, `bincount`) or of a
        literal zero; the root of a mean square less a squared mean, or of a squared distance by its binomial; a softmax that is written
        out without taking the maximum off; precision or recall whose divisor is zero where nothing is predicted or nothing there.
        Clipping, a small summand and a condition before it are right.

    Why it matters:
        A softmax underflows to 0 and its logarithm is minus infinity: the loss is NaN from then on, hours into the run (PyTorch,
        `torch.nn.functional.log_softmax`; Blanchard, Higham and Higham, Accurately computing the log-sum-exp and softmax functions, 2021;
        Higham, Accuracy and Stability of Numerical Algorithms, section 1.9, on the variance).

    Instead:
        Use `log_softmax`, `logsigmoid`, `logsumexp`, `var`; clip before the logarithm; say what a quotient by zero shall be.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    yield from walked.gather(_logarithms)
    for operation in walked.known(operations):
        if operation.operator == "/":
            yield from _quotients(walked, operation)
        elif operation.operator == "**" and constant(operation.operands[1]) == 0.5 and _cancels(operation.operands[0]):
            yield _cancellation(operation)
        elif operation.operator == "**" and constant(operation.operands[1]) == 0.5 and _is_distance(operation.operands[0]):
            yield _below_zero(operation)


def _logarithms(contents: Contents) -> Iterator[Violation]:
    for event in (event for name in LOGS for event in contents.events.get(name, ())):
        op = op_of(event.call)
        if op is None or not op.operands or (op.library and op.library not in ("torch", "numpy", "jax", "tensorflow", "math", "keras")):
            continue
        inner = op_of(_whole(op.operands[0]))
        if inner is not None and inner.name in ("softmax", "sigmoid") and op.name == "log":
            better = "log_softmax" if inner.name == "softmax" else "logsigmoid"
            yield violation(event, f"the logarithm of a {inner.name} is minus infinity where it underflows", f"use `{better}`")
        elif _is_count(op.operands[0]) and not any(isinstance(around, (Branch, Attempt)) for around in event.around()):
            yield violation(
                event, "the logarithm is taken of counts, which can be zero", "leave out the zeros, or use `scipy.stats.entropy`"
            )
    for event in contents.events.get("sqrt", ()):
        op = op_of(event.call)
        if op is not None and op.operands and _cancels(op.operands[0]):
            yield _cancellation(event)
        elif op is not None and op.operands and _is_distance(op.operands[0]):
            yield _below_zero(event)


def _is_distance(value: Value) -> bool:
    """Whether a value is a squared distance by the binomial: `|a|² + |b|² - 2 a·b`."""
    value = plain(value)
    if not (isinstance(value, Operation) and value.operator == "-" and isinstance(sums := plain(value.operands[0]), Operation)):
        return False
    twice = plain(value.operands[1])
    if sums.operator != "+" or not (isinstance(twice, Operation) and twice.operator in ("*", "@")):
        return False
    parts: list[Value] = [twice]
    for part in parts:  # 2 * a @ b is (2 * a) @ b
        if isinstance(part, Operation) and part.operator in ("*", "@"):
            parts += [plain(entry) for entry in part.operands]
    products = [part for part in parts if (isinstance(part, Operation) and part.operator == "@") or _is_product(part)]
    return bool(products) and any(number(part) == 2 for part in parts)


def _is_product(value: Value) -> bool:
    op = op_of(value)
    return op is not None and op.name in ("matmul", "mm", "bmm", "dot")


def _below_zero(at: Placed) -> Violation:
    return violation(
        at,
        "a squared distance by its binomial can fall below zero by rounding: the root is NaN, and its slope at zero is infinite",
        "clip it first: `clamp(min=1e-12)`, `np.maximum(d2, 0)`, or use `cdist`",
    )


def _cancels(value: Value) -> bool:
    """Whether a value is a mean square less a squared mean."""
    value = plain(value)
    return isinstance(value, Operation) and value.operator == "-" and _is_mean_square(value.operands[0]) and _is_squared(value.operands[1])


def _cancellation(at: Placed) -> Violation:
    return violation(
        at, "the mean square less the squared mean cancels, and can be negative", "use `std` or `var`, or take the mean off first"
    )


def _whole(value: Value) -> Value:
    """Return the array that an entry, or the chosen entries, are taken from.

    Examples: `chances[rows, labels]`, `chances.gather(1, labels)`.
    """
    value = plain(value)
    while isinstance(value, Item) or (isinstance(value, Call) and value.method in ("gather", "squeeze", "index_select")):
        inner = value.owner if isinstance(value, Item) else value.receiver
        if inner is None:
            break
        value = plain(inner)
    return value


def _is_count(value: Value) -> bool:
    """Return whether a value is a count, or a share made of counts.

    Nothing in between may remove the zeros.
    """
    value = plain(value)
    for _ in range(4):
        if isinstance(value, Operation) and value.operator in ("/", "*") and all(number(entry) is None for entry in value.operands[:1]):
            value = plain(value.operands[0])
        elif isinstance(value, Item) and constant(value.key) == 0:
            value = plain(value.owner)
        elif isinstance(value, Call) and value.method in ("float", "astype") and value.receiver is not None:
            value = plain(value.receiver)
    return isinstance(value, Call) and value.short in COUNTS


def _is_mean_square(value: Value) -> bool:
    value = plain(value)
    if isinstance(value, Operation) and value.operator == "/":
        total = value.node.left if isinstance(value.node, ast.BinOp) else value.operands[0].node
        return isinstance(total, ast.expr) and SQUARES.search(last_name(total)) is not None  # a sum of squares over their number
    op = op_of(value)
    return op is not None and op.name == "mean" and bool(op.operands) and _is_squared(op.operands[0])


def _is_squared(value: Value) -> bool:
    value = plain(value)
    if isinstance(value, Operation):
        return value.operator == "**" and number(value.operands[1]) == 2
    op = op_of(value)
    return op is not None and (op.name == "square" or (op.name == "pow" and len(op.operands) > 1 and number(op.operands[1]) == 2))


def _quotients(walked: Program, operation: Operation) -> Iterator[Violation]:
    above, below = plain(operation.operands[0]), plain(operation.operands[1])
    exponent, total = op_of(above), op_of(below)
    if exponent is not None and exponent.name == "exp" and total is not None and total.name == "sum" and total.operands:
        is_softmax = plain(total.operands[0]) is above or _is_same_exp(above, plain(total.operands[0]))
        if is_softmax and not _is_shifted(exponent.operands[0] if exponent.operands else None):
            yield _at(
                operation, "this softmax overflows for large inputs: nothing takes the maximum off first", "use a library's `softmax`"
            )
    if (
        isinstance(below, Operation)
        and below.operator == "+"
        and len(below.operands) == 2
        and any(plain(entry) is above for entry in below.operands)
    ):
        names = [name_of(above).lower(), *(name_of(plain(entry)).lower() for entry in below.operands)]
        written = _words_of(operation)
        if any(word in ("tp", "true_positive", "true_positives", "tps") for word in (*names, *written)) and not _is_guarded(operation):
            yield violation(
                operation,
                "the divisor is zero where nothing is predicted, or nothing there",
                "say what the quotient shall be then, as `zero_division` of scikit-learn does",
                sure=False,
                severity=Severity.INFO,
            )


def _at(at: Placed, message: str, action: str) -> Violation:
    return violation(at, message, action)


def _is_same_exp(one: Value, other: Value) -> bool:
    first, second = op_of(one), op_of(other)
    if first is None or second is None or first.name != "exp" or second.name != "exp":
        return False
    return bool(first.operands) and bool(second.operands) and plain(first.operands[0]) is plain(second.operands[0])


def _is_shifted(value: Value | None) -> bool:
    """Whether the exponent is a difference, which takes the maximum off, or surely small."""
    if value is None:
        return True
    value = plain(value)
    if isinstance(value, Operation):
        return value.operator in ("-", "neg") or any(_is_shifted(entry) for entry in value.operands)
    op = op_of(value)
    return op is not None and op.name in ("sub", "clip", "neg", "log", "log_softmax", "tanh", "minimum", "negative", "subtract", "sigmoid")


def _words_of(operation: Operation) -> list[str]:
    return [node.id.lower() for node in ast.walk(operation.node) if isinstance(node, ast.Name)]


def _is_guarded(operation: Operation) -> bool:
    """Whether a condition stands around the quotient."""
    parent = operation.module.parents.get(operation.node)
    while parent is not None and not isinstance(parent, (ast.FunctionDef, ast.Module)):
        if isinstance(parent, (ast.IfExp, ast.If, ast.Try, ast.BoolOp, ast.With)):
            return True
        parent = operation.module.parents.get(parent)
    return any(isinstance(entry, Call) and entry.short in GUARDS for entry in list(ancestry(operation))[:30])


PROGRAM = """import torch

logits = torch.load("logits.pt")
{line}
print(value)
"""
SPREAD = """class Spread:
    def __init__(self):
        self.number, self.total, self.squares = 0, 0.0, 0.0

    def add(self, value):
        self.number, self.total, self.squares = self.number + 1, self.total + value, self.squares + value * value

    def std(self):
        mean = self.total / self.number
        return {std}


import numpy as np

spread = Spread()
spread.add(np.float64(3.0))
print(spread.std())
"""

BAD = [
    program(PROGRAM.format(line="value = -torch.log(torch.softmax(logits, dim=1)).mean()  # <- here")),
    program(PROGRAM.format(line="value = logits.exp() / logits.exp().sum(1, keepdim=True)  # <- here")),
    program(PROGRAM.format(line="value = torch.sqrt((logits**2).mean(0) - logits.mean(0) ** 2)  # <- here")),
    program(SPREAD.format(std="(self.squares / self.number - mean**2) ** 0.5  # <- here")),
]
SQUARED = "squares = (logits**2).sum(1)\nd2 = squares[:, None] + squares[None, :] - {twice}\n"
BAD += [
    program(PROGRAM.format(line=SQUARED.format(twice="2 * logits @ logits.t()") + "value = torch.sqrt(d2)  # <- here")),
    program(PROGRAM.format(line=SQUARED.format(twice="2.0 * torch.mm(logits, logits.t())") + "value = d2**0.5  # <- here")),
]
GOOD = [
    program(PROGRAM.format(line=SQUARED.format(twice="2 * logits @ logits.t()") + "value = torch.sqrt(d2.clamp(min=1e-12))")),
    program(PROGRAM.format(line=SQUARED.format(twice="2 * logits @ logits.t()") + "value = d2.argmin(1)")),
    program(PROGRAM.format(line="value = -torch.log_softmax(logits, dim=1).mean()")),
    program(PROGRAM.format(line="value = torch.log(torch.softmax(logits, dim=1) + 1e-9).mean()")),
    program(PROGRAM.format(line="shifted = (logits - logits.amax(1, keepdim=True)).exp()\nvalue = shifted / shifted.sum(1, keepdim=True)")),
    program(SPREAD.format(std="np.sqrt(max(self.squares / self.number - mean**2, 0.0))")),
]
