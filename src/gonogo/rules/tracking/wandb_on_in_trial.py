"""WDB103."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located


@rule("WDB103", "wandb-on-in-trial", criterion=6, severity=Severity.ERROR, stage=Stage.TRIAL, settles=("tracking",))
def wandb_on_in_trial(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """W&B is on in a trial.

    What it does:
        Watches `wandb.init` in the trial and reports a run that is not in the mode `disabled`, or that fails for want of a key.
        Silent where the contract has its trials tracked.

    Why it matters:
        Trials leave runs of two batches among the real ones, under the same ids, and fail where there is no network or no login.

    Instead:
        Set `mode="disabled"` where the trial flag is set.
    """
    if contract.tracking.in_trial:
        return
    for run in trial.runs.values():
        for process in run.processes.values():
            for happened in process.tracking:
                if happened.what == "init" and happened.mode == "disabled":
                    continue
                if happened.what in ("init", "init-failed"):
                    mode = happened.mode
                    yield Violation(
                        located(happened.place, modules, contract),
                        f"the trial starts a W&B run in the mode `{mode}`" if mode else "the trial starts a W&B run that is not disabled",
                        f'give `wandb.init` the mode "disabled" where `{contract.trial.key}` is set',
                        runs=(run.label,),
                        evidence=happened.error,
                    )
                    break


_MODE = '        mode="disabled" if cfg.trial_mode else cfg.wandb.mode,\n'

BAD = Tree(
    {
        "src/train.py": (
            Edit("    run = wandb.init(\n", "    run = wandb.init(  # <- here\n"),
            Edit(_MODE, '        mode="offline" if cfg.trial_mode else cfg.wandb.mode,\n'),
        )
    }
)

GOOD = Tree()
