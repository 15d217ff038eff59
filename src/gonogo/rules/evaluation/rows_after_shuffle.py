"""EVA139."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import argument, body_nodes, enclosing_function, functions, last_name, last_names, origin, text_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

JOINS = frozenset({"cat", "concatenate", "hstack", "vstack", "stack", "array", "tensor"})


@rule("EVA139", "rows-after-shuffle", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def rows_after_shuffle(modules: dict[str, Module]) -> Iterator[Violation]:
    """Predictions in the order of a shuffled loader are put beside the rows of the table.

    What it does:
        Looks at loaders with `shuffle=True` over a data set that is made of a table, and at a column of that same table that is set to
        what one pass through the loader gives: by a function of the file that collects the outputs of each batch in a list, or by such a
        loop itself. Silent where indices or ids go with the batches.

    Why it matters:
        Each row gets the prediction of another one: what is chosen by it, and every score computed of the table, is that of noise
        (PyTorch, `torch.utils.data.DataLoader`: `shuffle` reorders the data at every epoch).

    Instead:
        Predict with a loader that does not shuffle.
    """
    for module in modules.values():
        if "shuffle=True" not in module.text:
            continue
        own = {entry.name: entry for entry in functions(module)}
        for node, table, value in _beside(module):
            for loader, passed in _passes(module, node, value, own):
                if table in _data(module, loader):
                    yield Violation(
                        module.location(node),
                        f"predictions in the order of a shuffled loader are put beside the rows of `{table}`",
                        "predict with a loader that does not shuffle",
                        related=(
                            Related(location=module.location(loader), label="shuffled here"),
                            Related(location=module.location(passed), label="one pass"),
                        ),
                    )
                    break


def _beside(module: Module) -> Iterator[tuple[ast.Assign | ast.Call, str, ast.expr]]:
    """Where a value is put beside the rows of a table: the place, the table as it is written, the value.

    It becomes a column, or a metric compares it with one.
    """
    for node in module.of(ast.Assign):
        target = node.targets[0]
        if isinstance(target, ast.Subscript) and isinstance(target.value, (ast.Name, ast.Attribute)):
            yield node, ast.unparse(target.value), node.value
    for call in module.of(ast.Call):
        if origin(module, call.func).startswith(("sklearn.metrics.", "scipy.stats.")) and len(call.args) >= 2:
            for column, value in (call.args[:2], call.args[1::-1]):
                while isinstance(column, (ast.Call, ast.Attribute)) and not isinstance(column, ast.Name):
                    column = column.func if isinstance(column, ast.Call) else column.value
                    if isinstance(column, ast.Attribute) and isinstance(column.value, ast.Subscript):
                        column = column.value
                if isinstance(column, ast.Subscript) and text_of(column.slice) is not None:
                    yield call, ast.unparse(column.value), value


def _passes(module: Module, node: ast.Assign | ast.Call, given: ast.expr, own: dict[str, Function]) -> Iterator[tuple[ast.Call, ast.AST]]:
    """The shuffled loaders whose outputs a value holds, each with where it is gone through."""
    names = {part.id for part in ast.walk(given) if isinstance(part, ast.Name)}
    home = enclosing_function(module, node)
    values = [given, *(value for name in names for value in _given(module, name, home))]
    for value in values:
        for call in (part for part in ast.walk(value) if isinstance(part, ast.Call)):
            function = own.get(last_name(call.func))
            for place, entry in enumerate(call.args):
                loader = _shuffled(module, entry, home)
                if loader is not None and function is not None and place < len(function.args.args):
                    offset = 1 if function.args.args[0].arg == "self" else 0
                    if place + offset < len(function.args.args) and _collects(function, function.args.args[place + offset].arg):
                        yield loader, call
    lists = names | {part.id for value in values for part in ast.walk(value) if isinstance(part, ast.Name)}
    for loop in module.of(ast.For):
        loader = _shuffled(module, loop.iter, home) if enclosing_function(module, loop) is home else None
        if loader is not None and _appended(loop) & lists and loop.lineno < node.lineno and not _has_ids(loop):
            yield loader, loop


def _given(module: Module, name: str, home: ast.AST | None) -> list[ast.expr]:
    """What assignments in the same function give to a name, where there is one only."""
    found = [
        entry.value
        for entry in module.of(ast.Assign)
        if enclosing_function(module, entry) is home and any(isinstance(part, ast.Name) and part.id == name for part in entry.targets)
    ]
    return found if len(found) == 1 else []


def _shuffled(module: Module, node: ast.expr, home: ast.AST | None) -> ast.Call | None:
    """The loader that an expression is, if it shuffles."""
    if isinstance(node, ast.Call) and last_name(node.func) in ("enumerate", "tqdm") and node.args:
        node = node.args[0]
    if isinstance(node, ast.Name):
        values = _given(module, node.id, home)
        node = values[0] if values else node
    elif isinstance(node, ast.Attribute):
        made = [entry.value for entry in module.of(ast.Assign) if any(ast.unparse(aim) == ast.unparse(node) for aim in entry.targets)]
        node = made[0] if len(made) == 1 else node
    if not (isinstance(node, ast.Call) and last_name(node.func) == "DataLoader"):
        return None
    given = argument(node, 2, "shuffle")
    return node if isinstance(given, ast.Constant) and given.value is True else None


def _data(module: Module, loader: ast.Call) -> set[str]:
    """The names that the data set of a loader is made of."""
    home = enclosing_function(module, loader)
    data = argument(loader, 0, "dataset")
    parts = list(ast.walk(data)) if data is not None else []
    found = {part.id for part in parts if isinstance(part, ast.Name)}
    written = {ast.unparse(part) for part in parts if isinstance(part, ast.Attribute)}
    for name in sorted(found):
        found |= {part.id for value in _given(module, name, home) for part in ast.walk(value) if isinstance(part, ast.Name)}
    return found | written


def _collects(function: Function, name: str) -> bool:
    """Whether a function goes through a parameter, and returns a list of what each batch gave."""
    for loop in (node for node in body_nodes(function) if isinstance(node, ast.For)):
        over = (
            loop.iter.args[0]
            if isinstance(loop.iter, ast.Call) and last_name(loop.iter.func) in ("enumerate", "tqdm") and loop.iter.args
            else loop.iter
        )
        if isinstance(over, ast.Name) and over.id == name and not _has_ids(loop):
            kept = _appended(loop)
            returned = {
                part
                for node in body_nodes(function)
                if isinstance(node, ast.Return) and node.value is not None
                for part in last_names(node.value)
            }
            made = {last_name(node.targets[0]): last_names(node.value) for node in body_nodes(function) if isinstance(node, ast.Assign)}
            held = returned | {part for entry in returned for part in made.get(entry, ())}
            trains = any(isinstance(node, ast.Call) and last_name(node.func) == "backward" for node in ast.walk(loop))
            return bool(kept & held) and not trains
    return False


def _appended(loop: ast.For) -> set[str]:
    return {
        last_name(node.func.value)
        for node in ast.walk(loop)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("append", "extend")
    }


def _has_ids(loop: ast.For) -> bool:
    """Whether a batch carries what says which rows it holds."""
    words = {name.lower() for name in last_names(loop.target)} | {
        str(part.value).lower() for part in ast.walk(loop) if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }
    return any(
        word in ("i", "idx", "index", "indices", "id", "ids", "key", "keys")
        or "idx" in word
        or "index" in word
        or word.endswith(("_id", "_ids"))
        for word in words
    )


PROGRAM = """import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Rows(Dataset):
    def __init__(self, table):
        self.rows = torch.tensor(table.values).float()

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, place):
        return self.rows[place], place


