"""DAT121."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, rule
from gonogo.rules.observed import located
from gonogo.rules.watched import beside, oddities

FEWEST = 3  # batches


@rule("DAT121", "same-views", criterion=None, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def same_views(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, a network is trained on two views of each example that are the same one.

    What it does:
        Compares the arrays of the first batches of each loader. Reported where two of them hold the same numbers, row by row, and the
        network is given both of them, one after the other or in one batch. An input that is its own target, as an autoencoder's, is given
        to the network once.

    Why it matters:
        Contrastive learning and consistency compare two views that differ. Here the pair is alike before anything is learned, and the
        loss is about the other rows alone.

    Instead:
        Draw an augmentation for each view: `return augment(image), augment(image)`.
    """
    for run, odd in oddities(trial, "views"):
        if odd.wrong >= FEWEST:
            yield Violation(
                located(odd.place, modules, contract),
                "the two views of each example are the same one, number by number",
                "draw an augmentation for each of them",
                runs=(run.label,),
                evidence=f"batches in which they are: {odd.wrong}",
            )


_NET = """
one, other = torch.randn(12, 4), torch.randn(12, 4)
rows = torch.utils.data.TensorDataset(one, OTHER)
network = nn.Linear(4, 8)
for a, b in DataLoader(rows, batch_size=4):HERE
    (network(a) - network(b)).pow(2).mean().backward()
"""
BAD = beside(_NET.replace("OTHER", "one.clone()").replace("HERE", "  # <- here"))
GOOD = [Tree(), beside(_NET.replace("OTHER", "other").replace("HERE", ""))]
