"""TRN134."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located
from gonogo.rules.watched import LOOKED_AT, optimizers


@rule("TRN134", "gradients-pile-up", criterion=None, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def gradients_pile_up(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, every step is on the gradients of all batches so far.

    What it does:
        Watches the gradients of each optimizer's parameters in the trial. Reported is one that steps two times or more and whose gradients
        were, at the first backward pass after each step, still those of that step, with nothing that clears them before the next one.
        Gradients gathered over several batches before one step are not meant.

    Why it matters:
        The step is along the sum of all gradients since the beginning: training diverges or crawls, and no message says why.

    Instead:
        Call `optimizer.zero_grad()` once for each step.
    """
    for run, _, optimizer in optimizers(trial):
        looked = min(optimizer.steps, LOOKED_AT)
        if looked >= 2 and optimizer.uncleared == looked - 1:
            yield Violation(
                located(optimizer.place, modules, contract),
                f"the gradients of `{optimizer.name}` are never cleared between its steps",
                "call `zero_grad()` once for each step",
                runs=(run.label,),
                evidence=f"of {looked} steps, {optimizer.uncleared} on top of the gradients of the step before",
            )


BAD = Tree(
    {
        "src/train.py": Edit("        optimizer.zero_grad()\n", "        _ = optimizer.zero_grad\n"),
        "src/model.py": Edit("    return torch.optim.SGD(\n", "    return torch.optim.SGD(  # <- here\n"),
    }
)

GOOD = Tree({"src/train.py": Edit("        optimizer.zero_grad()\n", "        model.zero_grad()\n")})
