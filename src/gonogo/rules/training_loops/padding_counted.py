"""TRN178."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, rule
from gonogo.rules.observed import located
from gonogo.rules.watched import beside, oddities


@rule("TRN178", "padding-counted", criterion=None, severity=Severity.WARNING, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def padding_counted(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, the loss over the words of a text counts the places that are declared to be padding.

    What it does:
        Looks at losses over classes with one label for each place of a text. An embedding of the network has a `padding_idx`; at all places
        with that word the label is one and the same, the loss does not pass over it (`ignore_index`, a weight, `reduction="none"`), and
        there are more of them than one for each text, which could stand for its end.

    Why it matters:
        The loss is mostly that of the padding where texts are short: it falls quickly and says little, and what is learned of the words
        depends on how long the other texts of the batch are. So does an accuracy that is computed in the same way.

    Instead:
        `CrossEntropyLoss(ignore_index=padding)`, or labels of -100 at padding.
    """
    for run, odd in oddities(trial, "padding"):
        if odd.wrong == odd.looked:
            yield Violation(
                located(odd.place, modules, contract),
                "the loss counts the places of padding",
                "pass over them: `ignore_index`, or labels of -100",
                runs=(run.label,),
                evidence=odd.details[0],
            )


_NET = """
words = torch.arange(1, 41).reshape(4, 10) * (torch.arange(10) < 6)
network = nn.Sequential(nn.Embedding(41, 8, padding_idx=0), nn.Linear(8, 41))
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for _ in range(3):
    loss = nn.functional.cross_entropy(network(words[:, :-1]).flatten(0, 1), words[:, 1:].flatten()MORE)
    STEP
"""
BAD = beside(_NET.replace("MORE", "").replace("STEP", "STEP  # <- here"))
GOOD = [Tree(), beside(_NET.replace("MORE", ", ignore_index=0"))]
