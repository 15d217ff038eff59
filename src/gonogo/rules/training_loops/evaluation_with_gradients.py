"""TRN120."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Called, Happening, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Mode, Parameter, plain
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import last_name
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.loops import Done, acts, applications, outermost, training_loops
from gonogo.analysis.training.modes import In, mode_flow
from gonogo.analysis.training.objects import each
from gonogo.analysis.training.uses import SCORES, ancestry, applications_in, call_of, scored
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

NEEDS = (
    "grad",
    "requires_grad_",
    "backward",
    "jacobian",
    "vjp",
    "jvp",
    "manual_backward",
    "hessian",
    "functional_call",
    "GradCAM",
    "attack",
    "perturb",
)


@rule("TRN120", "evaluation-with-gradients", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def evaluation_with_gradients(programs: list[Program], modules: dict[str, Module]) -> Iterator[Violation]:
    """A network is evaluated while PyTorch records everything for a backward pass that never comes.

    What it does:
        Speaks where a network that learns elsewhere in the program is in eval mode, is applied in a loop in which no gradient is
        asked for, and its predictions are scored, without `no_grad`, `inference_mode` or `set_grad_enabled(False)` around it.

    Why it matters:
        The graph of every batch is built: about twice the memory and more time; where outputs are collected the graphs are kept
        until memory is full (PyTorch, "Autograd mechanics: locally disabling gradient computation").

    Instead:
        Put the evaluation under `with torch.no_grad():`.
    """
    called = {last_name(call.func) for module in modules.values() for call in module.of(ast.Call)}
    yield from by_place(found for walked in programs for found in _found(walked, called))


def _found(walked: Program, called: set[str]) -> Iterator[Violation]:
    if not walked.known(training_loops):
        yield from _of_callers(walked, called)
        return
    learning = {call for done in walked.known(acts) if done.act.does is Does.COMPUTES for call in applications_in(done.act.on)}
    needing = list(walked.calls(*NEEDS))
    flow = walked.known(mode_flow)
    for done in outermost(walked.known(applications)):
        call = call_of(done.at)
        if call is None or call in learning or call.context.grad is not Mode.ON or call not in walked.known(scored):
            continue
        loop = next((entry for entry in done.at.around() if isinstance(entry, Loop) and entry.kind in ("for", "while")), None)
        if loop is None or any(_is_within(event, loop) for event in needing) or _is_framework(done):
            continue
        for network in each(done.act.on) & flow.networks:
            modes = {mode for visit in flow.modes_at(done.at, network) for mode in visit}
            if modes == {In.EVAL} and _learns(walked, network):
                yield violation(
                    done.at,
                    "the network is evaluated without `no_grad`: the graph of each batch is built for nothing",
                    "put the evaluation under `with torch.no_grad():`",
                )


def _of_callers(walked: Program, called: set[str]) -> Iterator[Violation]:
    """Yield functions that put a given network into eval mode and score it in a loop.

    Nothing calls such a function.

    A method of a name that something calls may be called there, with `no_grad` around.
    """
    computes = [done for done in walked.known(acts) if done.act.does is Does.COMPUTES]
    if walked.is_script or computes or walked.has(*NEEDS, "train", "set_grad_enabled"):
        return
    switched = {one for done in walked.known(acts) if done.act.does is Does.EVAL for one in each(done.act.on)}
    used = {value for event in walked.calls(*SCORES, "item") for given in event.call.inputs() for value in ancestry(given)}
    for event in walked.calls():
        outermost_one = next((entry for entry in reversed(list(event.around())) if isinstance(entry, Called)), None)
        if outermost_one is not None and _may_be_called(outermost_one, called):
            continue
        callee = plain(event.call.callee)
        in_loop = any(isinstance(entry, Loop) and entry.kind in ("for", "while") for entry in event.around())
        if isinstance(callee, Parameter) and callee in switched and in_loop and event.call.context.grad is Mode.ON and event.call in used:
            yield violation(
                event,
                "the network is evaluated without `no_grad`: the graph of each batch is built for nothing",
                "put the evaluation under `with torch.no_grad():`",
                sure=False,
            )


def _may_be_called(entry: Called, called: set[str]) -> bool:
    """Whether a function is a method, and something in the project calls a method of its name."""
    is_method = isinstance(entry.owner.parents.get(entry.definition), ast.ClassDef)
    return is_method and getattr(entry.definition, "name", "") in called


def _is_within(entry: Happening, loop: Loop) -> bool:
    return loop in entry.around()


def _learns(walked: Program, network: object) -> bool:
    return any(
        network in applied_to(call)
        for done in walked.known(acts)
        if done.act.does is Does.COMPUTES
        for call in applications_in(done.act.on)
    )


def applied_to(call: Call) -> set[object]:
    """The network that a call applies."""
    return set(each(call.callee))


def _is_framework(done: Done) -> bool:
    """Whether a framework calls the function, which switches gradients off itself."""
    names = [getattr(entry.definition, "name", "") for entry in done.at.around() if isinstance(entry, Called)]
    return any(name in ("validation_step", "test_step", "predict_step", "compute_loss", "training_step") for name in names)


PROGRAM = """import torch
from torch import nn

model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.1), nn.Linear(8, 2))
optimizer = torch.optim.Adam(model.parameters())
batches = [(torch.randn(8, 4), torch.randint(2, (8,)))] * 8
for epoch in range(3):
    model.train()
    for inputs, labels in batches[:6]:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
    model.eval()
    right = 0
    with {context}:
        for inputs, labels in batches[6:]:
            right += (model(inputs).argmax(1) == labels).sum().item(){marker}
    print(right)
"""
BAD = program(PROGRAM.format(context="torch.enable_grad()", marker="  # <- here"))
GOOD = [
    program(PROGRAM.format(context="torch.no_grad()", marker="")),
    program(PROGRAM.format(context="torch.inference_mode()", marker="")),
]
