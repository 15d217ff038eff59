"""NUM115."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Change, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import (
    Attribute,
    Call,
    Const,
    Item,
    Operation,
    Parameter,
    Turn,
    Value,
    constant,
    number,
    options,
    plain,
)
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.numbers.origins import loader_of_batch
from gonogo.analysis.numbers.splits import splits
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, argument
from gonogo.analysis.training.batches import loader_of
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.ops import op_of
from gonogo.analysis.training.rounds import Numbers
from gonogo.analysis.training.uses import operations
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

MOST_ROWS = 2048  # of a batch that surely is not all there is
CONVERSIONS = frozenset({"item", "cpu", "float", "double", "detach", "numpy", "to", "int"})


@rule("NUM115", "wrong-denominator", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def wrong_denominator(programs: list[Program], traces: list[Trace], modules: dict[str, Module]) -> Iterator[Violation]:
    """Right answers are divided by the number of batches or of another split's rows.

    What it does:
        Looks at loops over loaders in which rows that are right are counted, as by `(predicted == labels).sum()`, and at what the count is
        divided by. Speaks where that is `len(loader)`, whose batches surely hold more than one row, where it is the number of rows of
        the loader of another split than the one that the loop goes through, and where it is the number of rows of the last batch alone. A
        warning where a constant, the batch size, is added up for each batch: the last one may be smaller. Silent where it is not known how
        many rows a batch holds, where the loop goes through rows one by one, where means over batches are added up, and where the quotient
        is divided once more.

    Why it matters:
        The number is no accuracy: it grows with the batch size, or is too small or large by the ratio of the splits, and methods with other
        batch sizes can't be compared by it.

    Instead:
        Divide by the number of rows that were counted: `len(loader.dataset)` of the same loader, or a sum over `len(labels)`.
    """
    full = [Numbers(trace, modules) for trace in traces if trace.command == "full" and trace.complete]
    yield from by_place(found for walked in programs for found in (*_found(walked, full), *_sizes_added(walked)))


def _found(walked: Program, full: list[Numbers]) -> Iterator[Violation]:
    added: dict[Value, tuple[Change, Value]] = {}
    for change in walked.all(Change):
        loop = next((around for around in change.around() if isinstance(around, Loop)), None)
        loader = loader_of(loop) if loop is not None else None
        if loader is not None and change.operator == "+" and _is_count(change.operand):
            added[change.result] = (change, loader)
    if not added:
        return
    divisions = [operation for operation in walked.known(operations) if operation.operator == "/"]
    # Right answers per batch that are then divided by the size of a batch are an accuracy.
    divided = {total for operation in divisions for total in _totals(operation.operands[0])}
    for operation in divisions:
        if operation in divided:
            continue
        for total in _totals(operation.operands[0]):
            if total in added:
                change, loader = added[total]
                wrong = _wrong(walked, loader, operation.operands[1], full) or _last_batch(operation, change, loader)
                if wrong:
                    yield violation(
                        operation,
                        f"the number of right answers is divided by {wrong}",
                        "divide it by the number of rows that were counted",
                        related=((change, "right answers are counted here"), (loader, "of the rows of this loader")),
                    )


def _last_batch(division: Operation, change: Change, loader: Value) -> str:
    """What is wrong with a divisor that is the size of a batch, after the loop; else empty."""
    loop = next(around for around in change.around() if isinstance(around, Loop))
    size = base(loader).argument(1, "batch_size") if isinstance(base(loader), Call) else None  # type: ignore[attr-defined]
    known = number(size) if size is not None else None
    if known is None or not 1 < known <= MOST_ROWS or loop.node in ancestors(division.module, division.node):
        return ""
    if not isinstance(change.before, Turn):
        return ""  # it begins anew for each batch
    counted = _counted(division.operands[1])
    of_batch = loader_of_batch(counted) if counted is not None else None
    return "the number of rows of the last batch" if of_batch is not None and base(of_batch) is base(loader) else ""


def _counted(divisor: Value) -> Value | None:
    """What `len(x)`, `x.size(0)` and `x.shape[0]` count the rows of."""
    divisor = next((option for option in options(divisor) if isinstance(option, (Call, Item))), plain(divisor))
    if isinstance(divisor, Call):
        if divisor.name == "len" and len(divisor.arguments) == 1:
            return plain(divisor.arguments[0])
        return plain(divisor.receiver) if divisor.method == "size" and divisor.receiver is not None and divisor.arguments else None
    owner = plain(divisor.owner) if isinstance(divisor, Item) else None
    return plain(owner.owner) if isinstance(owner, Attribute) and owner.name == "shape" else None


def _sizes_added(walked: Program) -> Iterator[Violation]:
    """`right / total` where `total += 32` for each batch of a loader of 32 rows that keeps its last batch."""
    sizes: dict[Value, tuple[Change, Call]] = {}
    counts: set[Value] = set()
    for change in walked.all(Change):
        loop = next((around for around in change.around() if isinstance(around, Loop)), None)
        loader = loader_of(loop) if loop is not None else None
        made = base(loader) if loader is not None else None
        if not isinstance(made, Call) or change.operator != "+" or kind_of(made) is not Kind.LOADER:
            continue
        if _is_count(change.operand):
            counts.add(change.result)
        size, dropped = made.argument(1, "batch_size"), made.argument(None, "drop_last")
        is_size = (
            size is not None
            and isinstance(plain(change.operand), (Const, Attribute, Parameter))
            and plain(change.operand).is_same(plain(size))
        )
        if is_size and dropped is None and not made.is_open and constant(plain(change.operand)) != 1:
            sizes[change.result] = (change, made)
    for operation in walked.known(operations) if sizes and counts else ():
        if operation.operator != "/" or not any(total in counts for total in _totals(operation.operands[0])):
            continue
        added = next((sizes[total] for total in _totals(operation.operands[1]) if total in sizes), None)
        if added is not None:
            yield violation(
                added[0],
                "the batch size is added for each batch, and the last batch may be smaller",
                "add the number of rows of the batch, `len(labels)`",
                sure=False,
                related=((operation, "right answers are divided by it"), (added[1], "the loader keeps its last batch")),
            )


def _wrong(walked: Program, loader: Value, divisor: Value, full: list[Numbers]) -> str:
    """What is wrong with a divisor; nothing where it may be right."""
    divisor = plain(divisor)
    if not (isinstance(divisor, Call) and divisor.name == "len" and len(divisor.arguments) == 1):
        return ""
    counted = plain(divisor.arguments[0])
    if base(counted) is base(loader):
        return "the number of batches, which hold several rows each" if _holds_several(base(loader), full) else ""
    owner = base(counted.owner) if isinstance(counted, Attribute) and counted.name == "dataset" else None
    known = splits(walked)
    one, other = known.of(loader), known.of(owner) if owner is not None else None
    if other is not None and one is not None and one is not other:
        return f"the number of rows of the {other.value} split, and they are of the {one.value} split"
    return ""


def _holds_several(loader: Value, full: list[Numbers]) -> bool:
    """Whether the batches of a loader surely hold more than one row."""
    if not isinstance(loader, Call) or kind_of(loader) is not Kind.LOADER:
        return False
    size = loader.argument(1, "batch_size")
    known = number(size) if size is not None else None
    if known is not None:
        return known > 1
    written = argument(loader.node, 1, "batch_size") if isinstance(loader.node, ast.Call) else None
    if written is None:
        return False
    found = [numbers.of(loader.module, written) for numbers in full]
    return bool(found) and all(span is not None and span[0] > 1 for span in found)


def _is_count(value: Value) -> bool:
    """Whether a value is a sum over comparisons by `==`, not weighted and not divided."""
    value = _converted(value)
    op = op_of(value)
    if op is None or op.name not in ("sum", "count_nonzero") or not op.operands:
        return False
    compared = _converted(op.operands[0])
    if isinstance(compared, Call) and (other := op_of(compared)) is not None and other.name == "eq":
        return True
    return isinstance(compared, Operation) and compared.operator == "=="


def _converted(value: Value) -> Value:
    """What a value was before it was converted."""
    for _ in range(6):
        value = plain(value)
        if not isinstance(value, Call):
            return value
        inner = value.receiver if value.method in CONVERSIONS else None
        if value.name in ("float", "int") and value.arguments:
            inner = value.arguments[0]
        if inner is None:
            return value
        value = inner
    return value


def _totals(value: Value) -> Iterator[Value]:
    """What a value is, before it was multiplied by a number or converted."""
    for _ in range(4):
        entry = plain(value)
        if not (isinstance(entry, Operation) and entry.operator == "*"):
            break
        rest = [operand for operand in entry.operands if not isinstance(plain(operand), Const)]
        if len(rest) != 1:
            return
        value = rest[0]
    for entry in options(_converted(value)):
        yield entry
        if isinstance(entry, Turn):
            yield from entry.options


PROGRAM = """import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

