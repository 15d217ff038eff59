"""TRN114."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Write
from gonogo.analysis.dataflow.definitions import Instance
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value, constant
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.acts import owner_of_parameter
from gonogo.analysis.training.gradients import computed_by
from gonogo.analysis.training.loops import training_loops
from gonogo.analysis.training.made import optimizers_made
from gonogo.analysis.training.objects import each, has_parameters, holdings, parts_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation


@rule("TRN114", "untrained-module", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def untrained_module(programs: list[Program]) -> Iterator[Violation]:
    """A new network takes part in computing the loss, and no optimizer has its parameters.

    What it does:
        Collects the networks that the losses of training loops are computed by, and those whose parameters the optimizers were made
        with. Speaks of a network with random weights that is in the first list and not in the second: a projection head, a second
        encoder, a loss with parameters of its own. One that is frozen, loaded or in eval mode on purpose is left alone.

    Why it matters:
        Its parameters get gradients and never change: part of the network stays random.

    Instead:
        Give the optimizer its parameters too, or freeze it in so many words.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    loops = walked.known(training_loops)
    made = list(walked.gather(optimizers_made))
    held = [holdings(optimizer) for optimizer in made]
    if not loops or not made or not all(entry.complete for entry in held) or walked.has("add_param_group"):
        return
    own = {part for entry in held for network in entry.networks for part in parts_of(walked, network)}
    spared = _spared(walked)
    steps = {loop.loop: loop for loop in loops}
    for loop in steps.values():
        for done in loop.computes:
            used = set(computed_by(walked, done.act.on))
            if not used & own:
                continue  # another optimizer's affair
            for network in _outer(walked, used):
                parts = parts_of(walked, network)
                if parts & own or parts & spared or not has_parameters(walked, network):
                    continue
                yield violation(
                    _made(network),
                    "the loss is computed by this new network too, and no optimizer has its parameters: it stays random",
                    "give its parameters to the optimizer, or freeze it by `requires_grad_(False)`",
                    sure=False,
                    related=((done.at, "the gradients are computed here"), (made[0], "the optimizer is made here")),
                )


def _made(network: Value) -> Value:
    return network.made if isinstance(network, Instance) and network.made is not None else network


def _outer(walked: Program, used: set[Value]) -> list[Value]:
    """Networks that are no part of another one, and that the program itself makes."""
    return [
        network
        for network in used
        if isinstance(network, (Call, Instance))
        and not (isinstance(network, Instance) and network.made is None)
        and not any(other is not network and network in parts_of(walked, other) for other in used)
        and not (isinstance(network, Call) and not network.name.startswith("torch.nn."))
    ]


def _spared(walked: Program) -> set[Value]:
    """Networks that are frozen, loaded, copied or read from somewhere."""
    found: set[Value] = set()
    for event in walked.calls("requires_grad_", "load_state_dict", "eval", "load", "load_weights", "deepcopy", "copy_"):
        for given in (event.call.receiver, *event.call.given()):
            if given is not None:
                found |= each(owner_of_parameter(given))
    for write in walked.all(Write):
        if write.key in ("requires_grad", "data", "weight", "bias") and constant(write.value) is not True:
            found |= each(owner_of_parameter(write.owner))
            found.add(base(write.owner))
    return {part for network in found for part in parts_of(walked, network)}


PROGRAM = """import torch
from torch import nn

encoder = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
head = nn.Linear(8, 2){marker}
optimizer = torch.optim.SGD({parameters}, lr=0.1)
{freeze}
for inputs, labels in [(torch.randn(8, 4), torch.randint(2, (8,)))] * 8:
    optimizer.zero_grad()
    nn.functional.cross_entropy(head(encoder(inputs)), labels).backward()
    optimizer.step()
"""
BAD = program(PROGRAM.format(marker="  # <- here", parameters="encoder.parameters()", freeze=""))
GOOD = [
    program(PROGRAM.format(marker="", parameters="[*encoder.parameters(), *head.parameters()]", freeze="")),
    program(PROGRAM.format(marker="", parameters="encoder.parameters()", freeze="head.requires_grad_(False)")),
]
