"""TRN190."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Branch, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.loops import Done, acts
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation


@rule("TRN190", "gradients-thrown-away", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def gradients_thrown_away(programs: list[Program]) -> Iterator[Violation]:
    """Each turn of a loop clears and computes gradients, and the optimizer steps only behind the loop.

    What it does:
        Looks at loops that always clear gradients and always compute some, in which nothing steps an optimizer. Speaks where the one
        step for them stands behind the loop, in a loop around it or in none. Silent where anything reads `.grad`: the gradients of each
        turn may be kept. Silent of a function that is handed to the step, which clears and computes each time that it is called.

    Why it matters:
        What the batches before the last one said is cleared before anybody steps: the network learns from the last batch alone.

    Instead:
        Step within the loop, after `backward()`; or, to accumulate, clear the gradients before the loop.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    if ".grad" in walked.module.text.replace("zero_grad", "").replace("no_grad", "").replace("requires_grad", "").replace("autograd", ""):
        return
    done = walked.known(acts)
    steps = [entry for entry in done if entry.act.does is Does.STEPS]
    for clear in (entry for entry in done if entry.act.does is Does.CLEARS and entry.loops and not _may_be_left_out(entry)):
        loop = clear.loops[0]
        if loop.kind == "callback":
            continue  # a closure that the step itself calls: `optimizer.step(closure)`
        computes = [
            entry for entry in done if entry.act.does is Does.COMPUTES and entry.loops[:1] == [loop] and not _may_be_left_out(entry)
        ]
        behind = [entry for entry in steps if entry.act.on is clear.act.on]
        if computes and len(behind) == 1 and not any(loop in entry.loops for entry in steps) and behind[0].loops == clear.loops[1:]:
            first, last = getattr(computes[0].at.node, "lineno", 0), getattr(behind[0].at.node, "lineno", 0)
            if computes[0].at.module is behind[0].at.module and first < last:
                yield violation(
                    behind[0].at,
                    "the optimizer steps behind the loop whose turns clear the gradients: only those of the last batch are left",
                    "step within the loop, after `backward()`",
                    related=((clear.at, "they are cleared here, at each turn"), (computes[0].at, "they are computed here")),
                )


def _may_be_left_out(done: Done) -> bool:
    """Whether a condition within the innermost loop decides about an act."""
    for around in done.at.around():
        if isinstance(around, Loop):
            return False
        if isinstance(around, Branch):
            return True
    return False


PROGRAM = """import torch
from torch import nn

network = nn.Linear(4, 3)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for epoch in range(9):
    {before}for inputs, labels in torch.load("batches.pt"):
        {first}nn.functional.cross_entropy(network(inputs), labels).backward()
{step}
    print(epoch)
"""
_CLEAR = "optimizer.zero_grad()\n"
BAD = [
    program(PROGRAM.format(before="", first=f"{_CLEAR}        ", step="    optimizer.step()  # <- here")),
    program(PROGRAM.format(before="network.train()\n    ", first=f"{_CLEAR}        ", step="    optimizer.step()  # <- here")),
]
_CLOSURE = """import torch
from torch import nn

network = nn.Linear(4, 3)
optimizer = torch.optim.LBFGS(network.parameters())
inputs, labels = torch.load("batches.pt")


def closure():
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(network(inputs), labels)
    loss.backward()
    return loss


{steps}
"""
GOOD = [
    program(_CLOSURE.format(steps="for turn in range(9):\n    optimizer.step(closure)")),
    program(_CLOSURE.format(steps="print(optimizer.step(closure).item())")),
    program(_CLOSURE.format(steps="for turn in range(9):\n    optimizer.step(lambda: closure())")),
    program(PROGRAM.format(before="", first=f"{_CLEAR}        ", step="        optimizer.step()")),
    program(PROGRAM.format(before=f"{_CLEAR}    ", first="", step="    optimizer.step()")),
    program(PROGRAM.format(before="", first=f"if epoch % 2:\n            {_CLEAR}        ", step="    optimizer.step()")),
    program(PROGRAM.format(before="", first=f"{_CLEAR}        ", step="        kept = network.weight.grad.clone()\n    optimizer.step()")),
]
