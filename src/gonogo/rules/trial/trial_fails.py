"""TRI101."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import failures


@rule("TRI101", "trial-fails", criterion=9, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM, settles=("crash", "trial"))
def trial_fails(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """The trial of a run fails.

    What it does:
        Runs the documented trial command of each run in the sandbox and reports one that does not end with exit code 0, at the
        experiment's own line that led to it. Failures for want of the network, of data or of time are not counted.

    Why it matters:
        What fails on two batches fails on all of them.

    Instead:
        Mend the line named. `gonogo trial PATH RUN` runs one run and shows all that it says.
    """
    yield from failures(trial.runs.values(), modules, contract, contract.commands["trial"].module)


_STACK = "    all_labels = torch.cat([batch_labels for _, batch_labels in batches])\n"

BAD = Tree({"src/train.py": Edit(_STACK, _STACK.replace("batches])\n", "batches], dim=2)  # <- here\n"))})

GOOD = Tree()
