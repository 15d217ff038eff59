"""Whether the weights that a layer is made with matter to a program."""

from __future__ import annotations

from gonogo.analysis.dataflow.blocks import Branch, Event, With
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value, plain, text
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.escapes import escapes
from gonogo.analysis.training.kinds import Kind
from gonogo.analysis.training.loops import applications
from gonogo.analysis.training.made import made_by_kind, optimizers_made
from gonogo.analysis.training.objects import each, holdings, made_objects, parts_of
from gonogo.analysis.training.order import Order

# Contexts within which layers are made without weights.
WITHOUT_WEIGHTS = frozenset({"init_empty_weights", "no_init_weights", "init_on_device", "OnDevice", "FakeTensorMode", "LoadEmptyWeights"})
REGISTERS = frozenset({"setattr", "add_module", "register_module"})


def matters(walked: Program, layer: Call) -> bool:
    """Whether the first weights of a layer are used by anything.

    They are not where they are on the meta device, where all of them are surely loaded over, and where the network is made for its
    name or size alone: nothing applies it, holds its parameters, or hands it to code that is not known.
    """
    if _is_meta(layer) or any(_is_made_without(walked, event) for event in walked.calls(layer.short) if event.call is layer):
        return False
    owners = _owners(walked, layer)
    order = walked.known(Order)
    used = [order.place(done.at) for done in walked.known(applications) if owners & each(done.act.on)]
    loaded = [order.place(event) for event in walked.calls("load_state_dict") if _is_loaded(event, owners)]
    if any(not used or place < min(used) for place in loaded):
        return False  # the best state that is loaded after the training comes from the first weights
    if used:
        return True
    if any(owners & each(network) for made in walked.gather(optimizers_made) for network in holdings(made).networks):
        return True
    return any(_is_handed(event, owners) and escapes(event, owners) for event in walked.calls())


def _is_handed(event: Event, owners: set[Value]) -> bool:
    """Whether a call is given one of some networks, other than to register it."""
    return event.call.short not in REGISTERS and any(owners & each(base(given)) for given in event.call.given())


def _owners(walked: Program, layer: Call) -> set[Value]:
    """A layer and the networks that hold it, at any depth."""
    models: list[Value] = [call for kind, call in walked.gather(made_by_kind) if kind is Kind.MODEL]
    models += made_objects(walked)
    return {layer, *(model for model in models if layer in parts_of(walked, model))}


def _is_meta(call: Call) -> bool:
    given = call.argument(None, "device")
    given = plain(given) if given is not None else None
    if isinstance(given, Call) and given.name == "torch.device":
        given = given.argument(0, "type", "device")
    return given is not None and text(given) == "meta"


def _is_made_without(walked: Program, event: Event) -> bool:
    """Whether a layer is made within `with torch.device("meta")` or the like."""
    contexts = [plain(context) for around in event.around() if isinstance(around, With) for context in around.contexts]
    return any(
        isinstance(context, Call)
        and (context.short in WITHOUT_WEIGHTS or (context.name == "torch.device" and text(context.argument(0)) == "meta"))
        for context in contexts
    )


def _is_loaded(event: Event, owners: set[Value]) -> bool:
    """Whether all weights of a network are surely loaded."""
    receiver = event.call.receiver
    if receiver is None or event.call.argument(1, "strict") is not None or any(isinstance(around, Branch) for around in event.around()):
        return False
    return bool(owners & each(receiver))
