"""TRN101."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call
from gonogo.analysis.training.escapes import escapes
from gonogo.analysis.training.gradients import computed_by
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.loops import TrainingLoop, clears_for, events_in, training_loops
from gonogo.analysis.training.objects import each, holdings, is_one, may_be_of_new_networks, parts_of
from gonogo.model.contract import Scope
from gonogo.model.edits import insertion
from gonogo.model.finding import Fix, Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation


@rule("TRN101", "gradients-not-cleared", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def gradients_not_cleared(programs: list[Program]) -> Iterator[Violation]:
    """A training loop steps its optimizer again and again and never clears the gradients.

    What it does:
        Follows the program to each loop that computes gradients and steps an optimizer, through the functions and objects that it
        calls. Speaks where nothing within that loop clears gradients: no `zero_grad` of the optimizer or of a network, no
        `grad = None`, no `grad.zero_()`, and nothing unknown that is handed the optimizer. Accumulation that clears once in a while
        is left alone.

    Why it matters:
        `backward()` adds to the gradients that are there (PyTorch, "Autograd mechanics"; `torch.optim.Optimizer.zero_grad`). Every
        step then goes by the sum of all batches so far: the effective learning rate grows without bound, and the loss diverges or
        stalls, without a message.

    Instead:
        Call `optimizer.zero_grad()` once for each step, before `backward()`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for loop in walked.known(training_loops):
        if clears_for(loop) or _clears_the_same(loop) or not _concerns(loop) or _may_be_cleared_elsewhere(loop) or _is_made_anew(loop):
            continue
        yield violation(
            loop.steps[0].at,
            "the gradients are never cleared in this loop: each step goes by the sum of all batches so far",
            "call `zero_grad()` of the optimizer before each `backward()`",
            sure=loop.sure and is_one(loop.optimizer),
            related=((loop.computes[0].at, "gradients are added here"),),
            fix=_fix(loop),
        )


def _fix(loop: TrainingLoop) -> Fix | None:
    """Return the fix that adds `zero_grad()` in the line before `backward()`.

    It is given where that and the step stand once, one after the other in one block.
    """
    computed, stepped = loop.computes[0].at, loop.steps[0].at
    step, lines = stepped.node, computed.module.lines
    first, last = getattr(computed.node, "lineno", 0), getattr(step, "lineno", 0)
    once = len({(done.at.module.path, id(done.at.node)) for done in (*loop.computes, *loop.steps)}) == 2
    if not once or computed.module is not stepped.module or not 0 < first < last or not isinstance(computed.node, ast.Call):
        return None
    if not (isinstance(step, ast.Call) and isinstance(step.func, ast.Attribute) and step.func.attr == "step"):
        return None
    indent = _indent(lines[first - 1])
    between = [line for line in lines[first - 1 : last] if line.strip()]
    plain = len(indent) == computed.node.col_offset == step.col_offset
    if not plain or any(not line.startswith(indent) for line in between):
        return None
    text = f"{indent}{ast.unparse(step.func.value)}.zero_grad()"
    # Where batches are accumulated on purpose, and the gradients forgotten only after each step, this is another training.
    return Fix(what="clear the gradients before `backward()`", changes=(insertion(computed.module.path, first, text),), is_safe=False)


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _clears_the_same(loop: TrainingLoop) -> bool:
    """Return whether another optimizer of the same networks clears their gradients.

    An example is a property that makes a new optimizer each time it is read.
    """
    own = holdings(loop.optimizer).networks
    return any(own & holdings(entry.act.on).networks for entry in loop.clears)


def _concerns(loop: TrainingLoop) -> bool:
    """Whether the gradients that are computed may be those of the optimizer's own parameters."""
    held = holdings(loop.optimizer)
    if not held.complete:
        return True
    parts = {part for network in held.networks for part in parts_of(loop.program, network)}
    computed = (network for done in loop.computes for network in computed_by(loop.program, done.act.on))
    used = {network for network in computed if kind_of(network) is not Kind.LOSS}
    return not used or bool(parts & used) or any(parts_of(loop.program, network) & parts for network in used)


def _is_made_anew(loop: TrainingLoop) -> bool:
    """Return whether each iteration of the loop makes the optimizer.

    It may also make what the optimizer holds, which then has no gradients yet.
    """
    inside = {id(entry) for entry in ast.walk(loop.loop.node)}
    made = [entry for entry in each(loop.optimizer) if isinstance(entry, Call)]
    return any(id(call.node) in inside and may_be_of_new_networks(call, loop.loop.node) for call in made)


def _may_be_cleared_elsewhere(loop: TrainingLoop) -> bool:
    objects = each(loop.optimizer)
    return any(escapes(event, objects) or "zero_grad" in event.call.keywords for event in events_in(loop))


LOOP = """import torch
from torch import nn

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(64, 4), torch.randn(64, 1)), batch_size=8)
for epoch in range(10):
    {before}
    for inputs, targets in data:
        {first}
        nn.functional.mse_loss(model(inputs), targets).backward()
        optimizer.step(){marker}
"""
_ANEW = "optimizer = torch.optim.SGD({}, lr=0.1)"
BAD = [
    program(LOOP.format(before="model.train()", first="inputs = inputs.float()", marker="  # <- here")),
    program(LOOP.format(before="optimizer.zero_grad()", first="inputs = inputs.float()", marker="  # <- here")),
    program(LOOP.format(before="model.train()", first=_ANEW.format("model.parameters()"), marker="  # <- here")),
]
GOOD = [
    program(LOOP.format(before="model.train()", first="optimizer.zero_grad(set_to_none=True)", marker="")),
    program(LOOP.format(before="model.train()", first="model.zero_grad()", marker="")),
    program(
        LOOP.format(
            before="model.train()",
            first="inputs = inputs.clone().requires_grad_(); optimizer = torch.optim.SGD([inputs], lr=1.0)",
            marker="",
        )
    ),
    program(
        LOOP.format(
            before="model.train()", first="model = nn.Linear(4, 1); optimizer = torch.optim.SGD(model.parameters(), 0.1)", marker=""
        )
    ),
]
