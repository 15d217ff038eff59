"""TRN118."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from gonogo.analysis.dataflow.blocks import Branch, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value, number, plain
from gonogo.analysis.training.loops import Done
from gonogo.analysis.training.objects import each
from gonogo.analysis.training.schedules import Schedule, epochs_of, is_within_batches, schedules
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

BY_EPOCHS = frozenset({"CosineAnnealingLR", "LinearLR", "PolynomialLR", "OneCycleLR"})


@rule("TRN118", "scheduler-cadence", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def scheduler_cadence(programs: list[Program]) -> Iterator[Violation]:
    """A scheduler that counts batches is stepped once an epoch, or one that counts epochs once a batch.

    What it does:
        Compares how long a schedule is told to be with where it is stepped. Speaks where the length is made of `len(loader)` (or
        `steps_per_epoch`) and `step()` stands outside the loop over batches, and where the length is the number of epochs and
        `step()` stands within it. Also where `OneCycleLR` is told the batches of one epoch, and stepped in those of several, and where
        one scheduler is stepped in each batch and in each epoch besides.

    Why it matters:
        `OneCycleLR` raises an error when it is stepped beyond its length: in the second epoch, which a trial does not come to. In the first
        case the run ends at the very beginning of the schedule, often still in the warm-up; in the second the learning
        rate has gone through all of it in a few batches (PyTorch, `OneCycleLR`: "should be called after a batch").

    Instead:
        Step it where it counts.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for schedule in walked.known(schedules):
        if not schedule.loops or not schedule.steps:
            continue
        inside = [step for step in schedule.steps if is_within_batches(schedule, step)]
        if schedule.is_by_batches and not inside and _are_over_batches(schedule) and _is_stepped_by_epoch(schedule):
            yield violation(
                schedule.steps[0].at,
                f"`{schedule.name}` counts batches, and is stepped once an epoch",
                "step it after each batch",
                related=((schedule.made, "its length is the number of batches"),),
            )
        elif inside and _counts_epochs(schedule):
            yield violation(
                inside[0].at,
                f"`{schedule.name}` counts epochs, and is stepped once a batch",
                "step it after each epoch, or give it the number of batches",
                related=((schedule.made, "its length is the number of epochs"),),
            )
        elif inside and _ends_with_first_epoch(walked, schedule):
            yield violation(
                inside[0].at,
                "`OneCycleLR` is as long as one epoch, and is stepped in each: the second epoch ends in an error",
                "give it `total_steps=epochs * len(loader)`",
                related=((schedule.made, "its length is the number of batches of one epoch"),),
            )
        elif (twice := _stepped_by_both(schedule, inside)) is not None:
            yield violation(
                twice[0].at,
                f"`{schedule.name}` is stepped once a batch here, and once an epoch besides: it can count only one of them",
                "step it in one of the two places",
                related=((twice[1].at, "it is stepped once an epoch here"),),
            )


def _stepped_by_both(schedule: Schedule, inside: list[Done]) -> tuple[Done, Done] | None:
    """A step in each batch and one in each epoch around it.

    Both stand without a condition in the loop over epochs.
    """
    epochs = {epochs_of(loop) for loop in schedule.loops} - {None}
    known = [step for step in schedule.steps if len(each(step.act.on)) == 1 and step.loops]
    for step in (step for step in known if step in inside):
        for other in (other for other in known if other not in inside and other.loops[0] in epochs):
            if other.loops[0] in step.loops and not any(_is_conditional(entry, other.loops[0]) for entry in (step, other)):
                return step, other
    return None


def _is_conditional(step: Done, loop: Loop) -> bool:
    """Whether a step stands under a condition within a loop."""
    return any(isinstance(around, Branch) for around in takewhile(lambda entry: entry is not loop, step.at.around()))


def _are_over_batches(schedule: Schedule) -> bool:
    """Whether each training loop is one over batches, within one over epochs."""
    return all(epochs_of(loop) is not None for loop in schedule.loops)


def _is_stepped_by_epoch(schedule: Schedule) -> bool:
    around = [epochs_of(loop) for loop in schedule.loops]
    return all(any(loop in around for loop in step.loops[:1]) for step in schedule.steps)


