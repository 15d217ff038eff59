"""TRI107."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.causes import fails_for_any_runs
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.evaluation.config_from_nowhere import missing_file
from gonogo.rules.observed import failures


@rule("TRI107", "evaluation-fails", criterion=8, severity=Severity.ERROR, stage=Stage.REHEARSAL, settles=("crash",))
def evaluation_fails(
    rehearsal: SessionSeen, modules: dict[str, Module], contract: Contract, complete_rehearsal: bool
) -> Iterator[Violation]:
    """The evaluation fails on the runs that were just rehearsed.

    What it does:
        Starts the documented evaluation on the rehearsed runs, which the local tracker has, and reports it where it does not end
        with exit code 0. Where a run failed, or not all runs were rehearsed, it speaks of failures alone that do not depend on the runs:
        a name, module or argument that is not there, wrong usage.

    Why it matters:
        The evaluation comes last: what it stumbles over is found when all the computing is done.

    Instead:
        Mend the line named: ask for what the runs log, under the names under which they log it.
    """
    # A missing file is another rule's.
    chain = rehearsal.evaluation.failure() if rehearsal.evaluation is not None else None
    says = complete_rehearsal or fails_for_any_runs(chain)
    if rehearsal.evaluation is not None and says and missing_file(chain) is None:
        for fault in failures([rehearsal.evaluation], modules, contract, contract.evaluation.module):
            yield Violation(fault.location, f"the evaluation fails: {fault.message}", fault.action, fault.related, (), fault.evidence)


BAD = Tree(
    {
        "src/evaluate.py": Edit(
            '        "test_loss": float(run.summary["test_loss"]),\n',
            '        "test_loss": float(run.summary["test"]["loss"]),  # <- here\n',
        )
    }
)

GOOD = Tree()
