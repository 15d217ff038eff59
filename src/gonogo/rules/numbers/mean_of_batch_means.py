"""NUM105."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Change, Event, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Choice, Operation, Parameter, Turn, Value, constant, number, options, plain
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.batches import loader_of
from gonogo.analysis.training.kinds import Kind, likely_kind
from gonogo.analysis.training.loops import acts
from gonogo.analysis.training.ops import op_of
from gonogo.analysis.training.uses import ancestry, operations
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

LOSSES = frozenset(
    {
        "cross_entropy",
        "mse_loss",
        "nll_loss",
        "l1_loss",
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "smooth_l1_loss",
        "kl_div",
    }
)
SCORES = frozenset({"accuracy_score", "accuracy"})


@rule("NUM105", "mean-of-batch-means", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def mean_of_batch_means(programs: list[Program]) -> Iterator[Violation]:
    """A score of an evaluation is the mean of the batches' means, though the last batch may be smaller.

    What it does:
        Looks at loops over loaders that compute no gradients. Speaks where a mean over the batch (a loss with its usual reduction, a
        mean of `==`) is added up or collected, and divided by the number of batches. Silent where the loader drops the last batch,
        where each batch is weighted by its size, and for the loss that a training loop shows; a loss is a note.

    Why it matters:
        The rows of a small last batch weigh more than the others: the score depends on the batch size, and differs from the one over
        all rows (TorchMetrics, "Implementing a metric"; PyTorch, `DataLoader(drop_last)`).

    Instead:
        Add up `loss.item() * len(batch)` or counts of right answers, and divide by the number of rows.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    learning = {loop for done in walked.known(acts) if done.act.does is Does.COMPUTES for loop in done.loops}
    added: dict[Value, Change] = {}
    for change in walked.all(Change):
        loop = next((around for around in change.around() if isinstance(around, Loop)), None)
        if loop is not None and loop not in learning and change.operator == "+" and _is_over_batches(loop) and _is_mean(change.operand):
            added[change.result] = change
    lists = {}
    for event in walked.calls("append"):
        loop = next((around for around in event.around() if isinstance(around, Loop)), None)
        if (
            loop is not None
            and loop not in learning
            and _is_over_batches(loop)
            and event.call.arguments
            and _is_mean(event.call.arguments[0])
        ):
            lists[base(event.call.receiver)] = event  # type: ignore[arg-type]
    for operation in walked.known(operations):
        if operation.operator != "/":
            continue
        kept = _summed(operation.operands[0])
        if kept is not None and kept in lists:
            yield _violation(operation, lists[kept])
        if _counts_batches(operation.operands[1]):
            for total in _totals(operation.operands[0]):
                if total in added:
                    yield _violation(operation, added[total])
    for event in walked.calls("mean", "fmean", "sum"):
        given = event.call.arguments[0] if event.call.arguments else None
        while (
            given is not None and isinstance(inner := base(given), Call) and inner.short in ("tensor", "array", "stack", "as_tensor", "cat")
        ):
            given = inner.arguments[0] if inner.arguments else None
        if event.call.name and event.call.short != "sum" and given is not None and base(given) in lists:
            yield _violation(event.call, lists[base(given)])


def _is_loss(where: object) -> bool:
    """Whether a loss is averaged, which mostly is only watched."""
    value = where.operand if isinstance(where, Change) else where.call.arguments[0] if isinstance(where, Event) else None
    return value is not None and any((op := op_of(entry)) is not None and op.name in LOSSES for entry in list(ancestry(value))[:8])


def _summed(value: Value) -> Value | None:
    """The list whose sum a value is."""
    value = plain(value)
    return base(value.arguments[0]) if isinstance(value, Call) and value.name == "sum" and value.arguments else None


def _violation(at: Value, where: object) -> Violation:
    return violation(
        at,
        "this is the mean of the batches' means: rows of a smaller last batch weigh more",
        "weight each batch by its size, and divide by the number of rows",
        sure=False,
        severity=Severity.INFO if _is_loss(where) else None,
        related=((where, "the mean over a batch is kept here"),),  # type: ignore[arg-type]
    )


def _is_over_batches(loop: Loop) -> bool:
    """Whether a loop goes through a loader that may give a smaller last batch."""
    loader = loader_of(loop)
    if isinstance(loader, Parameter):
        return True  # what it is made with is not known; a batch size that fits is the exception
    if not isinstance(loader, Call) or constant(loader.argument(None, "drop_last")) is True:
        return False
    size = loader.argument(1, "batch_size")
    return size is not None and number(size) != 1


def _is_mean(value: Value) -> bool:
    """Whether a value surely is a mean over the batch, not weighted by its size."""
    for _ in range(6):
        value = plain(value)
        if isinstance(value, Call) and (value.method in ("item", "cpu", "detach", "numpy", "to") or value.name == "float"):
            inner = value.receiver if value.method else value.arguments[0] if value.arguments else None
            if inner is None:
                return False
            value = inner
        else:
            break
    if isinstance(value, Choice):
        return False
    if isinstance(value, Operation):
        return False
    op = op_of(value)
    if op is None:
        return False
    if op.name in LOSSES:
        reduction = op.option(None, "reduction")
        return reduction is None or constant(reduction) == "mean"
    if op.name in SCORES:
        return op.library in ("sklearn", "torchmetrics")
    if op.name == "mean" and op.operands and op.option(0, "dim", "axis") is None:
        return any(isinstance(entry, Operation) and entry.operator == "==" for entry in ancestry(op.operands[0]))
    return False


def _counts_batches(value: Value) -> bool:
    """`len(loader)`."""
    value = plain(value)
    return isinstance(value, Call) and value.name == "len" and bool(value.arguments) and likely_kind(value.arguments[0]) is Kind.LOADER


def _totals(value: Value) -> Iterator[Value]:
    for entry in options(value):
        yield entry
        if isinstance(entry, Turn):
            yield from entry.options
        if isinstance(entry, Call) and entry.method in ("item", "cpu") and entry.receiver is not None:
            yield from options(entry.receiver)


PROGRAM = """import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

model = nn.Linear(4, 2).eval()
loader = DataLoader(TensorDataset(torch.randn(100, 4), torch.randint(2, (100,))), batch_size=32)
total, rows = 0.0, 0
with torch.no_grad():
    for inputs, labels in loader:
        {add}
        rows += len(labels)
print({end}
"""
BAD = [
    program(
        PROGRAM.format(add="total += nn.functional.cross_entropy(model(inputs), labels).item()", end="total / len(loader))  # <- here")
    ),
    program(
        PROGRAM.format(add="total += (model(inputs).argmax(1) == labels).float().mean().item()", end="total / len(loader))  # <- here")
    ),
]
GOOD = [
    program(PROGRAM.format(add="total += (model(inputs).argmax(1) == labels).sum().item()", end="total / rows)")),
    program(PROGRAM.format(add="total += nn.functional.cross_entropy(model(inputs), labels).item() * len(labels)", end="total / rows)")),
]
