"""Which object is which: the same under two names, or one that holds another.

Also the networks whose parameters an optimizer has.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.dataflow.core import CONTENT
from gonogo.analysis.dataflow.definitions import Class, Function, Instance
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Attribute, Call, Choice, Parameter, Unknown, Value, is_none, options
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.kinds import Kind, kind_of, likely_kind

PARAMETERS = frozenset({"parameters", "named_parameters"})


def each(value: Value) -> set[Value]:
    """The objects that a value may be."""
    return {base(option) for option in options(base(value)) if not is_none(option)}


def may_be_same(one: Value, other: Value) -> bool:
    """Whether two values may be the same object."""
    return bool(each(one) & each(other))


def is_one(value: Value) -> bool:
    """Whether it is known which object a value is: none of several, none that a caller nobody knows gives."""
    found = each(value)
    return len(found) == 1 and not isinstance(next(iter(found)), (Choice, Parameter, Unknown))


@dataclass(frozen=True)
class Holdings:
    """The parameters that an optimizer has.

    Attributes:
        networks: whose parameters they are, all or a choice of them.
        complete: there are surely no others.
        whole: networks all of whose parameters it has.
    """

    networks: frozenset[Value]
    complete: bool
    whole: frozenset[Value]


def holdings(optimizer: Value) -> Holdings:
    """The networks whose parameters an optimizer was made with."""
    networks: set[Value] = set()
    whole: set[Value] = set()
    complete = True
    for made in each(optimizer):
        call = made.made if isinstance(made, Instance) else made
        given = call.argument(0, "params", "parameters") if isinstance(call, Call) else None
        if given is None:
            complete = False
            continue
        found, all_known = _networks_of(given)
        networks |= found
        complete = complete and all_known and bool(found)
        direct = base(given)
        if isinstance(direct, Call) and direct.method in PARAMETERS and direct.receiver is not None:
            whole |= each(direct.receiver)
    return Holdings(frozenset(networks), complete, frozenset(whole))


def may_be_of_new_networks(call: Call, node: ast.AST) -> bool:
    """Return whether the networks of an optimizer are made in the same piece of code, such as a loop.

    True as well where it is not known which networks they are.
    """
    networks = holdings(call).networks
    inside = {id(entry) for entry in ast.walk(node)}
    return not networks or any(id(network.node) in inside for network in networks)


def _networks_of(given: Value) -> tuple[set[Value], bool]:
    """The networks of which a value collects parameters, and whether all it collects is known."""
    found: set[Value] = set()
    complete = True
    pending, seen = [given], set()
    while pending:
        value = base(pending.pop())
        if value in seen:
            continue
        seen.add(value)
        if isinstance(value, Call) and value.method in PARAMETERS and value.receiver is not None:
            found |= each(value.receiver)
            continue
        if isinstance(value, (Parameter, Unknown, Attribute)) or (isinstance(value, Call) and not value.name and value.callee not in seen):
            complete = complete and isinstance(value, Call) and value.method in ("items", "values")
        if isinstance(value, (Function, Class, Instance)):
            continue
        pending += list(value.inputs())
    return found, complete


def parts_of(program: Program, network: Value) -> set[Value]:
    """A network and the networks it holds, at any depth."""
    known = program.known(_parts)
    if network not in known:
        known[network] = _all_parts(program, network)
    return known[network]


def _parts(program: Program) -> dict[Value, set[Value]]:
    return {}


def _all_parts(program: Program, network: Value) -> set[Value]:
    found: set[Value] = set()
    pending = list(each(network))
    while pending:
        entry = pending.pop()
        if entry in found:
            continue
        found.add(entry)
        registers = entry in program.known(_registering)
        for value in program.fields(entry).values():
            pending += [inner for inner in each(value) if likely_kind(inner) in (Kind.MODEL, Kind.LOSS)]
            pending += _modules_in(value) if registers else ()
        if isinstance(entry, Call) and kind_of(entry) is Kind.MODEL and not takes_numbers(entry):
            pending += [inner for given in entry.given() for inner in _modules_in(given)]
    return found


def _registering(program: Program) -> set[Value]:
    """Return the networks that something registers other networks with by hand.

    An example is `for layer in self.layers: self.add_module(name, layer)`.
    """
    receivers = [event.call.receiver for event in program.calls("add_module", "register_module", "__setattr__")]
    receivers += [event.call.argument(0) for event in program.calls("setattr")]
    return {owner for receiver in receivers if receiver is not None for owner in each(receiver)}


def _modules_in(value: Value) -> Iterator[Value]:
    """The networks in what a container of layers is given."""
    pending, depth = [value], 0
    while pending and depth < 200:
        depth += 1
        entry = base(pending.pop())
        if kind_of(entry) is Kind.MODEL:
            yield entry
        elif not isinstance(entry, (Function, Class, Instance)):
            pending += list(entry.inputs())


def made_objects(program: Program) -> list[Instance]:
    """Return the objects of the project's classes that the program makes and that hold anything.

    Those made by a module that it imports are included.
    """
    own = [owner for owner in program.own_fields if isinstance(owner, Instance)]
    known = set(own)
    imported = {call for part in program.contents[1:] for call in part.made if isinstance(call.callee, Class)}
    return own + [
        owner for owner in program.imports.fields if isinstance(owner, Instance) and owner.made in imported and owner not in known
    ]


def fields_of(program: Program, owner: Value) -> dict[str, Value]:
    """The attributes that an object holds in the end, by name."""
    return {key: value for key, value in program.fields(owner).items() if isinstance(key, str) and key != CONTENT}


# Layers of torch.nn that are made of numbers and have parameters, by the beginning of their name.
_OF_NUMBERS = (
    r"(?:Lazy)?(?:Linear|Bilinear|Conv|Embedding|LSTM|GRU|RNN|BatchNorm|LayerNorm|GroupNorm|InstanceNorm|MultiheadAttention|PReLU|"
    r"SyncBatchNorm|RMSNorm)"
)
# Those that have parameters.
_LEARNING = re.compile(rf"^{_OF_NUMBERS}|^Transformer")


def takes_numbers(layer: Call) -> bool:
    """Whether a layer is made of numbers alone: `nn.Linear(encoder.width, 10)` does not hold the encoder."""
    return layer.name.startswith("torch.nn.") and re.match(_OF_NUMBERS, layer.short) is not None


def has_parameters(program: Program, network: Value) -> bool:
    """Whether a network surely has parameters: a layer that has some, or a part of its own."""
    for part in parts_of(program, network):
        if isinstance(part, Call) and part.name.startswith("torch.nn.") and _LEARNING.match(part.short):
            return True
        if isinstance(part, Instance) and any(_is_parameter(value) for value in fields_of(program, part).values()):
            return True
    return False


def _is_parameter(value: Value) -> bool:
    made = base(value)
    return isinstance(made, Call) and made.short in ("Parameter", "UninitializedParameter")
