"""WDB109."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located


@rule("WDB109", "step-goes-back", criterion=6, severity=Severity.WARNING, stage=Stage.TRIAL, settles=("tracking",), again=[Stage.REHEARSAL])
def step_goes_back(session: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A row is logged with a step that lies before the last one.

    What it does:
        Watches `wandb.log` in the trial and in the rehearsal, and counts steps as the client does: a call without `step` goes on by one.

    Why it matters:
        The client drops such a row with a warning that nobody reads: the curve then lacks what it was for.

    Instead:
        Count one step for the whole run, or leave `step` out and log the epoch as a value.
    """
    for run in session.runs.values():
        for process in run.processes.values():
            for happened in process.tracking:
                if happened.what == "step-back":
                    yield Violation(
                        located(happened.place, modules, contract),
                        "it logs with a step that lies before the last one: the client drops the row",
                        "count one step for the whole run, or leave `step` out",
                        runs=(run.label,),
                        evidence=f"step {happened.step}, where the next is {happened.last}",
                    )


_LOG = '    wandb.log({"test_accuracy": test_accuracy, "test_loss": test_loss})\n'

BAD = Tree(
    {
        "src/train.py": (
            Edit('"val_loss": val_loss})\n', '"val_loss": val_loss}, step=epoch)\n'),
            Edit(_LOG, '    wandb.log({"test_accuracy": test_accuracy, "test_loss": test_loss}, step=0)  # <- here\n'),
        )
    }
)

GOOD = Tree()
