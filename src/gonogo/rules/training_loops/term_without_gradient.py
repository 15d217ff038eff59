"""TRN142."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Called, Gives, Happening
from gonogo.analysis.dataflow.definitions import Class, Function, Instance
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Attribute, Call, Choice, Const, Mapping, Mode, Operation, Ref, Returned, Value, constant, plain
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.gradients import Gradients, is_first_order
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.loops import acts
from gonogo.analysis.training.objects import PARAMETERS
from gonogo.analysis.training.ops import op_of
from gonogo.analysis.training.settings import is_setting
from gonogo.analysis.training.uses import ancestry, applications_in
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

MOST_TERMS = 40
CUTTING = frozenset({"item", "detach", "tolist", "numpy", "float", "int"})
NUMBERS = frozenset({"item", "float", "int", "tolist"})


@rule("TRN142", "term-without-gradient", criterion=4, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def term_without_gradient(programs: list[Program]) -> Iterator[Violation]:
    """A weighted term of the loss has no gradient, so that it changes nothing of what is learned.

    What it does:
        Takes each loss that gradients are computed of apart into its terms. Speaks where one of them has a weight, is made of a network's
        parameters or outputs, and is cut off from all of them (by `.data`, `item()`, `detach()`, `no_grad`, or gradients taken by
        `torch.autograd.grad` without `create_graph=True`), while another term has, or may have, a gradient. Silent where the term is
        there to correct the value of another one, from which it is a difference: `loss + (hard - loss).detach()`.

    Why it matters:
        A penalty without a gradient is a constant: the number that is printed is larger, and the network learns what it would have learned
        without it. A method whose idea is that term is its own baseline.

    Instead:
        Compute the term of the parameters or outputs themselves; give `create_graph=True` where it is made of gradients.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    gradients = walked.known(Gradients)
    for at, loss in _losses(walked):
        terms = list(_terms(loss))
        learned = [term for term, _ in terms if gradients.reaches(term) is not False]
        for term, weighted in terms:
            if not weighted or not learned or gradients.reaches(term) is not False:
                continue
            cut = _cut(term)
            if cut is not None and (_is_plain_number(cut) or not _corrects(term, learned)):
                yield violation(
                    term,
                    "this term of the loss has no gradient: it is a constant, and the network learns what it would learn without it",
                    "compute it of the parameters or outputs themselves, without `.data`, `item()`, `detach()` or `no_grad`, and give"
                    " `create_graph=True` where it is made of gradients",
                    related=((cut, "it is cut off here"), (at, "the gradients are computed here")),
                )


def _losses(walked: Program) -> Iterator[tuple[Happening, Value]]:
    """What gradients are computed of: by the program, or by Lightning of what a `training_step` returns."""
    for done in walked.known(acts):
        if done.act.does is Does.COMPUTES:
            yield done.at, done.act.on
    for gives in walked.all(Gives):
        called = next((around for around in gives.around() if isinstance(around, Called)), None)
        if called is None or getattr(called.definition, "name", "") != "training_step" or gives.value is None:
            continue
        value = plain(gives.value)
        if isinstance(value, Mapping):
            yield from ((gives, entry) for key, entry in value.entries if constant(key) == "loss")
        else:
            yield gives, value


def _terms(loss: Value) -> Iterator[tuple[Value, bool]]:
    """The terms that a loss is a sum of, each with whether it has a weight."""
    pending, seen = [(loss, False)], set[Value]()
    while pending and len(seen) < MOST_TERMS:
        given, weighted = pending.pop()
        entry = plain(given)
        if entry in seen:
            continue
        seen.add(entry)
        if isinstance(entry, Choice):
            pending += [(option, weighted) for option in entry.options]
        elif isinstance(entry, Returned):
            pending.append((entry.value, weighted))
        elif isinstance(entry, Operation) and entry.operator in ("+", "-"):
            pending += [(operand, weighted) for operand in entry.operands]
        elif isinstance(entry, Operation) and entry.operator in ("*", "/") and any(_is_weight(operand) for operand in entry.operands):
            pending += [(operand, True) for operand in entry.operands if not _is_weight(operand)]
        else:
            yield entry, weighted


