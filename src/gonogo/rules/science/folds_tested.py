"""SCI108."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Item, Value, text
from gonogo.analysis.dataflow.wrapping import base
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

TESTS = ("ttest_rel", "ttest_ind", "ttest_1samp")
FOLDS = frozenset({"cross_val_score", "cross_validate"})


@rule("SCI108", "folds-tested", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def folds_tested(programs: list[Program]) -> Iterator[Violation]:
    """A t-test takes the scores of the folds of one cross-validation for independent observations.

    What it does:
        Looks at the t-tests of SciPy. Speaks where both samples are the scores that `cross_val_score` or `cross_validate` gave.

    Why it matters:
        The training parts of two folds share most of their rows, so that their scores depend on each other: the variance is
        underestimated, and differences are called significant far too often (Dietterich, Approximate statistical tests for comparing
        supervised classification learning algorithms, 1998; Nadeau and Bengio, Inference for the generalization error, 2003).

    Instead:
        Use the corrected resampled t-test, the 5×2 cv test, or McNemar's test on one test part.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for event in walked.calls(*TESTS):
        if (
            event.call.name.startswith("scipy.")
            and len(event.call.arguments) > 1
            and all(_of_folds(entry) for entry in event.call.arguments[:2])
        ):
            yield violation(
                event,
                "the scores of folds are no independent observations: their training parts share most of their rows",
                "use the corrected resampled t-test of Nadeau and Bengio, or McNemar's test on a test part",
            )


def _of_folds(value: Value) -> bool:
    made = base(value)
    if isinstance(made, Item) and (text(made.key) or "").startswith("test_"):
        made = base(made.owner)
    return isinstance(made, Call) and made.short in FOLDS


PROGRAM = """from scipy.stats import {test}
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

X, y = load_wine(return_X_y=True)
first = cross_val_score(LogisticRegression(max_iter=5000), X, y, cv=10)
second = cross_val_score(SVC(), X, y, cv=10)
print({score}){marker}
"""
BAD = program(PROGRAM.format(test="ttest_rel", score="ttest_rel(first, second).pvalue", marker="  # <- here"))
GOOD = program(PROGRAM.format(test="spearmanr", score="first.mean(), second.mean(), spearmanr(first, second)", marker=""))
