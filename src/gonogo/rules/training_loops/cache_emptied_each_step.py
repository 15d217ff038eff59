"""TRN169."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import last_name, origin
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule


@rule("TRN169", "cache-emptied-each-step", criterion=None, severity=Severity.INFO, stage=Stage.CHECK, scope=Scope.PROGRAM)
def cache_emptied_each_step(modules: dict[str, Module]) -> Iterator[Violation]:
    """The memory that PyTorch keeps for the next batch is given back after each batch.

    What it does:
        Speaks where `torch.cuda.empty_cache()` stands in the very loop in which gradients are computed, under no condition.

    Why it matters:
        It frees nothing that PyTorch could not use itself, waits for the GPU, and makes the next batch ask the driver for the memory
        again: steps take a good deal longer (PyTorch, "CUDA semantics: memory management").

    Instead:
        Leave it out, or call it once before another phase begins.
    """
    for module in modules.values():
        for call in module.of(ast.Call):
            if origin(module, call.func) != "torch.cuda.empty_cache":
                continue
            statement = module.parents.get(call)
            loop = module.parents.get(statement) if isinstance(statement, ast.Expr) else None
            if isinstance(loop, (ast.For, ast.While)) and any(_computes(entry) for entry in loop.body):
                yield Violation(module.location(call), "the cache of the GPU's memory is emptied after each batch", "leave it out")


def _computes(statement: ast.stmt) -> bool:
    """Whether a statement of the loop itself, not of a loop within it, computes gradients."""
    if isinstance(statement, (ast.For, ast.While)):
        return False
    return any(isinstance(node, ast.Call) and last_name(node.func) == "backward" for node in ast.walk(statement))


PROGRAM = """import torch
from torch import nn

net = nn.Linear(4, 1)
optimizer = torch.optim.Adam(net.parameters())
for epoch in range(3):
    for batch in torch.load("batches.pt"):
        optimizer.zero_grad()
        net(batch).square().mean().backward()
        optimizer.step()
        {inner}
    {outer}
"""
CALL = "torch.cuda.empty_cache()"
BAD = program(PROGRAM.format(inner=CALL + "  # <- here", outer="print(epoch)"))
GOOD = [
    program(PROGRAM.format(inner="print(batch.shape)", outer=CALL)),
    program(PROGRAM.format(inner=f"if epoch == 0:\n            {CALL}", outer="print(epoch)")),
]
