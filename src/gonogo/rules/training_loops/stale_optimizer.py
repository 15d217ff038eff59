"""TRN113."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Write
from gonogo.analysis.dataflow.definitions import Instance
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value, constant
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import last_name, origin
from gonogo.analysis.training.gradients import computed_by, is_fully_known, touches
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.loops import TrainingLoop, training_loops
from gonogo.analysis.training.made import optimizers_made
from gonogo.analysis.training.objects import each, has_parameters, holdings, is_one, parts_of
from gonogo.analysis.training.order import Order
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation


@rule("TRN113", "stale-optimizer", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def stale_optimizer(programs: list[Program], modules: dict[str, Module]) -> Iterator[Violation]:
    """The optimizer has parameters that are no longer, or never were, those of the network that learns.

    What it does:
        Compares the networks whose parameters an optimizer was made with to those that the losses are computed by. Speaks where a
        part of the network is replaced after the optimizer was made (a new head), and where the losses of a training loop are
        computed by other networks altogether: a network made anew for each fold with an optimizer from before, a copy. Parameters
        that are added by `add_param_group`, or an optimizer made again, are seen.

    Why it matters:
        The new parameters get gradients and are never changed: a new head stays random, a new network untrained, and nothing says so
        (PyTorch, `torch.optim`, "Constructing it").

    Instead:
        Make the optimizer after the last change of the network.
    """
    written = (found for module in modules.values() for found in _written(module))
    yield from by_place([*(found for walked in programs for found in _found(walked)), *written])


LAYERS = frozenset({"Linear", "Conv1d", "Conv2d", "Conv3d", "Sequential", "Embedding", "LSTM", "GRU", "BatchNorm2d", "LazyLinear"})


def _written(module: Module) -> Iterator[Violation]:
    """A layer that is put into a network one or more statements after the optimizer of its parameters.

    In the same block of code.

    This needs no walk, so that it also speaks of functions whose networks are a library's.
    """
    if "add_param_group" in module.text:
        return
    for made in module.of(ast.Assign):
        network = _of_parameters(module, made.value)
        parent = module.parents.get(made)
        block = next(
            (
                entry
                for entry in (getattr(parent, "body", None), getattr(parent, "orelse", None))
                if isinstance(entry, list) and made in entry
            ),
            None,
        )
        if network is None or block is None or not _is_last(module, made) or not isinstance(made.targets[0], (ast.Name, ast.Attribute)):
            continue
        names = {ast.unparse(made.targets[0]), network}
        for after in block[block.index(made) + 1 :]:
            bound = {
                ast.unparse(part)
                for part in ast.walk(after)
                if isinstance(part, (ast.Name, ast.Attribute)) and isinstance(part.ctx, ast.Store)
            }
            if bound & names:
                break
            if isinstance(after, ast.Assign) and _is_new_layer(module, after, network):
                yield Violation(
                    module.location(after),
                    "this part of the network is made after the optimizer, which does not have its parameters: it never learns",
                    "make the optimizer after the last change of the network, or add its parameters by `add_param_group`",
                    related=(Related(location=module.location(made), label="the optimizer is made here"),),
                )
                break


def _of_parameters(module: Module, value: ast.expr) -> str | None:
    """The network whose parameters an optimizer is made with, as it is written."""
    if not (isinstance(value, ast.Call) and origin(module, value.func).startswith("torch.optim.") and value.args):
        return None
    given = value.args[0]
    is_all = isinstance(given, ast.Call) and isinstance(given.func, ast.Attribute) and given.func.attr == "parameters"
    return ast.unparse(given.func.value) if is_all else None  # type: ignore[attr-defined]


def _is_new_layer(module: Module, node: ast.Assign, network: str) -> bool:
    """Whether a statement puts a layer with weights into a network: `net.fc = nn.Linear(…)`.

    `net.classifier[1] = nn.Linear(…)`.
    """
    target = node.targets[0]
    made = (
        isinstance(node.value, ast.Call)
        and origin(module, node.value.func).startswith("torch.nn.")
        and last_name(node.value.func) in LAYERS
    )
    if not made or not isinstance(target, (ast.Attribute, ast.Subscript)):
        return False
    owner: ast.expr = target.value
    while ast.unparse(owner) != network and isinstance(owner, (ast.Attribute, ast.Subscript)):
        owner = owner.value
    return ast.unparse(owner) == network


def _is_last(module: Module, made: ast.Assign) -> bool:
    """Whether no other optimizer gets this name anywhere in the file."""
    name = last_name(made.targets[0])
    return sum(last_name(target) == name for entry in module.of(ast.Assign) for target in entry.targets) == 1


def _found(walked: Program) -> Iterator[Violation]:
    loops = [loop for loop in walked.known(training_loops) if loop.sure and is_one(loop.optimizer)]
    for loop in loops:
        if any(
            each(event.call.receiver) & each(loop.optimizer) for event in walked.calls("add_param_group") if event.call.receiver is not None
        ):
            continue
        yield from _replaced(walked, loop)
        yield from _foreign(walked, loop)


def _replaced(walked: Program, loop: TrainingLoop) -> Iterator[Violation]:
    """Parts that are put into the network after the optimizer was made."""
    order = walked.known(Order)
    optimizer = next(iter(each(loop.optimizer)))
    held = holdings(loop.optimizer)
    made = order.made(optimizer)
    used = {part for done in loop.computes for network in computed_by(walked, done.act.on) for part in parts_of(walked, network)}
    own = {part for network in held.networks for part in parts_of(walked, network)}
    if made is None:
        return
    for write in walked.all(Write):
        part = base(write.value)
        if not isinstance(write.key, str) or kind_of(part) is not Kind.MODEL or not has_parameters(walked, part):
            continue
        if not made < order.place(write) < order.place(loop.steps[0].at) or not isinstance(part, (Call, Instance)):
            continue
        begun = order.made(part.made if isinstance(part, Instance) and part.made is not None else part)
        if begun is not None and begun < made:
            continue  # it was there before, and may have been a part all along
        if each(write.owner) & own and part in used and not _has_another(walked, part, optimizer):
            yield violation(
                write,
                "this part of the network is made after the optimizer, which does not have its parameters: it never learns",
                "make the optimizer after the last change of the network, or add its parameters by `add_param_group`",
                related=((optimizer, "the optimizer is made here"),),
            )


def _has_another(walked: Program, part: Value, optimizer: Value) -> bool:
    """Whether another optimizer has a part, made after it became one."""
    order = walked.known(Order)
    for other in walked.gather(optimizers_made):
        if other is not optimizer and (order.made(other) or 0) > (order.made(optimizer) or 0):
            held = holdings(other)
            if not held.complete or any(part in parts_of(walked, network) for network in held.networks):
                return True
    return False


def _foreign(walked: Program, loop: TrainingLoop) -> Iterator[Violation]:
    """No loss of the loop is computed by a network whose parameters the optimizer has."""
    held = holdings(loop.optimizer)
    if not held.complete or any(kind_of(network) is not Kind.MODEL for network in held.networks):
        return
    own = {part for network in held.networks for part in parts_of(walked, network)}
    used: set[Value] = set()
    for done in loop.computes:
        if not is_fully_known(done.act.on) or touches(done.act.on, own):
            return
        used |= {part for network in computed_by(walked, done.act.on) for part in parts_of(walked, network)}
    if used and not used & own and any(has_parameters(walked, part) for part in used) and not _is_twin(used, own):
        yield violation(
            loop.steps[0].at,
            "the optimizer has the parameters of another network than the one the losses are computed by",
            "make the optimizer with the parameters of the network that learns, after that network is made",
            related=(
                (next(iter(each(loop.optimizer))), "the optimizer is made here"),
                (loop.computes[0].at, "gradients are computed here"),
            ),
        )


def _is_twin(used: set[Value], own: set[Value]) -> bool:
    """Whether the walk may have lost track: a network that is looked up anew each time, not made."""
    return any(not isinstance(part, (Call, Instance)) for part in (*used, *own)) or any(constant(part) is not ... for part in (*used, *own))


PROGRAM = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.body = nn.Linear(4, 8)
        self.head = nn.Linear(8, classes)

    def forward(self, inputs):
        return self.head(torch.relu(self.body(inputs)))


model = Net(2)
{early}
{change}
{late}
for inputs, labels in [(torch.randn(8, 4), torch.randint(3, (8,)))] * 8:
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(inputs), labels).backward()
    optimizer.step(){marker}
"""
OPTIMIZER = "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)"
HEAD = "model.head = nn.Linear(8, 3)"
PROBE = """import torch
from torch import nn

encoder = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
probe = nn.Linear(encoder[0].out_features, 2)
optimizer = torch.optim.SGD({held}.parameters(), lr=0.1)
for inputs, labels in [(torch.randn(8, 4), torch.randint(2, (8,)))] * 8:
    with torch.no_grad():
        features = encoder(inputs)
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(probe(features), labels){more}
    loss.backward()
    optimizer.step(){marker}
"""
BAD = [
    program(PROBE.format(held="encoder", more="", marker="  # <- here")),
    program(PROGRAM.format(early=OPTIMIZER, change=HEAD + "  # <- here", late="", marker="")),
    program(PROGRAM.format(early=OPTIMIZER, change="model = Net(3)", late="", marker="  # <- here")),
]
MADE = """import torch
from torch import nn
from torchvision import models


def make(classes):
    net = models.efficientnet_b0(weights="DEFAULT")
    {early}
    net.classifier[1] = nn.Linear(1280, classes){marker}
    {late}
    return net, optimizer


print(make(3))
"""
_ALL = "optimizer = torch.optim.AdamW(net.parameters())"
BAD += [program(MADE.format(early=_ALL, late="print(net)", marker="  # <- here"))]
GOOD = [
    program(MADE.format(early="print(net)", late=_ALL, marker="")),
    program(MADE.format(early=_ALL, late=_ALL, marker="")),
    program(MADE.format(early=_ALL, late="optimizer.add_param_group({'params': net.classifier.parameters()})", marker="")),
    program(PROBE.format(held="probe", more="", marker="")),
    program(PROBE.format(held="encoder", more=" + 0.1 * encoder[0].weight.norm()", marker="")),
    program(PROBE.format(held="encoder", more=" + sum(each.norm() for each in encoder.parameters())", marker="")),
    program(PROGRAM.format(early="", change=HEAD, late=OPTIMIZER, marker="")),
    program(PROGRAM.format(early=OPTIMIZER, change=HEAD, late="optimizer.add_param_group({'params': model.head.parameters()})", marker="")),
]
