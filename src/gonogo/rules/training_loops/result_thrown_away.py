"""TRN140."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Event, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Element, Item, Value, constant, plain
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.batches import loader_of
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

TENSORS = frozenset(
    {"to", "cuda", "cpu", "float", "long", "half", "detach", "view", "reshape", "squeeze", "unsqueeze", "permute", "transpose", "clone",
     "flatten", "contiguous", "clamp", "softmax", "sigmoid"}
)  # fmt: skip
TABLES = frozenset(
    {"drop", "dropna", "fillna", "drop_duplicates", "rename", "sort_values", "reset_index", "set_index", "astype", "replace"}
)  # fmt: skip
READS = frozenset(
    {"read_csv", "read_parquet", "read_excel", "read_json", "DataFrame", "read_table", "read_feather", "read_pickle", "concat"}
)
MAKES = frozenset(
    {"tensor", "randn", "rand", "zeros", "ones", "from_numpy", "as_tensor", "arange", "stack", "cat", "FloatTensor", "LongTensor"}
)  # fmt: skip


@rule("TRN140", "result-thrown-away", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def result_thrown_away(programs: list[Program]) -> Iterator[Violation]:
    """A method that gives a changed tensor or table back is called for nothing: what it gives is thrown away.

    What it does:
        Looks at statements that only call a method such as `to`, `cuda`, `float`, `squeeze` of a tensor that comes from a loader or is
        made by a function of PyTorch, or `dropna`, `fillna`, `drop`, `sort_values` of a pandas table without `inplace=True`. Networks
        are left alone: their `to` changes them.

    Why it matters:
        The batch stays on the CPU, the rows with gaps stay in the table, without a message (PyTorch, `torch.Tensor.to`: returns a
        tensor; pandas, `DataFrame.dropna`).

    Instead:
        Keep the result: `inputs = inputs.to(device)`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    loaders = {loader for loop in walked.all(Loop) if (loader := loader_of(loop)) is not None}
    for event in walked.calls(*TENSORS, *TABLES):
        receiver = event.call.receiver
        if receiver is None or not isinstance(event.module.parents.get(event.node), ast.Expr) or _is_shown(event):
            continue
        name = event.call.method
        tensor = name in TENSORS and _is_tensor(receiver, loaders)
        table = (
            name in TABLES and constant(event.call.argument(None, "inplace")) is not True and not event.call.is_open and _is_table(receiver)
        )
        if tensor or table:
            text = ast.unparse(receiver.node)
            yield violation(
                event,
                f"`{name}` gives a changed {'tensor' if tensor else 'table'} back, which is thrown away here: `{text}` stays as it is",
                f"write `{text} = {text}.{name}(…)`",
            )


def _is_shown(event: Event) -> bool:
    """Whether a statement is the last of a notebook's cell, which shows its value."""
    return event.module.path.endswith(".ipynb")


def _is_tensor(value: Value, loaders: set[Value]) -> bool:
    made = base(value)
    for _ in range(6):
        if isinstance(made, Element):
            owner = base(made.owner)
            if owner in loaders or kind_of(owner) is Kind.LOADER or (isinstance(owner, Call) and owner.short == "TensorDataset"):
                return True
            made = owner
        elif isinstance(made, Item):
            made = base(made.owner)
    return isinstance(made, Call) and made.name.startswith("torch.") and made.short in MAKES


def _is_table(value: Value) -> bool:
    made = plain(base(value))
    for _ in range(6):
        if isinstance(made, Call) and made.method in TABLES and made.receiver is not None:
            made = base(made.receiver)
    return isinstance(made, Call) and made.name.startswith("pandas.") and made.short in READS


PROGRAM = """import pandas as pd
import torch
from torch.utils.data import DataLoader, TensorDataset

table = pd.read_csv("rows.csv")
{table}
loader = DataLoader(TensorDataset(torch.tensor(table.values)), batch_size=8)
network = torch.nn.Linear(4, 2)
network.to("cuda")
for (rows,) in loader:
    {batch}
    print(network(rows))
"""
MOVED = 'rows = rows.to("cuda")'
BAD = [
    program(PROGRAM.format(table="table.dropna()  # <- here", batch=MOVED)),
    program(PROGRAM.format(table="table = table.dropna()", batch='rows.to("cuda")  # <- here')),
]
GOOD = [
    program(PROGRAM.format(table="table = table.dropna()", batch=MOVED)),
    program(PROGRAM.format(table="table.dropna(inplace=True)", batch=MOVED)),
]
