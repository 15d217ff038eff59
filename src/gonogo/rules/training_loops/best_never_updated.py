"""TRN191."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, calls, enclosing_function, last_name
from gonogo.analysis.training.bests import KEEPS, number_of
from gonogo.analysis.training.programs import is_unit_test
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

BEST = re.compile(r"(?:^|_)best(?:_|$)", re.IGNORECASE)
_KEEPS = KEEPS | {"deepcopy", "dump"}


@rule("TRN191", "best-never-updated", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def best_never_updated(modules: dict[str, Module]) -> Iterator[Violation]:
    """The best checkpoint is kept by a best score that is never set again.

    What it does:
        Looks at names like `best_score` that a function or the top of a file sets once, to a number, before a loop. Speaks where the
        loop compares a score with the name by `<` or `>` and keeps a state where it is better, and nothing ever sets the name again. A
        first value such as 0.9 or 85 may be a threshold that somebody chose.

    Why it matters:
        Each epoch that beats the number at the beginning counts as the best: what is kept is the last of them.

    Instead:
        Set the best score where the state is kept: `best = score`.
    """
    for module in modules.values():
        if is_unit_test(module):
            continue
        for branch in module.of(ast.If):
            for name in _compared(branch.test):
                begins = _set_once(module, branch, name)
                if (
                    begins is not None
                    and not _is_threshold(begins.value)
                    and any(last_name(call.func) in _KEEPS for call in calls(module) if _is_in(module, call, branch))
                ):
                    yield Violation(
                        module.location(branch.test),
                        f"`{name.id}` is never set again: every epoch that beats its first value is kept as the best",
                        f"set `{name.id}` where the state is kept",
                        related=(Related(location=module.location(begins), label="it is set here"),),
                    )


def _compared(test: ast.expr) -> Iterator[ast.Name]:
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], (ast.Lt, ast.Gt, ast.LtE, ast.GtE)):
        sides = (test.left, test.comparators[0])
        best = [side for side in sides if isinstance(side, ast.Name) and BEST.search(side.id)]
        if len(best) == 1:
            yield best[0]


def _set_once(module: Module, branch: ast.If, name: ast.Name) -> ast.Assign | None:
    """The one place that sets a name, to a number and before the loop around a branch.

    None where there is another.
    """
    stores = [use for use in module.named.get(name.id, ()) if isinstance(use.ctx, ast.Store)]
    parent = module.parents.get(stores[0]) if len(stores) == 1 else None
    if not isinstance(parent, ast.Assign) or parent.targets != stores or number_of(parent.value) is None:
        return None
    function = enclosing_function(module, branch)
    loop = next((each for each in ancestors(module, branch) if isinstance(each, (ast.For, ast.While))), None)
    if loop is None or enclosing_function(module, parent) is not function or enclosing_function(module, loop) is not function:
        return None
    is_before = parent.lineno < loop.lineno and not any(each is loop for each in ancestors(module, parent))
    passed_on = any(
        name.id in (node.names if isinstance(node, (ast.Global, ast.Nonlocal)) else ()) for node in module.of(ast.Global, ast.Nonlocal)
    )
    return parent if is_before and not passed_on else None


def _is_threshold(node: ast.expr) -> bool:
    """Whether a first value may be what a score has to reach, not one that any score beats."""
    return isinstance(node, ast.Constant) and type(node.value) in (int, float) and 0 < node.value < 100 and node.value != 1  # type: ignore[operator]


def _is_in(module: Module, call: ast.Call, branch: ast.If) -> bool:
    return any(parent in branch.body for parent in ancestors(module, call))


_PROGRAM = """import torch
from torch import nn

network = nn.Linear(4, 3)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
best_score = {begins}
for epoch in range(9):
    for inputs, labels in torch.load("batches.pt"):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()
    score = float(torch.load("scores.pt")[epoch])
    if score > best_score:{marker}
        {first}torch.save(network.state_dict(), "best.pt")
{last}
"""
BAD = [
    program(_PROGRAM.format(begins="0.0", first="", last="", marker="  # <- here")),
    program(_PROGRAM.format(begins="-float('inf')", first="print(score)\n        ", last="", marker="  # <- here")),
]
GOOD = [
    program(_PROGRAM.format(begins="0.0", first="best_score = score\n        ", last="", marker="")),
    program(_PROGRAM.format(begins="0.0", first="", last="    best_score = max(best_score, score)", marker="")),
    program(_PROGRAM.format(begins="0.9", first="", last="", marker="")),
    program(_PROGRAM.format(begins="float(torch.load('reached.pt'))", first="", last="", marker="")),
    program(_PROGRAM.format(begins="0.0", first="print(score)\n        # ", last="        break", marker="")),
]
