"""TRN137."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.forward import calls_in_forward, forwards
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, origin
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule

LAYER = re.compile(r"^torch\.nn\.(?:modules\.dropout\.)?(?:Alpha|FeatureAlpha)?Dropout[123]?d?$")
FUNCTION = re.compile(r"^torch\.nn\.functional\.(?:feature_)?(?:alpha_)?dropout[123]?d?$")
ON_PURPOSE = re.compile(
    r"mc|monte|uncertain|bayes|ensemble|augment|noise|corrupt|prenet", re.I
)  # Tacotron's prenet drops when it speaks, too


@rule("TRN137", "dropout-always-on", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def dropout_always_on(modules: dict[str, Module]) -> Iterator[Violation]:
    """Dropout of a network does not follow its mode: it goes on dropping when the network is evaluated.

    What it does:
        Looks at the `forward` of each network. Speaks where `functional.dropout` is called without `training`, which is True unless it
        is given, and where an `nn.Dropout` is made within `forward`, which is in train mode whatever the network is in. Classes whose
        names speak of Monte-Carlo dropout, noise or augmentation are left alone, and so is dropout under `if self.training`.

    Why it matters:
        After `model.eval()` units are still dropped: scores are lower and differ from call to call (PyTorch,
        `torch.nn.functional.dropout`: `training=True`).

    Instead:
        Write `F.dropout(x, p, training=self.training)`, or make an `nn.Dropout` in `__init__`.
    """
    for module in modules.values():
        for call, message in _found(module):
            if not any(_speaks_of(node) for node in ancestors(module, call)):
                yield Violation(
                    module.location(call), message, "give `training=self.training`, or make an `nn.Dropout` in `__init__` and apply that"
                )


def _found(module: Module) -> Iterator[tuple[ast.Call, str]]:
    for call in calls_in_forward(module):
        if LAYER.match(origin(module, call.func)):
            yield call, "this dropout is made in `forward`, in train mode: it goes on dropping when the network is evaluated"
    for _, function in forwards(module):
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and FUNCTION.match(origin(module, node.func)) and not _has_mode(node):
                yield node, "`dropout` is called without `training`: it goes on dropping when the network is evaluated"


def _has_mode(call: ast.Call) -> bool:
    return (
        len(call.args) > 2
        or any(isinstance(entry, ast.Starred) for entry in call.args)
        or any(keyword.arg in ("training", None) for keyword in call.keywords)
        or "training" in ast.unparse(call)  # `self.rate if self.training else 0.0`
    )


def _speaks_of(node: ast.AST) -> bool:
    """Whether what a call stands in drops on purpose, or asks for the mode itself."""
    if isinstance(node, ast.ClassDef):
        return ON_PURPOSE.search(node.name) is not None
    return isinstance(node, (ast.If, ast.IfExp)) and "training" in ast.unparse(node.test)


NETWORK = """import torch.nn.functional as F
from torch import nn


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(8, 16)
        self.drop = nn.Dropout(0.5)

    def forward(self, inputs):
        hidden = self.body(inputs)
        {forward}
"""
BAD = [
    program(NETWORK.format(forward="return F.dropout(hidden, p=0.5)  # <- here")),
    program(NETWORK.format(forward="return nn.Dropout(0.5)(hidden)  # <- here")),
]
GOOD = [
    program(NETWORK.format(forward="return F.dropout(hidden, p=0.5, training=self.training)")),
    program(NETWORK.format(forward="return self.drop(hidden)")),
    program(NETWORK.format(forward="return F.dropout(hidden) if self.training else hidden")),
]
