"""TRN179."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, rule
from gonogo.rules.observed import located
from gonogo.rules.watched import beside, named, oddities


@rule("TRN179", "in-no-optimizer", criterion=None, severity=Severity.WARNING, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def in_no_optimizer(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, parameters of a network get gradients, and no optimizer ever holds them.

    What it does:
        Looks at the networks that a run makes by itself, into which no values were loaded. Reported are parameters that had a gradient when
        an optimizer stepped, that no optimizer held from the beginning of the run to its end, and that still have the values which they
        began with. Silent where parameters of the same names and shapes are trained (a copy), and where the gate made up weights.

    Why it matters:
        Groups of parameters that are chosen by name leave out what no name matches; two optimizers that get the same network leave out the
        other. What is left out stays as it was made at random, and the rest learns to put up with it.

    Instead:
        Give the optimizers all parameters that want gradients, and compare the counts; `requires_grad_(False)` for what is to stay.
    """
    for run, odd in oddities(trial, "unheld"):
        if not run.made_up:
            yield Violation(
                located(odd.place, modules, contract),
                f"parameters of `{named(odd)}` get gradients, and no optimizer holds them: {'; '.join(odd.details)}",
                "give them to an optimizer, or `requires_grad_(False)` if they are to stay as they are",
                runs=(run.label,),
            )


_NET = """
network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
MORE
optimizer = torch.optim.SGD(network[2].parameters(), lr=0.1)HERE
for _ in range(3):
    loss = network(torch.randn(5, 4)).pow(2).mean()
    STEP
"""
BAD = beside(_NET.replace("MORE", "pass").replace("HERE", "  # <- here"))
GOOD = [Tree(), beside(_NET.replace("MORE", "network[0].requires_grad_(False)").replace("HERE", ""))]
