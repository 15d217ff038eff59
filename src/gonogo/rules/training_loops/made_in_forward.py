"""TRN136."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.forward import calls_in_forward
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import origin
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule

LEARNS = re.compile(
    r"^torch\.nn\.(?:modules\.\w+\.)?(?:Linear|Bilinear|Conv\w+|Embedding|LSTM|GRU|RNN|BatchNorm\w*|LayerNorm|GroupNorm|InstanceNorm\w*|"
    r"MultiheadAttention|Transformer\w*|PReLU)$"
)


@rule("TRN136", "made-in-forward", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def made_in_forward(modules: dict[str, Module]) -> Iterator[Violation]:
    """A layer with weights is made and applied in `forward`, so its weights are new in each pass.

    What it does:
        Looks at the `forward` of each network. Speaks where a layer that has weights is made and applied at once, or kept in a local
        name that is only applied. A layer that is kept in an attribute of the network is left alone.

    Why it matters:
        The weights are drawn anew in each pass, no optimizer has them and no checkpoint holds them: the layer is a random projection
        that changes each time (PyTorch, `torch.nn.Module`: submodules are assigned in the constructor).

    Instead:
        Make the layer in `__init__` and keep it in an attribute.
    """
    for module in modules.values():
        for call in calls_in_forward(module):
            name = origin(module, call.func)
            # Without affine parameters a norm has no weights; what has running statistics still forgets them.
            affine = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            if LEARNS.match(name) and "False" not in (affine.get("affine"), affine.get("elementwise_affine")):
                short = name.rpartition(".")[2]
                yield Violation(
                    module.location(call),
                    f"this `{short}` is made in each forward pass: its weights are new each time and never learn",
                    "make it in `__init__` and keep it in an attribute",
                )


NETWORK = """import torch
from torch import nn


class Projector(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(8, 16)
        {init}

    def forward(self, inputs):
        hidden = self.body(inputs).tanh()
        {forward}
"""
BAD = [
    program(NETWORK.format(init="self.size = 4", forward="return nn.Linear(16, self.size)(hidden)  # <- here")),
    program(NETWORK.format(init="self.size = 4", forward="head = nn.Linear(16, 4)  # <- here\n        return head(hidden)")),
]
GOOD = [
    program(NETWORK.format(init="self.head = nn.Linear(16, 4)", forward="return self.head(hidden)")),
    program(NETWORK.format(init="self.head = None", forward="self.head = self.head or nn.Linear(16, 4)\n        return self.head(hidden)")),
    program(NETWORK.format(init="self.size = 4", forward="return nn.LayerNorm(16, elementwise_affine=False)(hidden)")),
]
