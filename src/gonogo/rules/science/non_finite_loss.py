"""SCI103."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located, made_up


@rule("SCI103", "non-finite-loss", criterion=None, severity=Severity.ERROR, stage=Stage.TRIAL)
def non_finite_loss(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """The loss is not a number.

    What it does:
        Looks at the losses from which `backward` starts in the trial. On made-up data or weights it is a warning: they may be the cause.

    Why it matters:
        One NaN makes every parameter NaN, and the run goes on to its end without learning anything.

    Instead:
        Compute in log space, guard divisions and logarithms against zero, lower the learning rate.
    """
    for run in trial.runs.values():
        for process in run.processes.values():
            broken = next((loss for loss in process.losses if isinstance(loss[0], str)), None)
            if broken is not None:
                value, path, line = broken
                yield Violation(
                    located((path, line) if path else None, modules, contract),
                    f"the loss is {value}",
                    "find what divides by zero, or takes the logarithm of it",
                    runs=(run.label,),
                    severity=Severity.WARNING if made_up(run) else None,
                )


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