def _is_weight(value: Value) -> bool:
    """A number, or a setting."""
    value = plain(value)
    return (isinstance(value, Const) and isinstance(value.value, (int, float))) or is_setting(value)


def _cut(term: Value) -> Value | None:
    """Where a term is cut off from a network that it was made of; None where it is made of none."""
    for entry in ancestry(term):
        if _cuts(entry) and _is_of_network(entry):
            return entry
    return None


def _cuts(value: Value) -> bool:
    if isinstance(value, Attribute):
        return value.name == "data"
    call = value.call if isinstance(value, Returned) else value
    if not isinstance(call, Call):
        return False
    op = op_of(call)
    if op is not None and op.name in CUTTING:
        return True
    return call.context.grad is Mode.OFF or is_first_order(call)


def _is_plain_number(cut: Value) -> bool:
    """Whether `item()` makes a number of something that is no difference itself.

    Whatever it is made of, it corrects no tensor.
    """
    op = op_of(cut.call if isinstance(cut, Returned) else cut)
    if op is None or op.name not in NUMBERS or not op.operands:
        return False
    given = plain(op.operands[0])
    return not (isinstance(given, Operation) and given.operator in ("-", "neg"))


def _is_of_network(value: Value) -> bool:
    """Whether a value is made of a network's parameters or outputs."""
    if applications_in(value):
        return True
    for entry in ancestry(value, lambda inner: not isinstance(inner, (Function, Class, Instance, Ref))):
        if isinstance(entry, Call) and entry.method in PARAMETERS and kind_of(base(entry.receiver or entry)) in (Kind.MODEL, None):
            return True
    return False


def _corrects(term: Value, others: list[Value]) -> bool:
    """Return whether a term is a difference from what another one is made of.

    It changes the value of the loss, and is intended to change nothing else.
    """
    learned = {call for other in others for call in applications_in(other)}
    parts = list(ancestry(term))
    if any(isinstance(entry, Call) and is_first_order(entry) for entry in parts):
        return False
    return any(isinstance(entry, Operation) and entry.operator in ("-", "neg") and applications_in(entry) & learned for entry in parts)


LOOP = """import torch
from torch import nn

network = nn.Linear(4, 2)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)


@torch.no_grad()
def size(parameters):
    return sum(parameter.pow(2).sum() for parameter in parameters)


def spread(network):
    total = torch.tensor(0.0)
    for parameter in network.parameters():
        total = total + parameter.detach().abs().sum()
    return total


for _ in range(10):
    inputs, targets = torch.randn(8, 4), torch.randint(2, (8,))
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(network(inputs), targets)
    {more}
    loss.backward()
    optimizer.step()
"""
HERE = "  # <- here"
CONSTANT = [
    "loss = loss + 0.01 * sum((entry.data ** 2).sum() for entry in network.parameters())",
    "loss = loss + 0.01 * sum(entry.abs().sum() for entry in network.parameters()).item()",
    "loss += 0.01 * torch.stack([entry.norm().detach() for entry in network.parameters()]).sum()",
    "loss = loss + 0.1 * torch.autograd.grad(loss, network.weight, retain_graph=True)[0].pow(2).sum()",
]
BAD = [program(LOOP.format(more=text + HERE)) for text in CONSTANT]
GOOD = [
    program(LOOP.format(more=text))
    for text in (
        "loss = loss + 0.01 * sum((entry ** 2).sum() for entry in network.parameters())",
        "loss = loss + 0.1 * torch.autograd.grad(loss, network.weight, create_graph=True)[0].pow(2).sum()",
        "loss = loss + 0.5 * (inputs.pow(2).mean() - loss).detach()",
        "loss = loss * 0.5 + 0.0 * inputs.detach().sum()",
        "loss = loss * (1 / loss.detach())",
        "print(loss.item() + 0.01 * sum((entry.data ** 2).sum() for entry in network.parameters()).item())",
    )
]
