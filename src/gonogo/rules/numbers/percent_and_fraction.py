"""NUM108."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Write
from gonogo.analysis.dataflow.contents import Contents
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Display, Formatted, Mapping, Operation, Text, Value, number, options, plain
from gonogo.analysis.rows.learners import Learns, learns_of
from gonogo.analysis.training.ops import op_of
from gonogo.analysis.training.uses import operations
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

SHARES = frozenset(
    {"accuracy_score", "f1_score", "precision_score", "recall_score", "roc_auc_score", "balanced_accuracy_score", "jaccard_score",
     "average_precision_score", "fbeta_score"}
)  # fmt: skip


@rule("NUM108", "percent-and-fraction", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def percent_and_fraction(programs: list[Program]) -> Iterator[Violation]:
    """A percentage is taken for a fraction, or a fraction for a percentage.

    What it does:
        Follows numbers that are a quotient times 100, and scores that lie between 0 and 1. Speaks where a percentage is compared with
        a literal below 1, subtracted from 1 or printed with a format that multiplies by 100 once more (`:.1%`); and where a fraction is
        compared with a literal above 1.

    Why it matters:
        The condition always holds, or never: training stops at once, or no checkpoint is ever written; the number in the table is off
        by a factor of 100 (Python, "Format specification mini-language": `%`).

    Instead:
        Keep fractions everywhere, and multiply by 100 only where they are printed.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for operation in walked.known(operations):
        if len(operation.operands) != 2:
            continue
        one, other = operation.operands
        if operation.operator in ("<", ">", "<=", ">="):
            for value, limit in ((one, number(other)), (other, number(one))):
                if limit is not None and _is_percent(value) and 0 < limit < 1:
                    yield violation(operation, f"a percentage is compared with {limit:g}", f"compare it with {100 * limit:g}")
                elif limit is not None and _is_share(value) and limit > 1:
                    yield violation(operation, f"a score between 0 and 1 is compared with {limit:g}", f"compare it with {limit / 100:g}")
        elif operation.operator == "-" and number(one) == 1 and _is_percent(other):
            yield violation(operation, "a percentage is subtracted from 1", "subtract it from 100")
    yield from walked.gather(_printed)


def _printed(contents: Contents) -> Iterator[Violation]:
    pending: list[Value] = []
    for events in contents.events.values():
        for event in events:
            pending += event.call.given()
    pending += [write.value for write in contents.of(Write)]
    for given in pending:
        value = plain(given)
        parts = value.parts if isinstance(value, Text) else ()
        if isinstance(value, (Display, Mapping)):
            parts = tuple(inner for entry in value.inputs() if isinstance(text := plain(entry), Text) for inner in text.parts)
        for part in parts:
            if isinstance(part, Formatted) and part.format.endswith("%") and _is_percent(part.value):
                yield violation(
                    part, f"a percentage is printed as `{part.format}`, which multiplies by 100 once more", "print it without `%`"
                )


def _is_percent(value: Value) -> bool:
    """Whether a value surely is a quotient, mean or score times 100."""
    found = [_is_one_percent(option) for option in options(value)]
    return bool(found) and all(found)


def _is_one_percent(value: Value) -> bool:
    value = plain(value)
    op = op_of(value)
    if isinstance(value, Call) and op is not None and op.name in ("item", "float", "round") and op.operands:
        return _is_percent(op.operands[0])
    if not isinstance(value, Operation) or len(value.operands) != 2:
        return False
    one, other = value.operands
    if value.operator == "*":
        return (number(one) == 100 and _is_quotient(other)) or (number(other) == 100 and _is_quotient(one))
    if value.operator == "/":  # 100 * correct / total
        above = plain(one)
        return (
            isinstance(above, Operation)
            and above.operator == "*"
            and any(number(entry) == 100 for entry in above.operands)
            and number(other) is None
        )
    return False


def _is_quotient(value: Value) -> bool:
    found = [_is_one_quotient(option) for option in options(value)]
    return bool(found) and all(found)


def _is_one_quotient(value: Value) -> bool:
    """Return whether a value surely is a share.

    It is a quotient of two values that are no literals, the mean of a comparison, or a score.
    """
    value = plain(value)
    if isinstance(value, Operation):
        return value.operator == "/" and number(value.operands[1]) is None and number(value.operands[0]) is None
    op = op_of(value)
    if op is None:
        return False
    if op.name in ("item", "float", "cpu") and op.operands:
        return _is_quotient(op.operands[0])
    return _is_mean_of_comparison(op.operands[0]) if op.name == "mean" and op.operands else _is_score(value)


def _is_mean_of_comparison(value: Value) -> bool:
    value = plain(value)
    for _ in range(3):
        op = op_of(value)
        if op is not None and op.name in ("float", "double", "astype", "to") and op.operands:
            value = plain(op.operands[0])
    if isinstance(value, Operation):
        return value.operator in ("==", "!=")
    op = op_of(value)
    return op is not None and op.name in ("eq", "equal")


def _is_share(value: Value) -> bool:
    """Whether a value surely lies between 0 and 1."""
    found = []
    for option in options(value):
        op = op_of(option)
        while op is not None and op.name in ("item", "float", "cpu") and op.operands:
            option = plain(op.operands[0])
            op = op_of(option)
        mean = op is not None and op.name == "mean" and bool(op.operands) and _is_mean_of_comparison(op.operands[0])
        found.append(mean or _is_score(option))
    return bool(found) and all(found)


def _is_score(value: Value) -> bool:
    value = plain(value)
    if not isinstance(value, Call):
        return False
    if value.short in SHARES:
        return value.name.startswith("sklearn.")
    if value.method == "score" and value.receiver is not None:
        known = learns_of(value.receiver)
        return known is not None and known[0] is Learns.MODEL and known[1].endswith(("Classifier", "SVC"))
    return False


PROGRAM = """import numpy as np

guesses, labels = np.load("guesses.npy"), np.load("labels.npy")
accuracy = 100 * (guesses == labels).mean()
{line}
    print("good enough")
"""
BAD = [
    program(PROGRAM.format(line="if accuracy > 0.9:  # <- here")),
    program(PROGRAM.format(line='if len(labels):\n    print(f"accuracy {accuracy:.1%}")  # <- here').replace("100 *", "100.0 *")),
    program(PROGRAM.format(line="if accuracy > 90:  # <- here").replace("100 * ", "")),
]
GOOD = [
    program(PROGRAM.format(line="if accuracy > 90:")),
    program(PROGRAM.format(line='print(f"{accuracy:.1f}% right")\nif accuracy / 100 > 0.9:')),
]
