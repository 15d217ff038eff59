"""TRN139."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Branch, Called, Event, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, constant
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.loops import TrainingLoop, training_loops
from gonogo.analysis.training.objects import each, may_be_of_new_networks
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

EPOCHS = re.compile(r"epoch", re.IGNORECASE)


@rule("TRN139", "optimizer-made-each-epoch", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def optimizer_made_each_epoch(programs: list[Program]) -> Iterator[Violation]:
    """The optimizer is made anew in each epoch, so that it forgets its momentum and averages.

    What it does:
        Looks at loops that speak of epochs. Speaks where one makes an optimizer that keeps a state (Adam and its kin, SGD with
        momentum) in each turn and steps it in a loop within, for a network that is made outside. One whose arguments change with the
        epoch, or that is made under a condition, is left alone.

    Why it matters:
        Adam's averages begin at zero again, and its first steps are far too long; a schedule that was made for the old optimizer
        no longer changes anything (PyTorch, `torch.optim`: how to use an optimizer; Kingma and Ba, Adam, 2015).

    Instead:
        Make the optimizer once, before the loop over epochs.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    stepped: dict[object, TrainingLoop] = {one: loop for loop in walked.known(training_loops) for one in each(loop.optimizer)}
    for event in walked.calls():
        loop = stepped.get(event.call) if kind_of(event.call) is Kind.OPTIMIZER else None
        epochs = _own_loop(event)
        if loop is None or epochs is None or loop.loop is epochs or epochs not in loop.loop.around():
            continue
        if _keeps_state(event.call) and _is_over_epochs(epochs, event.call) and not may_be_of_new_networks(event.call, epochs.node):
            yield violation(
                event,
                "the optimizer is made anew in each epoch: what it has gathered of the gradients is forgotten",
                "make it once, before the loop over epochs",
                sure=False,
                related=((epochs, "the loop over epochs"),),
            )


def _own_loop(event: Event) -> Loop | None:
    """The loop whose every turn makes the optimizer, in the same function."""
    for around in event.around():
        if isinstance(around, Loop):
            return around
        if isinstance(around, (Branch, Called)):
            return None
    return None


def _keeps_state(call: Call) -> bool:
    if call.short != "SGD":
        return True
    momentum = call.argument(2, "momentum")
    return momentum is not None and constant(momentum) != 0


def _is_over_epochs(loop: Loop, call: Call) -> bool:
    node = loop.node
    if not isinstance(node, ast.For) or not EPOCHS.search(ast.unparse(node.target) + " " + ast.unparse(node.iter)):
        return False
    turns = {entry.id for entry in ast.walk(node.target) if isinstance(entry, ast.Name)}
    return not any(isinstance(entry, ast.Name) and entry.id in turns for entry in ast.walk(call.node))


LOOP = """import torch
from torch import nn

model = nn.Linear(4, 1)
{first}
for epoch in range(10):
    {inside}
    for inputs, targets in torch.load("batches.pt"):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(inputs), targets).backward()
        optimizer.step()
"""
MAKE = "optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)"
BAD = program(LOOP.format(first="torch.manual_seed(0)", inside=f"{MAKE}  # <- here"))
GOOD = [
    program(LOOP.format(first=MAKE, inside="print(epoch)")),
    program(LOOP.format(first="torch.manual_seed(0)", inside="optimizer = torch.optim.Adam(model.parameters(), lr=1e-3 / (epoch + 1))")),
    program(LOOP.format(first="torch.manual_seed(0)", inside=f"model = nn.Linear(4, 1); {MAKE}")),
]
