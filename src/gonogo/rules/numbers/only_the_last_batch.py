"""NUM132."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, enclosing_function
from gonogo.analysis.training.programs import is_unit_test
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Tree, Violation, program, rule

_BATCHES = re.compile(r"loader|batch|dataset|_dl\b|_iter\b", re.IGNORECASE)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


@rule("NUM132", "only-the-last-batch", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def only_the_last_batch(modules: dict[str, Module]) -> Iterator[Violation]:
    """A count or a sum over batches has only the last one.

    What it does:
        Looks at names that are set to zero before a loop over what is called batches or a loader, and divided, or divided by, behind
        it. Speaks where the loop sets the name anew at each turn, from the turn's own values, and never reads it (`right = …` for
        `right += …`); and where the sum stands behind the loop, at its own depth, and adds what only the loop gives its values.

    Why it matters:
        The score is that of the last batch, which is often a smaller one, and nothing says so.

    Instead:
        Add up within the loop: `right += …`.
    """
    for module in modules.values():
        if is_unit_test(module):
            continue
        for loop in module.of(ast.For):
            yield from _found(module, loop)


def _found(module: Module, loop: ast.For) -> Iterator[Violation]:
    function = enclosing_function(module, loop)
    if not _BATCHES.search(ast.unparse(loop.iter)):
        return
    if any(isinstance(parent, _LOOPS) for parent in _around(module, loop, function)):
        return
    own = [node for node in module.of(ast.Name) if enclosing_function(module, node) is function]
    start, end = loop.lineno, loop.end_lineno or loop.lineno
    zero = {node.id: node for node in own if isinstance(node.ctx, ast.Store) and node.lineno < start and _is_set_to_zero(module, node)}
    given = {node.id for node in own if isinstance(node.ctx, ast.Store) and start <= node.lineno <= end}
    for name, begins in zero.items():
        uses = [node for node in own if node.id == name and node is not begins]
        if any(node.lineno < start and node.lineno > begins.lineno for node in uses) or not _is_divided(module, uses, end):
            continue
        inside = [node for node in uses if start <= node.lineno <= end]
        behind = [node for node in uses if node.lineno > end and isinstance(node.ctx, ast.Store)]
        found = _set_anew(module, loop, inside) if inside and not behind else None
        if not inside and len(behind) == 1:
            found = _added_once(module, loop, behind[0], given - set(zero))
        if found is not None:
            yield Violation(
                module.location(found),
                f"`{name}` has only what the last batch gives, not the sum over all",
                f"add up within the loop: `{name} += …`",
                related=(Related(location=module.location(begins), label="it begins at zero here"),),
            )


def _around(module: Module, node: ast.AST, function: ast.AST | None) -> Iterator[ast.AST]:
    for parent in ancestors(module, node):
        if parent is function:
            return
        yield parent


def _is_set_to_zero(module: Module, name: ast.Name) -> bool:
    parent = module.parents.get(name)
    value: ast.expr | None = None
    if (
        isinstance(parent, ast.Tuple)
        and isinstance(holder := module.parents.get(parent), ast.Assign)
        and isinstance(holder.value, ast.Tuple)
    ):
        value = holder.value.elts[parent.elts.index(name)] if len(parent.elts) == len(holder.value.elts) else None
    elif isinstance(parent, ast.Assign) and name in parent.targets:
        value = parent.value
    return isinstance(value, ast.Constant) and type(value.value) in (int, float) and value.value == 0


def _is_divided(module: Module, uses: list[ast.Name], end: int) -> bool:
    """Whether a name is a part of a quotient behind the loop."""
    for node in uses:
        parent = module.parents.get(node)
        if node.lineno > end and isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div):
            return True
    return False


def _set_anew(module: Module, loop: ast.For, inside: list[ast.Name]) -> ast.stmt | None:
    """The one assignment of a name at the loop's own level.

    None if anything else in the loop has to do with the name.
    """
    parent = module.parents.get(inside[0])
    is_plain = len(inside) == 1 and isinstance(inside[0].ctx, ast.Store) and isinstance(parent, ast.Assign) and parent.targets == inside
    holder = module.parents.get(parent) if is_plain and parent is not None else None
    if (
        not isinstance(parent, ast.Assign)
        or not isinstance(holder, (ast.For, ast.With))
        or not any(isinstance(node, ast.Call) for node in ast.walk(parent.value))
    ):
        return None
    return parent if holder is loop or module.parents.get(holder) is loop else None


def _added_once(module: Module, loop: ast.For, name: ast.Name, given: set[str]) -> ast.stmt | None:
    """The one statement behind the loop that adds to a name what only the loop gives its values."""
    parent = module.parents.get(name)
    if not (isinstance(parent, ast.AugAssign) and isinstance(parent.op, ast.Add)) or any(
        isinstance(each, _LOOPS) for each in _around(module, parent, enclosing_function(module, parent))
    ):
        return None
    targets = {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)}
    read = {node.id for node in ast.walk(parent.value) if isinstance(node, ast.Name)}
    return parent if read & targets and read & given else None


_PROGRAM = """import torch
from torch import nn


def evaluate(network, loader):
    network.eval()
    right = count = 0
    with torch.no_grad():
        for inputs, labels in loader:
            guess = network(inputs).argmax(dim=1)
{sums}
    return right / count


network = nn.Linear(4, 3)
network.load_state_dict(torch.load("network.pt"))
print(evaluate(network, torch.load("batches.pt")))
"""


def _sums(right: str, count: str) -> Tree:
    return program(_PROGRAM.format(sums=f"{right}\n{count}").replace("right = count = 0", "right, count = 0, 0"))


_IN, _OUT = "            ", "        "
_RIGHT, _COUNT = "right += (guess == labels).sum().item()", "count += len(labels)"
BAD = [
    _sums(f"{_IN}right = (guess == labels).sum().item()  # <- here", f"{_IN}{_COUNT}"),
    _sums(f"{_IN}{_RIGHT}", f"{_OUT}{_COUNT}  # <- here"),
]
GOOD = [
    _sums(f"{_IN}{_RIGHT}", f"{_IN}{_COUNT}"),
    _sums(f"{_IN}right = right + (guess == labels).sum().item()", f"{_IN}{_COUNT}"),
    _sums(f"{_IN}if len(labels):\n    {_IN}right = (guess == labels).sum().item()", f"{_IN}{_COUNT}"),
    _sums(f"{_IN}last = (guess == labels).sum().item()\n{_IN}right += last", f"{_IN}{_COUNT}"),
    _sums(f"{_IN}{_RIGHT}", f"{_OUT}count += len(loader.dataset)"),
]
