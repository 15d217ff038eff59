"""TRN110."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Called, Change, Event, Happening, Loop, Write
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Display, Element, Mode, Operation, Parameter, Turn, Value, constant, plain
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.gradients import Gradients
from gonogo.analysis.training.loops import Done, acts
from gonogo.analysis.training.uses import ancestry
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation


@rule("TRN110", "graph-kept", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def graph_kept(programs: list[Program]) -> Iterator[Violation]:
    """Losses are summed up or collected as tensors that still hold the graph they were computed by.

    What it does:
        Looks at what a loop adds to a total or appends to a list. Speaks where that is a loss whose gradients have been computed,
        so that it is only for reporting, and it still belongs to its graph. A total that `backward()` is called on is left alone. A note
        where `retain_graph=True` is given and nothing else in the program computes gradients.

    Why it matters:
        The graph of every batch stays in memory until the total goes: memory grows from step to step (PyTorch, "Frequently asked
        questions: my model reports out of memory").

    Instead:
        Add `loss.item()`, or `loss.detach()`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    computed = [done for done in walked.known(acts) if done.act.does is Does.COMPUTES]
    if not computed:
        return
    yield from _retained(computed)
    gradients = walked.known(Gradients)
    learned = {id(value) for done in computed for value in ancestry(done.act.on)}
    for at, operand, result in _gathered(walked):
        used = [done for done in computed if done.loops and done.loops[0] in at.around() and _is_its_loss(operand, done.act.on)]
        if used and id(result) not in learned and not _is_of_one_batch(at) and _has_graph(gradients, operand, used[0].act.on):
            yield violation(
                at,
                "each loss that is added here keeps the graph of its batch in memory",
                "add `loss.item()` or `loss.detach()`",
                related=((used[0].at, "its gradients are computed here"),),
            )


def _retained(computed: list[Done]) -> Iterator[Violation]:
    """Yield `backward(retain_graph=True)` where nothing needs the graph again.

    Nothing else in the program computes gradients.
    """
    at = computed[0].at
    call = at.call if isinstance(at, Event) else None
    if len({id(done.at.node) for done in computed}) > 1 or call is None or constant(call.argument(None, "retain_graph")) is not True:
        return
    steps = [entry for entry in computed[0].loops if isinstance(entry.node, (ast.For, ast.While))]
    # A value that the loop hands on to its next turn, such as a hidden state, may need the graph of the turn before.
    carried = any(isinstance(entry, Turn) and not isinstance(entry, Parameter) for entry in ancestry(computed[0].act.on))
    if steps and not carried:
        yield violation(
            at,
            "the graph is retained after `backward()`, and nothing goes through it again",
            "leave `retain_graph` out",
            severity=Severity.INFO,
        )


def _is_of_one_batch(at: Happening) -> bool:
    """Return whether the total starts again with each batch.

    The loop around it then goes through pieces of the batch only.
    """
    inner, *others = [entry for entry in at.around() if isinstance(entry, Loop)]
    if inner.iterated is None:
        return False
    pieces = {value for value in ancestry(inner.iterated) if isinstance(value, Element)}
    return any(
        outer.bound is not None and pieces.intersection(ancestry(outer.bound)) and _begins_in(outer, inner, at.node) for outer in others
    )


def _begins_in(outer: Loop, inner: Loop, node: ast.AST) -> bool:
    """Whether the name that is added to is given its first value in the outer loop, before the inner one."""
    target = node.target if isinstance(node, ast.AugAssign) else getattr(getattr(node, "func", None), "value", None)
    return isinstance(target, ast.Name) and any(
        isinstance(entry, ast.Assign) and any(isinstance(bound, ast.Name) and bound.id == target.id for bound in entry.targets)
        for statement in getattr(outer.node, "body", ())
        if statement is not inner.node
        for entry in ast.walk(statement)
    )


def _has_graph(gradients: Gradients, operand: Value, loss: Value) -> bool:
    """Return whether a value surely belongs to a graph.

    Its gradient reaches a parameter, or `backward()` is called on it.
    """
    known = gradients.reaches(operand)
    return known is True or (known is None and plain(operand) is plain(loss))


def _gathered(walked: Program) -> Iterator[tuple[Happening, Value, Value]]:
    """What is added to a total or a list in a loop: where, what, and the total."""
    for change in walked.all(Change):
        if change.operator == "+" and change.context.grad is Mode.ON and any(isinstance(entry, Loop) for entry in change.around()):
            yield change, change.operand, change.result
    for write in walked.all(Write):
        if any(isinstance(entry, Loop) for entry in write.around()) and _grows(write):
            for operand in _summands(write.value):
                yield write, operand, write.value
    for event in walked.calls("append"):
        receiver = plain(event.call.receiver) if event.call.receiver is not None else None
        if isinstance(receiver, Display) and event.call.arguments and any(isinstance(entry, Loop) for entry in event.around()):
            yield event, event.call.arguments[0], receiver


def _grows(write: Write) -> bool:
    """Whether an attribute is made of what it was before.

    An example is `self.mean = (self.mean * self.n + loss) / (self.n + 1)`.
    """
    node = write.module.parents.get(write.node)
    if not isinstance(write.key, str) or not isinstance(node, ast.Assign) or not isinstance(node.value, ast.BinOp):
        return False
    around = next((entry for entry in write.around() if isinstance(entry, Called)), None)
    if around is not None and around.call.context.grad is not Mode.ON:
        return False
    own = {ast.unparse(target) for target in node.targets}
    return any(isinstance(entry, ast.Attribute) and ast.unparse(entry) in own for entry in ast.walk(node.value))


def _summands(value: Value) -> Iterator[Value]:
    """What is added up in an expression of arithmetic alone."""
    value = plain(value)
    if isinstance(value, Operation) and value.operator in ("+", "-"):
        for operand in value.operands:
            yield operand
            yield from _summands(operand)
    elif isinstance(value, Operation) and value.operator in ("*", "/"):
        yield from _summands(value.operands[0])


def _is_its_loss(operand: Value, loss: Value) -> bool:
    """Whether what is added is the loss, or made of it by nothing but arithmetic."""
    mine, others = plain(operand), plain(loss)
    if mine is others:
        return True
    inside = [plain(value) for value in mine.inputs()] if type(mine).__name__ == "Operation" else []
    return any(value is others for value in inside)


LOOP = """import torch
from torch import nn

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
total, history = 0.0, []
for inputs, targets in [(torch.randn(8, 4), torch.randn(8, 1))] * 8:
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(inputs), targets)
    loss.backward()
    optimizer.step()
    {gather}
print(total, len(history))
"""
BAD = [
    program(LOOP.format(gather="total += loss  # <- here")),
    program(LOOP.format(gather="total += loss * len(inputs)  # <- here")),
    program(LOOP.format(gather="history.append(loss)  # <- here")),
    program(LOOP.format(gather="total += 1").replace("loss.backward()", "loss.backward(retain_graph=True)  # <- here")),
]
GOOD = [program(LOOP.format(gather="total += loss.item()")), program(LOOP.format(gather="history.append(loss.detach())"))]
