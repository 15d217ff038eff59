"""TRN176."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, rule
from gonogo.rules.observed import located
from gonogo.rules.watched import beside, named, oddities, unless

_KINDS = {
    "probabilities": (
        "this `nll_loss` is given probabilities, as `softmax` gives them, where it wants their logarithms",
        "use `cross_entropy` on the logits, or `log_softmax` before `nll_loss`",
    ),
    "dimension": (
        "the probabilities that the loss is given do not add up to one over the classes: `log_softmax` goes over another dimension",
        "take `log_softmax` over the dimension of the classes",
    ),
    "twice": (
        "this loss takes the softmax of what is already a softmax",
        "give `cross_entropy` the logits",
    ),
    "smoothed": (
        "the smoothed labels do not add up to one",
        "share the smoothing out among the classes: `onehot * (1 - eps) + eps / classes`, or `label_smoothing=eps`",
    ),
}


@rule("TRN176", "loss-misfed", criterion=None, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def loss_misfed(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, a loss over classes is given numbers that it has no meaning for.

    What it does:
        Looks, at the first backward passes, at what the loss functions of PyTorch kept for their gradients. Reported are a `nll_loss` of
        a softmax, one of a `log_softmax` over another dimension than that of the classes (over the batch, over time), a `cross_entropy` of
        a softmax, and, as a warning, smoothed labels whose rows add up to more or less than one. Only where it was so each time.

    Why it matters:
        Such a loss falls, and the network learns something else: to compare the rows of a batch with each other, or with gradients that
        vanish.

    Instead:
        Give `cross_entropy` the logits, with the classes in the second dimension.
    """
    for run, odd in oddities(trial, "loss"):
        if odd.wrong == odd.looked and named(odd) in _KINDS:
            message, action = _KINDS[named(odd)]
            yield Violation(
                located(odd.place, modules, contract),
                message,
                action,
                runs=(run.label,),
                severity=unless(named(odd) == "smoothed"),
                evidence="; ".join([*odd.details[:2], f"backward passes looked at: {odd.looked}"]),
            )


_NET = """
network = nn.Linear(4, 3)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for _ in range(3):
    loss = nn.functional.nll_loss(torch.log_softmax(network(torch.randn(5, 4)), dim=DIM), torch.tensor([0, 1, 2, 1, 0]))
    STEP
"""
BAD = beside(_NET.replace("DIM", "0").replace("STEP", "STEP  # <- here"))
GOOD = [Tree(), beside(_NET.replace("DIM", "1"))]
