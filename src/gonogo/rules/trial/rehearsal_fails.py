"""TRI106."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import failures


@rule("TRI106", "rehearsal-fails", criterion=9, severity=Severity.ERROR, stage=Stage.REHEARSAL, settles=("crash",))
def rehearsal_fails(rehearsal: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """The full command of a run fails, although only two batches of it were run.

    What it does:
        Runs the documented full command of each run in the sandbox, bounded to two batches for each loader, one epoch and one trial of
        the search, with a local tracker, and reports one that does not end with exit code 0. One whose failure
        may be for the lowered config is run a second time without any change to it.

    Why it matters:
        The trial leaves out the search, the tracking and the last epoch: what fails there fails after hours on an accelerator.

    Instead:
        Mend the line named. `gonogo rehearse PATH RUN` runs one run and shows all that it says.
    """
    yield from failures(rehearsal.runs.values(), modules, contract, contract.commands["full"].module)


_SPACE = "        suggested = {name: suggest(trial, name, space) for name, space in cfg.run.optuna.search_space.items()}\n"

BAD = Tree(
    {
        "src/train.py": Edit(
            _SPACE,
            "        spaces = cfg.run.optuna.search_space.items()\n"
            "        suggested = {name: trial.suggest_float(name, *list(space.values())[:2]) for name, space in spaces}  # <- here\n",
        )
    }
)

GOOD = Tree()
