"""NUM133."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value, constant, plain
from gonogo.analysis.numbers.origins import loader_of_batch
from gonogo.analysis.training.activations import Gives, output_of
from gonogo.analysis.training.ops import Op, op_of
from gonogo.analysis.training.uses import ancestry, ops
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

LOSSES = frozenset({"nll_loss", "cross_entropy", "binary_cross_entropy", "mse_loss", "kl_div", "argmax"})
SOFT = frozenset({"softmax", "log_softmax", "softmin", "gumbel_softmax"})
# What may change which axis is that of the rows.
TURNS = frozenset(
    {"transpose", "t", "T", "mT", "matmul", "mm", "bmm", "einsum", "movedim", "moveaxis", "rearrange", "view", "reshape", "squeeze",
     "stack", "unbind", "flatten_", "select", "cdist", "cosine_similarity", "swapdims", "outer"}
)  # fmt: skip


@rule("NUM133", "softmax-over-batch", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def softmax_over_batch(programs: list[Program]) -> Iterator[Violation]:
    """The softmax of a network's outputs is taken over the rows of the batch, and not over the classes.

    What it does:
        Follows what a loss, or an `argmax` over the classes, is given back to a softmax over the first axis (`dim=0`). Speaks where that
        softmax is taken of the outputs of a linear layer for a batch of a loader, with nothing between that moves axes. Scores of rows
        against rows, attention, single rows and outputs that are transposed or reshaped are left alone.

    Why it matters:
        The probabilities of a row don't sum to one, and depend on which other rows are in its batch; the loss can be made small without
        telling the classes apart (PyTorch, `torch.nn.functional.softmax`: `dim` is the dimension along which they sum to one).

    Instead:
        Take it over the classes: `dim=1`, or `dim=-1`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for op in walked.gather(ops):
        if op.name not in LOSSES or not op.operands or (op.name == "argmax" and not _is_of_classes(op)):
            continue
        by = output_of(op.operands[0]).by
        soft = op_of(by)
        if soft is not None and soft.name == "log" and soft.operands:
            by = output_of(soft.operands[0]).by
            soft = op_of(by)
        if soft is None or soft.name not in SOFT or not soft.operands or not _is_over_rows(soft):
            continue
        if _is_of_batch(soft.operands[0]) and _is_as_it_came(op.operands[0], by):
            yield violation(
                soft.call,
                f"this {soft.name.replace('_', '-')} is taken over the rows of the batch, not over the classes",
                "take it over the classes, `dim=1`",
                related=((op.call, "it is used here"),),
            )


def _is_of_classes(op: Op) -> bool:
    axis = constant(op.option(0, "dim", "axis"))
    return axis in (1, -1) and axis is not True


def _is_over_rows(soft: Op) -> bool:
    index = 1 if soft.name == "gumbel_softmax" else 0
    axis = constant(soft.option(None if soft.name == "gumbel_softmax" else index, "dim", "axis"))
    return axis == 0 and axis is not False


def _is_of_batch(logits: Value) -> bool:
    """Whether logits are those that a linear layer gives for a loader's batch, axes in order."""
    if output_of(logits).gives is not Gives.LOGITS:
        return False
    entries = list(ancestry(logits))
    if any(isinstance(entry, Call) and _turns(entry) for entry in entries):
        return False
    return any(loader_of_batch(entry) is not None for entry in entries)


def _turns(entry: Call) -> bool:
    op = op_of(entry)
    return op is not None and op.name in TURNS


def _is_as_it_came(given: Value, soft: Value) -> bool:
    """Whether nothing but numbers changes between a softmax and where it is used."""
    for _ in range(10):
        given = plain(given)
        if given is plain(soft):
            return True
        op = op_of(given)
        if op is None or not op.operands or op.name in TURNS or op.name not in ("log", "float", "to", "cpu", "cuda", "clone", "double"):
            return False
        given = op.operands[0]
    return False


PROGRAM = """import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 16), nn.Linear(16, 3)
        self.last = nn.LogSoftmax(dim={axis})

    def forward(self, rows):
        logits = self.head(torch.relu(self.body(rows)))
        {result}


network = Net()
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
loader = DataLoader(TensorDataset(*torch.load("rows.pt")), batch_size=32, shuffle=True)
for epoch in range(10):
    for rows, labels in loader:
        optimizer.zero_grad()
        F.nll_loss(network(rows), labels).backward()
        optimizer.step()
"""
HERE = "  # <- here"
BAD = [
    program(PROGRAM.format(axis=1, result=f"return F.log_softmax(logits, dim=0){HERE}")),
    program(PROGRAM.format(axis=0, result=f"return self.last(logits){HERE}")),
    program(PROGRAM.format(axis=1, result=f"return logits.log_softmax(0){HERE}")),
]
GOOD = [
    program(PROGRAM.format(axis=1, result="return F.log_softmax(logits, dim=1)")),
    program(PROGRAM.format(axis=1, result="return self.last(logits)")),
    program(PROGRAM.format(axis=1, result="return F.log_softmax(logits.t(), dim=0).t()")),
    program(PROGRAM.format(axis=1, result="return (F.softmax(logits, dim=0) * logits).log_softmax(1)")),
    program(PROGRAM.format(axis=1, result="return F.log_softmax(logits[0], dim=0).unsqueeze(0)")),
]
