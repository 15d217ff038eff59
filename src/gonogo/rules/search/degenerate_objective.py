"""OPT106."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import Process, SessionSeen
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import judged, located


@rule("OPT106", "degenerate-objective", criterion=7, severity=Severity.ERROR, stage=Stage.REHEARSAL, settles=("search",))
def degenerate_objective(rehearsal: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A trial of the search asks for no parameter.

    What it does:
        Watches Optuna in the rehearsal: a trial that ended with a value although its objective never asked it for a parameter is reported,
        where nothing else could have set its parameters.

    Why it matters:
        Every trial is then the same trial: the search spends its time and finds nothing.

    Instead:
        Take the parameters from `trial.suggest_…` and use them in the objective.
    """
    for run in judged(rehearsal):
        for process in run.processes.values():
            for place in _idle(process):
                yield Violation(
                    located(place, modules, contract),
                    "the search asks its trials for no parameter, so they are all the same",
                    "call `trial.suggest_…` for every parameter of the search space, and use what it gives",
                    runs=(run.label,),
                )


def _idle(process: Process) -> Iterator[tuple[str, int] | None]:
    if process.suggestions:
        return
    optimised = {happened.place for happened in process.searches if happened.what == "optimize"}
    ended = [happened for happened in process.searches if happened.what == "value" and happened.place in optimised]
    if ended:
        yield ended[0].place


_OBJECTIVE = "        suggested = {name: suggest(trial, name, space) for name, space in cfg.run.optuna.search_space.items()}\n"

BAD = Tree(
    {
        "src/train.py": (
            Edit(_OBJECTIVE, "        suggested = {name: space.low for name, space in cfg.run.optuna.search_space.items()}\n"),
            Edit(
                "    study.optimize(objective, n_trials=cfg.run.optuna.n_trials)\n",
                "    study.optimize(objective, n_trials=cfg.run.optuna.n_trials)  # <- here\n",
            ),
        )
    }
)

GOOD = Tree()
