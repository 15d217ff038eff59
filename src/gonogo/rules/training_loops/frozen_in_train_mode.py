"""TRN164."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import last_name, origin
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

# Layers that differ between the modes, and libraries whose networks have them.
DIFFERS = re.compile(r"BatchNorm|Dropout|torchvision|timm|transformers|torch\.hub|resnet|InstanceNorm", re.IGNORECASE)


@rule("TRN164", "frozen-in-train-mode", criterion=4, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def frozen_in_train_mode(modules: dict[str, Module]) -> Iterator[Violation]:
    """A frozen network inside another is put back into train mode by the other's `train()`.

    What it does:
        Looks at classes of `nn.Module` that put a part of theirs into eval mode in `__init__`, and nowhere else, do not define `train`,
        and use it under `no_grad`. Speaks where the file trains: it calls `train()` of something that may be one, and nothing puts the part
        into eval mode after that. Silent where no layer is named that differs between the modes, and about Lightning modules.

    Why it matters:
        `train()` goes through all parts. Dropout of a teacher makes its targets noise, and its batch normalisation takes the statistics of
        the student's batches, and keeps them (PyTorch, `torch.nn.Module.train`).

    Instead:
        Define `train(self, mode=True)`, which calls `super().train(mode)` and then `self.teacher.eval()`.
    """
    for module in modules.values():
        if not DIFFERS.search(module.text):
            continue
        trains = next((call for call in module.of(ast.Call) if _switches_on(module, call)), None)
        if trains is None:
            continue
        for cls in module.of(ast.ClassDef):
            if any(origin(module, base).startswith("torch.nn") and last_name(base) == "Module" for base in cls.bases):
                yield from _parts(module, cls, trains)


def _switches_on(module: Module, call: ast.Call) -> bool:
    """`model.train()`, not of `super()` and not within a class."""
    function = call.func
    if not (isinstance(function, ast.Attribute) and function.attr == "train" and not call.keywords):
        return False
    if call.args and not (isinstance(call.args[0], ast.Constant) and call.args[0].value is True):
        return False
    return isinstance(function.value, ast.Name) and isinstance(module.parents.get(call), ast.Expr)


def _parts(module: Module, cls: ast.ClassDef, trains: ast.Call) -> Iterator[Violation]:
    methods = {entry.name: entry for entry in cls.body if isinstance(entry, ast.FunctionDef)}
    start, forward = methods.get("__init__"), methods.get("forward")
    if start is None or forward is None or "train" in methods:
        return
    evals = [call for call in module.of(ast.Call) if isinstance(call.func, ast.Attribute) and call.func.attr == "eval" and not call.args]
    inside = set(ast.walk(start))
    for call in evals:
        owner = call.func.value  # type: ignore[attr-defined]
        if call not in inside or not (isinstance(owner, ast.Attribute) and last_name(owner.value) == "self"):
            continue
        part = owner.attr
        again = [other for other in evals if other not in inside and last_name(other.func.value) in (part, "m", "module")]  # type: ignore[attr-defined]
        if not again and _is_used_frozen(forward, part):
            yield Violation(
                module.location(call),
                f"`{part}` is put back into train mode by `train()` of the whole",
                f"define `train` so that it puts `{part}` into eval mode again",
                related=(Related(location=module.location(trains), label="everything is put into train mode here"),),
            )


def _is_used_frozen(forward: ast.FunctionDef, part: str) -> bool:
    """Whether `forward` applies a part under `no_grad`."""
    for node in ast.walk(forward):
        if not isinstance(node, ast.With):
            continue
        entered = {last_name(getattr(item.context_expr, "func", item.context_expr)) for item in node.items}
        applies = any(isinstance(inner, ast.Call) and last_name(inner.func) == part for inner in ast.walk(node))
        if applies and entered & {"no_grad", "inference_mode"}:
            return True
    return False


PROGRAM = """import torch
from torch import nn


class Pair(nn.Module):
    def __init__(self, student, teacher):
        super().__init__()
        self.student = student
        self.teacher = teacher
        self.teacher.eval(){marker}
{more}
    def forward(self, inputs):
        with torch.no_grad():
            wanted = self.teacher(inputs)
        return self.student(inputs), wanted


def network():
    return nn.Sequential(nn.Linear(4, 8), {layer}, nn.Linear(8, 2))


pair = Pair(network(), network())
pair.teacher.load_state_dict(torch.load("teacher.pt"))
optimizer = torch.optim.SGD(pair.student.parameters(), lr=0.1)
for _ in range(10):
    pair.train()
    {then}
    given, wanted = pair(torch.randn(8, 4))
    optimizer.zero_grad()
    nn.functional.mse_loss(given, wanted).backward()
    optimizer.step()
"""
TRAIN = "\n    def train(self, mode=True):\n        super().train(mode)\n        self.teacher.eval()\n        return self\n"


def _program(more: str = "", layer: str = "nn.Dropout(0.1)", then: str = "print(1)", marker: str = "") -> str:
    return PROGRAM.format(more=more, layer=layer, then=then, marker=marker)


BAD = [program(_program(marker="  # <- here")), program(_program(layer="nn.BatchNorm1d(8)", marker="  # <- here"))]
GOOD = [
    program(_program(TRAIN)),
    program(_program(then="pair.teacher.eval()")),
    program(_program(layer="nn.ReLU()")),
    program(_program().replace("    pair.train()\n", "    pair.student.train()\n")),
]
