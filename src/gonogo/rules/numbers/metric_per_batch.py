"""NUM107."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Change, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Operation, Value, constant, number
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.batches import loader_of
from gonogo.analysis.training.loops import acts
from gonogo.analysis.training.ops import op_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import Placed, violation

METRICS = frozenset(
    {"f1_score", "precision_score", "recall_score", "roc_auc_score", "average_precision_score", "fbeta_score", "matthews_corrcoef",
     "cohen_kappa_score", "balanced_accuracy_score", "r2_score", "corpus_bleu", "jaccard_score", "pearsonr", "spearmanr", "bleu_score",
     "binary_f1_score", "multiclass_f1_score", "precision_recall_fscore_support", "explained_variance_score", "concordance_index"}
)  # fmt: skip

LOADER = re.compile(r"(?:^|_)(?:data_?)?loader$")


@rule("NUM107", "metric-per-batch", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def metric_per_batch(programs: list[Program]) -> Iterator[Violation]:
    """A metric that is no mean over rows (F1, AUC, BLEU) is computed for each batch and averaged.

    What it does:
        Looks at loops over loaders. Speaks where F1, precision, recall, an area under a curve, a correlation, R² or corpus BLEU is
        computed of one batch, or the root of its mean squared error or the exponential of its mean cross-entropy (perplexity) is taken,
        and is added up or collected. Batches of one row,
        and metrics that are averaged over samples (`average="samples"`), are left alone.

    Why it matters:
        The mean of the batches' F1 is not the F1 of all rows: it depends on the batch size and on which rows come together, and is
        not defined for a batch without positives (Forman and Scholz, Apples-to-apples in cross-validation studies, 2010; Post, A call
        for clarity in reporting BLEU scores, 2018).

    Instead:
        Collect predictions and targets, or counts, of all batches, and compute the metric once.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    learning = {loop for done in walked.known(acts) if done.act.does is Does.COMPUTES for loop in done.loops}
    kept: list[tuple[Placed, Value, Loop]] = []
    for change in walked.all(Change):
        loop = next((around for around in change.around() if isinstance(around, Loop)), None)
        if change.operator == "+" and loop is not None:
            kept.append((change, change.operand, loop))
    for event in walked.calls("append"):
        loop = next((around for around in event.around() if isinstance(around, Loop)), None)
        if loop is not None and event.call.arguments:
            kept.append((event, event.call.arguments[0], loop))
    for at, value, loop in kept:
        name = _metric(value)
        if name and _is_over_batches(loop):
            yield violation(
                at,
                f"{name} of one batch is kept, to be averaged: the mean is not that of all rows",
                "collect predictions and targets, and compute it once",
                sure=loop not in learning,
                severity=Severity.INFO if loop in learning else None,
            )


def _metric(value: Value) -> str:
    """The metric that a value is, not weighted by anything."""
    for _ in range(5):
        value = base(value)
        if isinstance(value, Call) and (value.method in ("item", "cpu", "detach") or value.name == "float"):
            inner = value.receiver if value.method else value.arguments[0] if value.arguments else None
            if inner is None:
                return ""
            value = inner
    if isinstance(value, Operation):
        return ""
    if not isinstance(value, Call):
        return ""
    if value.short in METRICS and value.name and constant(value.argument(None, "average")) != "samples":
        return f"`{value.short}`"
    if value.short == "exp":
        given = value.arguments[0] if value.name and value.arguments else value.receiver
        return "the exponential of the mean loss" if given is not None and _is_mean_loss(given) else ""
    if value.short == "sqrt":
        given = value.arguments[0] if value.name and value.arguments else value.receiver
        inner = base(given) if given is not None else None
        if isinstance(inner, Call) and (inner.short in ("mse_loss", "mean_squared_error") or _is_mse(inner)):
            return "the root of the mean squared error"
    return ""


def _is_mean_loss(value: Value) -> bool:
    """Whether a value is a loss that is averaged over the batch."""
    made = base(value)
    while isinstance(made, Call) and (made.method in ("item", "detach", "cpu") or made.name == "float"):
        inner = made.receiver if made.method else made.arguments[0] if made.arguments else None
        if inner is None:
            return False
        made = base(inner)
    op = op_of(made)
    return op is not None and op.name in ("cross_entropy", "nll_loss") and constant(op.option(None, "reduction")) not in ("sum", "none")


def _is_mse(call: Call) -> bool:
    maker = base(call.callee)
    return isinstance(maker, Call) and maker.short == "MSELoss"


def _is_over_batches(loop: Loop) -> bool:
    """Whether a loop goes through a loader in batches of more than one row."""
    loader = loader_of(loop)
    if loader is None and isinstance(loop.node, ast.For):
        over = loop.node.iter.args[0] if isinstance(loop.node.iter, ast.Call) and loop.node.iter.args else loop.node.iter
        return isinstance(over, ast.Name) and LOADER.search(over.id) is not None
    if not isinstance(loader, Call):
        return loader is not None
    size = loader.argument(1, "batch_size")
    return number(size) != 1 and (size is not None or "batch_sampler" in loader.keywords)


PROGRAM = """import torch
from sklearn.metrics import f1_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

model = nn.Linear(4, 2).eval()
loader = DataLoader(TensorDataset(torch.randn(100, 4), torch.randint(2, (100,))), batch_size={size})
scores, guesses, truth = [], [], []
with torch.no_grad():
    for inputs, labels in loader:
        guess = model(inputs).argmax(1)
        {keep}
print({end})
"""
PERPLEXITY = "nn.functional.cross_entropy(model(inputs), labels).exp().item()"
MEAN = "sum(scores) / len(scores)"
BAD = [
    program(PROGRAM.format(size=10, keep="scores.append(f1_score(labels, guess))  # <- here", end=MEAN)),
    program(PROGRAM.format(size=10, keep=f"scores.append({PERPLEXITY})  # <- here", end=MEAN)),
]
GOOD = [
    program(PROGRAM.format(size=10, keep="guesses += guess.tolist()\n        truth += labels.tolist()", end="f1_score(truth, guesses)")),
    program(PROGRAM.format(size=1, keep="scores.append(f1_score(labels, guess))", end=MEAN)),
]
