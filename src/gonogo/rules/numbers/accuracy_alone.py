"""NUM110."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Display, constant, number, plain
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.rows.cuts import model_fits
from gonogo.analysis.training.uses import ancestry
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import Placed, violation

OTHERS = words(
    """
    f1_score roc_auc_score average_precision_score precision_score recall_score balanced_accuracy_score matthews_corrcoef confusion_matrix
    classification_report precision_recall_fscore_support cohen_kappa_score roc_curve precision_recall_curve fbeta_score f1 AUROC F1Score
    BinaryF1Score ConfusionMatrixDisplay jaccard_score log_loss geometric_mean_score classification_report_imbalanced MulticlassF1Score
    """
)
SAMPLERS = (
    "SMOTE",
    "RandomOverSampler",
    "RandomUnderSampler",
    "ADASYN",
    "WeightedRandomSampler",
    "BorderlineSMOTE",
    "SMOTETomek",
    "SMOTEENN",
)


@rule("NUM110", "accuracy-alone", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def accuracy_alone(programs: list[Program]) -> Iterator[Violation]:
    """Classes are known to be unbalanced, and accuracy is the only score.

    What it does:
        Speaks where a program balances its classes (`class_weight="balanced"`, `compute_class_weight`, over- or under-sampling,
        `WeightedRandomSampler`), or makes unbalanced ones, and computes no other score of a classifier than accuracy.

    Why it matters:
        Who always says the frequent class is right in 99 of 100 cases where the rare one is 1 % (Chawla et al., SMOTE, 2002; He and
        Garcia, Learning from imbalanced data, 2009).

    Instead:
        Report F1, average precision, balanced accuracy or a confusion matrix as well.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    if walked.has(*OTHERS) or any(
        _scores_otherwise(event.call) for event in walked.calls("cross_val_score", "cross_validate", "GridSearchCV")
    ):
        return
    evidence = _evidence(walked)
    if evidence is None or not walked.known(model_fits):
        return
    for event in walked.calls("accuracy_score", "score"):
        if event.call.short == "accuracy_score" or (event.call.receiver is not None and not _of_one_class(event.call)):
            yield violation(
                event,
                "accuracy is the only score, though the classes are unbalanced",
                "report F1, average precision or balanced accuracy as well",
                sure=False,
                related=((evidence, "the classes are unbalanced by this"),),
            )
            return


def _of_one_class(call: Call) -> bool:
    """Whether a score is that of rows of one class alone: a recall."""
    given = call.argument(1, "y")
    return given is not None and any(
        isinstance(entry, Call) and entry.short in ("ones", "zeros", "ones_like", "zeros_like", "full") for entry in ancestry(given)
    )


def _scores_otherwise(call: Call) -> bool:
    given = call.argument(None, "scoring")
    return given is not None and constant(given) not in ("accuracy", None)


def _evidence(walked: Program) -> Placed | None:
    for event in walked.calls(*SAMPLERS, "compute_class_weight", "compute_sample_weight"):
        return event
    for event in walked.calls():
        if constant(event.call.argument(None, "class_weight")) in ("balanced", "balanced_subsample"):
            return event
    for event in walked.calls("make_classification"):
        given = event.call.argument(None, "weights")
        weights = plain(given) if given is not None else None
        known = [number(entry) for entry in weights.items] if isinstance(weights, Display) else []
        if any(weight is not None and (weight >= 0.8 or weight <= 0.2) for weight in known):
            return event
    return None


PROGRAM = """from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split

X, y = make_classification(weights=[0.97, 0.03], random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
guess = LogisticRegression(class_weight="balanced").fit(X_train, y_train).predict(X_test)
print(accuracy_score(y_test, guess)){marker}
"""
BAD = program(PROGRAM.format(marker="  # <- here"))
GOOD = program(PROGRAM.format(marker="\nprint(f1_score(y_test, guess))"))
