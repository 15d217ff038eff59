"""TRN115."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.contents import Contents
from gonogo.analysis.dataflow.definitions import Instance
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import (
    Attribute,
    Call,
    Choice,
    Display,
    Element,
    Item,
    Mapping,
    Operation,
    Repeated,
    Returned,
    Value,
    constant,
    plain,
)
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.made import optimizers_made
from gonogo.analysis.training.objects import fields_of, has_parameters, made_objects
from gonogo.analysis.training.uses import ancestry
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

REGISTERS = (
    "ModuleList", "ModuleDict", "Sequential", "ParameterList", "ParameterDict", "add_module", "register_module", "register_parameter",
    "setattr", "__setattr__", "register_buffer", "extend", "OrderedDict",
)  # fmt: skip

COLLECTS = frozenset({"list", "tuple", "dict", "zip", "enumerate", "chain", "OrderedDict", "filter", "reversed", "iter", "map"})


@rule("TRN115", "module-not-registered", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def module_not_registered(programs: list[Program]) -> Iterator[Violation]:
    """A network keeps layers or parameters in a plain list or dict, or parameters as plain tensors.

    What it does:
        Looks at what each network of the project holds. Speaks where an attribute is a list, tuple or dict with layers that have
        parameters, and nothing else registers them (`nn.ModuleList`, `nn.Sequential(*layers)`, `add_module`, another network that has
        the layer as an attribute), and where it is a tensor with `requires_grad=True` that is no `nn.Parameter`; each only if no
        optimizer is given it by hand.

    Why it matters:
        `parameters()`, `to()`, `state_dict()` and `train()` see only what is registered: these layers are never trained, moved or saved
        (PyTorch, `torch.nn.ModuleList`, `torch.nn.parameter.Parameter`).

    Instead:
        Use `nn.ModuleList`, `nn.ModuleDict` and `nn.Parameter`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    owners = [made for made in made_objects(walked) if kind_of(made) is Kind.MODEL and not made.shallow]
    if not owners:
        return
    registered = set(walked.gather(_registered))
    # A list hides a layer on purpose that another network has as its own: a shared layer, the network around.
    held = {base(value) for owner in owners for value in fields_of(walked, owner).values()}
    registered |= {value for value in held if kind_of(value) is Kind.MODEL}
    for owner in owners:
        fields = fields_of(walked, owner)
        for name, value in fields.items():
            kept = plain(value)
            if isinstance(kept, (Display, Mapping, Repeated)) and kept not in registered:
                layers = [layer for layer in _layers(kept) if has_parameters(walked, layer)]
                if (
                    layers
                    and not any(layer in registered for layer in layers)
                    and _is_used(owner, name)
                    and not _is_gone_through(owner, name)
                ):
                    yield violation(
                        kept,
                        f"the layers in `self.{name}` are not registered: they are never trained, moved or saved with the network",
                        "put them into an `nn.ModuleList` or `nn.ModuleDict`",
                        related=((layers[0], "a layer with parameters"),),
                    )
            elif _is_loose_tensor(kept) and kept not in registered and _is_used(owner, name):
                yield violation(
                    kept,
                    f"`self.{name}` is a plain tensor: no parameter of the network, so that it is never trained, moved or saved with it",
                    "make it an `nn.Parameter`",
                )


def _layers(kept: Display | Mapping | Repeated) -> list[Value]:
    inside = [kept.element] if isinstance(kept, Repeated) else list(kept.inputs())
    found: list[Value] = []
    for value in inside:
        made = base(value)
        if kind_of(made) is Kind.MODEL and isinstance(made, (Call, Instance)):
            found.append(made)
        elif isinstance(made, (Display, Mapping, Repeated)):
            found += _layers(made)
    return found


def _is_loose_tensor(value: Value) -> bool:
    is_torch = isinstance(value, Call) and value.name.startswith("torch.") and not value.name.startswith(("torch.nn.", "torch.optim."))
    return is_torch and isinstance(value, Call) and constant(value.keywords.get("requires_grad")) is True


def _registered(contents: Contents) -> Iterator[Value]:
    """Yield what is passed to something that registers it, or to an optimizer.

    Containers and comprehensions are followed.
    """
    registering = [event.call for name in REGISTERS for event in contents.events.get(name, ())]
    for call in (*registering, *contents.gathered(optimizers_made)):
        for given in call.given():
            yield from map(base, ancestry(given, _is_container))
    for name in ("parameters", "named_parameters"):
        yield from (base(event.call.receiver) for event in contents.events.get(name, ()) if event.call.receiver is not None)


def _is_container(value: Value) -> bool:
    if isinstance(value, Call):
        return value.method in ("values", "items", "parameters", "named_parameters") or value.short in COLLECTS
    return isinstance(value, (Display, Mapping, Repeated, Choice, Element, Item, Returned, Operation, Attribute))


def _is_gone_through(owner: Instance, name: str) -> bool:
    """Return whether a method registers what it finds in an attribute.

    An example is `for key in self.layers: self.add_module(key, self.layers[key])`.
    """
    methods = [member for entry in owner.cls.ancestors() for member in entry.definition.body if isinstance(member, ast.FunctionDef)]
    for method in methods:
        names = {inner.attr for inner in ast.walk(method) if isinstance(inner, ast.Attribute)}
        calls = {inner.func.id for inner in ast.walk(method) if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name)}
        if name in names and (names & {"add_module", "register_module", "register_parameter", "__setattr__"} or "setattr" in calls):
            return True
    return False


def _is_used(owner: Instance, name: str) -> bool:
    """Whether a method other than `__init__` uses an attribute."""
    methods = [
        method
        for entry in owner.cls.ancestors()
        for method in entry.definition.body
        if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)) and method.name != "__init__"
    ]
    return any(isinstance(node, ast.Attribute) and node.attr == name for method in methods for node in ast.walk(method))


NET = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        {made}

    def forward(self, inputs):
        {use}
        return inputs


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
"""
USE = "for layer in self.layers: inputs = layer(inputs)"
BAD = [
    program(NET.format(made="self.layers = [nn.Linear(4, 4) for _ in range(3)]  # <- here", use=USE)),
    program(NET.format(made="self.scale = torch.ones(4, requires_grad=True)  # <- here", use="inputs = inputs * self.scale")),
]
GOOD = [
    program(NET.format(made="self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])", use=USE)),
    program(NET.format(made="self.layers = [nn.Linear(4, 4)]; self.net = nn.Sequential(*self.layers)", use=USE)),
    program(NET.format(made="self.layers = [nn.ReLU(), nn.Tanh()]", use=USE)),
]
