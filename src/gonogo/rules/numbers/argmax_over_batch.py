"""NUM129."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, enclosing_function, last_name, origin
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

SOFTMAX = frozenset({"softmax", "log_softmax"})
LABELS = ("label", "target", "y", "gold", "truth", "true", "gt", "lab")


@rule("NUM129", "argmax-over-batch", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def argmax_over_batch(modules: dict[str, Module]) -> Iterator[Violation]:
    """Classes are chosen along the rows of a batch, and not along the classes.

    What it does:
        Looks at names that hold a softmax over the second or the last axis (`dim=1`, `dim=-1`). Speaks where an `argmax` over the first
        axis of that name is compared with labels by `==`. Rows that are taken out first, and other arrays, are left alone.

    Why it matters:
        `argmax(0)` gives for each class the row of the batch in which it is most likely. Compared with labels it is a number that means
        nothing, and shapes may agree all the same (PyTorch, `torch.argmax`).

    Instead:
        Take it over the classes: `argmax(dim=1)`.
    """
    for module in modules.values():
        for call in module.of(ast.Call):
            owner = _first_axis(module, call)
            if owner is None:
                continue
            made = _softmax(module, owner)
            if made is not None and _is_compared(module, call):
                yield Violation(
                    module.location(call),
                    f"`{owner.id}` is a softmax over the classes, and this is the argmax over the rows of the batch",
                    "take the argmax over the classes, `dim=1`",
                    related=(Related(location=module.location(made), label="the softmax"),),
                )


def _first_axis(module: Module, call: ast.Call) -> ast.Name | None:
    """The name whose argmax over the first axis a call takes."""
    if last_name(call.func) != "argmax" or not isinstance(call.func, ast.Attribute):
        return None
    is_function = origin(module, call.func) in ("torch.argmax", "numpy.argmax")
    owner = call.args[0] if is_function and call.args else call.func.value
    axis = argument(call, 1 if is_function else 0, "dim", "axis")
    is_first = isinstance(axis, ast.Constant) and axis.value == 0 and axis.value is not False
    return owner if is_first and isinstance(owner, ast.Name) else None


def _softmax(module: Module, name: ast.Name) -> ast.Call | None:
    """The softmax over a later axis that is all a name ever holds in its function."""
    home = enclosing_function(module, name)
    stored = [use for use in module.named.get(name.id, ()) if isinstance(use.ctx, ast.Store) and enclosing_function(module, use) is home]
    parent = module.parents.get(stored[0]) if len(stored) == 1 else None
    value = parent.value if isinstance(parent, ast.Assign) and parent.targets[0] is stored[0] else None
    if not (isinstance(value, ast.Call) and last_name(value.func) in SOFTMAX):
        return None
    is_method = not origin(module, value.func).startswith(("torch.", "scipy.", "jax."))
    axis = argument(value, 0 if is_method else 1, "dim", "axis")
    later = axis.operand if isinstance(axis, ast.UnaryOp) and isinstance(axis.op, ast.USub) else axis
    return value if isinstance(later, ast.Constant) and later.value == 1 else None


def _is_compared(module: Module, call: ast.Call) -> bool:
    """Whether an argmax, or the name it is given, is compared with labels by `==`."""
    parent = module.parents.get(call)
    if isinstance(parent, ast.Compare):
        return _with_labels(parent, call)
    if not (isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name)):
        return False
    name, home = parent.targets[0].id, enclosing_function(module, call)
    return any(
        _with_labels(node, side)
        for node in module.of(ast.Compare)
        if enclosing_function(module, node) is home
        for side in (node.left, node.comparators[0])
        if isinstance(owner := side.value if isinstance(side, ast.Subscript) else side, ast.Name) and owner.id == name
    )


def _with_labels(node: ast.Compare, side: ast.expr) -> bool:
    """Whether the other side of a comparison by `==` is called after labels."""
    if len(node.ops) != 1 or not isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
        return False
    other = node.comparators[0] if side is node.left else node.left
    names = {part.id.lower() for part in ast.walk(other) if isinstance(part, ast.Name)}
    return any(name == word or name.startswith((f"{word}_", f"{word}s")) or name.endswith(f"_{word}") for name in names for word in LABELS)


PROGRAM = """import torch
from torch import nn

net = nn.Linear(4, 3)
rows, labels = torch.randn(3, 4), torch.randint(3, (3,))
{code}
print(right)
"""
HERE = "  # <- here"
SOFT = "chances = torch.softmax(net(rows), dim=1)\n"
BAD = [
    program(PROGRAM.format(code=f"{SOFT}guess = chances.argmax(dim=0){HERE}\nright = (guess == labels).float().mean()")),
    program(PROGRAM.format(code=f"chances = net(rows).softmax(-1)\nright = (torch.argmax(chances, 0) == labels).sum(){HERE}")),
]
GOOD = [
    program(PROGRAM.format(code=f"{SOFT}guess = chances.argmax(dim=1)\nright = (guess == labels).float().mean()")),
    program(PROGRAM.format(code=f"{SOFT}typical = chances.argmax(dim=0)\nright = rows[typical]")),
    program(PROGRAM.format(code=f"{SOFT}chances = chances.t()\nright = (chances.argmax(0) == labels).sum()")),
    program(PROGRAM.format(code="chances = torch.softmax(net(rows).t(), dim=0)\nright = (chances.argmax(0) == labels).sum()")),
]
