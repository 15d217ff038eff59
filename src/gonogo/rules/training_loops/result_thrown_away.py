"""TRN140."""

from __future__ import annotations

import ast
import re
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

# Marks of cells in scripts, and the first line of those that nbconvert writes.
CELLS = re.compile(r"^# (?:%%|In ?\[)|\A(?:#!.*\n)?# coding: utf-8\n\n", re.MULTILINE)


@rule("TRN140", "result-thrown-away", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def result_thrown_away(programs: list[Program]) -> Iterator[Violation]:
    """The result of a method that returns a changed tensor or table is thrown away.

    What it does:
        Looks at statements that only call a method such as `to`, `cuda`, `float`, `squeeze` of a tensor that comes from a loader or is
        made by a function of PyTorch, or `dropna`, `fillna`, `drop`, `sort_values` of a pandas table without `inplace=True`. Networks
        are left alone: their `to` changes them, as that of a whole batch may; so is what the same line makes (`torch.ones(1).cuda()`
        starts CUDA). What is unpacked from a batch is a warning. Also speaks where what such a method of a table gives with
        `inplace=True`, which is None, is kept under the table's own name.

    Why it matters:
        The batch stays on the CPU, the rows with gaps stay in the table, without a message (PyTorch, `torch.Tensor.to`: returns a
        tensor; pandas, `DataFrame.dropna`).

    Instead:
        Keep the result: `inputs = inputs.to(device)`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    yield from _kept_none(walked)
    loaders = {loader for loop in walked.all(Loop) if (loader := loader_of(loop)) is not None}
    for event in walked.calls(*TENSORS, *TABLES):
        receiver = event.call.receiver
        if (
            receiver is None
            or not isinstance(event.module.parents.get(event.node), ast.Expr)
            or _is_shown(event)
            or _is_held_by_nothing(event)
        ):
            continue
        name = event.call.method
        tensor = _is_tensor(receiver, loaders) if name in TENSORS else None
        table = (
            name in TABLES and constant(event.call.argument(None, "inplace")) is not True and not event.call.is_open and _is_table(receiver)
        )
        if tensor is not None or table:
            function = event.node.func if isinstance(event.node, ast.Call) else None
            text = ast.unparse(function.value) if isinstance(function, ast.Attribute) else name
            yield violation(
                event,
                f"`{name}` gives a changed {'table' if table else 'tensor'} back, which is thrown away here: `{text}` stays as it is",
                f"write `{text} = {text}.{name}(…)`",
                sure=table or tensor is True,
            )


def _kept_none(walked: Program) -> Iterator[Violation]:
    """`frame = frame.dropna(inplace=True)`."""
    for event in walked.calls(*TABLES):
        parent, function = event.module.parents.get(event.node), getattr(event.node, "func", None)
        if (
            not isinstance(parent, ast.Assign)
            or not isinstance(function, ast.Attribute)
            or constant(event.call.argument(None, "inplace")) is not True
        ):
            continue
        text = ast.unparse(function.value)
        if (
            [ast.unparse(target) for target in parent.targets] == [text]
            and event.call.receiver is not None
            and _is_table(event.call.receiver)
        ):
            yield violation(
                event,
                f"`{text}` is None from here on: with `inplace=True`, `{event.call.method}` gives nothing back",
                f"take `inplace=True` out, or do not assign: `{text}.{event.call.method}(…, inplace=True)`",
            )


def _is_held_by_nothing(event: Event) -> bool:
    """Return whether the tensor or table is made in the same line.

    The call itself is then what is wanted, as to start CUDA or to check a file.
    """
    function = event.node.func if isinstance(event.node, ast.Call) else None
    inner = function.value if isinstance(function, ast.Attribute) else None
    while isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr in (*TENSORS, *TABLES):
        inner = inner.func.value
    return isinstance(inner, ast.Call)


def _is_shown(event: Event) -> bool:
    """Return whether a statement may be the last of a notebook's cell, which shows its value.

    Scripts made from notebooks have such statements, too.
    """
    module, last = event.module, event.node.end_lineno  # type: ignore[attr-defined]
    rest = module.lines[last:]
    if module.path.endswith(".ipynb"):
        return not rest or not rest[0].strip()
    if not CELLS.search(module.text):
        return False
    following = next((line for line in rest if line.strip()), "#")
    return following.startswith("#")


def _is_tensor(value: Value, loaders: set[Value]) -> bool | None:
    """Whether a value surely is a tensor (True), likely is one (False), or may be anything (None).

    A whole batch may be an object whose `to` changes it, as those of Transformers and PyTorch Geometric do; what is unpacked
    from one likely is a tensor.
    """
    made, unpacked = base(value), False
    for _ in range(6):
        if isinstance(made, Element):
            owner = base(made.owner)
            if isinstance(owner, Call) and owner.short == "TensorDataset":
                return True
            if owner in loaders or kind_of(owner) is Kind.LOADER:
                return False if unpacked else None
            made = owner
        elif isinstance(made, Item):
            made, unpacked = base(made.owner), True
    return True if isinstance(made, Call) and made.name.startswith("torch.") and made.short in MAKES else None


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
    program(PROGRAM.format(table="table = table.dropna(inplace=True)  # <- here", batch=MOVED)),
]
GOOD = [
    program(PROGRAM.format(table="table = table.dropna()", batch=MOVED)),
    program(PROGRAM.format(table="table.dropna(inplace=True)", batch=MOVED)),
    program(PROGRAM.format(table="table = table.dropna(inplace=False)", batch=MOVED)),
    program(PROGRAM.format(table="nothing = table.dropna(inplace=True)", batch=MOVED)),
]
