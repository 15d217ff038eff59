"""TRN175."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, rule
from gonogo.rules.observed import located
from gonogo.rules.watched import beside, named, oddities


@rule("TRN175", "part-without-gradient", criterion=None, severity=Severity.WARNING, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def part_without_gradient(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, an optimizer holds a part of a network that runs and never gets a gradient.

    What it does:
        Looks at each part of a network (a backbone, an embedding, a head) whose parameters all want gradients, are all held by an
        optimizer that stepped at least twice, and belong to a part that was called in train mode. Reported are those that had no gradient
        at any step and still have the values that they began with. Silent where parameters of the same names and shapes are trained: the
        part may be the target of an average. Silent too about a part in `eval` mode, about one that did not run, and about parameters
        that want no gradients: these are frozen on purpose.

    Why it matters:
        `torch.no_grad()`, `.detach()`, `.item()` or `.data` on the way to the loss freezes everything before it. The rest still learns and
        the loss still falls, so that nothing tells that most of the network stays as it was made at random.

    Instead:
        Let the loss reach the part. One that is to stay as it is gets `requires_grad_(False)`, and is left out of the optimizer.
    """
    for run, odd in oddities(trial, "idle"):
        yield Violation(
            located(odd.place, modules, contract),
            f"the optimizer holds parts of `{named(odd)}` that run in train mode and never get a gradient: {'; '.join(odd.details)}",
            "let the loss reach them (`no_grad`, `detach`, `item` and `data` cut it off), or freeze them with `requires_grad_(False)`",
            runs=(run.label,),
        )


_NET = """
network = nn.Module()
network.body, network.head = nn.Linear(4, 8), nn.Linear(8, 2)
MORE
network.forward = lambda x: network.head(network.body(x)CUT)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)HERE
for _ in range(3):
    loss = network(torch.randn(5, 4)).pow(2).mean()
    STEP
"""


def _tried(cut: str = "", more: str = "pass", here: str = "") -> Tree:
    return beside(_NET.replace("CUT", cut).replace("MORE", more).replace("HERE", here))


BAD = _tried(".detach()", here="  # <- here")
GOOD = [Tree(), _tried(".detach()", "network.body.requires_grad_(False)")]
