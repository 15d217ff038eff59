"""TRN135."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule

METHODS = frozenset({"step", "backward", "zero_grad", "eval", "train", "synchronize", "set_epoch", "unscale_", "detach_"})
FRAMEWORKS = ("torch", "lightning", "pytorch_lightning", "accelerate", "transformers", "paddle", "mxnet", "wandb")


@rule("TRN135", "method-not-called", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def method_not_called(modules: dict[str, Module]) -> Iterator[Violation]:
    """A method that training needs stands alone without parentheses, so that it is never called.

    What it does:
        Looks for statements such as `optimizer.step`, `loss.backward`, `model.eval` or `optimizer.zero_grad` without parentheses, in
        files that use a training library.

    Why it matters:
        Python looks the method up and throws it away, without a message: the network does not learn, or is scored with dropout on
        (Python, "Expression statements").

    Instead:
        Add the parentheses: `optimizer.step()`.
    """
    for module in modules.values():
        if not any(dotted.partition(".")[0] in FRAMEWORKS for dotted in module.imports.values()):
            continue
        for statement in module.of(ast.Expr):
            value = statement.value
            if isinstance(value, ast.Attribute) and value.attr in METHODS:
                text = ast.unparse(value)
                yield Violation(module.location(statement), f"`{text}` is named here and not called", f"write `{text}()`")


LOOP = """import torch
from torch import nn

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for inputs, targets in torch.load("batches.pt"):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(inputs), targets).backward()
    optimizer.step()
{last}
with torch.no_grad():
    print(model(torch.ones(1, 4)))
"""
BAD = program(LOOP.format(last="model.eval  # <- here"))
GOOD = program(LOOP.format(last="model.eval()"))
