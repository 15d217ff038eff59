"""NUM106."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.contents import Contents
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Display, Element, Item, Operation, Repeated, Value, number, options, plain
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.rows.learners import Learns, learns_of
from gonogo.analysis.training.ops import op_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

#: Scores of a ranking or of probabilities: where the predictions stand, and what they are called.
SCORES = {
    "roc_auc_score": "y_score", "average_precision_score": "y_score", "roc_curve": "y_score", "precision_recall_curve": "y_score",
    "log_loss": "y_pred", "brier_score_loss": "y_prob", "auroc": "preds",
}  # fmt: skip
_SHAPING = ("astype", "numpy", "cpu", "detach", "ravel", "flatten", "squeeze", "tolist", "int", "long", "float", "reshape", "to", "type")


@rule("NUM106", "score-of-labels", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def score_of_labels(programs: list[Program]) -> Iterator[Violation]:
    """A score of probabilities or rankings, such as the area under the ROC curve, is given decided labels.

    What it does:
        Follows what `roc_auc_score`, `average_precision_score`, `roc_curve`, `precision_recall_curve`, `log_loss` and
        `brier_score_loss` are given. Speaks where it comes from `predict` of a classifier, an `argmax`, a `round`, or a comparison
        with a threshold. `predict_proba` and `decision_function` are right, and so is `predict` of a regressor or of Keras.

    Why it matters:
        Of two values only one threshold is left: the curve has one corner, and its area is the mean of sensitivity and specificity
        (scikit-learn, `roc_auc_score`: "target scores"; Muschelli, ROC and AUC with a binary predictor, 2020).

    Instead:
        Give it `predict_proba(X)[:, 1]`, `decision_function(X)` or the sigmoid of the logits.
    """
    yield from by_place(found for walked in programs for found in walked.gather(_found))


def _found(contents: Contents) -> Iterator[Violation]:
    for name, keyword in SCORES.items():
        for event in contents.events.get(name, ()):
            call = event.call
            if call.receiver is not None and not call.name:
                continue
            given = call.argument(0 if name == "auroc" else 1, keyword)
            found = [_decided(option) for option in options(given)] if given is not None else []
            if found and all(found):
                yield violation(
                    event,
                    f"`{name}` is given labels, not scores: they come from {found[0]}",
                    "give it probabilities or decision values",
                )


def _decided(value: Value) -> str:
    """What made labels of scores, empty where nothing surely did."""
    for _ in range(8):
        value = base(value)
        if isinstance(value, (Display, Repeated)):
            return _all_decided(value)
        if isinstance(value, Element):
            value = value.owner
            continue
        if isinstance(value, Operation):
            return (
                "a comparison"
                if value.operator in (">", ">=", "<", "<=") and any(number(entry) is not None for entry in value.operands)
                else ""
            )
        if isinstance(value, Item) and isinstance(plain(value.key), Operation):
            value = value.owner
            continue
        op = op_of(value)
        if not isinstance(value, Call) or op is None:
            return ""
        if op.name in ("argmax", "round", "rint") and (op.name == "argmax" or len(op.operands) < 2):
            return f"`{op.name}`"
        if op.name == "where" and len(op.operands) == 3 and all(number(entry) is not None for entry in op.operands[1:]):
            return "a comparison"
        if value.method == "predict" and value.receiver is not None:
            return "`predict`" if _is_classifier(value.receiver) else ""
        if op.name in _SHAPING and op.operands:
            value = op.operands[0]
            continue
        if value.name in ("numpy.array", "numpy.asarray", "numpy.concatenate") and value.arguments:
            value = value.arguments[0]
            continue
        return ""
    return ""


def _all_decided(value: Display | Repeated) -> str:
    """What made the entries of a list labels, if all of them are."""
    entries = [value.element] if isinstance(value, Repeated) else [*value.items, *value.added]
    found = [_decided(entry) for entry in entries]
    return found[0] if found and all(found) else ""


def _is_classifier(value: Value) -> bool:
    found = [learns_of(option) for option in options(value)]
    return bool(found) and all(
        known is not None
        and known[0] is Learns.MODEL
        and (known[1].endswith(("Classifier", "SVC", "NB")) or known[1] == "LogisticRegression")
        for known in found
    )


PROGRAM = """from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
model = RandomForestClassifier(random_state=0).fit(X_train, y_train)
print(roc_auc_score(y_test, {given})){marker}
"""
BAD = [
    program(PROGRAM.format(given="model.predict(X_test)", marker="  # <- here")),
    program(PROGRAM.format(given="(model.predict_proba(X_test)[:, 1] > 0.5).astype(int)", marker="  # <- here")),
]
GOOD = [
    program(PROGRAM.format(given="model.predict_proba(X_test)[:, 1]", marker="")),
    program(PROGRAM.format(given="model.predict(X_test)", marker="").replace("RandomForestClassifier", "RandomForestRegressor")),
]
