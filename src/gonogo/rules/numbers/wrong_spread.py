"""NUM109."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Operation, Value, number, plain
from gonogo.analysis.rows.flow import name_of
from gonogo.analysis.training.ops import op_of
from gonogo.analysis.training.uses import ancestry, operations
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

QUANTILES = (1.96, 2.576, 1.645, 2.58, 1.64, 1.65)
ERROR = re.compile(r"(?:^|_)(?:sem|stderr|std_?err|standard_?error|s_?e)(?:$|_)", re.IGNORECASE)


@rule("NUM109", "wrong-spread", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def wrong_spread(programs: list[Program]) -> Iterator[Violation]:
    """The standard deviation is taken for the standard error of the mean, or the other way round.

    What it does:
        Speaks where a standard deviation is divided by the number of values instead of its root (an error), where 1.96 (or 2.58, 1.64)
        times a standard deviation is used with nothing divided by the root of the number, and where a variable that is called
        standard error holds a standard deviation.

    Why it matters:
        A confidence interval of the mean goes by the deviation over the root of n; without it, it is too wide by that root, and with n
        too narrow: differences are called significant that are not, or the other way round (Altman and Bland, Standard deviations and
        standard errors, 2005; Cumming, Fidler and Vaux, Error bars in experimental biology, 2007).

    Instead:
        Divide by `np.sqrt(len(values))`, or use `scipy.stats.sem`; say which of both an error bar is.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for operation in walked.known(operations):
        if len(operation.operands) != 2:
            continue
        one, other = operation.operands
        if operation.operator == "/" and _is_deviation(one) and _is_length(other):
            yield violation(
                operation,
                "a standard deviation is divided by the number of values: the standard error has its root",
                "divide by the square root of the number",
                severity=Severity.ERROR,
            )
        elif _is_interval(operation) and not _divided_later(walked, operation):
            yield violation(
                operation,
                "an interval of the mean is made of the standard deviation: nothing divides by the root of the number of values",
                "divide by the square root of the number of values, or use `scipy.stats.sem`",
                sure=False,
            )
    for event in walked.calls("std", "stdev", "nanstd"):
        if ERROR.search(name_of(event.call)) and _is_deviation(event.call):
            yield violation(
                event,
                f"`{name_of(event.call)}` is a standard deviation, not a standard error",
                "divide by the square root of the number of values, or call it a deviation",
                sure=False,
            )


def _is_interval(operation: Operation) -> bool:
    """A quantile of the normal distribution times a standard deviation."""
    one, other = operation.operands
    pairs = ((one, other), (other, one))
    return operation.operator == "*" and any(number(factor) in QUANTILES and _is_deviation(value) for factor, value in pairs)


def _is_deviation(value: Value) -> bool:
    op = op_of(value)
    return op is not None and op.name in ("std", "stdev", "nanstd") and bool(op.operands)


def _is_length(value: Value) -> bool:
    value = plain(value)
    return isinstance(value, Call) and value.name == "len"


def _divided_later(walked: Program, product: Operation) -> bool:
    """Whether the product is divided by a root afterwards: `1.96 * std / sqrt(n)`."""
    for operation in walked.known(operations):
        if operation.operator in ("/", "*") and operation is not product and any(plain(entry) is product for entry in operation.operands):
            return True
    return any(isinstance(entry, Call) and entry.short == "sqrt" for entry in list(ancestry(product))[:20])


PROGRAM = """import numpy as np

scores = np.loadtxt("scores.txt")
mean, deviation = scores.mean(), scores.std(ddof=1)
half = {half}
print(f"{{mean}} ± {{half}}")
"""
BAD = [
    program(PROGRAM.format(half="1.96 * deviation  # <- here")),
    program(PROGRAM.format(half="deviation / len(scores)  # <- here")),
]
GOOD = [
    program(PROGRAM.format(half="1.96 * deviation / np.sqrt(len(scores))")),
    program(PROGRAM.format(half="deviation")),
]
