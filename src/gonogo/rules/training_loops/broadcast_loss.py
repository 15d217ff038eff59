"""TRN109."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Element, Item, Returned, Value, number, plain
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.python.names import argument, last_name
from gonogo.analysis.training.activations import last_put, width_of
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.ops import op_of
from gonogo.analysis.training.shapes import ROWS, Shape, Shapes
from gonogo.analysis.training.uses import operations, ops
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import Placed, violation

# What leaves the axes of its input as they are.
KEEPS_AXES = words("to float double half cpu cuda type contiguous clone relu sigmoid tanh softplus exp identity dropout gelu silu")
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
    if first is None and second == (ROWS,) and _is_batch(other) and _is_column(one):
        first = (ROWS, 1)  # as many axes as its input has, which is a batch of the same loader
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


def _is_column(value: Value) -> bool:
    """Whether a value surely has a last axis of length 1: the output of a layer of width one.

    With its axes as they were.
    """
    for _ in range(20):
        value = value.value if isinstance(value, Returned) else plain(value)
        op = op_of(value)
        if isinstance(value, Returned):
            continue
        if op is None:
            return False
        if op.maker is not None and op.maker.short == "Linear":
            return number(op.maker.argument(1, "out_features")) == 1
        if op.maker is not None and op.maker.short == "Sequential" and op.maker.is_open:
            last = last_put(op.maker.module, op.maker.node)
            width = argument(last, 1, "out_features") if last is not None and last_name(last.func) == "Linear" else None
            return isinstance(width, ast.Constant) and width.value == 1
        if op.name not in KEEPS_AXES or not op.operands:
            return False
        value = op.operands[0]
    return False


def _is_batch(value: Value) -> bool:
    """Whether a value is what a loader gives in each turn, moved and converted perhaps."""
    for _ in range(10):
        value = plain(value)
        op = op_of(value)
        if op is not None and op.name in KEEPS_AXES and op.operands:
            value = op.operands[0]
        elif isinstance(value, (Item, Element)):
            if isinstance(value, Element) and kind_of(value.owner) is Kind.LOADER:
                return True
            value = value.owner
        else:
            return False
    return False


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
BAD = [program(PROGRAM.format(column="", outputs="model(x)", marker="  # <- here"))]
GOOD = [
    program(PROGRAM.format(column="", outputs="model(x).squeeze(1)", marker="")),
    program(PROGRAM.format(column=".unsqueeze(1)", outputs="model(x)", marker="")),
]
READ = """import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Points(Dataset):
    def __init__(self, path):
        table = pd.read_csv(path)
        self.rows = table.drop(columns="target").to_numpy(dtype=np.float32)
        self.targets = table["target"].to_numpy(dtype=np.float32)

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, place):
        return torch.from_numpy(self.rows[place]), torch.tensor({target})


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(6, 8)
        self.head = nn.Linear(8, {width})

    def forward(self, rows):
        return {out}


def step(net, criterion, optimizer, batches):
    for rows, targets in batches:
        optimizer.zero_grad()
        loss = criterion(net(rows.to("cpu")), targets.to("cpu")){marker}
        loss.backward()
        optimizer.step()


net = Net()
step(net, nn.MSELoss(), torch.optim.Adam(net.parameters()), DataLoader(Points("points.csv"), batch_size=32, shuffle=True))
"""
HEAD = "self.head(torch.relu(self.body(rows)))"


def _read(out: str = HEAD, target: str = "self.targets[place]", marker: str = "", width: int = 1) -> Tree:
    return program(READ.format(out=out, target=target, marker=marker, width=width))


BAD += [_read(marker="  # <- here")]
GOOD += [
    _read(f"{HEAD}.squeeze(-1)"),
    _read(f"{HEAD}.flatten()"),
    _read(f"{HEAD}[:, 0]"),
    _read(target="self.targets[place : place + 1]"),
    _read(width=2),
]
