"""TRN182."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, rule
from gonogo.rules.observed import located
from gonogo.rules.watched import beside, named, oddities


@rule("TRN182", "fresh-statistics", criterion=None, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def fresh_statistics(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, a copy of the network predicts with statistics of BatchNorm that it never took.

    What it does:
        Looks at the networks that are called without being trained, after an optimizer's first step. Reported is one in `eval` mode whose
        BatchNorm layers never saw a batch (`num_batches_tracked` is 0, the mean is 0, the variance 1) while those of another network of the
        same class did, at each such call.

    Why it matters:
        An average of weights (EMA, SWA, a teacher) that goes over `parameters()` leaves out the buffers. Its BatchNorm then scales by
        nothing that was ever seen, and it predicts as if it had not been trained.

    Instead:
        Copy the buffers too (`zip(ema.buffers(), model.buffers())`), or call `update_bn`.

    References:
        https://docs.pytorch.org/docs/stable/optim.html#taking-care-of-batch-normalization
    """
    for run, odd in oddities(trial, "statistics"):
        if odd.wrong == odd.looked:
            yield Violation(
                located(odd.place, modules, contract),
                f"this copy of `{named(odd)}` predicts with statistics of BatchNorm that it never took",
                "copy the buffers too, or take the statistics anew with `update_bn`",
                runs=(run.label,),
                evidence=f"layers without statistics: {', '.join(odd.details)}; calls looked at: {odd.looked}",
            )


_NET = """
network, average = (nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2)) for _ in range(2))
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for _ in range(3):
    loss = network(torch.randn(5, 4)).pow(2).mean()
    STEP
pairs = [*zip(average.parameters(), network.parameters()), *zip(BUFFERS, network.buffers())]
for old, new in pairs:
    old.data.copy_(new.data)
average.eval()
average(torch.randn(5, 4))HERE
"""
BAD = beside(_NET.replace("BUFFERS", "[]").replace("HERE", "  # <- here"))
GOOD = [Tree(), beside(_NET.replace("BUFFERS", "average.buffers()").replace("HERE", ""))]
