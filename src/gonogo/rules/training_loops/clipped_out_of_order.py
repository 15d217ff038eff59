"""TRN138."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Branch, Event, Happening, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.training.loops import TrainingLoop, events_in, training_loops
from gonogo.analysis.training.order import Order
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

CLIPS = frozenset({"clip_grad_norm_", "clip_grad_value_", "clip_grad_norm"})


@rule("TRN138", "clipped-out-of-order", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def clipped_out_of_order(programs: list[Program]) -> Iterator[Violation]:
    """Gradients are clipped before they are computed, or after the step that used them.

    What it does:
        Looks at training loops that clip gradients. Speaks where `backward()` comes after the clipping and before the next step, so
        that the step uses gradients that nothing clipped. Loops that clip in several places are left alone, and so is a condition under
        which gradients are computed or used as well.

    Why it matters:
        The clipping has no effect, without a message: one bad batch can still throw the weights off (PyTorch,
        `torch.nn.utils.clip_grad_norm_`; Pascanu et al., On the difficulty of training recurrent neural networks, 2013).

    Instead:
        `loss.backward()`, clip, `optimizer.step()`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    order = walked.known(Order)
    by_loop: dict[Loop, list[TrainingLoop]] = {}
    for loop in walked.known(training_loops):
        by_loop.setdefault(loop.loop, []).append(loop)
    for loops in by_loop.values():
        clips = [event for event in events_in(loops[0]) if event.call.short in CLIPS]
        acting = [done.at for loop in loops for done in (*loop.computes, *loop.steps)]
        if len(clips) != 1 or not _is_plain(clips[0], loops[0].loop, acting):
            continue
        computes = {order.place(done.at) for loop in loops for done in loop.computes}
        steps = {order.place(done.at) for loop in loops for done in loop.steps}
        # The next thing that happens after the clipping, once round the loop: a step is right.
        place = order.place(clips[0])
        after = sorted(entry for entry in computes | steps if entry > place) + sorted(computes | steps)
        if after[0] in computes:
            yield violation(
                clips[0],
                "gradients are clipped here, and `backward()` comes before the next step: it uses gradients that nothing clipped",
                "clip between `backward()` and `step()`",
                related=((loops[0].computes[0].at, "gradients are computed here"), (loops[0].steps[0].at, "and used here")),
            )


def _is_plain(event: Event, loop: Loop, acting: list[Happening]) -> bool:
    """Whether an event happens in each turn of a loop, once.

    It may be under a condition that nothing else of the training stands under.
    """
    for around in event.around():
        if around is loop:
            return True
        if isinstance(around, Loop) or (isinstance(around, Branch) and any(around in act.around() for act in acting)):
            return False
    return False


LOOP = """import torch
from torch import nn


def train(model, loader):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for inputs, targets in loader:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(inputs), targets)
        {before}
        loss.backward()
        {between}
        optimizer.step()
        {after}


train(nn.Linear(4, 1), torch.load("batches.pt"))
"""
CLIP = "nn.utils.clip_grad_norm_(model.parameters(), 1.0)"
BAD = [
    program(LOOP.format(before=f"{CLIP}  # <- here", between="print(loss.item())", after="print(loss.item())")),
    program(LOOP.format(before="print(loss.item())", between="print(loss.item())", after=f"{CLIP}  # <- here")),
]
GOOD = [
    program(LOOP.format(before="print(loss.item())", between=CLIP, after="print(loss.item())")),
    program(LOOP.format(before="print(loss.item())", between=f"if loss > 1:\n            {CLIP}", after="print(loss.item())")),
]
