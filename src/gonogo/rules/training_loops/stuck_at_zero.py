"""TRN156."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located
from gonogo.rules.watched import optimizers


@rule("TRN156", "stuck-at-zero", criterion=4, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def stuck_at_zero(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """Both factors of a product are zero and stay so: an adapter that never adapts.

    What it does:
        Looks at the matrices that an optimizer holds, at its first steps in the trial. Speaks of two that stand one after the other,
        whose shapes fit a product of low rank, and that are zero throughout, with gradients that are zero throughout, at two steps or
        more. With one factor at zero, as LoRA begins, the other's gradient is zero at the first step alone.

    Why it matters:
        The gradient of each factor is the other one times something. Neither ever moves: the network is the one without the adapter, and
        what is reported of the method is that of its baseline.

    Instead:
        Begin one of the factors at random numbers.
    """
    for run, _, optimizer in optimizers(trial):
        if optimizer.stuck and optimizer.steps > 1:
            yield Violation(
                located(optimizer.place, modules, contract),
                f"factors that `{optimizer.name}` holds are both zero, and so are their gradients: they stay so",
                "begin one of the factors at random numbers",
                runs=(run.label,),
                evidence=f"after {optimizer.looked} steps: {'; '.join(optimizer.stuck[:4])}",
            )


_HEAD = "        self.output = nn.Linear(hidden_units, num_classes)\n"
_FACTORS = "        self.down = nn.Parameter({first}(64, 4))\n        self.up = nn.Parameter(torch.zeros(4, hidden_units))\n"
_HIDDEN = "        activations = torch.relu(self.hidden(images))\n"
_ADAPTED = Edit(_HIDDEN, "        activations = torch.relu(self.hidden(images) + images @ self.down @ self.up)\n")
_MADE = Edit("    return torch.optim.SGD(\n", "    return torch.optim.SGD(  # <- here\n")
BAD = Tree({"src/model.py": (Edit(_HEAD, _HEAD + _FACTORS.format(first="torch.zeros")), _ADAPTED, _MADE)})
GOOD = Tree({"src/model.py": (Edit(_HEAD, _HEAD + _FACTORS.format(first="torch.randn")), _ADAPTED)})
