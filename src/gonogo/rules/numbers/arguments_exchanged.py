"""NUM112."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value, plain
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.numbers.origins import loader_of_batch
from gonogo.analysis.rows.flow import name_of
from gonogo.analysis.training.gradients import Gradients
from gonogo.analysis.training.ops import unwrapped
from gonogo.analysis.training.uses import applications_in, ops
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

# Of scikit-learn's metrics those that differ when truth and prediction are exchanged.
METRICS = (
    "precision_score", "recall_score", "fbeta_score", "precision_recall_fscore_support", "classification_report", "confusion_matrix",
    "roc_auc_score", "average_precision_score", "log_loss", "brier_score_loss", "roc_curve", "precision_recall_curve", "r2_score",
    "explained_variance_score", "mean_absolute_percentage_error", "top_k_accuracy_score",
)  # fmt: skip
PREDICTED = re.compile(r"(?:^|_)(?:pred|preds|predicted|prediction|predictions|yhat|y_hat|proba|probas|probs|guess|guesses)(?:_|$)", re.I)
TRUE = re.compile(
    r"(?:^|_)(?:true|truth|gt|actual|actuals|label|labels|target|targets|y_test|y_val|y_valid|test_y|val_y|y_te|y|ys|yte|ytest|y_dev|y_eval|y_hold|y_holdout|y_out|yb|y_b|yv|yva|yval)$",
    re.I,
)
PREDICTS = frozenset({"predict", "predict_proba", "decision_function"})


@rule("NUM112", "arguments-exchanged", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def arguments_exchanged(programs: list[Program]) -> Iterator[Violation]:
    """A metric gets predictions in place of the truth, and the truth in place of predictions.

    What it does:
        Looks at the metrics of scikit-learn that differ when their two arguments are exchanged. Speaks where the first one comes from
        `predict` or is called a prediction, and the second one is called the truth and comes from no `predict`. Also looks at the
        cross-entropies of PyTorch, which want the prediction first: speaks where the first argument is of a loader's batch as it comes,
        and the second one is what a network that learns from the loss gives for it.

    Why it matters:
        Precision and recall change places, a confusion matrix is turned over, R² and the area under the curve become other numbers,
        all without a message (scikit-learn, `sklearn.metrics`: `y_true` comes first).

    Instead:
        Give the truth first: `precision_score(y_true, y_pred)`.
    """
    yield from by_place(found for walked in programs for found in (*_found(walked), *_losses(walked)))


def _found(walked: Program) -> Iterator[Violation]:
    for event in walked.calls(*METRICS):
        call = event.call
        if not call.name.startswith("sklearn.") or len(call.arguments) < 2 or call.is_open:
            continue
        first, second = call.arguments[:2]
        predicted = _is_predicted(first)
        if (predicted or PREDICTED.search(name_of(first))) and not _is_predicted(second) and not PREDICTED.search(name_of(second)):
            names = TRUE.search(name_of(second)) is not None
            if names and (predicted or not TRUE.search(name_of(first))):
                yield violation(
                    event, f"`{call.short}` is given the predictions first and the truth second", "give the truth first", sure=predicted
                )


LOSSES = frozenset({"cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"})


def _losses(walked: Program) -> Iterator[Violation]:
    """`criterion(labels, outputs)`."""
    for op in walked.gather(ops):
        if op.name not in LOSSES or op.library != "torch" or len(op.operands) != 2 or op.call.is_open:
            continue
        labels, given = op.operands
        if (
            loader_of_batch(unwrapped(labels, CONVERSIONS, 5)) is not None
            and applications_in(given)
            and walked.known(Gradients).reaches(given) is True
        ):
            yield violation(
                op.call, f"`{op.name}` is given the labels first and the predictions second", "give the predictions first", sure=True
            )


CONVERSIONS = frozenset({"to", "cuda", "cpu", "float", "long", "unsqueeze", "squeeze", "view", "reshape", "double", "type", "flatten"})


def _is_predicted(value: Value) -> bool:
    made = base(plain(value))
    return isinstance(made, Call) and made.method in PREDICTS


PROGRAM = """from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, precision_score
from sklearn.model_selection import train_test_split

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
y_pred = LogisticRegression(max_iter=5000).fit(X_train, y_train).predict(X_test)
print({score}){marker}
"""
BAD = [program(PROGRAM.format(score="precision_score(y_pred, y_test)", marker="  # <- here"))]
SCORED = """from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_score


class Study:
    def __init__(self):
        self.model = LogisticRegression()

    def score(self, rows, y):
        {name} = self.model.predict(rows)
        return precision_score({given}){marker}
"""
BAD += [program(SCORED.format(name="y_hat", given="y_hat, y", marker="  # <- here"))]
LEARNS = """import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
loader = DataLoader(TensorDataset(*torch.load("rows.pt")), batch_size=32, shuffle=True)
network, teacher = nn.Linear(4, 1), nn.Linear(4, 1)
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for rows, labels in loader:
    optimizer.zero_grad()
    loss = {loss}
    loss.backward()
    optimizer.step()
"""
_HERE = "  # <- here"
BAD += [
    program(LEARNS.format(loss=f"criterion(labels, network(rows)){_HERE}")),
    program(LEARNS.format(loss=f"nn.functional.binary_cross_entropy(labels.float().unsqueeze(1), torch.sigmoid(network(rows))){_HERE}")),
]
GOOD = [
    program(LEARNS.format(loss="criterion(network(rows).squeeze(1), labels.float())")),
    program(LEARNS.format(loss="nn.functional.mse_loss(labels, network(rows).squeeze(1))")),
    program(LEARNS.format(loss="criterion(network(rows), torch.sigmoid(teacher(rows)).detach())")),
    program(SCORED.format(name="y_hat", given="y, y_hat", marker="")),
    program(SCORED.format(name="teacher", given="teacher, rows", marker="")),
    program(PROGRAM.format(score="precision_score(y_test, y_pred)", marker="")),
    program(PROGRAM.format(score="precision_score(y_true=y_test, y_pred=y_pred)", marker="")),
    program(PROGRAM.format(score="accuracy_score(y_pred, y_test), precision_score(y_test, y_pred)", marker="")),
]
