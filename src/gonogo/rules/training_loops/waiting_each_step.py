"""TRN121."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Branch, Event
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value, constant, text
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.loops import TrainingLoop, events_in, training_loops
from gonogo.analysis.training.uses import applications_in
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

WAITS = ("item", "tolist", "numpy", "cpu")
MANY = 3


@rule("TRN121", "waiting-each-step", criterion=None, severity=Severity.INFO, stage=Stage.CHECK, scope=Scope.PROGRAM)
def waiting_each_step(programs: list[Program]) -> Iterator[Violation]:
    """Every training step waits several times for the GPU to hand over a number.

    What it does:
        Looks at training loops of programs that put something on a GPU. Speaks where each step calls `item()`, `tolist()`, `cpu()` or
        `numpy()` three times or more on what the network computed, not only every so many steps.

    Why it matters:
        Each call waits until all work that was handed to the GPU is done, so that the next step can't be prepared meanwhile (PyTorch,
        "Performance tuning guide: avoid unnecessary CPU-GPU synchronization").

    Instead:
        Keep running sums as detached tensors, and read them every hundred steps.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    loops = walked.known(training_loops)
    if not loops or not _uses_gpu(walked):
        return
    for loop in loops:
        waits = [event for event in events_in(loop) if event.call.short in WAITS and _waits(event, loop)]
        if len(waits) >= MANY:
            yield violation(
                waits[0],
                f"each step waits {len(waits)} times for the GPU",
                "keep sums as detached tensors, and read them now and then",
                sure=False,
                related=[(event, "here too") for event in waits[1:3]],
            )


def _waits(event: Event, loop: TrainingLoop) -> bool:
    receiver = event.call.receiver
    if receiver is None or any(isinstance(around, Branch) for around in event.around() if loop.loop in around.around()):
        return False
    return bool(applications_in(receiver))


def _uses_gpu(walked: Program) -> bool:
    return any(event.call.receiver is not None for event in walked.calls("cuda")) or any(
        _names_gpu(event.call) for event in walked.calls("to", "device")
    )


def _names_gpu(call: Call) -> bool:
    return any(_is_gpu(given) for given in call.given())


def _is_gpu(value: Value) -> bool:
    value = base(value)
    known = text(value) if constant(value) is not ... else None
    return known is not None and known.startswith("cuda")


PROGRAM = """import torch
from torch import nn

model = nn.Linear(4, 2).to("cuda")
optimizer = torch.optim.Adam(model.parameters())
batches = [(torch.randn(8, 4), torch.randint(2, (8,)))] * 8
total = right = highest = 0.0
for inputs, labels in batches:
    outputs = model(inputs.to("cuda"))
    loss = nn.functional.cross_entropy(outputs, labels.to("cuda"))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    total += {total}
    right += (outputs.argmax(1).cpu() == labels).sum()
    highest = max(highest, outputs.max().item())
print(total, right, highest)
"""
BAD = program(PROGRAM.format(total="loss.item()  # <- here"))
GOOD = program(PROGRAM.format(total="loss.detach()"))
