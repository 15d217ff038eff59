"""RUN102."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_message


@rule("RUN102", "run-id-mismatch", criterion=7, severity=Severity.ERROR, stage=Stage.CHECK)
def run_id_mismatch(runs: list[Run], contract: Contract) -> Iterator[Violation]:
    """A run config gives itself another id than its file name.

    What it does:
        Holds the `run_id` of each run config against the name of its file, by which Hydra selects it and under which
        the plan knows it.

    Why it matters:
        The run is started under one name and logged under the other: evaluation asks the tracker for a run that is not
        there.

    Instead:
        Give `run_id` and the file the same name, that of the plan.
    """
    yield from by_message(_find(runs, contract.run_config.identity))


def _find(runs: list[Run], key: str) -> Iterator[Violation]:
    for run in runs:
        path = run.section(key)
        value = run.document.get(path)
        if value is None or isinstance(value, (dict, list)) or "${" in str(value):
            continue
        if str(value) != run.id:
            yield Violation(
                run.locate(path),
                f"`{key}` and the name of the file differ",
                "give both the name that the plan gives the run",
                runs=(run.id,),
                evidence=f"{key}: {value} in {run.path}",
            )


BAD = Tree({"config/run/proposed-mlp-digits.yaml": Edit("run_id: proposed-mlp-digits", "run_id: proposed-mlp  # <- here")})
GOOD = Tree({"config/run/proposed-mlp-digits.yaml": Edit("run_id: proposed-mlp-digits", "run_id: 'proposed-mlp-digits'")})