def predict(net, loader):
    net.eval()
    outputs = []
    with torch.no_grad():
        for {batch} in loader:
            outputs.append(net(rows).squeeze(1))
    return torch.cat(outputs).numpy()


table = pd.read_csv("table.csv")
net = nn.Linear(table.shape[1], 1)
loader = DataLoader(Rows(table), batch_size=8, shuffle={shuffle})
{use}
print(table.head())
"""
HERE = "  # <- here"


def _program(use: str, shuffle: str = "True", batch: str = "rows, _") -> str:
    return PROGRAM.format(use=use, shuffle=shuffle, batch=batch)


BAD = [
    program(_program('table["risk"] = predict(net, loader)' + HERE)),
    program(_program('risk = predict(net, loader)\ntable["risk"] = risk' + HERE)),
    program(_program('risk = []\nfor rows, _ in loader:\n    risk.extend(net(rows).squeeze(1).tolist())\ntable["risk"] = risk' + HERE)),
]
SCORED = "from sklearn.metrics import roc_auc_score\nrisk = []\nfor rows, _ in loader:\n    risk.extend(net(rows).squeeze(1).tolist())\n"
BAD += [program(_program(SCORED + 'print(roc_auc_score(table["ill"].values, risk))' + HERE))]
GOOD = [
    program(_program(SCORED + 'print(roc_auc_score(table["ill"].values, risk))', shuffle="False")),
    program(
        _program(SCORED.replace("_ in", "wanted in").replace("    risk", "    known = []\n    risk") + "print(roc_auc_score(known, risk))")
    ),
    program(_program('table["risk"] = predict(net, loader)', shuffle="False")),
    program(_program("print(predict(net, loader).mean())")),
    program(_program('risk = predict(net, loader)\nother = table.sample(frac=1)\nother["mean"] = risk.mean()')),
    program(_program('table["risk"] = predict(net, loader)', batch="rows, index")),
    program(_program('table["risk"] = predict(net, DataLoader(Rows(table), batch_size=8))')),
]
