"""SCI124."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Called
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Operation, Value
from gonogo.analysis.numbers.origins import Origin, sources_of
from gonogo.analysis.numbers.reported import Reported, reported
from gonogo.analysis.numbers.same import same
from gonogo.analysis.numbers.spine import made_of
from gonogo.analysis.numbers.written import calls_around, written_alike
from gonogo.analysis.python.names import arguments_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

MOST_CALLS = 40


@rule(
    "SCI124", "compared-with-itself", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM, settles=("evaluation",)
)
def compared_with_itself(programs: list[Program]) -> Iterator[Violation]:
    """A reported difference is that of a number with itself.

    What it does:
        Follows each number that a script logs or writes back through what it is computed of. Speaks where it is made of a difference, or of
        pairs, whose two sides surely are the same: they are one value, and the code names one. A table of all pairs, in which each run
        also meets itself, is left alone.

    Why it matters:
        The improvement is zero, and the test sees no difference, whatever was measured.

    Instead:
        Take the baseline's number on one side, and the proposed method's on the other.
    """
    yield from by_place(found for walked in programs if walked.is_script for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    numbers = walked.known(reported)
    reporting: dict[Value, Reported] = {}
    for number in numbers:
        for value in made_of(number.value):
            if _sides(value) is not None:
                reporting.setdefault(value, number)
    alike = [value for value in reporting if (sides := _sides(value)) is not None and same(*sides)]
    if not alike:
        return
    alike.sort(key=lambda value: not isinstance(value, Operation))
    calls = _calls_with_twins(walked)
    told = False
    for value in alike:
        if told and not isinstance(value, Operation):
            return  # the pairs are the same fault
        number = reporting[value]
        sides, texts = _sides(value), _texts(value.node)
        if sides is None or texts is None or not sources_of(walked).of(sides[0]).kinds & {Origin.RUNS, Origin.FILES, Origin.MODEL}:
            continue
        within = next((called for called in calls if value in calls[called]), None)
        if written_alike(value.module, *texts, calls_around(within) if within is not None else ()):
            told = True
            yield violation(
                value,
                f"`{number.key}` is made of the comparison of a number with itself: both sides are the same run's",
                "take the baseline's number on one side, and the proposed method's on the other",
                related=(*(((within, "the same is given twice here"),) if within is not None else ()), (number.at, "it is reported here")),
            )


def _sides(value: Value) -> tuple[Value, Value] | None:
    """What a difference, or the pairs of two lists, compare."""
    if isinstance(value, Operation) and value.operator == "-" and len(value.operands) == 2:
        return value.operands[0], value.operands[1]
    if isinstance(value, Call) and value.name == "zip" and len(value.arguments) == 2 and not value.is_open:
        return value.arguments[0], value.arguments[1]
    return None


def _texts(node: ast.AST) -> tuple[ast.expr, ast.expr] | None:
    """Return the two sides as they are written.

    A list that is paired with itself under its own name may be intended.
    """
    if isinstance(node, ast.BinOp):
        return node.left, node.right
    if isinstance(node, ast.Call) and len(node.args) == 2 and all(isinstance(part, (ast.Subscript, ast.Attribute)) for part in node.args):
        return node.args[0], node.args[1]
    return None


def _calls_with_twins(walked: Program) -> dict[Called, set[Value]]:
    """Calls of functions that are given something twice, with what each result is made of."""
    found: dict[Called, set[Value]] = {}
    for called in walked.all(Called):
        if called.result is not None and isinstance(called.node, ast.Call) and len(called.node.args) + len(called.node.keywords) > 1:
            given = [ast.unparse(entry) for entry in arguments_of(called.node)]
            if len(set(given)) < len(given) or len(found) < MOST_CALLS:
                found[called] = set(made_of(called.result))
    return found


_CALL = "compare(proposed, baseline) for proposed in proposed_runs for baseline in baseline_runs"
_RATE = '        "improvement_rate": (proposed["test_accuracy"] - baseline["test_accuracy"]) / baseline["test_accuracy"],\n'
_PLACE = Edit(_RATE, _RATE.replace("\n", "  # <- here\n"))
_TABLE = "    if not proposed_runs or not baseline_runs:\n"
_BEST = """    best = max(proposed_runs, key=lambda run: run["test_accuracy"])
    rest = max(proposed_runs, key=lambda run: run["test_accuracy"])
"""
BAD = [
    Tree({"src/evaluate.py": (_PLACE, Edit(_CALL, _CALL.replace("compare(proposed, baseline)", "compare(proposed, proposed)")))}),
    Tree(
        {
            "src/evaluate.py": (
                _PLACE,
                Edit(_TABLE, _BEST + _TABLE),
                Edit(_CALL, "compare(best, rest) for _ in baseline_runs"),
            )
        }
    ),
]
GOOD = [
    Tree({"src/evaluate.py": Edit(_CALL, "compare(one, other) for one in runs for other in runs")}),
    Tree({"src/evaluate.py": Edit(_CALL, "compare(runs[0], runs[1]) for _ in proposed_runs")}),
]