def _counts_epochs(schedule: Schedule) -> bool:
    """Whether its length is what the loop over epochs goes up to."""
    length = schedule.length
    if schedule.name not in BY_EPOCHS or length is None or schedule.is_by_batches:
        return False
    return all((around := epochs_of(loop)) is not None and _is_bound(around, length) for loop in schedule.loops)


def _ends_with_first_epoch(walked: Program, schedule: Schedule) -> bool:
    """Return whether a schedule has the length of one epoch but is used for several.

    It may not be stepped beyond its length, and is made before the first epoch.
    """
    length = plain(schedule.length) if schedule.length is not None else None
    if schedule.name != "OneCycleLR" or "steps_per_epoch" in schedule.made.keywords:
        return False
    if not (isinstance(length, Call) and length.name == "len" and schedule.is_by_batches):
        return False
    around = [epochs_of(loop) for loop in schedule.loops]
    made = [event for event in walked.calls(schedule.made.short) if event.call is schedule.made]
    if not made or any(loop is None or loop.kind != "for" or loop in event.around() for loop in around for event in made):
        return False
    return not any(_is_bound_by_one(loop) for loop in around if loop is not None)


def _is_bound_by_one(loop: Loop) -> bool:
    """Whether a loop surely has one turn."""
    iterated = plain(loop.iterated) if loop.iterated is not None else None
    is_range = isinstance(iterated, Call) and iterated.short in ("range", "trange") and len(iterated.arguments) == 1
    return is_range and isinstance(iterated, Call) and number(iterated.arguments[0]) == 1


def _is_bound(loop: Loop, length: Value) -> bool:
    """Whether a loop is over `range` of a length, or of a range that ends with it."""
    iterated = plain(loop.iterated) if loop.iterated is not None else None
    if isinstance(iterated, Call) and iterated.short in ("tqdm", "trange") and iterated.arguments:
        inner = plain(iterated.arguments[0])
        iterated = inner if isinstance(inner, Call) and iterated.short == "tqdm" else iterated
    if not isinstance(iterated, Call) or iterated.short not in ("range", "trange") or not iterated.arguments:
        return False
    bound = iterated.arguments[0] if len(iterated.arguments) == 1 else iterated.arguments[1]
    known = number(length)
    return plain(bound) is plain(length) or (known is not None and number(bound) == known)


PROGRAM = """import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

EPOCHS = 10
loader = DataLoader(TensorDataset(torch.randn(640, 4), torch.randn(640, 1)), batch_size=8)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.{made}
for epoch in range(EPOCHS):
    for inputs, targets in loader:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(inputs), targets).backward()
        optimizer.step()
        {batch}
    {epoch}
"""
ONE_CYCLE = "OneCycleLR(optimizer, max_lr=0.1, total_steps=EPOCHS * len(loader))"
COSINE = "CosineAnnealingLR(optimizer, T_max=EPOCHS)"
SHORT = "OneCycleLR(optimizer, max_lr=0.1, total_steps=len(loader))"
BAD = [
    program(PROGRAM.format(made=ONE_CYCLE, batch="", epoch="scheduler.step()  # <- here")),
    program(PROGRAM.format(made=COSINE, batch="scheduler.step()  # <- here", epoch="")),
    program(PROGRAM.format(made=SHORT, batch="scheduler.step()  # <- here", epoch="")),
    program(PROGRAM.format(made=SHORT.replace("len(loader)", "EPOCHS"), batch="scheduler.step()  # <- here", epoch="")),
]
GOOD = [
    program(PROGRAM.format(made=ONE_CYCLE, batch="scheduler.step()", epoch="")),
    program(PROGRAM.format(made=COSINE, batch="", epoch="scheduler.step()")),
    program(PROGRAM.format(made=SHORT, batch="scheduler.step()", epoch="").replace("range(EPOCHS)", "range(1)")),
    program(
        PROGRAM.format(made="OneCycleLR(optimizer, 0.1, epochs=EPOCHS, steps_per_epoch=len(loader))", batch="scheduler.step()", epoch="")
    ),
]
