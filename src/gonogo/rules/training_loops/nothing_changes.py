"""TRN116."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Called, Write
from gonogo.analysis.dataflow.definitions import Class, Function, Instance
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import (
    Call,
    Const,
    Display,
    Mapping,
    Operation,
    Parameter,
    Ref,
    Unknown,
    Value,
    constant,
    number,
    plain,
    text,
)
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.escapes import is_unknown_call
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.made import made_by_kind
from gonogo.analysis.training.objects import PARAMETERS, each
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

RATES = {"lr", "learning_rate"}
LEARNERS = frozenset({"SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "LBFGS", "Rprop", "ASGD"})


@rule("TRN116", "nothing-changes", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def nothing_changes(programs: list[Program]) -> Iterator[Violation]:
    """The learning rate is zero, or a setting is multiplied by zero.

    What it does:
        Looks at what optimizers are made with, and at the settings of optimizers, losses, layers and schedulers. Speaks where the
        learning rate is the literal zero for all that one line makes, where a scheduler's factor is zero at every step, and where a
        setting is a product with the literal zero.
        Parameter groups with a rate of zero beside others are left alone, and so is a term of a loss with weight zero.

    Why it matters:
        With a learning rate of zero nothing is learned; a setting times zero has no effect, so that two methods that differ by it are
        one and the same.

    Instead:
        Give the setting itself.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for kind, call in walked.gather(made_by_kind):
        if kind not in (Kind.OPTIMIZER, Kind.LOSS, Kind.MODEL, Kind.SCHEDULER):
            continue
        if kind is Kind.SCHEDULER and (annuls := _annulling(call)) is not None:
            yield violation(
                call,
                f"`{annuls}` of this scheduler is zero: from its first step on the learning rate is zero",
                "give a factor above zero",
            )
        for name, value in _settings(call, kind):
            is_zero = name in RATES and kind is Kind.OPTIMIZER and number(value) == 0
            if is_zero and _is_zero_wherever_made(walked, call) and not _may_bring_rates(call) and not _is_set_later(walked, call):
                yield violation(call, "the learning rate is zero: no step changes anything", "give a learning rate above zero")
            elif _is_annulled(value):
                yield violation(
                    value,
                    f"`{name}` is multiplied by zero: the setting has no effect",
                    "give the setting itself, or leave it out in so many words",
                    related=((call, "it is given here"),),
                )


def _annulling(scheduler: Call) -> str | None:
    """The factor of a scheduler that is zero at every step: `LambdaLR(optimizer, lambda step: 0.0)`."""
    if scheduler.short not in ("LambdaLR", "MultiplicativeLR"):
        return None
    given = scheduler.argument(1, "lr_lambda")
    factors = [plain(given)] if given is not None else []
    if factors and isinstance(factors[0], Display):
        factors = [plain(entry) for entry in factors[0].inputs()]
    return "lr_lambda" if factors and all(isinstance(factor, Function) and _gives_zero(factor) for factor in factors) else None


def _gives_zero(function: Function) -> bool:
    """Whether a function surely returns the literal zero, whatever it is given."""
    if isinstance(function.definition, ast.Lambda):
        returned = [function.definition.body]
    else:
        nodes = [node for node in ast.walk(function.definition) if isinstance(node, ast.Return)]
        returned = [node.value for node in nodes if node.value is not None]
    return bool(returned) and all(_is_zero(expression) for expression in returned)


def _is_zero(expression: ast.expr) -> bool:
    """A zero, or a product with one."""
    if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.Mult):
        return _is_zero(expression.left) or _is_zero(expression.right)
    return isinstance(expression, ast.Constant) and expression.value == 0 and not isinstance(expression.value, bool)


def _is_zero_wherever_made(walked: Program, optimizer: Call) -> bool:
    """Return whether all optimizers that this place of the code makes have a rate of zero.

    A control that never steps may have one.
    """
    made = [call for kind, call in walked.gather(made_by_kind) if kind is Kind.OPTIMIZER and call.node is optimizer.node]
    return all(any(name in RATES and number(value) == 0 for name, value in _settings(call, Kind.OPTIMIZER)) for call in made)


