"""NUM131."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import body_nodes, enclosing_function
from gonogo.analysis.training.programs import is_unit_test
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

_LEAVES = (ast.Return, ast.Break)
_AGAIN = (ast.Continue,)


@rule("NUM131", "loop-ends-at-once", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def loop_ends_at_once(modules: dict[str, Module]) -> Iterator[Violation]:
    """A loop that adds up over batches or rows is left at the end of its first turn.

    What it does:
        Looks at `for` loops that add to a name which was set to zero or to an empty list before them. Speaks where the last statement of
        the loop's body returns that sum, or what is made of it, or breaks, under no condition, and nothing in the body goes on to the
        next turn before. A loop that only draws one batch adds nothing up.

    Why it matters:
        The `return` stands one level too deep: the score or the loss of the whole part is that of its first batch, without a message.

    Instead:
        Move it behind the loop.
    """
    for module in modules.values():
        if is_unit_test(module):
            continue
        for loop in module.of(ast.For):
            last = loop.body[-1]
            if isinstance(last, _LEAVES) and not _goes_on(loop):
                sums = _sums(module, loop)
                shown = _used(module, loop, last) & set(sums)
                if shown:
                    name = min(shown)
                    yield Violation(
                        module.location(last),
                        f"this ends the loop in its first turn, so that `{name}` is of one turn only",
                        "move it behind the loop",
                        related=(Related(location=module.location(sums[name]), label="it is added to here"),),
                    )


def _goes_on(loop: ast.For) -> bool:
    """Whether something in a loop's body may begin its next turn before the last statement."""
    pending: list[ast.AST] = list(loop.body)
    while pending:
        node = pending.pop()
        if isinstance(node, _AGAIN):
            return True
        if not isinstance(node, (ast.For, ast.AsyncFor, ast.While, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            pending += ast.iter_child_nodes(node)
    return False


def _sums(module: Module, loop: ast.For) -> dict[str, ast.stmt]:
    """Names that the loop adds to at its own level, set to nothing before it."""
    function = enclosing_function(module, loop)
    body = function.body if function is not None else (module.tree.body if module.tree else [])
    before = {
        target.id
        for node in (body_nodes(function) if function is not None else body)
        if isinstance(node, ast.Assign) and node.lineno < loop.lineno and _is_nothing(node.value)
        for written in node.targets
        for target in ast.walk(written)
        if isinstance(target, ast.Name)
    }
    found: dict[str, ast.stmt] = {}
    for statement in loop.body:
        if not (isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add) and isinstance(statement.target, ast.Name)):
            continue
        if statement.target.id in before and not isinstance(statement.value, ast.Constant):
            found[statement.target.id] = statement
    return found


def _is_nothing(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple):
        return all(map(_is_nothing, node.elts))
    return isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value == 0


def _used(module: Module, loop: ast.For, last: ast.stmt) -> set[str]:
    """The names that a `return` gives, or that are read behind a loop which is left by `break`."""
    if isinstance(last, ast.Return):
        return {node.id for node in ast.walk(last) if isinstance(node, ast.Name)}
    end, function = loop.end_lineno or loop.lineno, enclosing_function(module, loop)
    return {
        node.id
        for node in module.of(ast.Name)
        if isinstance(node.ctx, ast.Load) and node.lineno > end and enclosing_function(module, node) is function
    }


_PROGRAM = """import torch
from torch import nn


def evaluate(network, loader):
    network.eval()
    right, count = 0, 0
    with torch.no_grad():
        for inputs, labels in loader:
            {first}right += (network(inputs).argmax(dim=1) == labels).sum().item()
            count += len(labels)
{end}


network = nn.Linear(4, 3)
network.load_state_dict(torch.load("network.pt"))
print(evaluate(network, torch.load("batches.pt")))
"""
_INSIDE, _BEHIND = "            ", "    "
BAD = [
    program(_PROGRAM.format(first="", end=f"{_INSIDE}return right / count  # <- here")),
    program(_PROGRAM.format(first="", end=f"{_INSIDE}break  # <- here\n{_BEHIND}return right / count")),
]
GOOD = [
    program(_PROGRAM.format(first="", end=f"{_BEHIND}return right / count")),
    program(_PROGRAM.format(first="if len(labels) < 8:\n                continue\n            ", end=f"{_INSIDE}return right / count")),
    program(_PROGRAM.format(first="", end=f"{_INSIDE}if count > 1000:\n                break\n{_BEHIND}return right / count")),
    program("import torch\n\nfor inputs, labels in torch.load('batches.pt'):\n    print(inputs.shape, labels.shape)\n    break\n"),
    program("import torch\n\nrows = 0\nfor inputs, labels in torch.load('batches.pt'):\n    rows += 1\n    break\nprint(rows)\n"),
]
