"""NUM129."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, argument, enclosing_function, last_name, only_value, origin
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

SOFTMAX = frozenset({"softmax", "log_softmax"})
NETWORK = re.compile(r"^(?:\w*model|net|network|\w*classifier|clf|\w+net)$", re.IGNORECASE)
LOADER = re.compile(r"loader|_dl\b|batches", re.IGNORECASE)
LABELS = ("label", "target", "y", "gold", "truth", "true", "gt", "lab")


@rule("NUM129", "argmax-over-batch", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def argmax_over_batch(modules: dict[str, Module]) -> Iterator[Violation]:
    """Classes are chosen along the rows of a batch, and not along the classes.

    What it does:
        Looks at names that hold a softmax over the second or the last axis (`dim=1`, `dim=-1`), and at what a network gives for a batch
        of a loader. Speaks where an `argmax` over the first axis of that is compared by `==` with labels, those of the same batch for a
        loader's. Rows that are taken out first, and other arrays, are left alone.

    Why it matters:
        `argmax(0)` gives for each class the row of the batch in which it is most likely. Compared with labels it is a number that means
        nothing, and shapes may agree all the same (PyTorch, `torch.argmax`).

    Instead:
        Take it over the classes: `argmax(dim=1)`.
    """
    for module in modules.values():
        for call in module.of(ast.Call):
            owner = _first_axis(module, call)
            loop = _batches(module, owner) if owner is not None else None
            if loop is not None and _is_compared(module, call, {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)}):
                yield Violation(
                    module.location(call),
                    "this is the argmax over the rows of the batch, not over the classes",
                    "take the argmax over the classes, `dim=1`",
                    related=(Related(location=module.location(loop.target), label="the batch and its labels"),),
                )
            made = _softmax(module, owner) if loop is None and isinstance(owner, ast.Name) else None
            if isinstance(owner, ast.Name) and made is not None and _is_compared(module, call):
                yield Violation(
                    module.location(call),
                    f"`{owner.id}` is a softmax over the classes, and this is the argmax over the rows of the batch",
                    "take the argmax over the classes, `dim=1`",
                    related=(Related(location=module.location(made), label="the softmax"),),
                )


def _first_axis(module: Module, call: ast.Call) -> ast.Name | ast.Call | None:
    """What a call takes the argmax of, over the first axis."""
    if last_name(call.func) != "argmax" or not isinstance(call.func, ast.Attribute):
        return None
    is_function = origin(module, call.func) in ("torch.argmax", "numpy.argmax")
    owner = call.args[0] if is_function and call.args else call.func.value
    axis = argument(call, 1 if is_function else 0, "dim", "axis")
    is_first = isinstance(axis, ast.Constant) and axis.value == 0 and axis.value is not False
    return owner if is_first and isinstance(owner, (ast.Name, ast.Call)) else None


def _batches(module: Module, owner: ast.Name | ast.Call) -> ast.For | None:
    """The loop over a loader whose batch a network was given, where that is all that a value is."""
    value = only_value(module, owner) if isinstance(owner, ast.Name) else owner
    if not isinstance(value, ast.Call) or not value.args or not isinstance(value.args[0], ast.Name):
        return None
    called = value.func
    if not NETWORK.search(last_name(called)) or last_name(called) in {*module.imports, *(entry.name for entry in module.of(*FUNCTIONS))}:
        return None
    loop = next((parent for parent in ancestors(module, value) if isinstance(parent, ast.For)), None)
    if loop is None or not isinstance(loop.target, ast.Tuple) or not LOADER.search(ast.unparse(loop.iter)):
        return None
    names = [entry.id for entry in loop.target.elts if isinstance(entry, ast.Name)]
    return loop if len(names) == 2 and names[0] == value.args[0].id else None


def _softmax(module: Module, name: ast.Name) -> ast.Call | None:
    """The softmax over a later axis that is all a name ever holds in its function."""
    value = only_value(module, name)
    if not (isinstance(value, ast.Call) and last_name(value.func) in SOFTMAX):
        return None
    is_method = not origin(module, value.func).startswith(("torch.", "scipy.", "jax."))
    axis = argument(value, 0 if is_method else 1, "dim", "axis")
    later = axis.operand if isinstance(axis, ast.UnaryOp) and isinstance(axis.op, ast.USub) else axis
    return value if isinstance(later, ast.Constant) and later.value == 1 else None


def _is_compared(module: Module, call: ast.Call, labels: Collection[str] = ()) -> bool:
    """Whether an argmax, or the name it is given, is compared with labels by `==`.

    Args:
        module: where it stands.
        call: the argmax.
        labels: what the labels are called; none to go by usual names.
    """
    parent = module.parents.get(call)
    if isinstance(parent, ast.Compare):
        return _with_labels(parent, call, labels)
    if not (isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name)):
        return False
    name, home = parent.targets[0].id, enclosing_function(module, call)
    return any(
        _with_labels(node, side, labels)
        for node in module.of(ast.Compare)
        if enclosing_function(module, node) is home
        for side in (node.left, node.comparators[0])
        if isinstance(owner := side.value if isinstance(side, ast.Subscript) else side, ast.Name) and owner.id == name
    )


def _with_labels(node: ast.Compare, side: ast.expr, labels: Collection[str]) -> bool:
    """Whether the other side of a comparison by `==` is called after labels."""
    if len(node.ops) != 1 or not isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
        return False
    other = node.comparators[0] if side is node.left else node.left
    names = {part.id.lower() for part in ast.walk(other) if isinstance(part, ast.Name)}
    if labels:
        return isinstance(other, ast.Name) and other.id in labels
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
LOOP = """import torch
from torch import nn


def evaluate(model, {loader}):
    right = 0
    with torch.no_grad():
        for rows, labels in {loader}:
            {code}
    return right


model = nn.Linear(4, 3).eval()
model.load_state_dict(torch.load("model.pt"))
print(evaluate(model, torch.load("batches.pt")))
"""
BAD = [
    program(LOOP.format(loader="loader", code=f"right += (model(rows).argmax(dim=0) == labels).sum().item(){HERE}")),
    program(
        LOOP.format(
            loader="test_loader", code=f"out = model(rows)\n            right += (torch.argmax(out, 0) == labels).sum().item(){HERE}"
        )
    ),
    program(PROGRAM.format(code=f"{SOFT}guess = chances.argmax(dim=0){HERE}\nright = (guess == labels).float().mean()")),
    program(PROGRAM.format(code=f"chances = net(rows).softmax(-1)\nright = (torch.argmax(chances, 0) == labels).sum(){HERE}")),
]
GOOD = [
    program(LOOP.format(loader="loader", code="right += (model(rows).argmax(dim=1) == labels).sum().item()")),
    program(LOOP.format(loader="dataset", code="right += (model(rows).argmax(dim=0) == labels).sum().item()")),
    program(LOOP.format(loader="loader", code="right += int(model(rows[0]).argmax(dim=0) == labels[0])")),
    program(PROGRAM.format(code=f"{SOFT}guess = chances.argmax(dim=1)\nright = (guess == labels).float().mean()")),
    program(PROGRAM.format(code=f"{SOFT}typical = chances.argmax(dim=0)\nright = rows[typical]")),
    program(PROGRAM.format(code=f"{SOFT}chances = chances.t()\nright = (chances.argmax(0) == labels).sum()")),
    program(PROGRAM.format(code="chances = torch.softmax(net(rows).t(), dim=0)\nright = (chances.argmax(0) == labels).sum()")),
]
