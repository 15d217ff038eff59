"""MOD125."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, rule
from gonogo.rules.observed import located
from gonogo.rules.watched import beside, oddities


@rule("MOD125", "tie-broken", criterion=None, severity=Severity.WARNING, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def tie_broken(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, two layers that shared a matrix have one each when the training begins.

    What it does:
        Watches which modules are given the same parameter (`head.weight = embed.weight`). Reported where one of them is given another one
        of the same shape before the first step, and the two are still different then, and both are trained. A tie that is made again is
        fine, as `tie_weights` of transformers makes it.

    Why it matters:
        `embed.weight = nn.Parameter(pretrained)` and `load_state_dict(assign=True)` put a new tensor in one place only. The other one keeps
        the old values, here those made at random, and the two drift apart.

    Instead:
        Write into the shared tensor (`embed.weight.data.copy_(pretrained)`), or tie the two again afterwards.
    """
    for run, odd in oddities(trial, "tie"):
        yield Violation(
            located(odd.place, modules, contract),
            f"`{odd.name.replace(' and ', '` and `')}` shared one matrix until here, and are two different ones in the training",
            "write into the shared tensor, or tie the two again",
            runs=(run.label,),
            evidence=f"shape {', '.join(odd.details)}",
        )


_NET = """
embed, head = nn.Embedding(20, 8), nn.Linear(8, 20, bias=False)
head.weight = embed.weight
embed.weight = nn.Parameter(torch.randn(20, 8))HERE
MORE
network = nn.Sequential(embed, head)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for _ in range(3):
    loss = network(torch.arange(5)).pow(2).mean()
    STEP
"""
BAD = beside(_NET.replace("MORE", "pass").replace("HERE", "  # <- here"))
GOOD = [Tree(), beside(_NET.replace("MORE", "head.weight = embed.weight").replace("HERE", ""))]
