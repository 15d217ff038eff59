"""TRN109."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Value
from gonogo.analysis.training.activations import width_of
from gonogo.analysis.training.shapes import Shape, Shapes
from gonogo.analysis.training.uses import operations, ops
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import Placed, violation

LOSSES = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})


@rule("TRN109", "broadcast-loss", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def broadcast_loss(programs: list[Program]) -> Iterator[Violation]:
    """Predictions of shape (N, 1) are compared with targets of shape (N,): N times N differences.

    What it does:
        Follows the shapes of predictions and targets from where they are made: layers with one output, columns of tables, arrays of
        targets, loaders, `view`, `squeeze` and the like. Speaks where a loss, a difference or a comparison takes a column and a row
        of the same examples. A shape that is not known says nothing.

    Why it matters:
        Broadcasting pairs every prediction with every target (NumPy, "Broadcasting"; `torch.nn.functional.mse_loss` only warns). The
        best such a network can do is to predict the mean, and it looks as if it learned slowly.

    Instead:
        Give both one shape: `outputs.squeeze(1)`, or `targets.unsqueeze(1)`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    shapes = walked.known(Shapes)
    for op in walked.gather(ops):
        if op.name in LOSSES and len(op.operands) >= 2:
            yield from _compared(shapes, op.call, op.operands[0], op.operands[1])
    for value in walked.known(operations):
        if value.operator in ("-", "==", "!=") and len(value.operands) == 2 and any(width_of(operand) == 1 for operand in value.operands):
            yield from _compared(shapes, value, *value.operands)


def _compared(shapes: Shapes, at: Placed, one: Value, other: Value) -> Iterator[Violation]:
    first, second = shapes.of(one), shapes.of(other)
    if first is None or second is None or not (_clash(first, second) or _clash(second, first)):
        return
    column, row = (one, other) if len(first) == 2 else (other, one)
    yield violation(
        at,
        "a column (N, 1) and a row (N,) are compared: broadcasting makes N × N differences of it",
        "give both one shape, by `squeeze(1)` of the column or `unsqueeze(1)` of the row",
        related=((column, "a column"), (row, "a row")),
    )


def _clash(column: Shape, row: Shape) -> bool:
    """Return whether one shape has a second axis of length 1 that the other lacks.

    Both must have the same number of rows, more than one.
    """
    return len(column) == 2 and len(row) == 1 and column[1] == 1 and column[0] == row[0] and row[0] != 1


PROGRAM = """import torch
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

table = load_diabetes()
inputs = torch.tensor(table.data, dtype=torch.float32)
targets = torch.tensor(table.target, dtype=torch.float32){column}
model = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters())
for x, y in DataLoader(TensorDataset(inputs, targets), batch_size=32):
    optimizer.zero_grad()
    nn.functional.mse_loss({outputs}, y).backward(){marker}
    optimizer.step()
"""
BAD = program(PROGRAM.format(column="", outputs="model(x)", marker="  # <- here"))
GOOD = [
    program(PROGRAM.format(column="", outputs="model(x).squeeze(1)", marker="")),
    program(PROGRAM.format(column=".unsqueeze(1)", outputs="model(x)", marker="")),
]
