"""TRN103."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Called, Loop, Write
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Value
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import enclosing_function, last_name
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.gradients import computed_by
from gonogo.analysis.training.loops import Done, acts
from gonogo.analysis.training.made import optimizers_made
from gonogo.analysis.training.objects import holdings, may_be_same, parts_of
from gonogo.analysis.training.order import Order
from gonogo.analysis.training.unclear import is_unclear
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

CLEARING = frozenset({"zero_", "detach_", "requires_grad_"})  # what is done to a gradient that nobody wants to know


@rule("TRN103", "no-step", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def no_step(programs: list[Program]) -> Iterator[Violation]:
    """Gradients are computed or cleared in a loop, and their optimizer is never stepped.

    What it does:
        Looks at each line that makes optimizers. Speaks where gradients of its parameters are computed in a loop, or cleared there
        while the program computes none at all, nothing ever calls its `step()`, and it is handed to nothing unknown, kept nowhere and
        returned to nobody. `optimizer.step` without parentheses is no call. Silent where the gradients are read there: the diagonal of a
        Fisher matrix, the saliency of weights and an update by hand need them, and no step.

    Why it matters:
        Nothing is learned: the network that is evaluated is the one that was made at random, and every number is that of chance.

    Instead:
        Call `optimizer.step()` after `backward()`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    done = walked.known(acts)
    in_loops = [entry for entry in done if any(isinstance(loop, Loop) for loop in entry.loops)]
    computes = [entry for entry in in_loops if entry.act.does is Does.COMPUTES]
    if not computes:
        # Somebody who clears gradients meant to step; one who only loads an optimizer's state does not.
        clears = [entry for entry in in_loops if entry.act.does is Does.CLEARS]
        if clears and not any(entry.act.does in (Does.COMPUTES, Does.STEPS) for entry in done):
            yield from _only_cleared(walked, clears)
        return
    steps = [entry for entry in done if entry.act.does is Does.STEPS]
    made = list(walked.gather(optimizers_made))
    # One line may make several: the optimizer of a control that takes no steps is made like all others.
    stepped = {optimizer.node for optimizer in made if any(may_be_same(entry.act.on, optimizer) for entry in steps)}
    # An attribute that a loop gives another optimizer later on: which of them a step meets, is not followed.
    stepped |= {optimizer.node for optimizer in made for twin in _in_its_place(walked, optimizer) if twin.node in stepped}
    order = walked.known(Order)
    for optimizer in made:
        if optimizer.node in stepped:
            continue
        begins = order.made(optimizer) or 0  # gradients that were computed before it was made are not for it
        mine = [entry for entry in computes if order.place(entry.at) > begins and _concerns(walked, optimizer, entry)]
        if mine and not is_unclear(walked, optimizer) and not any(_are_read(walked, entry) for entry in mine):
            yield violation(
                mine[0].at,
                "gradients are computed here, and nothing ever steps the optimizer that was made for them",
                "call `step()` of the optimizer after `backward()`",
                related=((optimizer, "the optimizer is made here"),),
            )


def _only_cleared(walked: Program, clears: list[Done]) -> Iterator[Violation]:
    for optimizer in walked.gather(optimizers_made):
        mine = [entry for entry in clears if base(entry.act.on) is optimizer]
        if mine and not is_unclear(walked, optimizer):
            yield violation(
                mine[0].at,
                "gradients are cleared here, and nothing ever computes any or steps the optimizer: the network is not trained",
                "call `backward()` on the loss, then `step()` of the optimizer",
                related=((optimizer, "the optimizer is made here"),),
            )


def _are_read(walked: Program, done: Done) -> bool:
    """Whether the function that computes gradients, or one that its loops call, reads any.

    The gradients are then what it is for.
    """
    outermost = done.loops[-1]
    called = [entry for entry in walked.all(Called) if outermost in entry.around()]
    places: list[tuple[Module, ast.AST]] = [(entry.module, entry.node) for entry in done.loops]
    places += [(entry.owner, entry.definition) for entry in called]
    own = enclosing_function(done.at.module, done.at.node)
    places += [(done.at.module, own)] if own is not None else []
    return any(_is_read(module, node) for module, place in places for node in ast.walk(place))


def _is_read(module: Module, node: ast.AST) -> bool:
    """Whether a node reads `weights.grad` for its value.

    To ask whether there is one, and to clear it, does not count.
    """
    if not (isinstance(node, ast.Attribute) and node.attr == "grad" and isinstance(node.ctx, ast.Load)):
        return False
    over: ast.AST = node
    around = module.parents.get(node)
    while isinstance(around, ast.Attribute):
        over, around = around, module.parents.get(around)
    if isinstance(around, ast.Call) and around.func is over:
        return over is not node and last_name(over) not in CLEARING  # `autograd.grad(…)` is no gradient of weights
    return not isinstance(around, (ast.Compare, ast.If, ast.Expr))


def _in_its_place(walked: Program, optimizer: Value) -> Iterator[Value]:
    """What is kept in the attribute that an optimizer is kept in."""
    places = {
        (base(write.owner), write.key) for write in walked.all(Write) if isinstance(write.key, str) and base(write.value) is optimizer
    }
    for write in walked.all(Write) if places else ():
        if isinstance(write.key, str) and (base(write.owner), write.key) in places:
            yield base(write.value)


def _concerns(walked: Program, optimizer: Value, done: Done) -> bool:
    """Whether gradients are those of the optimizer's own parameters, for sure."""
    used = {part for network in computed_by(walked, done.act.on) for part in parts_of(walked, network)}
    own = {part for network in holdings(optimizer).networks for part in parts_of(walked, network)}
    return bool(used & own)


LOOP = """import torch
from torch import nn

class Trainer:
    def __init__(self, model):
        self.model = model
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def fit(self, loader):
        for inputs, targets in loader:
            self.optimizer.zero_grad(){clears}
            loss = nn.functional.mse_loss(self.model(inputs), targets)
            {computes}
            {last}


Trainer(nn.Linear(4, 1)).fit([(torch.randn(8, 4), torch.randn(8, 1))] * 8)
"""
_COMPUTES = "loss.backward()"
BAD = [
    program(LOOP.format(clears="", computes=f"{_COMPUTES}  # <- here", last="print(loss.item())")),
    program(LOOP.format(clears="", computes=f"{_COMPUTES}  # <- here", last="self.optimizer.step")),
    program(LOOP.format(clears="  # <- here", computes="# " + _COMPUTES, last="print(loss.item())")),
]
GOOD = [
    program(LOOP.format(clears="", computes=_COMPUTES, last="self.optimizer.step()")),
    program(
        LOOP.format(
            clears="",
            computes="torch.autograd.grad(loss, list(self.model.parameters()))",
            last="from fitting import step\n            step(self.optimizer, loss)",
        )
    ),
]
