"""TRN102."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.training.gradient_flow import Held, gradient_flow
from gonogo.analysis.training.loops import TrainingLoop, clears_for, training_loops
from gonogo.analysis.training.objects import each, is_one
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation


@rule("TRN102", "step-without-gradients", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def step_without_gradients(programs: list[Program]) -> Iterator[Violation]:
    """The optimizer steps when its gradients have just been cleared, or before any were computed.

    What it does:
        Follows the gradients of each optimizer through a training loop in the order of its calls, over the turns of the loop and
        through the functions it calls. Speaks where at `step()` they are empty on every path: `zero_grad()` stands between
        `backward()` and `step()`, or `step()` comes before `backward()` and after `zero_grad()`.

    Why it matters:
        With gradients that are None a step does nothing (`torch.optim.Optimizer.zero_grad`, `set_to_none`). The loss that is logged
        is that of a network that never learns.

    Instead:
        In each turn: `zero_grad()`, the loss, `backward()`, `step()`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for loop in walked.known(training_loops):
        cleared = clears_for(loop)
        if not loop.sure or not cleared or not is_one(loop.optimizer):
            continue
        for step in loop.steps:
            if walked.known(gradient_flow).held_at(step.at, loop.optimizer) == {Held.EMPTY} and _is_of_one_backward(loop):
                yield violation(
                    step.at,
                    "the optimizer steps without gradients: they are cleared after `backward()`, or not computed yet",
                    "clear the gradients before `backward()`, and step after it",
                    related=((loop.computes[0].at, "gradients are computed here"), (cleared[0].at, "and cleared here")),
                )


def _is_of_one_backward(loop: TrainingLoop) -> bool:
    """Whether some gradients that are computed in the loop are the optimizer's."""
    return bool(each(loop.optimizer)) and bool(loop.computes)


LOOP = """import torch
from torch import nn


def run(model, optimizer, loader):
    for inputs, targets in loader:
{body}


network = nn.Linear(4, 1)
run(network, torch.optim.SGD(network.parameters(), lr=0.1), [(torch.randn(8, 4), torch.randn(8, 1))] * 8)
"""
LOSS = "loss = nn.functional.mse_loss(model(inputs), targets)"


def _loop(*lines: str) -> str:
    return LOOP.format(body="\n".join(f"        {line}" for line in lines))


BAD = [
    program(_loop(LOSS, "loss.backward()", "optimizer.zero_grad()", "optimizer.step()  # <- here")),
    program(_loop("optimizer.zero_grad()", LOSS, "optimizer.step()  # <- here", "loss.backward()")),
]
GOOD = [
    program(_loop("optimizer.zero_grad()", LOSS, "loss.backward()", "optimizer.step()")),
    program(_loop(LOSS, "loss.backward()", "optimizer.step()", "optimizer.zero_grad()")),
]
