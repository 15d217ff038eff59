"""TRI123."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.project.work import reached, training_statements
from gonogo.analysis.python.modules import Module
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_message
from gonogo.rules.places import training_place


@rule("TRI123", "trial-shares-nothing", criterion=9, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("trial",))
def trial_shares_nothing(traces: list[Trace], modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """The trial runs none of the code that trains in a full run.

    What it does:
        Follows each run's full command and its trial command to the end, and compares the statements that compute gradients, or train a
        whole model, to which each of them comes. Speaks where the full run comes to some and the trial to none of these.

    Why it matters:
        A trial is there to show that the code of the full run works: one that runs other code, or none, shows nothing.

    Instead:
        Let the trial go through the same code, with fewer epochs and batches.
    """
    trains = training_statements(training_modules(modules, contract))
    yield from by_message(_found(traces, trains, modules, contract))


def _found(traces: list[Trace], trains: list, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:  # type: ignore[type-arg]
    by_run: dict[str, dict[str, Trace]] = {}
    for trace in traces:
        by_run.setdefault(trace.run_id, {})[trace.command] = trace
    for run_id, commands in by_run.items():
        full, trial = commands.get("full"), commands.get("trial")
        if full is None or trial is None or not (full.complete and trial.complete) or full.raised or trial.raised:
            continue
        if any(process.assumed or process.failing or process.run_lost for trace in (full, trial) for process in trace.processes):
            continue
        whole, bounded = reached(full, trains), reached(trial, trains)
        if whole and not whole & bounded:
            yield Violation(
                training_place(modules, contract),
                "the trial runs other code than the full run: it comes to none of the statements that train there"
                if bounded
                else "the trial trains nothing: it comes to none of the statements that train in the full run",
                "let the trial go through the code of the full run, with fewer epochs and batches",
                runs=(run_id,),
            )


_FIRST = '    """Search, train, test and log the selected run."""\n'
_MAIN = Edit("def main(cfg: DictConfig) -> None:\n", "def main(cfg: DictConfig) -> None:  # <- here\n")
_FIT = "    model, _ = fit(cfg, found, log_to_wandb=True)\n"
BAD = Tree({"src/train.py": (_MAIN, Edit(_FIRST, _FIRST + '    if cfg.trial_mode:\n        print("ok")\n        return\n'))})
GOOD = [
    Tree({"src/train.py": Edit(_FIRST, _FIRST + "    if cfg.trial_mode:\n        fit(cfg, {}, log_to_wandb=False)\n        return\n")}),
    Tree({"src/train.py": Edit(_FIT, _FIT.replace("log_to_wandb=True", "log_to_wandb=not cfg.trial_mode"))}),
]
