"""TRN158."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Gives
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Display, Item, Value, constant, number, options, plain
from gonogo.analysis.numbers.same import stripped
from gonogo.analysis.python.names import ancestors
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.loops import training_loops
from gonogo.analysis.training.ops import op_of
from gonogo.analysis.training.uses import ancestry
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

_LOSSES = frozenset({"cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "mse_loss", "l1_loss"})
_ORDERS = frozenset({"randperm", "permutation"})
_MOVES = frozenset({"roll", "flip", "flipud"})
_PLACES = frozenset({"arange", "eye"})  # labels of these are places of rows, and no labels of data
# Experiments in which nothing is to be learned from the labels, and losses that pair each row with another.
_ON_PURPOSE = re.compile(
    r"random[-_ ]?(?:label|target)|label[-_ ]?(?:noise|shuffl|permut|corrupt|random|scrambl)|permutation[-_ ]?(?:test|importance)|"
    r"(?:noisy|shuffled|permuted|scrambled|randomi[sz]ed|corrupted|null|wrong|fake)[-_ ]|memori|negative|by heart|selectivity|"
    r"contrast|triplet|mixup|cutmix|control|rethinking",
    re.IGNORECASE,
)


@rule(
    "TRN158",
    "labels-out-of-order",
    criterion=4,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    scope=Scope.PROGRAM,
    settles=("method", "data"),
)
def labels_out_of_order(programs: list[Program]) -> Iterator[Violation]:
    """A network learns labels that belong to other rows.

    What it does:
        Looks at the losses of training loops and at what data sets pair. Speaks where the labels are put into another order
        (`labels[torch.randperm(n)]`, `labels.roll(1)`), whatever the settings are, and nothing that the outputs were made of is put into
        that order. Silent where the inputs are mixed in the same order (mixup), where the order is used for anything but the labels,
        where the same outputs, or the same code, also learn the labels in their own order, where the next row's label may be meant
        (`labels.roll(-1)`), where the code calls it a random label or a negative, and where a condition decides.

    Why it matters:
        Nothing can be learned but how often each label is there (Zhang and others, Understanding deep learning requires rethinking
        generalization, 2017); loss, gradients and steps all look right.

    Instead:
        Permute inputs and labels with the same indices, or leave the order to the loader.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    pairings = [(call, outputs, labels, _order(labels)) for call, outputs, labels in _pairings(walked)]
    in_order = [(call.node, outputs) for call, outputs, _, order in pairings if order is None]
    for call, outputs, _, order in pairings:
        if (
            order is None
            or any(call.node is node or outputs is others for node, others in in_order)
            or not {order, *_moved(order)}.isdisjoint(ancestry(outputs))
            or _has_order(outputs)
            or not _is_for_labels_alone(order)
            or _ON_PURPOSE.search(call.module.text)
        ):
            continue
        yield violation(
            order,
            "the labels are put into another order than the rows that they belong to",
            "permute inputs and labels with the same indices",
            related=((call, "they are paired with the rows here"),),
        )


def _is_for_labels_alone(order: Value) -> bool:
    """Whether nothing else is done with an order.

    What other code makes of it may be the rows, in the same order.
    """
    if not isinstance(order, Item):
        return not any((op := op_of(stripped(moved))) is not None and op.name in _PLACES for moved in _moved(order))
    drawn = stripped(plain(order.key))
    if not isinstance(order.node, ast.Subscript):
        return False
    if drawn.node in ast.walk(order.node.slice):
        return True
    module = drawn.module
    around = [entry for entry in ancestors(module, drawn.node) if isinstance(entry, (ast.Assign, ast.FunctionDef))]
    if not around or not isinstance(around[0], ast.Assign) or len(around[0].targets) != 1:
        return False
    name, labels = ast.unparse(around[0].targets[0]), ast.unparse(order.node.value)
    inner = isinstance(around[0].targets[0], ast.Name) and len(around) > 1
    nodes = ast.walk(around[1]) if inner else module.of(ast.Name, ast.Attribute)
    loads = [node for node in nodes if isinstance(getattr(node, "ctx", None), ast.Load) and ast.unparse(node) == name]
    return bool(loads) and all(_selects(module.parents.get(node), node, labels) for node in loads)


def _selects(parent: ast.AST | None, order: ast.AST, labels: str) -> bool:
    return isinstance(parent, ast.Subscript) and parent.slice is order and ast.unparse(parent.value) == labels


def _pairings(walked: Program) -> Iterator[tuple[Call, Value, Value]]:
    """Each loss of a training loop, and each data set of two arrays, with what it pairs."""
    learned = [done.act.on for loop in walked.known(training_loops) for done in loop.computes]
    learned += [gives.value for gives in walked.all(Gives) if gives.value is not None and _is_step(gives)]
    for value in (entry for loss in learned for entry in ancestry(loss)):
        if isinstance(value, Call) and _is_loss(value) and len(value.arguments) == 2:
            yield value, *value.arguments
    for event in walked.calls("TensorDataset"):
        if event.call.name.startswith("torch.") and len(event.call.arguments) == 2:
            yield event.call, *event.call.arguments


def _is_step(gives: Gives) -> bool:
    """Whether a trainer of Lightning or transformers learns from what is returned."""
    around = next((entry for entry in ancestors(gives.module, gives.node) if isinstance(entry, ast.FunctionDef)), None)
    return around is not None and around.name in ("training_step", "compute_loss")


def _is_loss(call: Call) -> bool:
    op = op_of(call)
    return (op is not None and op.name in _LOSSES) or all(kind_of(option) is Kind.LOSS for option in options(call.callee))


