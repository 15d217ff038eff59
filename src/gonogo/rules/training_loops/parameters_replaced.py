"""TRN133."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, quoted, rule
from gonogo.rules.observed import located
from gonogo.rules.watched import optimizers


@rule("TRN133", "parameters-replaced", criterion=None, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def parameters_replaced(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, an optimizer holds replaced tensors, and none holds the network's new ones.

    What it does:
        Watches in the trial which tensors each optimizer holds. Reported is one that holds, beside parameters of a network that runs,
        tensors which no such network has and which never had a gradient, while the network has parameters with gradients that no
        optimizer holds.

    Why it matters:
        The new layer stays as it was made at random, and everything before it is trained to suit it.

    Instead:
        Replace the layer first, then make the optimizer.
    """
    for run, _, optimizer in optimizers(trial):
        if optimizer.stale and optimizer.unheld and optimizer.steps:
            yield Violation(
                located(optimizer.place, modules, contract),
                f"`{optimizer.name}` was made before {', '.join(quoted(optimizer.unheld, 3))} took the place of what it holds",
                "make the optimizer after the network is complete",
                runs=(run.label,),
                evidence=f"held and in no network, without a gradient: {', '.join(optimizer.stale[:4])}",
            )


_MADE = "    optimizer = build_optimizer(cfg.run.training.optimizer, model, optimizer_settings(cfg, found))\n"

BAD = Tree(
    {
        "src/train.py": Edit(
            _MADE, f"{_MADE}    setattr(model, 'output', nn.Linear(cfg.run.model.hidden_units, cfg.run.model.num_classes))\n"
        ),
        "src/model.py": Edit("    return torch.optim.SGD(\n", "    return torch.optim.SGD(  # <- here\n"),
    }
)

_PROBE = """    optimizer = torch.optim.SGD(model.output.parameters(), lr=0.1)
"""
GOOD = Tree({"src/train.py": Edit(_MADE, _PROBE)})
