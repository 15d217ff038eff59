"""TRN117."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Branch
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Element, Operation, Value, number, plain
from gonogo.analysis.python.names import last_name
from gonogo.analysis.training.objects import each
from gonogo.analysis.training.order import Order
from gonogo.analysis.training.schedules import PLATEAU, Schedule, is_sequence_part, schedules
from gonogo.analysis.training.unclear import is_unclear
from gonogo.analysis.training.uses import applications_in
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

COUNTS = frozenset({"range", "trange", "count", "enumerate"})  # whose entries are numbers of turns; of `enumerate` the first of each


@rule("TRN117", "scheduler-order", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def scheduler_order(programs: list[Program]) -> Iterator[Violation]:
    """A learning-rate scheduler is never stepped, stepped before its optimizer, or given the wrong thing.

    What it does:
        Looks at the schedulers that a program makes for an optimizer that it steps. Speaks where nothing ever steps the scheduler and
        nothing else gets it, where in each turn it is stepped before the optimizer ever was, where `ReduceLROnPlateau` is stepped
        without a metric or with the number of the epoch, and where any other one is given a loss, which it takes for that number.

    Why it matters:
        A scheduler that is not stepped does nothing; one that is stepped first skips the first learning rate (PyTorch, "How to adjust
        learning rate"). A loss as epoch number sets the learning rate to that of epoch 0 or 1 for good.

    Instead:
        Step the optimizer, then the scheduler; give a metric to `ReduceLROnPlateau` only.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for schedule in walked.known(schedules):
        if not schedule.loops:
            continue
        if not schedule.steps:
            others = is_unclear(walked, schedule.made) or is_sequence_part(walked, schedule.made)
            if not others and not _is_stepped_elsewhere(walked, schedule.made):
                yield violation(
                    schedule.made,
                    "this scheduler is never stepped: the learning rate stays as it is",
                    "call `step()` of the scheduler, or leave it out",
                    related=((schedule.loops[0].steps[0].at, "its optimizer is stepped here"),),
                )
            continue
        yield from _arguments(schedule)
        yield from _order(walked, schedule)


def _is_stepped_elsewhere(walked: Program, made: Call) -> bool:
    """Return whether a line that this program does not reach steps something of the scheduler's name.

    An example is a method of another class.
    """
    parent = made.module.parents.get(made.node)
    if any(other.steps for other in walked.known(schedules) if other.made.node is made.node):
        return True  # of an object of another class
    targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target] if isinstance(parent, ast.AnnAssign) else []
    names = {last_name(target) for target in targets if isinstance(target, (ast.Name, ast.Attribute))}
    come_by = {event.node for event in walked.calls("step")}
    others = (call.func for call in made.module.of(ast.Call) if call not in come_by)
    return any(isinstance(asked, ast.Attribute) and asked.attr == "step" and last_name(asked.value) in names for asked in others)


def _arguments(schedule: Schedule) -> Iterator[Violation]:
    for step in schedule.steps:
        call = getattr(step.at, "call", None)
        if call is None or call.is_open or len(each(step.act.on)) > 1:  # which of several it is depends on what the step depends on
            continue
        given = call.argument(0, "metrics", "epoch")
        if schedule.name == PLATEAU and given is None:
            yield violation(step.at, "`ReduceLROnPlateau` is stepped without the metric that it goes by", "give `step()` the metric")
        elif schedule.name == PLATEAU and given is not None and _is_count(given):
            yield violation(
                step.at,
                "`ReduceLROnPlateau` goes by the metric that `step()` is given, and this is the number of the turn",
                "give it the metric that is to get better",
            )
        elif schedule.name != PLATEAU and given is not None and _is_torchs(schedule) and applications_in(given):
            yield violation(
                step.at,
                f"`{schedule.name}` takes what `step()` is given for the number of the epoch, and this is a loss",
                "call `step()` without an argument",
            )


def _is_count(value: Value) -> bool:
    """Whether a value is the number of a loop's turn, or made of it and numbers: `epoch`, `epoch + 1`."""
    value = plain(value)
    if isinstance(value, Operation):
        counts = [_is_count(operand) for operand in value.operands]
        known = [number(operand) is not None for operand in value.operands]
        return any(counts) and all(one or other for one, other in zip(counts, known, strict=True))
    owner = plain(value.owner) if isinstance(value, Element) else None
    return isinstance(owner, Call) and owner.short in COUNTS


def _is_torchs(schedule: Schedule) -> bool:
    return schedule.made.name.startswith("torch.optim.lr_scheduler.")


def _order(walked: Program, schedule: Schedule) -> Iterator[Violation]:
    """The scheduler is stepped before the optimizer, in the same turn of the loop around both."""
    order = walked.known(Order)
    optimizer_steps = [step.at for loop in schedule.loops for step in loop.steps]
    first = min(order.place(at) for at in optimizer_steps)
    for step in schedule.steps:
        conditional = any(isinstance(around, Branch) for around in step.at.around())
        shared = [loop for loop in step.loops if all(loop in at.around() for at in optimizer_steps)]
        if shared and order.place(step.at) < first and not conditional and _is_torchs(schedule):
            yield violation(
                step.at,
                "the scheduler is stepped before the optimizer: the first learning rate of the schedule is skipped",
                "step the scheduler after the optimizer",
                related=((optimizer_steps[0], "the optimizer is stepped here"),),
            )


PROGRAM = """import torch
from torch import nn

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.{made}
for epoch in range(10):
    {before}
    for inputs, targets in [(torch.randn(8, 4), torch.randn(8, 1))] * 8:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
    {after}
"""
STEP_LR = "StepLR(optimizer, 3)"
BAD = [
    program(PROGRAM.format(made=STEP_LR + "  # <- here", before="", after="print(epoch)")),
    program(PROGRAM.format(made=STEP_LR, before="scheduler.step()  # <- here", after="print(epoch)")),
    program(PROGRAM.format(made=STEP_LR, before="", after="scheduler.step(loss.item())  # <- here")),
    program(PROGRAM.format(made="ReduceLROnPlateau(optimizer)", before="", after="scheduler.step()  # <- here")),
]
GOOD = [
    program(PROGRAM.format(made=STEP_LR, before="", after="scheduler.step()")),
    program(PROGRAM.format(made="ReduceLROnPlateau(optimizer)", before="", after="scheduler.step(loss.item())")),
]
