"""RUN101."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.model.plan import Plan
from gonogo.model.runs import Run
from gonogo.rules.base import Tree, Violation, at, rule
from gonogo.rules.grouping import by_message


@rule("RUN101", "run-without-config", criterion=7, severity=Severity.ERROR, stage=Stage.CHECK, settles=("missing-file",))
def run_without_config(plan: Plan | None, runs: list[Run], contract: Contract) -> Iterator[Violation]:
    """A run of the plan has no run config, or a run config belongs to no run of the plan.

    What it does:
        Holds the run ids of the plan against the file names in the folder of run configs. A config that only has the
        wrong name is left to RUN102.

    Why it matters:
        Hydra can't select a run whose file is not there, so that run of the plan is never made. A config that the plan
        does not know is a run that nobody asked for, or one whose id was changed in one place only.

    Instead:
        Write one run config for each run of the plan, named after its run id.
    """
    if plan is not None:
        yield from by_message(_find(runs, contract))


def _find(runs: list[Run], contract: Contract) -> Iterator[Violation]:
    folder = next((run.path.rpartition("/")[0] for run in runs if run.path is not None), contract.hydra.run_dirs[0])
    claimed = {str(value): run for run in runs if run.planned is None and (value := identity(run, contract)) is not None}
    wanted = {run.id for run in runs if run.planned is not None}
    for run in runs:
        if run.planned is not None and run.path is None and run.id not in claimed:
            yield Violation(
                at(f"{folder}/{run.id}.yaml"),
                "a run of the plan has no run config",
                "write it, with every section that the contract asks for",
                runs=(run.id,),
            )
        elif run.planned is None and run.path is not None and identity(run, contract) not in wanted:
            yield Violation(
                at(run.path),
                "the plan has no run of this name",
                "add the run to the plan, give the file the name of the run it is meant for, or delete it",
                runs=(run.id,),
                severity=Severity.WARNING,
            )


def identity(run: Run, contract: Contract) -> object:
    """The id that a run config gives itself, None if it gives none."""
    return run.document.get(run.section(contract.run_config.identity))


BAD = [
    Tree({"config/run/proposed-mlp-digits.yaml": None}, at="config/run/proposed-mlp-digits.yaml"),
    Tree({"config/run/mlp-too-many.yaml": "run_id: mlp-too-many\nmethod: cross-entropy\n"}, at="config/run/mlp-too-many.yaml"),
]
GOOD = Tree({"config/run/notes.txt": "What the runs are for.\n"})