def _may_bring_rates(optimizer: Call) -> bool:
    """Return whether parameter groups have, or may have, rates of their own.

    For these, the optimizer's rate is only the default.
    """
    given = optimizer.argument(0, "params")
    pending, seen = [given] if given is not None else [], set[Value]()
    while pending:
        entry = base(pending.pop())
        if entry in seen or (isinstance(entry, Call) and entry.method in PARAMETERS):
            continue
        seen.add(entry)
        if isinstance(entry, (Parameter, Unknown)) or (isinstance(entry, Call) and _is_not_plain(entry)):
            return True
        if isinstance(entry, Mapping) and (entry.is_open or any(text(key) in RATES or constant(key) is ... for key, _ in entry.entries)):
            return True
        if not isinstance(entry, (Function, Class, Instance, Ref)):
            pending += entry.inputs()
    return False


def _is_not_plain(call: Call) -> bool:
    """Return whether a call sets a rate, or may return anything.

    Examples: `dict(params=…, lr=…)`, a function of somebody else's.
    """
    is_plain = bool(call.method) or hasattr(builtins, call.name) or call.name.startswith("itertools.")
    return call.is_open or not is_plain or bool(RATES & call.keywords.keys())


def _is_set_later(walked: Program, optimizer: Call) -> bool:
    """Return whether something else may set the learning rate.

    It is an object that wraps the optimizer, a write to `lr`, or a saved state.
    """
    if any(text(write.key) == "lr" for write in walked.all(Write) if isinstance(write.key, Value)):
        return True
    if any(event.call.receiver is not None and optimizer in each(event.call.receiver) for event in walked.calls("load_state_dict")):
        return True  # what was saved has the rate
    wraps = (called.call for called in walked.all(Called) if isinstance(called.call.callee, Class))
    others = (event.call for event in walked.calls() if kind_of(event.call) is None and is_unknown_call(event.call))
    return any(base(given) is optimizer for call in (*wraps, *others) for given in call.given())


def _settings(call: Call, kind: Kind) -> Iterator[tuple[str, Value]]:
    for name, value in call.keywords.items():
        if name != "**":
            yield name, value
    if kind is Kind.OPTIMIZER and call.short in LEARNERS and len(call.arguments) > 1:
        yield "lr", call.arguments[1]


def _is_annulled(value: Value) -> bool:
    """`setting * 0.0`: a product of something that is no literal with zero."""
    value = plain(value)
    if not isinstance(value, Operation) or value.operator != "*" or len(value.operands) != 2:
        return False
    one, other = value.operands
    return (number(one) == 0) != (number(other) == 0) and not (isinstance(plain(one), Const) and isinstance(plain(other), Const))


PROGRAM = """import argparse

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=0.1)
options = parser.parse_args()
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), {rate})
criterion = nn.CrossEntropyLoss({smoothing})
for inputs, labels in [(torch.randn(8, 4), torch.randint(2, (8,)))] * 8:
    optimizer.zero_grad()
    criterion(model(inputs), labels).backward()
    optimizer.step()
"""
SCHEDULED = """import torch

model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, {factor}){marker}
for inputs, labels in [(torch.randn(8, 4), torch.randint(2, (8,)))] * 8:
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(inputs), labels).backward()
    optimizer.step()
    scheduler.step()
"""
BAD = [
    program(SCHEDULED.format(factor="lr_lambda=lambda step: 0.0 * step", marker="  # <- here")),
    program(PROGRAM.format(rate="lr=options.rate * 0.0", smoothing="").replace("* 0.0)", "* 0.0)  # <- here")),
    program(PROGRAM.format(rate="0.0", smoothing="").replace("(), 0.0)", "(), 0.0)  # <- here")),
]
CONTROL = """import torch
from torch import nn


class Adapter:
    def __init__(self, steps, rate):
        self.steps = steps
        self.model = nn.Linear(4, 2)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=rate)

    def predict(self, inputs):
        for _ in range(self.steps):
            self.optimizer.zero_grad()
            self.model(inputs).softmax(1).amax(1).neg().mean().backward()
            self.optimizer.step()
        return self.model(inputs)


for adapter in (Adapter(0, 0.0), Adapter(1, 0.1)):
    print(adapter.predict(torch.randn(8, 4)))
"""
GOOD = [
    program(SCHEDULED.format(factor="lambda step: 0.0 if step > 100 else 1.0", marker="")),
    program(PROGRAM.format(rate="lr=options.rate * 0.1", smoothing="label_smoothing=0.0")),
    program(CONTROL),
]
