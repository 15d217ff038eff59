"""TRN112."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Change
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Attribute, Call, Mode, Operation, Turn, Value, constant, plain
from gonogo.analysis.training.ops import op_of
from gonogo.analysis.training.uses import ancestry, operations
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation


@rule("TRN112", "leaf-changed", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def leaf_changed(programs: list[Program]) -> Iterator[Violation]:
    """A parameter updated by hand is changed in place under autograd, or replaced by a plain tensor.

    What it does:
        Looks at tensors that are made with `requires_grad=True` and updated by their own gradient without an optimizer. Speaks where
        `w -= rate * w.grad` stands outside `torch.no_grad()`, and where `w = w - rate * w.grad` in a loop puts a new tensor in the
        place of the leaf.

    Why it matters:
        A leaf can't be changed in place while autograd records: an error. A new tensor is no leaf: its `grad` is None in the next
        turn (PyTorch, "Autograd mechanics: in-place operations").

    Instead:
        Update in place under `torch.no_grad()` and clear `w.grad`, or use an optimizer.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for change in walked.all(Change):
        recorded = change.operator in ("+", "-", "*", "/") and change.context.grad is Mode.ON
        if recorded and _is_leaf(change.before) and _is_own_update(change.operand):
            yield violation(
                change, "a leaf is changed in place while autograd records, which is an error", "update it under `torch.no_grad()`"
            )
    in_place = {change.result for change in walked.all(Change)}
    for value in walked.known(operations):
        if (
            value not in in_place
            and value.operator in ("-", "+")
            and isinstance(value.operands[0], Turn)
            and _is_own_update(value.operands[1])
        ):
            before = value.operands[0]
            starts = [option for option in before.options if option is not value]
            if value in before.options and starts and all(_is_leaf(option) for option in starts):
                yield violation(
                    value,
                    "this puts a new tensor in the place of the leaf: it is none, and has no gradient in the next turn",
                    "update in place under `torch.no_grad()`: `w -= rate * w.grad`",
                    related=((starts[0], "the leaf is made here"),),
                )


def _is_leaf(value: Value, within: tuple[Value, ...] = ()) -> bool:
    value = plain(value)
    if isinstance(value, Turn):
        inner = [option for option in value.options if not isinstance(option, Operation) and option not in within]
        return bool(inner) and all(_is_leaf(option, (*within, value)) for option in inner)
    op = op_of(value)
    return isinstance(value, Call) and op is not None and op.library == "torch" and constant(value.keywords.get("requires_grad")) is True


def _is_own_update(value: Value) -> bool:
    """Whether a value is made of somebody's `grad` by arithmetic."""
    return any(
        isinstance(entry, Attribute) and entry.name == "grad" for entry in ancestry(value, lambda inner: isinstance(inner, Operation))
    )


LOOP = """import torch

weights = torch.zeros(4, requires_grad=True)
for _ in range(100):
    loss = ((torch.randn(8, 4) @ weights - 1.0) ** 2).mean()
    loss.backward()
{update}
    weights.grad = None
"""
BAD = [
    program(LOOP.format(update="    weights -= 0.1 * weights.grad  # <- here")),
    program(LOOP.format(update="    weights = weights - 0.1 * weights.grad  # <- here")),
]
GOOD = program(LOOP.format(update="    with torch.no_grad():\n        weights -= 0.1 * weights.grad"))
