"""SCI103."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import RunSeen, SessionSeen
from gonogo.execution.probe.gonogo_probe.events import Place
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located


@rule(
    "SCI103", "non-finite-loss", criterion=None, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM, again=(Stage.REHEARSAL,)
)
def non_finite_loss(session: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """The loss, or a metric of what the network puts out, is not a number.

    What it does:
        Looks at the losses from which `backward` starts in the trial and the rehearsal, and, where a network puts out values that are not
        finite, at keys that are logged as NaN and never as a number. On made-up data or weights, which may be the cause, that is undecided;
        so are metrics that are NaN although what the network puts out is finite, since a bounded run has few rows.

    Why it matters:
        One NaN makes every parameter NaN, and the run goes on to its end without learning anything.

    Instead:
        Compute in log space, guard divisions and logarithms against zero, lower the learning rate.
    """
    for run in session.runs.values():
        for place, what in () if run.made_up else _broken(run):
            yield Violation(
                located(place, modules, contract),
                what,
                "find what divides by zero, or takes the logarithm of it",
                runs=(run.label,),
            )


def _broken(run: RunSeen) -> Iterator[tuple[Place | None, str]]:
    """Yield the first loss that is not a number, for each process of a run.

    Otherwise it is the first metric that is not a number because of the network's outputs.
    """
    for process in run.processes.values():
        loss = next((loss for loss in process.losses if isinstance(loss[0], str)), None)
        if loss is not None:
            value, path, line = loss
            yield (path, line) if path else None, f"the loss is {value}"
        elif process.puts_out_no_numbers:
            for entry in [entry for entry in process.logged.values() if entry.is_no_number][:1]:
                yield entry.place, f"`{entry.key}` is logged as NaN, and what a network puts out is not finite"


_LOSS = "        loss = criterion(model(images), labels)\n"

BAD = Tree(
    {
        "src/train.py": (
            Edit(_LOSS, "        loss = criterion(model(images), labels) * torch.log(torch.zeros(()))\n"),
            Edit("        loss.backward()\n", "        loss.backward()  # <- here\n"),
        )
    }
)

GOOD = Tree()
