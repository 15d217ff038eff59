"""LEK101."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Event
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.python.names import last_names
from gonogo.analysis.rows.cuts import Cut, all_fits, cuts, uses
from gonogo.analysis.rows.learners import Fit, Learns, learner_of
from gonogo.analysis.rows.origins import Origins
from gonogo.analysis.rows.parts import Role, parts_in, role_of_name
from gonogo.analysis.training.order import Order
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_cause
from gonogo.rules.happened import violation


@rule("LEK101", "fitted-before-split", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def fitted_before_split(programs: list[Program]) -> Iterator[Violation]:
    """A preprocessing step is fitted to all rows, those among them that the result is scored on.

    What it does:
        Follows rows from where they are read to where they are split: `train_test_split`, cross-validators and `cross_val_score`,
        `random_split`, slices. Speaks where a scaler, imputer, selector, projection or vectoriser is fitted to rows of which a part
        is held out afterwards, and its output is used. An encoder of categories is a warning: what it keeps is only which there are.
        A label encoder of the targets is left alone, and so is a pipeline that is fitted in each fold. Where only the training part is
        parted, for choosing, and the test part lies elsewhere, it is a warning.

    Why it matters:
        What was fitted knows the test rows: their mean, their gaps, with a selector even their targets. The score is too good, with
        feature selection so much that noise looks predictable (scikit-learn, "Common pitfalls and recommended practices"; Kapoor and
        Narayanan, Leakage and the reproducibility crisis in machine-learning-based science, 2023; Ambroise and McLachlan, 2002).

    Instead:
        Split first, fit on the training part, and only apply to the others; or put the step into a `Pipeline`.
    """
    yield from by_cause(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for fit in walked.known(all_fits):
        if fit.learns in (Learns.MODEL, Learns.ROWS):
            continue
        held = parts_in(walked).held(fit.data)
        cut = _cut_of(walked, fit) if not held.parts else None
        if cut is not None:
            yield violation(
                fit.event,
                f"`{fit.name}` is fitted to all rows before they are split: {fit.learns.value} of the held-out rows goes into training",
                "fit it on the training part only, or in a pipeline",
                sure=cut.sure and fit.learns is not Learns.CATEGORIES and not _is_within_training(walked, cut, fit),
                related=((cut.split, "the rows are split here"),),
            )
        elif held.parts and {Role.TRAIN, Role.TEST} <= held.roles() and _is_used(walked, fit, None):
            yield violation(
                fit.event,
                f"`{fit.name}` is fitted to the training and the test part together",
                "fit it on the training part only",
                sure=held.sure and fit.learns is not Learns.CATEGORIES,
            )


def _cut_of(walked: Program, fit: Fit) -> Cut | None:
    """The split that parts rows which something was fitted to before."""
    rows = parts_in(walked).held(fit.data).whole | {base(fit.event.call)}
    found = None
    for cut in walked.known(cuts):
        held = parts_in(walked).held(cut.data)
        if not held.parts and rows & held.whole and not _refits(cut, fit) and _is_used(walked, fit, cut):
            if cut.sure:
                return cut
            found = found or cut
    return found


def _is_within_training(walked: Program, cut: Cut, fit: Fit) -> bool:
    """Return whether only the training part is split.

    The code calls it a cross-validation of the training part, or the test part is elsewhere.

    The latter shows where the step is applied to what the code calls the test part, and what is not made of the rows that are parted.
    """
    if cut.learner is not None and any(role is Role.TRAIN for role in _called(fit.event)):
        return True
    rows = parts_in(walked)
    fitted = rows.held(fit.data).whole
    for event in walked.calls("transform"):
        receiver = event.call.receiver
        if receiver is None or learner_of(receiver) is not fit.learner or Role.TEST not in _called(event):
            continue
        held = rows.held(event.call.arguments[0])
        if cut.split not in {part.split for part in held.parts} and not held.whole & fitted:
            return True
    return False


def _called(event: Event) -> set[Role | None]:
    """What the code calls the part that something is fitted or applied to."""
    given = event.node.args[:1] if isinstance(event.node, ast.Call) else []
    return {role_of_name(name) for entry in given for name in last_names(entry)}


def _refits(cut: Cut, fit: Fit) -> bool:
    """Whether it is the cross-validation itself that fits."""
    return cut.learner is not None and learner_of(cut.learner) is fit.learner


def _is_used(walked: Program, fit: Fit, cut: Cut | None) -> bool:
    """Whether what the fitted step gives is split, or it is applied to a part."""
    if cut is not None and _is_in(walked, fit, cut.data, cut.at):
        return True
    order, parts = walked.known(Order), parts_in(walked)
    return any(
        bool(parts.held(value).parts) and _is_in(walked, fit, value, order.place(event))
        for event, value in walked.known(uses)
        if base(value) is not fit.learner
    )


def _is_in(walked: Program, fit: Fit, value: Value, before: int | None) -> bool:
    call = fit.event.call
    if base(value) is base(fit.data):
        return False
    for entry in walked.known(Origins).of(value, before):
        if entry is call and call.short != "fit":
            return True
        if (
            isinstance(entry, Call)
            and entry.method in ("transform", "texts_to_sequences", "texts_to_matrix")
            and entry.receiver is not None
        ) and learner_of(entry.receiver) is fit.learner:
            return True
    return False


HEAD = """import pandas as pd
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

table = pd.read_csv("patients.csv")
X, y = table.drop(columns="sick"), table["sick"]
"""
BAD = [
    program(
        HEAD
        + """X = StandardScaler().fit_transform(X)  # <- here
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
print(LogisticRegression().fit(X_train, y_train).score(X_test, y_test))
"""
    ),
    program(
        HEAD
        + """chosen = SelectKBest(k=10).fit_transform(X, y)  # <- here
print(cross_val_score(LogisticRegression(), chosen, y).mean())
"""
    ),
    program(
        HEAD
        + """columns = ["age", "weight"]
scaler = StandardScaler()
scaler.fit(table[columns])  # <- here
train, test = train_test_split(table, random_state=0)
model = LogisticRegression().fit(scaler.transform(train[columns]), train["sick"])
print(model.score(scaler.transform(test[columns]), test["sick"]))
"""
    ),
]
GOOD = [
    program(
        HEAD
        + """X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
scaler = StandardScaler().fit(X_train)
print(LogisticRegression().fit(scaler.transform(X_train), y_train).score(scaler.transform(X_test), y_test))
"""
    ),
    program(
        HEAD
        + """model = make_pipeline(StandardScaler(), SelectKBest(k=10), LogisticRegression())
print(cross_val_score(model, X, y).mean())
model.fit(X, y)
"""
    ),
    program(
        HEAD
        + """picture = StandardScaler().fit_transform(X)
print(picture[:5])
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
print(LogisticRegression().fit(X_train, y_train).score(X_test, y_test))
"""
    ),
]
