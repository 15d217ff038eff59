"""TRN111."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Branch, Write
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Display, Element, Item, Operation, Value, plain, text
from gonogo.analysis.training.loops import Done, TrainingLoop, training_loops
from gonogo.analysis.training.ops import op_of
from gonogo.analysis.training.uses import ancestry
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation


@rule("TRN111", "accumulation-not-scaled", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def accumulation_not_scaled(programs: list[Program]) -> Iterator[Violation]:
    """Gradients of several batches are accumulated, and the loss is not divided by their number.

    What it does:
        Looks for loops that step the optimizer once in several batches (`if i % n == 0`) and compute gradients in each. Speaks where
        the loss that they are computed of is a mean and is divided by nothing. Helpers that scale it themselves (Accelerate, Fabric)
        are left alone.

    Why it matters:
        The gradients of n batches add up to n times their mean: the learning rate is n times the one that is configured, and changes
        whenever the number of batches does (PyTorch, "Automatic mixed precision examples: gradient accumulation").

    Instead:
        Call `(loss / n).backward()`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for loop in walked.known(training_loops):
        gates = [gate for step in loop.steps if (gate := _gate(loop, step)) is not None]
        if len(gates) != len(loop.steps) or any(write.key == "grad" for write in walked.all(Write)):
            continue
        for done in loop.computes:
            if not any(gate in done.at.around() for gate in gates) and _is_plain_mean(done):
                yield violation(
                    done.at,
                    "gradients of several batches add up here, and the loss is not divided by their number",
                    "divide the loss by the number of batches that are accumulated",
                    sure=False,
                    related=((loop.steps[0].at, "the optimizer steps only once in several batches"),),
                )


def _gate(loop: TrainingLoop, step: Done) -> Branch | None:
    """The branch within the loop that lets a step happen once in several batches."""
    for around in step.at.around():
        if around is loop.loop:
            return None
        if isinstance(around, Branch) and around.test is not None and _counts(around.test):
            return around
    return None


def _counts(test: Value) -> bool:
    return any(
        isinstance(value, Operation) and value.operator == "%" for value in ancestry(test, lambda value: isinstance(value, Operation))
    )


def _is_plain_mean(done: Done) -> bool:
    """Whether a loss is a mean that nothing divides or weighs, as far as its own computation shows."""
    event = done.at
    call = getattr(event, "call", None)
    if isinstance(call, Call) and (call.method != "backward" or call.arguments):
        return False  # a helper that may scale it
    values = list(ancestry(done.act.on, lambda value: not _is_application(value)))
    if any(isinstance(value, Operation) and value.operator in ("/", "*") for value in values):
        return False
    losses = [op for value in values if (op := op_of(value)) is not None and op.name.endswith(("loss", "entropy", "logits"))]
    methods = {op.name for value in values if (op := op_of(value)) is not None}
    if not losses or methods & {"sum", "div", "div_", "mul", "mul_", "scale", "true_divide"}:
        return False
    return all(text(op.option(None, "reduction")) in (None, "mean") and op.option(None, "reduction") is None for op in losses)


def _is_application(value: Value) -> bool:
    op = op_of(plain(value))
    if op is None:
        return isinstance(value, (Element, Item, Display))
    return op.maker is not None and not op.name.endswith(("loss", "entropy", "logits"))


LOOP = """import torch
from torch import nn

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
batches = [(torch.randn(8, 4), torch.randn(8, 1))] * 64
for index, (inputs, targets) in enumerate(batches):
    loss = nn.functional.mse_loss(model(inputs), targets){scale}
    loss.backward(){marker}
    if (index + 1) % 4 == 0:
        optimizer.step()
        optimizer.zero_grad()
"""
BAD = program(LOOP.format(scale="", marker="  # <- here"))
GOOD = program(LOOP.format(scale=" / 4", marker=""))
