"""TRN102."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Event, Write
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Attribute, Parameter, Ref, plain
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.gradient_flow import Held, gradient_flow
from gonogo.analysis.training.kinds import Kind, kind_of, likely_kind
from gonogo.analysis.training.loops import TrainingLoop, acts, clears_for, training_loops
from gonogo.analysis.training.objects import each, is_one
from gonogo.analysis.training.ops import op_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

# What computes gradients besides `backward()`.
COMPUTES = ("backward", "manual_backward", "grad", "vjp", "jacobian", "value_and_grad", "autograd", "closure", "minimize")
# Methods of tensors, lists and progress bars that compute none.
PLAIN = words("item to cuda cpu train eval mean sum float long size append detach view set_postfix format")


@rule("TRN102", "step-without-gradients", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def step_without_gradients(programs: list[Program]) -> Iterator[Violation]:
    """The optimizer steps when its gradients have just been cleared, or before any were computed.

    What it does:
        Follows the gradients of each optimizer through a training loop in the order of its calls, over the turns of the loop and
        through the functions it calls. Speaks where at `step()` they are empty on every path: `zero_grad()` stands between
        `backward()` and `step()`, or `step()` comes before `backward()` and after `zero_grad()`; and where a loop clears and steps an
        optimizer, computes a loss, and nothing in the program computes gradients.

    Why it matters:
        With gradients that are None a step does nothing (`torch.optim.Optimizer.zero_grad`, `set_to_none`). The loss that is logged
        is that of a network that never learns.

    Instead:
        In each turn: `zero_grad()`, the loss, `backward()`, `step()`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    yield from _without_backward(walked)
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


def _without_backward(walked: Program) -> Iterator[Violation]:
    """A loop that clears and steps an optimizer in a program that computes no gradients at all."""
    done = walked.known(acts)
    if any(entry.act.does is Does.COMPUTES for entry in done) or walked.has(*COMPUTES):
        return
    for step in (entry for entry in done if entry.act.does is Does.STEPS and entry.act.sure and is_one(entry.act.on)):
        loop = step.loops[0] if step.loops else None
        call = step.at.call if isinstance(step.at, Event) else None
        if loop is None or call is None or any(call.given()):
            continue
        events = [event for event in walked.calls() if loop in event.around()]
        cleared = [entry for entry in done if entry.act.does is Does.CLEARS and loop in entry.loops]
        grads = any(write.key in ("grad", "_grad") for write in walked.all(Write))
        if cleared and not grads and all(_is_plain(event) for event in events) and any(_computes_loss(event) for event in events):
            yield violation(
                step.at,
                "the optimizer steps without gradients: nothing calls `backward()`",
                "call `backward()` on the loss before the step",
                related=((cleared[0].at, "the gradients are cleared here"),),
            )


def _is_plain(event: Event) -> bool:
    """Return whether a call surely computes no gradients.

    It is a library's function, a method of a tensor or an optimizer, a network or a loss.
    """
    callee = plain(event.call.callee)
    if isinstance(callee, Ref):
        return not callee.name.rpartition(".")[2].startswith("grad")
    if isinstance(callee, Attribute):
        owner = base(callee.owner)
        known = kind_of(owner) in (Kind.OPTIMIZER, Kind.SCHEDULER, Kind.LOSS, Kind.LOADER)
        return known or callee.name in PLAIN
    return kind_of(base(callee)) in (Kind.MODEL, Kind.LOSS) or (isinstance(callee, Parameter) and likely_kind(callee) is Kind.MODEL)


def _computes_loss(event: Event) -> bool:
    op = op_of(event.call)
    return op is not None and (op.name.endswith(("loss", "cross_entropy")) or op.name.startswith("binary_cross_entropy"))


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
    program(_loop("optimizer.zero_grad()", LOSS, "optimizer.step()  # <- here", "print(loss.item())")),
]
GOOD = [
    program(_loop("optimizer.zero_grad()", LOSS, "loss.backward()", "optimizer.step()")),
    program(_loop(LOSS, "loss.backward()", "optimizer.step()", "optimizer.zero_grad()")),
]
