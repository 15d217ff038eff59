"""REP125."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import last_name, origin, text_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

OPTIMIZER = re.compile(r"(?:^|_)(?:opt|optim|optimi[sz]er|opts|optimi[sz]ers)(?:_|$)", re.I)
EPOCH = re.compile(r"epoch|step|iter", re.I)


@rule("REP125", "optimizer-not-restored", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def optimizer_not_restored(modules: dict[str, Module]) -> Iterator[Violation]:
    """A run that is resumed gets its weights and its epoch back, and not the state of its optimizer.

    What it does:
        Looks at checkpoints that hold the state of an optimizer under a key that is written down. Speaks where the project loads weights
        and an epoch of a checkpoint to go on with, and nothing ever asks for that key.

    Why it matters:
        Momentum and second moments begin at zero in the middle of training: the first steps after each interruption are of another size,
        and an interrupted run does not give the result of one that was not (PyTorch, "Saving and loading a general checkpoint").

    Instead:
        Call `optimizer.load_state_dict(checkpoint["optimizer"])` when the run is resumed.
    """
    asked = {key for module in modules.values() for key in _asked(module)}
    opened = any("**" in module.text and "load_state_dict(**" in module.text for module in modules.values())
    if opened or any(
        "accelerat" in module.text or "pytorch_lightning" in module.text or "load_state(" in module.text for module in modules.values()
    ):
        return
    for module in modules.values():
        for call in module.of(ast.Call):
            saved = call.args[0] if origin(module, call.func) == "torch.save" and call.args else None
            if isinstance(saved, ast.Name):
                values = module.assigned.get(saved.id, [])
                saved = values[0] if len(values) == 1 else None
            keys: dict[str | None, ast.expr] = {}
            if isinstance(saved, ast.Dict):
                keys = {text_of(key): value for key, value in zip(saved.keys, saved.values, strict=True) if key is not None}
            elif isinstance(saved, ast.Call) and last_name(saved.func) == "dict" and not saved.args:
                keys = {entry.arg: entry.value for entry in saved.keywords}
            lost = next((key for key, value in keys.items() if key and _is_state(value) and key not in asked), None)
            goes_on = any(key and EPOCH.search(key) and key in asked for key in keys)
            resumed = _resumed(modules, {key for key in keys if key}) if lost is not None and goes_on else None
            if resumed is not None:
                yield Violation(
                    resumed[0].location(resumed[1]),
                    f"the run goes on with the weights of a checkpoint, and the state of the optimizer in it (`{lost}`) is never loaded",
                    "load the state of the optimizer, too",
                    related=(Related(location=module.location(call), label="saved here"),),
                )


def _is_state(value: ast.expr) -> bool:
    """Whether a value is `optimizer.state_dict()`."""
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and value.func.attr == "state_dict"
        and OPTIMIZER.search(last_name(value.func.value)) is not None
    )


def _asked(module: Module) -> Iterator[str]:
    """The keys that anything is asked for: by a subscript, `get`, `pop`.

    Or a text that is compared or listed.
    """
    for node in module.of(ast.Constant):
        text = text_of(node)
        parent = module.parents.get(node)
        if text and not (isinstance(parent, ast.Dict) and node in parent.keys) and not isinstance(parent, ast.Expr):
            yield text


def _resumed(modules: dict[str, Module], keys: set[str]) -> tuple[Module, ast.Call] | None:
    """Where weights are loaded out of such a checkpoint."""
    for module in modules.values():
        for call in module.of(ast.Call):
            given = call.args[0] if last_name(call.func) == "load_state_dict" and call.args else None
            if isinstance(given, ast.Subscript) and text_of(given.slice) in keys:
                return module, call
    return None


PROGRAM = """import torch
from torch import nn

net = nn.Linear(4, 1)
optimizer = torch.optim.Adam(net.parameters())
saved = torch.load("last.pt")
net.load_state_dict(saved["net"]){marker}
{more}
for epoch in range({begin}, 10):
    optimizer.zero_grad()
    net(torch.randn(8, 4)).square().mean().backward()
    optimizer.step()
    torch.save({{"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}}, "last.pt")
"""
BAD = program(PROGRAM.format(more="print(net)", begin='saved["epoch"] + 1', marker="  # <- here"))
GOOD = [
    program(PROGRAM.format(more='optimizer.load_state_dict(saved["optimizer"])', begin='saved["epoch"] + 1', marker="")),
    program(
        PROGRAM.format(
            more='for part, name in ((optimizer, "optimizer"),):\n    part.load_state_dict(saved[name])',
            begin='saved["epoch"] + 1',
            marker="",
        )
    ),
    program(PROGRAM.format(more="print(net)", begin="0", marker="")),
]
