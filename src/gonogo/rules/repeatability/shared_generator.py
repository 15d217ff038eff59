"""REP106."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value
from gonogo.analysis.dataflow.wrapping import base
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

INNER = ("cross_val_score", "cross_validate", "cross_val_predict", "GridSearchCV", "RandomizedSearchCV")


@rule("REP106", "shared-generator", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def shared_generator(programs: list[Program]) -> Iterator[Violation]:
    """One `RandomState` object is given to a splitter that several evaluations use: each gets other folds.

    What it does:
        Speaks where a cross-validator is made with a `RandomState` or `Generator` object, not a number, and used by more than one
        evaluation; and where such an object is given to several estimators (a note): what one draws depends on those before it.

    Why it matters:
        Each call of `split` moves the generator on, so that two models are compared on different folds (scikit-learn, "Controlling
        randomness: robustness of cross-validation results").

    Instead:
        Give a number to what is compared: `random_state=0`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    given: dict[Value, list[Call]] = {}
    for event in walked.calls():
        state = event.call.keywords.get("random_state")
        made = base(state) if state is not None else None
        if isinstance(made, Call) and made.name == "numpy.random.RandomState":
            given.setdefault(made, []).append(event.call)
    for made, users in given.items():
        for splitter in users:
            evaluations = [
                event
                for event in (*walked.calls(*INNER), *walked.calls("split"))
                if any(base(value) is splitter for value in (*event.call.given(), *([event.call.receiver] if event.call.receiver else [])))
            ]
            if len(evaluations) > 1 and ("Fold" in splitter.short or "Split" in splitter.short):
                yield violation(
                    evaluations[1],
                    "this evaluation gets other folds than the one before: they share a `RandomState` object that moves on",
                    "give the cross-validator a number as `random_state`",
                    related=((evaluations[0], "the one before"), (made, "the object that they share")),
                )
        estimators = [user for user in users if user.short[:1].isupper()]
        if len(estimators) > 1 and not any("Fold" in user.short or "Split" in user.short for user in estimators):
            yield violation(
                estimators[1],
                "one `RandomState` object is given to several: what this one draws depends on those before it",
                "give each a number as `random_state`",
                severity=Severity.INFO,
                related=((made, "the object that they share"),),
            )


PROGRAM = """import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score
from sklearn.svm import SVC

X, y = load_iris(return_X_y=True)
folds = KFold(5, shuffle=True, random_state={state})
first = cross_val_score(SVC(), X, y, cv=folds)
second = cross_val_score(LogisticRegression(), X, y, cv=folds){marker}
print(first.mean(), second.mean())
"""
BAD = program(PROGRAM.format(state="np.random.RandomState(0)", marker="  # <- here"))
GOOD = program(PROGRAM.format(state="0", marker=""))