model = nn.Linear(4, 2)
train_set = TensorDataset(torch.randn(600, 4), torch.randint(2, (600,)))
test_set = TensorDataset(torch.randn(100, 4), torch.randint(2, (100,)))
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
test_loader = DataLoader(test_set, batch_size={size})


def evaluate(model, batches):
    model.eval()
    correct, rows = 0, 0
    with torch.no_grad():
        for inputs, labels in batches:
            correct += {counted}
            rows += len(labels)
    return {score}


print(evaluate(model, test_loader))
"""
RIGHT = "(model(inputs).argmax(1) == labels).sum().item()"


def _program(score: str, counted: str = RIGHT, size: str = "32") -> Tree:
    return program(PROGRAM.format(score=score, counted=counted, size=size))


BAD = [
    _program("100 * correct / len(batches)  # <- here"),
    _program("correct / len(train_loader.dataset)  # <- here"),
    _program("float(correct) / len(batches)  # <- here", "model(inputs).argmax(1).eq(labels).float().sum()"),
]
BAD += [
    _program("correct / len(labels)  # <- here"),
    _program("100.0 * correct / inputs.shape[0]  # <- here"),
    program(PROGRAM.format(score="correct / rows", counted=RIGHT, size="32").replace("rows += len(labels)", "rows += 32  # <- here")),
]
GOOD = [
    program(PROGRAM.format(score="correct / rows", counted=RIGHT, size="32, drop_last=True").replace("rows += len(labels)", "rows += 32")),
    _program("correct / len(labels)", size="len(test_set)"),
    _program("correct / len(batches.dataset)"),
    _program("correct / len(batches) / 32"),
    _program("100 * (correct / len(batches)) / batches.batch_size"),
    _program("correct / rows"),
    _program("correct / len(batches)", size="1"),
    _program("correct / len(batches)", "(model(inputs).argmax(1) == labels).float().mean().item()"),
    _program("correct / (len(batches) * 32)"),
    _program("correct / len(test_loader.dataset)"),
]
