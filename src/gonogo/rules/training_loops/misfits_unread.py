"""TRN119."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import constant
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation


@rule("TRN119", "misfits-unread", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def misfits_unread(programs: list[Program]) -> Iterator[Violation]:
    """Weights are loaded with `strict=False`, and nothing looks at which of them did not fit.

    What it does:
        Speaks where `load_state_dict(…, strict=False)` stands alone, so that the missing and unexpected keys that it returns are lost.

    Why it matters:
        With other names in the file, such as a prefix `module.`, not a single weight is loaded, and the network goes on with random
        ones (PyTorch, `torch.nn.Module.load_state_dict`).

    Instead:
        Keep what it returns, and check that `missing_keys` holds only what is meant to be new.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for event in walked.calls("load_state_dict"):
        given = event.call.argument(1, "strict")
        if given is not None and constant(given) is False and isinstance(event.module.parents.get(event.node), ast.Expr):
            yield violation(
                event,
                "weights that do not fit are passed over here, and nothing looks at which they were",
                "keep what `load_state_dict` returns, and check its `missing_keys`",
            )


PROGRAM = """import torch
from torch import nn

model = nn.Linear(4, 1)
{load}
print(model(torch.randn(2, 4)))
"""
BAD = program(PROGRAM.format(load='model.load_state_dict(torch.load("weights.pt"), strict=False)  # <- here'))
GOOD = [
    program(PROGRAM.format(load='misfits = model.load_state_dict(torch.load("weights.pt"), strict=False); print(misfits)')),
    program(PROGRAM.format(load='model.load_state_dict(torch.load("weights.pt"))')),
]
