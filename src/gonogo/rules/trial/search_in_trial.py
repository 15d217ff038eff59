"""TRI103."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located


@rule("TRI103", "search-in-trial", criterion=9, severity=Severity.ERROR, stage=Stage.TRIAL, settles=("trial",))
def search_in_trial(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """The hyper-parameter search runs in a trial.

    What it does:
        Watches Optuna in the trial: a study that is optimised, or a trial of a study that the code asks for, is reported.

    Why it matters:
        A trial has to be quick and to show the code of one run; a search trains many times over.

    Instead:
        Search only where the trial flag is not set.
    """
    for run in trial.runs.values():
        happened = [each for process in run.processes.values() for each in process.searches if each.what in ("optimize", "trial")]
        if happened:
            yield Violation(
                located(happened[0].place, modules, contract),
                "the search runs in the trial",
                f"leave it out where `{contract.trial.key}` says that it is a trial",
                runs=(run.label,),
            )


_CALL = "    found = search(cfg) if cfg.run.optuna.enabled and not cfg.trial_mode else {}\n"
_OPTIMISE = "    study.optimize(objective, n_trials=cfg.run.optuna.n_trials)\n"

BAD = Tree(
    {
        "src/train.py": (
            Edit(_CALL, "    found = search(cfg) if cfg.run.optuna.enabled else {}\n"),
            Edit(_OPTIMISE, _OPTIMISE.replace("\n", "  # <- here\n")),
        )
    }
)

GOOD = Tree()
