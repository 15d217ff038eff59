"""TRN104."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Branch, Called, Gives
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Mapping, Mode, constant, is_none, plain
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.gradients import Gradients
from gonogo.analysis.training.loops import Done, acts
from gonogo.analysis.training.uses import call_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

COMPUTING = frozenset({"backward", "manual_backward", "training_step"})


@rule("TRN104", "loss-without-gradient", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def loss_without_gradient(programs: list[Program]) -> Iterator[Violation]:
    """The gradients are computed of a loss that no parameter can be reached from.

    What it does:
        Follows what each loss is made of, back to the networks it was computed by. Speaks where `backward()` is called on a value
        that is cut off from all of them: by `item()`, `detach()`, `.data`, NumPy, `torch.tensor(…)`, `argmax`, a comparison, or
        because the network ran under `no_grad`. A loss that is then marked by `requires_grad` is cut off all the same.

    Why it matters:
        Without `requires_grad`, `backward()` raises an error. With it, there is none: the gradient stops at the mark, no parameter
        gets any, and the network never learns (PyTorch, "Autograd mechanics").

    Instead:
        Call `backward()` on the loss itself, and take numbers out of it for printing only.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    gradients = walked.known(Gradients)
    yield from _steps_of_frameworks(walked)
    for done in walked.known(acts):
        if done.act.does is not Does.COMPUTES or _is_for_training_only(done) or _is_given_gradients(done):
            continue
        loss = done.act.on
        if gradients.reaches(loss) is False:
            yield violation(
                done.at,
                "no gradient of this loss reaches a parameter: it is cut off from the network it was computed by",
                "call `backward()` on the loss as the network gives it, without `item()`, `detach()`, NumPy or `no_grad`",
                related=((loss, "the loss is made here"),),
            )
        elif gradients.is_cut_leaf(loss):
            yield violation(
                done.at,
                "this loss is marked by `requires_grad` after it was cut off from the network: no parameter gets a gradient",
                "call `backward()` on the loss as the network gives it; a mark does not bring the graph back",
                related=((loss, "the loss is made here"),),
            )


def _steps_of_frameworks(walked: Program) -> Iterator[Violation]:
    """What `training_step` of Lightning returns, which the trainer calls `backward()` on."""
    for gives in walked.all(Gives):
        called = next((around for around in gives.around() if isinstance(around, Called)), None)
        name = getattr(called.definition, "name", "") if called is not None else ""
        value = plain(gives.value) if gives.value is not None else None
        if isinstance(value, Mapping):
            value = next((plain(entry) for key, entry in value.entries if constant(key) == "loss"), None)
        if name != "training_step" or called is None or _computes_itself(called.definition):
            continue
        if isinstance(value, Call) and value.method in ("item", "detach", "tolist", "numpy"):
            yield violation(
                gives,
                "the trainer gets this loss from `training_step` without its graph: the network never learns",
                "return the loss itself",
                related=((value, "it is cut off here"),),
            )


def _computes_itself(step: ast.AST) -> bool:
    """Return whether a step computes the gradients by itself, or leaves them to another step.

    That of transformers' trainer computes them.
    """
    calls = (node.func for node in ast.walk(step) if isinstance(node, ast.Call))
    return any(isinstance(function, ast.Attribute) and function.attr in COMPUTING for function in calls)


def _is_given_gradients(done: Done) -> bool:
    """Return whether gradients that were computed elsewhere are put into a leaf.

    An example is `x.backward(torch.autograd.grad(y, x)[0])`.
    """
    call = call_of(done.at)
    given = call.argument(0, "gradient") if call is not None and call.method == "backward" else None
    return given is not None and given is not done.act.on and not is_none(given)


def _is_for_training_only(done: Done) -> bool:
    """Return whether `backward()` stands under a condition in a step that an evaluation shares.

    The step is walked under `no_grad` here.
    """
    call = call_of(done.at)
    return call is not None and call.context.grad is not Mode.ON and any(isinstance(around, Branch) for around in done.at.around())


LOOP = """import torch
from torch import nn

network = nn.Linear(4, 2)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for _ in range(10):
    inputs, targets = torch.randn(8, 4), torch.randint(2, (8,))
    optimizer.zero_grad()
    {loss}
    loss.backward(){marker}
    optimizer.step()
"""
LOST = [
    "loss = nn.functional.cross_entropy(network(inputs).detach(), targets)",
    "loss = torch.tensor(nn.functional.cross_entropy(network(inputs), targets).item(), requires_grad=True)",
    "loss = (network(inputs).argmax(1) != targets).float().mean().requires_grad_()",
]
BAD = [program(LOOP.format(loss=loss, marker="  # <- here")) for loss in LOST]
STEP = """import torch
from torch import nn


def step(network, inputs, targets, optimizer):
    optimizer.zero_grad()
    guess = {guess}
    loss = nn.functional.mse_loss(guess, targets.float())
    loss.requires_grad = True
    loss.backward(){marker}
    optimizer.step()
"""
BAD.append(program(STEP.format(guess="network(inputs).argmax(1).float()", marker="  # <- here")))
GOOD = [
    program(STEP.format(guess="network(inputs).squeeze(1)", marker="")),
    program(LOOP.format(loss="loss = nn.functional.cross_entropy(network(inputs), targets); print(loss.item())", marker="")),
    program(LOOP.format(loss="inputs.requires_grad_(); loss = (inputs.detach() * inputs).sum()", marker="")),
    program(
        """import torch
from torch import nn


class Solver:
    def __init__(self, network, mode):
        self.network, self.mode = network, mode
        self.optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

    def step(self, inputs, targets):
        loss = nn.functional.cross_entropy(self.network(inputs), targets)
        if self.mode == "train":
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return loss.item()

    @torch.no_grad()
    def evaluate(self, batches):
        return [self.step(inputs, targets) for inputs, targets in batches]


solver = Solver(nn.Linear(4, 2), input())
print(solver.step(torch.randn(8, 4), torch.randint(2, (8,))), solver.evaluate(torch.load("batches.pt")))
"""
    ),
    program(
        """import torch
from torch import nn


class Learner(nn.Module):
    def loss(self, inputs, targets):
        '''What the heirs minimise.'''

    def update(self, optimizer, inputs, targets):
        optimizer.zero_grad()
        loss = self.loss(inputs, targets)
        loss.backward()
        optimizer.step()


def train(learner: Learner):
    optimizer = torch.optim.SGD(learner.parameters(), lr=0.1)
    for _ in range(10):
        learner.update(optimizer, torch.randn(8, 4), torch.randint(2, (8,)))


train(Learner())
"""
    ),
]
