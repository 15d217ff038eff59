"""SCI122."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from gonogo.analysis.dataflow.blocks import Event
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Operation, Value, plain
from gonogo.analysis.numbers.same import same
from gonogo.analysis.numbers.written import calls_around, written_alike
from gonogo.analysis.python.names import ancestors, last_name
from gonogo.analysis.training.activations import Gives, output_of
from gonogo.analysis.training.ops import unwrapped
from gonogo.analysis.training.uses import ops
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

# What code says where a comparison with itself is meant.
ON_PURPOSE = re.compile(r"\bitself\b|\bperfect|\bpretend|\bsanity|self[- ]comparison", re.IGNORECASE)
T = TypeVar("T")
# Metrics that compare what was predicted with what is true, and tests that compare two samples.
_METRICS = re.compile(
    r"^(?:sklearn\.metrics\.(?:\w+\.)?(?:accuracy_score|balanced_accuracy_score|f1_score|fbeta_score|precision_score|recall_score|jaccard_score"
    r"|precision_recall_fscore_support|confusion_matrix|multilabel_confusion_matrix|classification_report|roc_auc_score|roc_curve"
    r"|average_precision_score|precision_recall_curve|matthews_corrcoef|hamming_loss|zero_one_loss|mean_squared_error|mean_absolute_error"
    r"|root_mean_squared_error|r2_score|explained_variance_score|max_error|median_absolute_error|log_loss|brier_score_loss)"
    r"|torchmetrics\.functional\.(?:\w+\.)*(?:accuracy|f1_score|precision|recall|auroc|confusion_matrix|mean_squared_error|mean_absolute_error)"
    r"|seqeval\.metrics\.\w+_score|scipy\.stats\.(?:ttest_rel|ttest_ind|wilcoxon|mannwhitneyu|ks_2samp|ranksums|brunnermunzel)"
    r"|statsmodels\.stats\.\S*mcnemar)$"
)
_SECOND = ("y_pred", "y_score", "y_prob", "y_proba", "predictions", "preds", "target", "b", "y", "other")
_FIRST = ("y_true", "references", "labels", "a", "x", "preds")


@rule(
    "SCI122",
    "metric-of-itself",
    criterion=8,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    scope=Scope.PROGRAM,
    settles=("metrics", "evaluation"),
)
def metric_of_itself(programs: list[Program]) -> Iterator[Violation]:
    """A metric or a test compares an array with itself.

    What it does:
        Looks at the two arrays that metrics of scikit-learn, torchmetrics, seqeval and Evaluate, and the tests of SciPy, are given, and
        follows both back. Speaks where they surely are the same values, copied or converted at most, and where classes that a network
        chose are compared with themselves by `==` and counted. A warning where the result is only shown, and the code says that something
        is compared with itself.

    Why it matters:
        The result is perfect, or the test says "no difference", whatever the model does.

    Instead:
        Give the metric what the model predicts, and what is true.
    """
    yield from by_place(found for walked in programs for found in (*_found(walked), *_counted(walked)))


def _found(walked: Program) -> Iterator[Violation]:
    for event in walked.calls():
        names = _compared(event.call)
        if names is None or not isinstance(event.node, ast.Call):
            continue
        pair = _pair(event.call.arguments, event.call.keywords, names)
        texts = _pair(event.node.args, {keyword.arg: keyword.value for keyword in event.node.keywords if keyword.arg}, names)
        if pair is None or texts is None or any(isinstance(entry, ast.Starred) for entry in event.node.args):
            continue
        if same(*pair) and written_alike(event.module, *texts, calls_around(event)):
            yield violation(
                event,
                f"`{event.call.short}` is given the same values twice: its result says nothing about the model",
                "give it what the model predicts and what is true",
                sure=not _is_on_purpose(event),
            )


def _counted(walked: Program) -> Iterator[Violation]:
    """`(predicted == predicted).sum()`."""
    for op in walked.gather(ops):
        if op.name not in ("sum", "mean", "count_nonzero") or not op.operands:
            continue
        compared = _plain_comparison(op.operands[0])
        if compared is None:
            continue
        one, other = compared.operands
        if plain(one) is plain(other) and output_of(one).gives is Gives.DECISION and isinstance(plain(one), Call):
            yield violation(
                compared,
                "the predictions are compared with themselves: the result says nothing about the model",
                "compare them with the labels",
            )


def _plain_comparison(value: Value) -> Operation | None:
    found = unwrapped(value, ("float", "int", "long", "double", "cpu"), 3)
    return found if isinstance(found, Operation) and found.operator == "==" and len(found.operands) == 2 else None


def _is_on_purpose(event: Event) -> bool:
    """Return whether the code only shows a comparison of something with itself, and says so.

    An example is `print("x against itself", …)`.
    """
    statement = next((node for node in ancestors(event.module, event.node) if isinstance(node, ast.stmt)), None)
    if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
        return False
    if statement.value is not event.node and last_name(statement.value.func) != "print":
        return False
    first, last = statement.lineno, statement.end_lineno or statement.lineno
    return ON_PURPOSE.search("\n".join(event.module.lines[max(first - 2, 0) : last])) is not None


def _compared(call: Call) -> tuple[str, ...] | None:
    """The names of the arguments that a metric compares, None where a call is no metric."""
    if call.method in ("compute", "add_batch") and {"predictions", "references"} <= set(call.keywords):
        return ("predictions", "references")
    return (*_FIRST, *_SECOND) if _METRICS.match(call.name) and not call.is_open else None


def _pair(given: Sequence[T], named: Mapping[str, T], names: tuple[str, ...]) -> tuple[T, T] | None:
    """The two arguments that are compared."""
    found = [*given[:2], *(named[name] for name in names if name in named)]
    return (found[0], found[1]) if len(found) >= 2 else None


_IMPORT = "from scipy.stats import binomtest\n"
_MORE = Edit(_IMPORT, f"{_IMPORT}from sklearn.metrics import confusion_matrix\n")
_TITLE = '    axes.set(title=run["run_id"], ylabel="loss")\n'
_PROGRAM = """import numpy as np
from sklearn.metrics import accuracy_score

model = np.load("model.npy")
for labels, inputs in zip(np.load("labels.npy"), np.load("inputs.npy")):
    predicted = (inputs @ model).argmax(axis=1)
    print(accuracy_score({given})){marker}
"""
BAD = [
    Tree(
        {
            "src/evaluate.py": (
                _MORE,
                Edit(
                    _TITLE,
                    f'{_TITLE}    hits = [int(mark) for mark in run["test_correct"]]\n    print(confusion_matrix(hits, hits))  # <- here\n',
                ),
            )
        }
    ),
    program(_PROGRAM.format(given="labels, np.array(labels.copy())", marker="  # <- here")),
]
_CLASSES = """import torch
from torch import nn

network = nn.Linear(4, 3)
network.load_state_dict(torch.load("network.pt"))
rows, labels = torch.load("rows.pt")
classes = network(rows).argmax(1)
print({score})
"""
BAD += [program(_CLASSES.format(score="(classes == classes).float().mean().item())  # <- here").replace("here)", "here"))]
GOOD = [
    program(_CLASSES.format(score="(classes == labels).float().mean().item()")),
    program(_CLASSES.format(score="(labels == labels).sum().item()")),
    program(_CLASSES.format(score="(classes == network(rows.flip(1)).argmax(1)).float().mean()")),
    program(_PROGRAM.format(given="labels, predicted", marker="")),
    program(_PROGRAM.format(given="labels[:-1], labels[1:]", marker="")),
]