def _order(labels: Value) -> Value | None:
    """What puts labels into another order, whatever the settings are."""
    labels = stripped(labels)
    if isinstance(labels, Item):
        return labels if _is_random(labels.key) else None
    op = op_of(labels)
    if op is None or op.name not in _MOVES or not op.operands:
        return None
    by = number(op.option(0, "shifts", "shift")) if op.name == "roll" else None
    if by is not None and by < 0:
        return None  # of a series: the label of the next row
    over = op.option(1 if op.name == "roll" else 0, "dims", "axis")
    listed = plain(over) if over is not None else None
    rows = listed.items[0] if isinstance(listed, Display) and len(listed.items) == 1 else over
    return labels if (over is None and op.name != "flip") or constant(rows) == 0 else None


def _moved(order: Value) -> tuple[Value, ...]:
    """What was put into another order: targets that are inputs, moved on, are none of other rows."""
    if isinstance(order, Item):
        return (order.owner,)
    op = op_of(order)
    return op.operands[:1] if op is not None else ()


def _is_random(key: Value) -> bool:
    op = op_of(stripped(plain(key)))
    return op is not None and op.name in _ORDERS


def _has_order(outputs: Value) -> bool:
    """Whether what outputs were made of was put into another order as well."""
    for value in ancestry(outputs):
        if isinstance(value, Item) and _is_random(value.key):
            return True
        op = op_of(value)
        if op is not None and op.name in _MOVES:
            return True
    return False


_LOSS = "        loss = criterion(model(images), labels)\n"
_SET = "        dataset = TensorDataset(torch.from_numpy(images[chosen]), torch.from_numpy(labels[chosen]))\n"
HERE = "  # <- here"


def _learned(*lines: str) -> Tree:
    return Tree({"src/train.py": Edit(_LOSS, "".join(f"        {line}\n" for line in lines))})


_PROGRAM = """import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

inputs, labels = torch.from_numpy(np.load("x.npy")), torch.from_numpy(np.load("y.npy"))
order = torch.randperm(len(labels))
{made}
loader = DataLoader(rows, batch_size=8)
"""
_FITTED = """import numpy as np
import torch
from torch.nn import functional

inputs, labels = torch.from_numpy(np.load("x.npy")), torch.from_numpy(np.load("y.npy"))


def fit(answers):
    model = torch.nn.Linear(4, 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(inputs), answers)
        loss.backward()
        optimizer.step()
    return loss.item()


{first}
print(fit(labels[torch.randperm(len(labels))]))
"""
BAD = [
    program(_FITTED.format(first="").replace("len(labels))]))", f"len(labels))])){HERE}")),
    _learned(f"labels = labels[torch.randperm(len(labels))]{HERE}", "loss = criterion(model(images), labels)"),
    _learned(f"loss = criterion(model(images), labels.roll(1)){HERE}"),
    _learned("order = torch.randperm(len(labels))", "logits = model(images)", f"loss = criterion(logits, labels[order]){HERE}"),
    program(_PROGRAM.format(made=f"rows = TensorDataset(inputs, labels[order]){HERE}")),
]
GOOD = [
    _learned(
        "order = torch.randperm(len(labels))",
        "mixed = 0.7 * images + 0.3 * images[order]",
        "loss = 0.7 * criterion(model(mixed), labels) + 0.3 * criterion(model(mixed), labels[order])",
    ),
    _learned("order = torch.randperm(len(labels))", "loss = criterion(model(images[order]), labels[order])"),
    _learned("order = torch.randperm(len(labels))[:8]", "loss = criterion(model(images)[order], labels[order])"),
    _learned("random_labels = labels[torch.randperm(len(labels))]", "loss = criterion(model(images), random_labels)"),
    _learned("if len(images) < 0:", "    labels = labels.roll(1)", "loss = criterion(model(images), labels)"),
    _learned("loss = criterion(model(images), labels.roll(-1, dims=1))"),
    _learned("loss = criterion(model(labels), labels.roll(-1))"),
    program(_PROGRAM.format(made="rows = TensorDataset(inputs[order], labels[order])")),
    program(_PROGRAM.format(made="rows = TensorDataset(inputs[:-1], inputs.roll(-1)[:-1])")),
    program(_PROGRAM.format(made="rows = TensorDataset(inputs, labels)")),
    program(_PROGRAM.format(made="rows = TensorDataset(inputs, labels.roll(-1))")),
    program(_PROGRAM.format(made="rows = TensorDataset(torch.index_select(inputs, 0, order), labels[order])")),
    program(_PROGRAM.format(made="rows = TensorDataset(torch.stack([inputs[k] for k in order]), labels[order])")),
    program(_PROGRAM.format(made="rows = TensorDataset(torch.cat([inputs[some] for some in order.split(8)]), labels[order])")),
    _learned(
        "index = torch.randperm(len(labels))",
        "logits = model(0.7 * images + 0.3 * images[index, :])",
        "loss = 0.7 * criterion(logits, labels) + 0.3 * criterion(logits, labels[index])",
    ),
    _learned(
        "index = torch.randperm(len(labels))",
        "images[:, 2:4] = images[index, 2:4]",
        "loss = criterion(model(images), labels) + criterion(model(images), labels[index])",
    ),
    _learned("logits = model(images)", "loss = criterion(logits, labels) - 0.1 * criterion(logits, labels.roll(1))"),
    _learned("logits = model(images)", "loss = criterion(logits @ logits.t(), torch.arange(len(labels)).roll(len(labels) // 2))"),
    program(_FITTED.format(first="print(fit(labels))")),
]
