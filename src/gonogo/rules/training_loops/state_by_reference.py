"""TRN127."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Branch, End, Event, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Repeated, Value, is_none, options, plain
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.kinds import Kind, likely_kind
from gonogo.analysis.training.loops import Done, acts
from gonogo.analysis.training.objects import each
from gonogo.analysis.training.order import Order
from gonogo.analysis.training.uses import ancestry
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

# What copies the tensors, and what only makes another dict of the same ones.
_COPIES = frozenset(
    {"deepcopy", "clone", "cpu", "to", "numpy", "copy_", "save", "load", "half", "float", "double", "tensor", "cuda", "empty_like"}
)
_SHALLOW = frozenset({"copy", "dict", "OrderedDict", "detach", "items"})


@rule("TRN127", "state-by-reference", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def state_by_reference(programs: list[Program]) -> Iterator[Violation]:
    """The best state of a network is kept by reference, so that it is the last one when it is loaded back.

    What it does:
        Looks for a `state_dict()` that is kept, whole or as a shallow copy, while an optimizer goes on to change the network, and that is
        loaded back into the same network afterwards. Copies by `deepcopy`, `clone` or a file are seen; a search that ends right where the
        state is kept is left alone.

    Why it matters:
        `state_dict()` gives references to the parameters themselves: loading them back changes nothing, and the model that is evaluated is
        the last, not the best (PyTorch, "Saving and Loading Models").

    Instead:
        Keep `copy.deepcopy(model.state_dict())`, or a clone of each tensor.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    if not walked.has("state_dict"):
        return
    steps = [done for done in walked.known(acts) if done.act.does is Does.STEPS]
    order = walked.known(Order)
    kept = {event.call: event for event in walked.calls("state_dict")}
    for event in walked.calls("load_state_dict"):
        given = event.call.argument(0, "state_dict")
        if given is None or event.call.receiver is None or likely_kind(event.call.receiver) in (Kind.OPTIMIZER, Kind.SCHEDULER):
            continue
        listed = [option for option in options(given) if not is_none(option)]
        if any(_kept_state(option) is None for option in listed):
            continue  # a copy is kept where there is a better one: the first may be a reference
        for option in listed:
            state = _kept_state(option)
            taken = kept.get(state) if state is not None else None
            if taken is None or state is None or state.receiver is None:
                continue
            if each(state.receiver) & each(event.call.receiver) and any(_is_between(order, taken, step, event) for step in steps):
                yield violation(
                    taken,
                    "this keeps references to the parameters, not their values: what is loaded back later is what they are by then",
                    "keep `copy.deepcopy(…)` of it",
                    related=((event, "it is loaded back here"),),
                )


def _kept_state(value: Value) -> Call | None:
    """The `state_dict()` that a value is, in another dict at most; None where its tensors are copied."""
    value = plain(value)
    for _ in range(6):
        if isinstance(value, Call):
            if value.method == "state_dict":
                return value
            inner = (
                value.receiver if value.method in _SHALLOW else value.arguments[0] if value.short in _SHALLOW and value.arguments else None
            )
            if inner is None:
                return None
            value = plain(inner)
        elif isinstance(value, Repeated) and value.kind == "dict":
            if any(isinstance(part, Call) and part.short in _COPIES for part in ancestry(value.element)):
                return None
            value = plain(value.source)
        else:
            return None
    return None


def _is_between(order: Order, taken: Event, step: Done, loaded: Event) -> bool:
    """Whether an optimizer steps after a state is kept and before it is loaded back."""
    if not order.place(taken) < order.place(loaded) or _leaves(taken):
        return False
    if order.place(taken) < order.place(step.at) < order.place(loaded):
        return True
    around = [entry for entry in taken.around() if isinstance(entry, Loop) and entry.kind in ("for", "while")]
    return any(loop in step.loops and loop not in loaded.around() for loop in around)


def _leaves(taken: Event) -> bool:
    """Whether the loop is left where a state is kept."""
    for entry in taken.around():
        if isinstance(entry, Branch):
            if any(arm.end in (End.BREAK, End.RETURN) for arm in entry.arms if _holds(arm.items, taken)):
                return True
        elif isinstance(entry, Loop):
            return False
    return False


def _holds(items: list, wanted: Event) -> bool:  # type: ignore[type-arg]
    return any(item is wanted or any(_holds(block.items, wanted) for block in item.blocks()) for item in items)


_PROGRAM = """import copy
import torch
from torch import nn

model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
best, best_state = 0.0, None
for epoch in range(10):
    for inputs, labels in [(torch.randn(8, 4), torch.randint(2, (8,)))] * 8:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
    accuracy = (model(inputs).argmax(1) == labels).float().mean().item()
    if accuracy > best:
        best = accuracy
        best_state = {state}{marker}
{load}
"""
_LOAD = "model.load_state_dict(best_state)"
BAD = [
    program(_PROGRAM.format(state="model.state_dict()", marker="  # <- here", load=_LOAD)),
    program(_PROGRAM.format(state="{name: value for name, value in model.state_dict().items()}", marker="  # <- here", load=_LOAD)),
]
GOOD = [
    program(_PROGRAM.format(state="copy.deepcopy(model.state_dict())", marker="", load=_LOAD)),
    program(_PROGRAM.format(state="{name: value.clone() for name, value in model.state_dict().items()}", marker="", load=_LOAD)),
    program(_PROGRAM.format(state="model.state_dict()", marker="", load='torch.save(best_state, "best.pt")')),
]
