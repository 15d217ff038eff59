"""NUM101."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Operation, Ref, Value, constant, plain
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, origin, text_of
from gonogo.analysis.training.ops import op_of
from gonogo.analysis.training.uses import operations
from gonogo.model.contract import Scope
from gonogo.model.finding import Location, Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import place, violation

# What gives a number that is rounded.
ROUNDED = words(
    """
    mean std var sqrt exp log log2 log10 log1p softmax sigmoid tanh norm cross_entropy mse_loss nll_loss l1_loss item accuracy_score
    f1_score roc_auc_score average_precision_score log_loss cos sin dot matmul nanmean linspace
    """
)
NANS = frozenset({"numpy.nan", "numpy.NaN", "math.nan", "torch.nan", "numpy.NAN"})


@rule("NUM101", "float-equality", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def float_equality(programs: list[Program], modules: dict[str, Module]) -> Iterator[Violation]:
    """A computed floating-point number is compared with `==`, or anything is compared with NaN.

    What it does:
        Speaks where one side of `==` or `!=` is computed with rounding (a quotient, a mean, a root, a loss) and the other is a
        fraction such as 0.1, or computed with rounding in another way; and where something is compared with NaN, which is never
        equal to anything (an error). A comparison with exactly 0 or 1, which guards a division, and one with a setting are left alone.

    Why it matters:
        `0.1 + 0.2 == 0.3` is false: the branch is not taken, the check never holds (Goldberg, What every computer scientist should
        know about floating-point arithmetic, 1991; Python tutorial, "Floating-point arithmetic: issues and limitations").

    Instead:
        Write `math.isclose`, `np.isclose` or `torch.isclose` with a tolerance; `np.isnan` for NaN.
    """
    written = (found for module in modules.values() for found in _written(module))
    yield from by_place([*written, *(found for walked in programs for found in _found(walked))])


def _written(module: Module) -> Iterator[Violation]:
    """Comparisons with NaN, wherever they stand: nothing need be known of the other side."""
    for node in module.of(ast.Compare):
        if len(node.ops) != 1 or not isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
            continue
        is_nan = any(_writes_nan(module, side) for side in (node.left, node.comparators[0]))
        if is_nan and not any(isinstance(parent, ast.Assert) for parent in ancestors(module, node)):
            yield _with_nan(module.location(node), isinstance(node.ops[0], ast.NotEq))


def _writes_nan(module: Module, node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return origin(module, node.func) == "float" and len(node.args) == 1 and (text_of(node.args[0]) or "").lower() == "nan"
    return origin(module, node) in NANS


def _with_nan(at: Location, differs: bool) -> Violation:
    held = "always holds" if differs else "never holds"
    return Violation(at, f"a comparison with NaN {held}: NaN equals nothing", "write `np.isnan` or `math.isnan`", severity=Severity.ERROR)


def _found(walked: Program) -> Iterator[Violation]:
    for operation in walked.known(operations):
        if operation.operator not in ("==", "!=") or len(operation.operands) != 2:
            continue
        one, other = operation.operands
        if _is_nan(one) or _is_nan(other):
            yield _with_nan(place(operation), operation.operator == "!=")
        elif (_is_rounded(one) and _is_fraction(other)) or (_is_rounded(other) and _is_fraction(one)):
            yield violation(operation, "a number that is computed with rounding is compared for equality", "compare with a tolerance")
        elif _is_quotient(one) and _is_quotient(other) and one is not other and not (_is_share(one) and _is_share(other)):
            yield violation(operation, "two numbers that are computed with rounding are compared for equality", "compare with a tolerance")


def _is_nan(value: Value) -> bool:
    value = plain(value)
    if isinstance(value, Ref):
        return value.name in NANS
    return (
        isinstance(value, Call) and value.name == "float" and bool(value.arguments) and str(constant(value.arguments[0])).lower() == "nan"
    )


def _is_fraction(value: Value) -> bool:
    known = constant(value)
    return (
        isinstance(known, float) and known != int(known) if known is not ... and isinstance(known, float) and abs(known) < 1e18 else False
    )


def _is_rounded(value: Value, depth: int = 0) -> bool:
    """Whether a number surely comes out of an operation that rounds."""
    value = plain(value)
    if depth > 6:
        return False
    if isinstance(value, Operation):
        if value.operator == "/":
            return True
        return value.operator in ("+", "-", "*", "**") and any(
            _is_rounded(entry, depth + 1) or _is_fraction(entry) for entry in value.operands
        )
    op = op_of(value)
    return op is not None and op.name in ROUNDED


def _is_quotient(value: Value) -> bool:
    """Return whether a number is computed by an operator that rounds.

    A call does not count, as its result may be exact.
    """
    value = plain(value)
    return isinstance(value, Operation) and _is_rounded(value)


def _is_share(value: Value) -> bool:
    """Whether a number is one quotient and nothing else: two shares of counts may be compared."""
    value = plain(value)
    return isinstance(value, Operation) and value.operator == "/"


PROGRAM = """import numpy as np

shares = np.loadtxt("shares.txt")
total = shares.sum() / 3
if {test}
    print("as expected")
"""
BAD = [
    program("import numpy as np\n\n\ndef clean(values):\n    values[values == np.nan] = 0.0  # <- here\n    return values\n"),
    program(PROGRAM.format(test="total == 0.1:  # <- here")),
    program(PROGRAM.format(test="total * 2 == shares[0] / 7:  # <- here")),
]
GOOD = [
    program(PROGRAM.format(test="np.isclose(total, 0.1):")),
    program(PROGRAM.format(test="total == 0:")),
]
