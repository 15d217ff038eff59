"""WDB112."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import RunSeen, SessionSeen
from gonogo.execution.probe.gonogo_probe.events import Tracking
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import all_watched, cleaned, judged, located

# What the client raises where nothing answers it, or not in time: that may be for this machine.
_UNANSWERED = re.compile(r"comm|timeout|connect|network|service", re.IGNORECASE)


@rule("WDB112", "run-not-tracked", criterion=6, severity=Severity.ERROR, stage=Stage.REHEARSAL, settles=("tracking",))
def run_not_tracked(rehearsal: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A full run ends well and leaves no run at W&B.

    What it does:
        Reports a rehearsed run that ends with exit code 0 although none of its processes began a run at the local tracker: it never calls
        `wandb.init`, always with W&B switched off, or goes on where the call fails. Silent where a process could not be watched, where
        the tracker has a run that nobody was seen to begin, where runs are kept offline, and where the tracker did not answer.

    Why it matters:
        The run burns its hours, and evaluation, which reads everything from W&B, finds nothing.

    Instead:
        Call `wandb.init` in every full run, and let its failure end the run.
    """
    if rehearsal.tracked is None or not contract.tracking.config_keys:
        return
    begun = {happened.id for run in rehearsal.runs.values() for happened in _tracking(run) if happened.what == "init"}
    if any(tracked.id not in begun for tracked in rehearsal.tracked):
        return
    for run in judged(rehearsal):
        events = _tracking(run)
        modes = {happened.mode for happened in events if happened.what == "init"}
        if modes - {"disabled"} or not all_watched(run) or _UNANSWERED.search("".join(_errors(events)).partition(":")[0]):
            continue
        errors = _errors(events)
        how = (
            "`wandb.init` fails, which the code lets pass" if errors else "W&B is switched off" if events else "it never calls `wandb.init`"
        )
        yield Violation(
            located(events[-1].place if events else None, modules, contract),
            f"the full run ends with exit code 0 and leaves no run at W&B: {how}",
            "begin a run at W&B in every full run, and let the run end where that fails",
            runs=(run.label,),
            evidence=cleaned("\n".join(errors)),
        )


def _tracking(run: RunSeen) -> list[Tracking]:
    return [happened for process in run.processes.values() for happened in process.tracking if happened.what in ("init", "init-failed")]


def _errors(events: list[Tracking]) -> list[str]:
    return [happened.error for happened in events if happened.what == "init-failed"]


_INIT = "    run = wandb.init(\n"
_MODE = '        mode="disabled" if cfg.trial_mode else cfg.wandb.mode,\n'

BAD = Tree(
    {
        "src/train.py": (
            Edit(_INIT, "    run = wandb.init(  # <- here\n"),
            Edit(_MODE, '        mode="disabled" if cfg.trial_mode or cfg.run.training.epochs else cfg.wandb.mode,\n'),
        )
    }
)
GOOD = Tree({"src/train.py": Edit(_MODE, '        mode="disabled" if cfg.trial_mode else "offline",\n')})
