"""NUM134."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Attribute, Item, Operation, Value, constant
from gonogo.analysis.numbers.origins import loader_of_batch
from gonogo.analysis.training.ops import Op, op_of, unwrapped
from gonogo.analysis.training.uses import applications_in, operations, ops
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

CONVERTS = frozenset(
    {"squeeze", "view", "reshape", "flatten", "cpu", "cuda", "to", "long", "int", "float", "detach", "numpy", "t", "view_as", "unsqueeze"}
)


@rule("NUM134", "values-for-classes", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def values_for_classes(programs: list[Program]) -> Iterator[Violation]:
    """The largest outputs themselves are compared with labels, and not the classes that they stand for.

    What it does:
        Looks at comparisons by `==` of the labels of a loader's batch with what `max(dim)` or `topk` of a network's outputs gives first:
        `values, classes = outputs.max(dim=1)`. Speaks where it is the values.

    Why it matters:
        A logit is hardly ever equal to the number of a class: the accuracy is near zero for every model, or what rounding makes of it
        (PyTorch, `torch.max`: it returns the values, then the indices).

    Instead:
        Take the second of what it returns, or `argmax(dim=1)`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for at, one, other in _compared(walked):
        chosen = _values(one)
        if (
            chosen is not None
            and applications_in(chosen.operands[0])
            and _is_of_batch(other)
            and not applications_in(unwrapped(other, CONVERTS))
        ):
            yield violation(
                at,
                f"labels are compared with the values that `{chosen.name}` found, and not with their classes",
                "take the indices, the second of what it returns, or `argmax(dim=1)`",
                related=((chosen.call, "the values and the classes come from here"),),
            )


def _compared(walked: Program) -> Iterator[tuple[Value, Value, Value]]:
    for operation in walked.known(operations):
        if operation.operator in ("==", "!=") and len(operation.operands) == 2:
            yield operation, operation.operands[0], operation.operands[1]
            yield operation, operation.operands[1], operation.operands[0]
    for op in walked.gather(ops):
        if op.name in ("eq", "ne") and len(op.operands) == 2:
            yield op.call, op.operands[0], op.operands[1]
            yield op.call, op.operands[1], op.operands[0]


def _values(value: Value) -> Op | None:
    """The `max` or `topk` whose values a value is, reshaped or moved at most."""
    value = unwrapped(value, CONVERTS)
    is_named = isinstance(value, Attribute) and value.name == "values"
    is_first = isinstance(value, Item) and constant(value.key) == 0 and constant(value.key) is not False
    op = op_of(value.owner) if isinstance(value, (Attribute, Item)) and (is_named or is_first) else None
    if op is None or op.name not in ("max", "topk", "sort") or not op.operands or (op.library and op.library != "torch"):
        return None
    asked = op.option(None if op.name == "sort" else 0, "dim", "k")
    return op if isinstance(constant(asked), int) and not isinstance(constant(asked), bool) else None


def _is_of_batch(value: Value) -> bool:
    value = unwrapped(value, CONVERTS)
    return not isinstance(value, Operation) and loader_of_batch(value) is not None


PROGRAM = """import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

network = nn.Linear(4, 3)
network.load_state_dict(torch.load("network.pt"))
network.eval()
loader = DataLoader(TensorDataset(*torch.load("rows.pt")), batch_size=32)
right = rows = 0
with torch.no_grad():
    for inputs, labels in loader:
        outputs = network(inputs)
        {code}
        rows += len(labels)
print(right / rows)
"""
_END = "right += (guess == labels).sum().item()"
HERE = "  # <- here"
BAD = [
    program(PROGRAM.format(code=f"guess, _ = outputs.max(dim=1)\n        {_END}{HERE}")),
    program(PROGRAM.format(code=f"guess = torch.max(outputs, 1).values\n        {_END}{HERE}")),
    program(PROGRAM.format(code=f"right += torch.max(outputs, 1)[0].eq(labels).sum().item(){HERE}")),
]
GOOD = [
    program(PROGRAM.format(code=f"_, guess = outputs.max(dim=1)\n        {_END}")),
    program(PROGRAM.format(code=f"guess = torch.max(outputs, 1).indices\n        {_END}")),
    program(
        PROGRAM.format(
            code="guess = outputs == outputs.max(dim=1)[0].unsqueeze(1)\n        right += guess[range(len(labels)), labels].sum().item()"
        )
    ),
    program(PROGRAM.format(code=f"guess = outputs.topk(1)[1].squeeze(1)\n        {_END}")),
]
